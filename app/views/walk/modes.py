"""Walk's modes as the server draws them: those that the browser never draws, and all if it cannot run the model."""

from functools import partial

import streamlit as st

from aecore.session.scale import Scale
from aecore.session.session import Session
from app.live import walk as live_walk
from app.live import walk_messages, walk_moves, walk_place
from app.live.walk_place import Place
from app.state import url
from app.state.place import DRAW, PICK, PLANE_X, PLANE_Y, WALK_WIDGET, turn_units, units_page
from app.state.url import number, whole
from app.views.walk.filmstrip import FRAMES, Film, Paging, films
from app.widgets.picture import picture_error
from app.widgets.tiles import tiles

UNITS_SHOWN = 6
ALONG = Scale(0.0, 1.0, 0.02)


def units(place: Place) -> None:
    """A page of filmstrips, one for each unit."""
    order = [int(unit) for unit in place.session.units_by_effect()]
    pages = -(-len(order) // UNITS_SHOWN)
    page = min(units_page(place.session.run_id), pages - 1)
    shown = order[page * UNITS_SHOWN : (page + 1) * UNITS_SHOWN]
    films(
        [_film(place, unit) for unit in shown],
        f"{WALK_WIDGET}films",
        lambda row, value: walk_moves.move(place, shown[row], value),
        rounds=f"{place.token} {page}",
        paging=Paging(
            page,
            pages,
            f"{page * UNITS_SHOWN + 1} to {page * UNITS_SHOWN + len(shown)} of {len(order)} units, by effect",
            lambda turned: turn_units(place.session.run_id, turned),
        ),
    )


def _film(place: Place, unit: int) -> Film:
    session, scale = place.session, place.scale(unit)
    _, images = session.walk(place.now, unit, values=scale.values(FRAMES))
    return Film(
        f"unit {unit}",
        _unit_words(session, unit),
        images,
        scale,
        float(place.now[unit]),
        float(place.base[unit]),
        faint=bool(session.dead[unit]),
    )


def _unit_words(session: Session, unit: int) -> str:
    words = walk_place.effect_words(session.effects[unit])
    if "kl" in session.unit_figures:
        words += f", KL {session.unit_figures['kl'][unit]:.2f} nats"
    return words + (", hardly used" if session.dead[unit] else "")


def between(place: Place) -> None:
    """The path to another image, and the choice of that image."""
    parameters, session, gallery = place.parameters, place.session, place.gallery
    how = walk_place.how(parameters)
    key = f"{WALK_WIDGET}how"
    url.hold(key, how)
    st.segmented_control(
        "Path",
        list(walk_place.HOWS),
        key=key,
        required=True,
        format_func=str.capitalize,
        label_visibility="collapsed",
        on_change=lambda: walk_moves.choose_how(st.session_state[key]),
        help="Linear: a straight line. Spherical: along a circle, so that the code keeps its length.",
    )
    other = walk_place.other_image(parameters, gallery)
    if walk_messages.off(session.run_id) is None:
        live_walk.path(place)
    else:
        _path(place, other, how)
    st.caption("Morph into")
    labels = [walk_place.image_label(gallery, i) for i in range(len(gallery.images))]
    tiles(gallery.images, "Images to morph into", labels, f"{WALK_WIDGET}other", walk_moves.choose_other, chosen=other)


def _path(place: Place, other: int, how: walk_place.How) -> None:
    """The path to another image as one filmstrip."""
    parameters, session, gallery = place.parameters, place.session, place.gallery
    to = walk_place.other_code(parameters, session, gallery)
    _, images = session.interpolate(place.origin, to, FRAMES, how)
    ends = (walk_place.image_label(gallery, place.image), walk_place.image_label(gallery, other))
    film = Film("position", "between A and B", images, ALONG, walk_place.along(parameters), 0.0, ends)
    films(
        [film],
        f"{WALK_WIDGET}way",
        lambda _, value: walk_moves.go_between(value),
        rounds=f"{session.run_id} {place.image} {other} {how}",
    )


def plane(place: Place) -> None:
    """A grid of pictures over the plane of two units; picking one moves both."""
    parameters, session = place.parameters, place.session
    order = [int(unit) for unit in session.units_by_effect()]
    if len(order) < 2:
        picture_error("This code has a single unit, so there is no plane to show.")
        return
    x = whole(parameters, PLANE_X, session.code_dim, order[0])
    y = whole(parameters, PLANE_Y, session.code_dim, next(unit for unit in order if unit != x))
    for column, name, unit, other, label in zip(
        st.columns(2), (PLANE_X, PLANE_Y), (x, y), (y, x), ("Across", "Up"), strict=True
    ):
        with column:
            _plane_unit(order, name, unit, other, label)
    if x == y:
        picture_error("A plane needs two units; choose another one.")
        return
    xs, ys, images = session.plane(place.now, x, y, FRAMES)
    cells = [(float(at_x), float(at_y)) for at_y in ys for at_x in xs]
    across, up = session.scale(x, float(xs[0])), session.scale(y, float(ys[-1]))
    labels = [f"unit {x} at {across.text(at_x)}, unit {y} at {up.text(at_y)}" for at_x, at_y in cells]

    def picked(cell: int) -> None:
        for unit, value in zip((x, y), cells[cell], strict=True):
            walk_moves.move(place, unit, value)

    tiles(
        images,
        f"The plane of unit {x} (across) and unit {y} (up)",
        labels,
        f"{WALK_WIDGET}plane",
        picked,
        columns=FRAMES,
        mark=(across.share(float(place.now[x])), up.share(float(place.now[y]))),
    )
    st.caption("The ring marks the code now. Pick a picture to go there.")


def _plane_unit(order: list[int], name: str, unit: int, other: int, label: str) -> None:
    key = f"{WALK_WIDGET}{name}"
    url.hold(key, unit)
    st.selectbox(
        label,
        [option for option in order if option != other],
        key=key,
        format_func=lambda option: f"{label}: unit {option}",
        on_change=lambda: url.set_pending(name, str(st.session_state[key])),
        label_visibility="collapsed",
    )


def random(place: Place) -> None:
    """A dozen random codes, their sampler and their seed."""
    parameters = place.parameters
    draw, sampler = walk_place.seed(parameters), walk_place.sampler(parameters)
    kinds = walk_place.samplers()
    key = f"{WALK_WIDGET}sampler"
    url.hold(key, sampler)
    st.selectbox(
        "Distribution of random codes",
        list(kinds),
        key=key,
        format_func=lambda kind: kinds[kind].title,
        on_change=lambda: walk_moves.choose_sampler(st.session_state[key]),
    )
    st.caption((kinds[sampler].__doc__ or "").split("\n")[0])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = f"{WALK_WIDGET}seed"
        url.hold(seed, draw)
        st.number_input(
            "Seed",
            0,
            walk_place.LAST_SEED,
            key=seed,
            width=140,
            on_change=lambda: walk_moves.draw_random(st.session_state[seed]),
        )
        st.button(
            "New dozen",
            icon=":material/casino:",
            type="primary",
            on_click=walk_moves.draw_random,
            args=(walk_place.next_seed(parameters),),
        )
    _, images = walk_place.random_codes(parameters, place.session)
    labels = [f"random code {i + 1} of seed {draw}" for i in range(len(images))]
    chosen = None if number(parameters, DRAW) is None else whole(parameters, PICK, len(images))
    tiles(
        images,
        "Random codes",
        labels,
        f"{WALK_WIDGET}shelf",
        partial(walk_moves.draw_random, draw),
        chosen=chosen,
        columns=4,
    )
