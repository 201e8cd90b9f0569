"""Walk's modes as the server draws them: where a browser cannot run the model, and what it never draws by itself."""

from functools import partial

import streamlit as st

from aecore.session.session import Scale, Session
from app.state import keys
from app.live import walk as live_walk
from app.live import walk_messages
from app.views.walk import place
from app.views.walk.filmstrip import FRAMES, Film, Paging, films
from app.widgets.picture import picture_error
from app.views.walk.place import Place
from app.widgets.tiles import tiles

SHOWN = 6
ALONG = Scale(0.0, 1.0, 0.02)


def units(place: Place) -> None:
    order = [int(unit) for unit in place.session.units_by_effect()]
    pages = -(-len(order) // SHOWN)
    page = min(keys.units_page(place.session.run_id), pages - 1)
    shown = order[page * SHOWN : (page + 1) * SHOWN]
    films(
        [_film(place, unit) for unit in shown],
        f"{state.WALK_WIDGET}films",
        lambda row, value: place.move(place, shown[row], value),
        rounds=f"{place.token} {page}",
        paging=Paging(
            page,
            pages,
            f"{page * SHOWN + 1} to {page * SHOWN + len(shown)} of {len(order)} units, by effect",
            lambda turned: keys.turn_units(place.session.run_id, turned),
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
    words = f"changes the picture by {session.effects[unit]:.1%} per SD"
    if "kl" in session.unit_figures:
        words += f", KL {session.unit_figures['kl'][unit]:.2f} nats"
    return words + (": hardly used" if session.dead[unit] else "")


def between(place: Place) -> None:
    session, gallery = place.session, place.gallery
    how = place.how()
    key = f"{state.WALK_WIDGET}how"
    keys.hold(key, how)
    st.segmented_control(
        "Path",
        list(place.HOWS),
        key=key,
        required=True,
        format_func=str.capitalize,
        label_visibility="collapsed",
        on_change=lambda: place.choose_how(st.session_state[key]),
        help="Linear: the straight line. Spherical: along a circle, so that the code keeps its length.",
    )
    other = place.other_image(gallery)
    if walk_messages.off(session.run_id) is None:
        live_walk.way(place)
    else:
        _way(place, other, how)
    st.caption("The other image")
    labels = [place.image_label(gallery, i) for i in range(len(gallery.images))]
    tiles(gallery.images, "Images to go to", labels, f"{state.WALK_WIDGET}other", place.choose_other, chosen=other)


def _way(place: Place, other: int, how: place.How) -> None:
    session, gallery = place.session, place.gallery
    _, images = session.interpolate(place.origin, place.other_code(session, gallery), FRAMES, how)
    first, last = (place.image_label(gallery, i) for i in (place.image, other))
    way = Film("position", "on the way", images, ALONG, place.along(), 0.0, (first, last))
    films(
        [way],
        f"{state.WALK_WIDGET}way",
        lambda _, value: place.go_between(value),
        rounds=f"{session.run_id} {place.image} {other} {how}",
    )


def plane(place: Place) -> None:
    session = place.session
    order = [int(unit) for unit in session.units_by_effect()]
    if len(order) < 2:
        picture_error("This code has a single unit, so there is no plane to show.")
        return
    x = keys.whole(keys.PLANE_X, session.code_dim, order[0])
    y = keys.whole(keys.PLANE_Y, session.code_dim, next(unit for unit in order if unit != x))
    for column, name, unit, other, label in zip(
        st.columns(2), (keys.PLANE_X, keys.PLANE_Y), (x, y), (y, x), ("Across", "Up"), strict=True
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
            place.move(place, unit, value)

    tiles(
        images,
        f"The plane of unit {x} (across) and unit {y} (up)",
        labels,
        f"{state.WALK_WIDGET}plane",
        picked,
        columns=FRAMES,
        mark=(across.share(float(place.now[x])), up.share(float(place.now[y]))),
    )
    st.caption("The ring is where the code is now. Pick a picture to go there.")


def _plane_unit(order: list[int], name: str, unit: int, other: int, label: str) -> None:
    key = f"{state.WALK_WIDGET}{name}"
    keys.hold(key, unit)
    st.selectbox(
        label,
        [option for option in order if option != other],
        key=key,
        format_func=lambda option: f"{label}: unit {option}",
        on_change=lambda: keys.set_place_parameter(name, str(st.session_state[key])),
        label_visibility="collapsed",
    )


def random(place: Place) -> None:
    drawn = keys.number(keys.DRAW)
    draw = place.draw()
    kinds = place.samplers()
    key = f"{state.WALK_WIDGET}sampler"
    keys.hold(key, place.sampler())
    st.selectbox(
        "Where random codes come from",
        list(kinds),
        key=key,
        format_func=lambda kind: kinds[kind].title,
        on_change=lambda: place.choose_sampler(st.session_state[key]),
    )
    st.caption((kinds[place.sampler()].__doc__ or "").split("\n")[0])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = f"{state.WALK_WIDGET}seed"
        keys.hold(seed, draw)
        st.number_input(
            "Seed",
            0,
            place.LAST_SEED,
            key=seed,
            width=140,
            on_change=lambda: place.draw_random(st.session_state[seed]),
        )
        st.button(
            "Another dozen",
            icon=":material/casino:",
            type="primary",
            on_click=place.draw_random,
            args=(place.next_draw(),),
        )
    _, images = place.shelf(place.session, draw)
    labels = [f"random code {i + 1} of seed {draw}" for i in range(len(images))]
    chosen = None if drawn is None else keys.whole(keys.PICK, len(images))
    tiles(
        images,
        "Random codes",
        labels,
        f"{state.WALK_WIDGET}shelf",
        partial(place.draw_random, draw),
        chosen=chosen,
        columns=4,
    )
