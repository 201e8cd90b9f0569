"""Walk: take an image's code somewhere else, and watch the picture change."""

import html
import io
import json
from functools import partial

import numpy as np
import streamlit as st

from aecore import pictures
from aecore.errors import AecoreError
from aecore.session import Gallery, Scale, Session
from app import cache, state
from app.live import walk as live_walk
from app.live import walk_messages
from app.widgets import walk_place, walk_tray
from app.widgets.filmstrip import FRAMES, Film, Paging, films
from app.widgets.filters import filters
from app.widgets.image_source import GALLERY, image_source
from app.widgets.picture import picture_error, send_now
from app.widgets.run_picker import header_with_run
from app.widgets.walk_chain import chain_view
from app.widgets.walk_place import Place
from app.widgets.walk_tiles import tiles

SHOWN = 6
ENLARGED = 8
"""Of exported pictures."""
ALONG = Scale(0.0, 1.0, 0.02)
MODES = {
    "units": "Units",
    "between": "Interpolate",
    "plane": "Plane",
    "random": "Random",
    "chain": "Chain",
    "filters": "Filters",
}
LIVE = {"units": live_walk.units, "plane": live_walk.pad}
"""What the browser draws by itself; the others, and these where it cannot, are drawn here and follow on release."""


def main() -> None:
    session = header_with_run(
        "Walk",
        "A code is a place, and every place decodes to a picture.",
        "pull the topmost slider from end to end, then the next one.",
        "patterns-variational",
    )
    state.begin_place(whole_page=True)
    # Laid out by the style sheet: every container that a slider's redraw passes through delays the picture.
    with st.container(key="walk", gap="xsmall"):
        choice = st.container(key="walk_choice", gap="xsmall")
        try:
            with choice:
                gallery = image_source(session)
                live_walk.draw(session)
        except AecoreError as error:
            picture_error(str(error))
            return
        state.forget_place_of_another(_start_name(session, gallery))
        _view(session, gallery)
        with choice:
            _choose(gallery)
    live_walk.library(session, gallery)


def _start_name(session: Session, gallery: Gallery) -> str:
    return f"{session.run_id} {gallery.note}"


@st.fragment
def _view(session: Session, gallery: Gallery) -> None:
    """All that follows the code. The choice of the start image stays outside, so that sliders need not redraw it."""
    state.begin_place()
    try:
        place = walk_place.read(session, gallery)
        live_walk.stage(place)
    except AecoreError as error:
        picture_error(str(error))
        return
    send_now()
    with st.container(key="walk_controls"):
        _controls(place)
    _about(place)
    _buttons(place)
    walk_tray.tray(place)
    state.remember_place(_start_name(session, gallery))
    state.write_place()


# --- the picture -----------------------------------------------------------------------------------------------------


def _buttons(place: Place) -> None:
    with st.container(horizontal=True, key="walk_buttons"):
        here = np.array_equal(place.now, place.start)
        walk_tray.keep_button(place)
        st.button("Reset", icon=":material/restart_alt:", on_click=state.leave_place, disabled=here)
        export = st.popover("Export", icon=":material/download:", on_change="rerun", key=f"{state.WALK_WIDGET}export")
    if export.open:
        with export:
            _export(place)


LEGEND = '<i class="brighter"></i>brighter <i class="darker"></i>darker than the start'


def _where(place: Place) -> str:
    """The code's origin and its moved units, in words."""
    along = walk_place.along()
    if state.number(state.DRAW) is not None:
        origin = "A random code"
    elif along > 0:
        other = walk_place.image_label(place.gallery, walk_place.other_image(place.gallery))
        origin = f"{along:.0%} of the way to {other}"
    else:
        origin = f"The code of {walk_place.image_label(place.gallery, place.image)}"
    names = [str(unit) for unit in sorted(place.moved)]
    words = f", unit{'s' if len(names) > 1 else ''} {', '.join(names[:6])}{' …' if len(names) > 6 else ''} moved"
    along_ = [walk_place.direction_name(place, name) for name in sorted(place.added)]
    return origin + (words if names else "") + (f", moved along {', '.join(along_[:3])}" if along_ else "")


def _about(place: Place) -> None:
    """Where the code is; how far from the data too, where the browser does not measure that itself."""
    meter = "" if walk_messages.off(place.session.run_id) is None else _meter(place)
    st.html(f'<p class="walk-where">{html.escape(_where(place))}<span class="walk-legend">{LEGEND}</span></p>{meter}')


def _meter(place: Place) -> str:
    session = place.session
    found = session.distance(place.now)
    decoded = cache.gallery(str(session.folder), session.run_id, GALLERY).decoded
    if decoded:
        near = session.decode(session.codes[found.nearest])
    else:
        near = session.data.floats(session.code_indices[found.nearest])
    sheet = pictures.filmstrip(near)
    return (
        '<div class="walk-meter"><div role="meter" aria-label="Distance from the data, percentile" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{found.percentile:.0f}"><i style="left:{found.percentile:.0f}%"></i></div>'
        f"This code is <b>{found.value:.2f} standard deviations</b> per unit from the nearest training code: "
        f"{found.words}. Nearest training {'codes, decoded' if decoded else 'images'}:</div>"
        f'<img class="walk-near" src="{pictures.data_uri(pictures.png(sheet))}" style="--own:{sheet.shape[1]}px" '
        'alt="Pictures of the nearest training codes, nearest first">'
    )


def _choose(gallery: Gallery) -> None:
    labels = [walk_place.image_label(gallery, i) for i in range(len(gallery.images))]
    chosen = walk_place.start_image(gallery)
    tiles(
        gallery.images,
        "Images to start from",
        labels,
        f"{state.WALK_WIDGET}start",
        walk_place.choose_image,
        chosen=chosen,
    )


# --- modes -----------------------------------------------------------------------------------------------------------


def _controls(place: Place) -> None:
    mode = st.segmented_control(
        "Mode",
        list(MODES),
        default="units",
        required=True,
        key=state.MODE,
        bind="query-params",
        format_func=MODES.__getitem__,
        label_visibility="collapsed",
        width="stretch",
    )
    draw = {
        "between": _between, "plane": _plane, "random": _random, "chain": chain_view, "filters": filters,
    }  # fmt: skip
    reason = walk_messages.off(place.session.run_id)
    if reason is not None:
        st.caption(f"Not live: {reason}. The picture follows when you let go.")
    elif mode in LIVE:
        LIVE[str(mode)](place)
        return
    draw.get(str(mode), _units)(place)


def _units(place: Place) -> None:
    order = [int(unit) for unit in place.session.units_by_effect()]
    pages = -(-len(order) // SHOWN)
    page = min(state.units_page(place.session.run_id), pages - 1)
    shown = order[page * SHOWN : (page + 1) * SHOWN]
    films(
        [_film(place, unit) for unit in shown],
        f"{state.WALK_WIDGET}films",
        lambda row, value: walk_place.move(place, shown[row], value),
        rounds=f"{place.token} {page}",
        paging=Paging(
            page,
            pages,
            f"{page * SHOWN + 1} to {page * SHOWN + len(shown)} of {len(order)} units, by effect",
            lambda turned: state.turn_units(place.session.run_id, turned),
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


def _between(place: Place) -> None:
    session, gallery = place.session, place.gallery
    how = walk_place.how()
    key = f"{state.WALK_WIDGET}how"
    state.hold(key, how)
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
    tiles(gallery.images, "Images to go to", labels, f"{state.WALK_WIDGET}other", walk_place.choose_other, chosen=other)


def _way(place: Place, other: int, how: walk_place.How) -> None:
    session, gallery = place.session, place.gallery
    _, images = session.interpolate(place.origin, walk_place.other_code(session, gallery), FRAMES, how)
    first, last = (walk_place.image_label(gallery, i) for i in (place.image, other))
    way = Film("position", "on the way", images, ALONG, walk_place.along(), 0.0, (first, last))
    films(
        [way],
        f"{state.WALK_WIDGET}way",
        lambda _, value: walk_place.go_between(value),
        rounds=f"{session.run_id} {place.image} {other} {how}",
    )


def _plane(place: Place) -> None:
    session = place.session
    order = [int(unit) for unit in session.units_by_effect()]
    if len(order) < 2:
        picture_error("This code has a single unit, so there is no plane to show.")
        return
    x = state.whole(state.PLANE_X, session.code_dim, order[0])
    y = state.whole(state.PLANE_Y, session.code_dim, next(unit for unit in order if unit != x))
    for column, name, unit, other, label in zip(
        st.columns(2), (state.PLANE_X, state.PLANE_Y), (x, y), (y, x), ("Across", "Up"), strict=True
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
        f"{state.WALK_WIDGET}plane",
        picked,
        columns=FRAMES,
        mark=(across.share(float(place.now[x])), up.share(float(place.now[y]))),
    )
    st.caption("The ring is where the code is now. Pick a picture to go there.")


def _plane_unit(order: list[int], name: str, unit: int, other: int, label: str) -> None:
    key = f"{state.WALK_WIDGET}{name}"
    state.hold(key, unit)
    st.selectbox(
        label,
        [option for option in order if option != other],
        key=key,
        format_func=lambda option: f"{label}: unit {option}",
        on_change=lambda: state.set_place_parameter(name, str(st.session_state[key])),
        label_visibility="collapsed",
    )


def _random(place: Place) -> None:
    drawn = state.number(state.DRAW)
    draw = walk_place.draw()
    kinds = walk_place.samplers()
    key = f"{state.WALK_WIDGET}sampler"
    state.hold(key, walk_place.sampler())
    st.selectbox(
        "Where random codes come from",
        list(kinds),
        key=key,
        format_func=lambda kind: kinds[kind].title,
        on_change=lambda: walk_place.choose_sampler(st.session_state[key]),
    )
    st.caption((kinds[walk_place.sampler()].__doc__ or "").split("\n")[0])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = f"{state.WALK_WIDGET}seed"
        state.hold(seed, draw)
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
    chosen = None if drawn is None else state.whole(state.PICK, len(images))
    tiles(
        images,
        "Random codes",
        labels,
        f"{state.WALK_WIDGET}shelf",
        partial(walk_place.draw_random, draw),
        chosen=chosen,
        columns=4,
    )


# --- export ----------------------------------------------------------------------------------------------------------


def _export(place: Place) -> None:
    """Nothing is made before it is asked for, and then outside of any session: what is read of one is read now."""
    where = _where(place)
    unit = int(place.session.units_by_effect()[0])
    name = f"walk-{place.session.run_id}"
    for label, icon, ending, make in (
        ("Picture, PNG", ":material/image:", ".png", _as_png),
        (f"Walk of unit {unit}, GIF", ":material/gif_box:", f"-unit{unit}.gif", _as_gif),
        ("Code, JSON", ":material/data_object:", ".json", partial(_as_json, where)),
        ("Code, NPY", ":material/data_array:", ".npy", _as_npy),
    ):
        st.download_button(
            label,
            partial(make, place),
            name + ending,
            icon=icon,
            on_click="ignore",
            key=f"{state.WALK_WIDGET}{ending[-3:]}",
            width="stretch",
        )


def _as_png(place: Place) -> bytes:
    return pictures.png(pictures.enlarge(pictures.filmstrip(place.pictures[1:]), ENLARGED))


def _as_gif(place: Place) -> bytes:
    unit = int(place.session.units_by_effect()[0])
    _, images = place.session.walk(place.now, unit, values=place.scale(unit).values(25))
    frames = [pictures.filmstrip(image[None]) for image in images]
    return pictures.gif([*frames, *frames[-2:0:-1]], 60, ENLARGED)


def _as_json(where: str, place: Place) -> str:
    known = {"run": place.session.run_id, "from": where, "code": [float(value) for value in place.now]}
    return json.dumps(known, indent=1, ensure_ascii=False)


def _as_npy(place: Place) -> bytes:
    out = io.BytesIO()
    np.save(out, place.now, allow_pickle=False)
    return out.getvalue()


main()
