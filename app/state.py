"""The only file that spells session-state keys and URL parameters: what a link restores, and what a visitor keeps."""

import dataclasses
import re
import secrets
from typing import Any

import streamlit as st

# Widget keys that are bound to the URL; a link with them restores the view.
RUN = "run"
"""The run's id. Written by `choose_run`, not bound: a bound selectbox would put the run's name into links."""
IMAGE = "image"
LEVEL = "level"
NOISE = "noise"
SEED = "seed"

# Start
EXAMPLE = "example"

# Denoise
IMAGES = "images"
"""Positions in the run's gallery, comma-separated. Written by `choose_images`."""

# Maps
MAP_COLOUR = "colour"
MAP_PICTURES = "pictures"

# Kept for the visit only, never in a link.
_UPLOADS = "_uploads"
_UPLOADS_VERSION = "_uploads_version"
_LAST_RUN = "_last_run"
RUN_PICKER = "_run_picker"
UPLOADER = "_uploader"
INVERT = "_invert"
SOURCE = "_source"
_SHOWN_RUN = "_shown_run"


@dataclasses.dataclass(frozen=True)
class Upload:
    """A file a visitor brought, as it came; it is decoded for each run's own size and vanishes with the visit."""

    name: str
    content: bytes


def uploads() -> list[Upload]:
    return list(st.session_state.get(_UPLOADS, []))


def keep_uploads(files: list[Upload]) -> None:
    st.session_state[_UPLOADS] = files
    st.session_state[_UPLOADS_VERSION] = secrets.token_hex(8)


def uploads_version() -> str:
    """Changes whenever the kept files change, so that it names them in a cache."""
    return str(st.session_state.get(_UPLOADS_VERSION, ""))


def choose_run(run_id: str) -> None:
    """Keeps the run for the other pages and puts it into the URL."""
    st.session_state[_LAST_RUN] = run_id
    if st.query_params.get(RUN) != run_id:
        st.query_params[RUN] = run_id


def last_run() -> str | None:
    return st.session_state.get(_LAST_RUN)


def value(key: str, default: Any) -> Any:
    """A widget's value before the widget is drawn, so that the picture can stand above its controls."""
    return st.session_state.get(key, default)


# --- Walk: the URL itself holds the place in code space, so a link restores it. Only `MODE` is bound to a widget.

MODE = "mode"
OTHER = "to"
"""The image to interpolate to."""
HOW = "how"
ALONG = "at"
"""The share of the way to the other image; absent unless the code lies between two images."""
SAMPLER = "sampler"
DRAW = "draw"
"""The seed of the random codes; absent unless the code is one of them."""
PICK = "pick"
PLANE_X = "x"
PLANE_Y = "y"
UNITS_PAGE = "units"
_MOVED = re.compile(r"u(\d{1,4})")
_WALK_SEEN = "_walk_seen"
WALK_WIDGET = "_walk_"
"""Prefix of the keys of the page's own widgets."""
_MOST = 1e6


def number(name: str) -> float | None:
    """A finite number of moderate size from the URL; None when there is none."""
    try:
        found = float(st.query_params.get(name, ""))
    except ValueError:
        return None
    return found if abs(found) <= _MOST else None  # NaN compares false


def whole(name: str, count: int, default: int = 0) -> int:
    """A position below `count` from the URL, else `default`."""
    found = number(name)
    return int(found) if found is not None and 0 <= found < count else default


def moved_units(code_dim: int) -> dict[int, float]:
    """{unit: value} of the `u3=0.51` in the URL, those that exist."""
    found: dict[int, float] = {}
    for name in st.query_params:
        if (match := _MOVED.fullmatch(name)) and int(match[1]) < code_dim and (at := number(name)) is not None:
            found[int(match[1])] = at
    return found


def move_unit(unit: int, text: str | None) -> None:
    set_parameter(f"u{unit}", text)


def leave_place() -> None:
    """Forgets moved units, random code and interpolation: the code is the start image's own again."""
    for name in [n for n in st.query_params if _MOVED.fullmatch(n) or n in (DRAW, PICK, ALONG)]:
        del st.query_params[name]


def parameter(name: str) -> str | None:
    return st.query_params.get(name)


def set_parameter(name: str, text: str | None) -> None:
    """Writes one parameter of the URL, or removes it."""
    if text is None:
        if name in st.query_params:
            del st.query_params[name]
    elif st.query_params.get(name) != text:
        st.query_params[name] = text


def forget_place_of_another(start: str) -> None:
    """Leaves the place when the `start` (run and source) changed under it; a link that brings another keeps that."""
    place = {n: st.query_params[n] for n in st.query_params if _MOVED.fullmatch(n) or n in (DRAW, PICK, ALONG)}
    seen = st.session_state.get(_WALK_SEEN)
    if seen is not None and seen[0] != start and seen[1] == place:
        leave_place()
        place = {}
    st.session_state[_WALK_SEEN] = (start, place)


def hold(key: str, wanted: Any) -> None:
    """Gives a widget its value before it is drawn, only where it has another one, so that a held key never jumps."""
    if key not in st.session_state or st.session_state[key] != wanted:
        st.session_state[key] = wanted


# --- Start, Denoise


def widget(name: str) -> str:
    """The key of the widget that shows the URL parameter `name`.

    By hand instead of `bind`, so that another run can bring its own values, and links hold short names, not labels.
    """
    return f"_{name}"


def widget_to_url(name: str) -> None:
    """For `on_change`: what the visitor set goes to the URL, from where the page reads it."""
    found = st.session_state[widget(name)]
    set_parameter(name, None if found is None else f"{found:g}" if isinstance(found, float) else str(found))


def forget_view_of_another_run(page: str, run_id: str, names: tuple[str, ...]) -> None:
    """Removes parameters when `page` shows another run than before in this visit; a link's own are kept."""
    before = st.session_state.get(f"{_SHOWN_RUN}_{page}")
    st.session_state[f"{_SHOWN_RUN}_{page}"] = run_id
    if before is not None and before != run_id:
        for name in names:
            set_parameter(name, None)


def own_images_token() -> str:
    """Names the visitor's images as they are shown now, within this visit."""
    return f"own {uploads_version()} {st.session_state.get(INVERT)}"


def images_key(own: bool) -> str:
    """The thumbnails chosen: of the visitor's own images for the visit only, of the dataset also in the URL."""
    return "_images_own" if own else "_images"


def chosen_images(own: bool, total: int, default: list[int]) -> list[int]:
    """Positions chosen before, as far as they exist; first those of the URL, else `default`."""
    kept = st.session_state.get(images_key(own))
    if kept is None:
        asked = "" if own else st.query_params.get(IMAGES, "")
        kept = [int(text) for text in asked.split(",") if text.isdecimal() and len(text) < 6] or default
    return [position for position in dict.fromkeys(kept) if 0 <= position < total]


def choose_images(own: bool, positions: list[int]) -> None:
    st.session_state[images_key(own)] = positions
    if not own:
        set_parameter(IMAGES, ",".join(str(position) for position in positions))


# --- Train

JOB = "job"
"""The training that is watched, or `NEW_JOB`."""
NEW_JOB = "new"
RECIPE = "recipe"
DATASET = "dataset"
TRAIN_WIDGET = "_train_"
"""Prefix of the keys of the page's own widgets; `settings_form` makes the rest."""
TRAIN_SIDE = "_train_own_side"
TRAIN_COLOUR = "_train_own_colour"
TRAIN_NAME = "_train_name"


def watched_job() -> str | None:
    return st.query_params.get(JOB)


def watch_job(run_id: str | None) -> None:
    """The run id goes into the URL, so that a reload, another tab or another day finds it."""
    set_parameter(JOB, run_id)


# --- Runs

COMPARED = "compare"
"""Run ids, comma-separated. Written by `compare_runs`."""
RUNS_WIDGET = "_runs_"
_DELETED = "_deleted_run"


def compared_runs() -> list[str]:
    return [run_id for run_id in st.query_params.get(COMPARED, "").split(",") if run_id]


def compare_runs(run_ids: list[str]) -> None:
    set_parameter(COMPARED, ",".join(run_ids) or None)


def deleted_run() -> tuple[str, str] | None:
    """(id, name) of the run that this visitor deleted last and can bring back."""
    return st.session_state.get(_DELETED)


def remember_deleted(run: tuple[str, str] | None) -> None:
    st.session_state[_DELETED] = run


# Maps
MAP_SCATTER = "_map_scatter"
