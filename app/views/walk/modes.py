"""Walk's modes as the server draws them: where a browser cannot run the model, and what it never draws by itself."""

from functools import partial

import streamlit as st

from aecore.session.scale import Scale
from aecore.session.session import Session
from app.live import walk as live_walk
from app.live import walk_messages, walk_place
from app.live.walk_place import Place
from app.state import url
from app.state.place import DRAW, PICK, PLANE_X, PLANE_Y, WALK_WIDGET, turn_units, units_page
from app.views.walk.filmstrip import FRAMES, Film, Paging, films
from app.widgets.picture import picture_error
from app.widgets.tiles import tiles

SHOWN = 6
ALONG = Scale(0.0, 1.0, 0.02)


def units(place: Place) -> None:
    order = [int(unit) for unit in place.session.units_by_effect()]
    pages = -(-len(order) // SHOWN)
    page = min(units_page(place.session.run_id), pages - 1)
    shown = order[page * SHOWN : (page + 1) * SHOWN]
    films(
        [_film(place, unit) for unit in shown],
        f"{WALK_WIDGET}films",
        lambda row, value: walk_place.move(place, shown[row], value),
        rounds=f"{place.token} {page}",
        paging=Paging(
            page,
            pages,
            f"{page * SHOWN + 1} to {page * SHOWN + len(shown)} of {len(order)} units, by effect",
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
    words = f"changes the picture by {session.effects[unit]:.1%} per SD"
    if "kl" in session.unit_figures:
        words += f", KL {session.unit_figures['kl'][unit]:.2f} nats"
    return words + (": hardly used" if session.dead[unit] else "")


def between(place: Place) -> None:
    session, gallery = place.session, place.gallery
    how = walk_place.how()
    key = f"{WALK_WIDGET}how"
    url.hold(key, how)
    st.segmented_control(
        "Path",
        list(walk_place.HOWS),
        key=key,
        required=True,
        format_func=str.capitalize,
        label_visibility="collapsed",
        on_change=lambda: walk_place.choose_how(st.session_state[key]),
        help="Linear: the straight line. Spherical: along a circle, so that the code keeps its length.",
    )
    other = walk_place.other_image(gallery)
    if walk_messages.off(session.run_id) is None:
        live_walk.way(place)
    else:
        _way(place, other, how)
    st.caption("The other image")
    labels = [walk_place.image_label(gallery, i) for i in range(len(gallery.images))]
    tiles(gallery.images, "Images to go to", labels, f"{WALK_WIDGET}other", walk_place.choose_other, chosen=other)


def _way(place: Place, other: int, how: walk_place.How) -> None:
    session, gallery = place.session, place.gallery
    _, images = session.interpolate(place.origin, walk_place.other_code(session, gallery), FRAMES, how)
    first, last = (walk_place.image_label(gallery, i) for i in (place.image, other))
    way = Film("position", "on the way", images, ALONG, walk_place.along(), 0.0, (first, last))
    films(
        [way],
        f"{WALK_WIDGET}way",
        lambda _, value: walk_place.go_between(value),
        rounds=f"{session.run_id} {place.image} {other} {how}",
    )


def plane(place: Place) -> None:
    session = place.session
    order = [int(unit) for unit in session.units_by_effect()]
    if len(order) < 2:
        picture_error("This code has a single unit, so there is no plane to show.")
        return
    x = url.whole(PLANE_X, session.code_dim, order[0])
    y = url.whole(PLANE_Y, session.code_dim, next(unit for unit in order if unit != x))
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
            walk_place.move(place, unit, value)

    tiles(
        images,
        f"The plane of unit {x} (across) and unit {y} (up)",
        labels,
        f"{WALK_WIDGET}plane",
        picked,
        columns=FRAMES,
        mark=(across.share(float(place.now[x])), up.share(float(place.now[y]))),
    )
    st.caption("The ring is where the code is now. Pick a picture to go there.")


def _plane_unit(order: list[int], name: str, unit: int, other: int, label: str) -> None:
    key = f"{WALK_WIDGET}{name}"
    url.hold(key, unit)
    st.selectbox(
        label,
        [option for option in order if option != other],
        key=key,
        format_func=lambda option: f"{label}: unit {option}",
        on_change=lambda: url.set_place_parameter(name, str(st.session_state[key])),
        label_visibility="collapsed",
    )


def random(place: Place) -> None:
    drawn = url.number(DRAW)
    draw = walk_place.draw()
    kinds = walk_place.samplers()
    key = f"{WALK_WIDGET}sampler"
    url.hold(key, walk_place.sampler())
    st.selectbox(
        "Where random codes come from",
        list(kinds),
        key=key,
        format_func=lambda kind: kinds[kind].title,
        on_change=lambda: walk_place.choose_sampler(st.session_state[key]),
    )
    st.caption((kinds[walk_place.sampler()].__doc__ or "").split("\n")[0])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = f"{WALK_WIDGET}seed"
        url.hold(seed, draw)
        st.number_input(
            "Seed",
            0,
            walk_place.LAST_SEED,
            key=seed,
            width=140,
            on_change=lambda: walk_place.draw_random(st.session_state[seed]),
        )
        st.button(
            "Another dozen",
            icon=":material/casino:",
            type="primary",
            on_click=walk_place.draw_random,
            args=(walk_place.next_draw(),),
        )
    _, images = walk_place.shelf(place.session, draw)
    labels = [f"random code {i + 1} of seed {draw}" for i in range(len(images))]
    chosen = None if drawn is None else url.whole(PICK, len(images))
    tiles(
        images,
        "Random codes",
        labels,
        f"{WALK_WIDGET}shelf",
        partial(walk_place.draw_random, draw),
        chosen=chosen,
        columns=4,
    )
