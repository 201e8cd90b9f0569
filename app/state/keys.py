"""The only file that spells session-state keys and URL parameters: what a link restores, and what a visitor keeps."""

import contextlib
import dataclasses
import re
import secrets
import zlib
from collections.abc import Generator, Mapping, Sequence
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
"""Positions in the run's gallery, joined by "-". Written by `choose_images`."""
SECOND = "second"
"""The id of a run beside the first, on the same noise."""
LIVE_DENOISE = "denoise_live"

# Maps
MAP_COLOUR = "colour"
MOST_PANELS = 4
MAP_PICTURES = "pictures"

# Kept for the visit only, never in a link.
_UPLOADS = "_uploads"
_UPLOADS_VERSION = "_uploads_version"
_LAST_RUN = "_last_run"
_OFFERED_RUN = "_offered_run"
RUN_PICKER = "_run_picker"
UPLOADER = "_uploader"
INVERT = "_invert"
SOURCE = "_source"
_SHOWN_RUN = "_shown_run"
_OWN_IMAGES = "_own_images"


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


def show_own_images() -> None:
    """The visitor's images as they came, not as negatives, instead of the dataset's."""
    for key, wanted in ((SOURCE, "yours"), (INVERT, False)):
        if key in st.session_state:  # else their defaults are these
            st.session_state[key] = wanted


def uploads_version() -> str:
    """Changes whenever the kept files change, so that it names them in a cache."""
    return str(st.session_state.get(_UPLOADS_VERSION, ""))


def choose_run(run_id: str) -> None:
    """Keeps the run, which somebody chose, for the other pages and puts it into the URL."""
    st.session_state[_LAST_RUN] = run_id
    st.session_state.pop(_OFFERED_RUN, None)
    set_parameter(RUN, run_id)


def offer_run(page: str, run_id: str) -> None:
    """Puts into the URL what `page` shows as long as nobody chose a run; other pages show theirs."""
    st.session_state[_OFFERED_RUN] = (page, run_id)
    set_parameter(RUN, run_id)


def is_offered(page: str, run_id: str) -> bool:
    return st.session_state.get(_OFFERED_RUN) == (page, run_id)


def last_run() -> str | None:
    return st.session_state.get(_LAST_RUN)


def value(key: str, default: Any) -> Any:
    """A widget's value before the widget is drawn, so that the picture can stand above its controls."""
    return st.session_state.get(key, default)


def parameter(name: str) -> str | None:
    """What the URL says, or is about to say."""
    if _INSTEAD in st.session_state:
        return st.session_state[_INSTEAD].get(name)
    return _ahead()[name][0] if name in _ahead() else st.query_params.get(name)


def set_parameter(name: str, text: str | None) -> None:
    """Writes one parameter of the URL, or removes it."""
    if text is None:
        if name in st.query_params:
            del st.query_params[name]
    elif st.query_params.get(name) != text:
        st.query_params[name] = text


def number(name: str) -> float | None:
    """A finite number of moderate size from the URL; None when there is none."""
    try:
        found = float(parameter(name) or "")
    except ValueError:
        return None
    return found if abs(found) <= _MOST else None  # NaN compares false


def whole(name: str, count: int, default: int = 0) -> int:
    """A position below `count` from the URL, else `default`."""
    found = number(name)
    return int(found) if found is not None and 0 <= found < count else default


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
STEPS = "steps"
"""Of the chain; its seed is `SEED`."""
CORRUPT = "corrupt"
"""0 where the chain of a denoising run leaves out the noise."""
FILTERS = "filters"
"""What the filters show: what a unit draws, or what it looks for."""
PLANE_X = "x"
PLANE_Y = "y"
_MOVED = re.compile(r"u(\d{1,4})")
_ADDED = re.compile(r"[pa]\d{1,4}|n[0-9a-f]{8}")
"""Steps along a principal direction (p1), an attribute (a1) or a direction that the visitor named (n and its hash)."""
KEPT = "kept"
"""Places kept in the tray: `name*image=3~u2=0.5`, joined by "|"; see `Kept`."""
MOST_KEPT = 8
MOST_NAME = 24
MOST_PLACE = 1_000
"""Letters of one kept place; a code of very many moved units is too long for a link."""
_INSTEAD = "_walk_instead"
_OF_A_PLACE = ("image", "to", "how", "at", "sampler", "draw", "pick")
_WALK_SEEN = "_walk_seen"
_WALK_AHEAD = "_walk_ahead"
_WALK_PAGE = "_walk_page"
_WALK_HEARD = "_walk_heard"
_WALK_NAMED = "_walk_named"
WALK_WIDGET = "_walk_"
"""Prefix of the keys of the page's own widgets."""
_MOST = 1e6


def _ahead() -> dict[str, tuple[str | None, bool]]:
    """{parameter: (text, written)}: what was set by a move and may not have come back with the URL yet.

    The URL is written after the picture, and the browser may send the next move before it knows the new URL.
    """
    return st.session_state.setdefault(_WALK_AHEAD, {})


def begin_place(whole_page: bool = False) -> None:
    """As a run begins: forgets what the URL shows by now, and for the `whole_page` all that was written before it."""
    ahead = _ahead()
    for name, (text, written) in list(ahead.items()):
        if written and (whole_page or st.query_params.get(name) == text):
            del ahead[name]


def write_place() -> None:
    """When the picture is drawn: brings the URL up to date, in one message where nothing is removed."""
    ahead = _ahead()
    new: dict[str, str] = {}
    for name, (text, _) in list(ahead.items()):
        if text is not None and st.query_params.get(name) != text:
            new[name] = text
        elif text is None and name in st.query_params:
            del st.query_params[name]
        ahead[name] = (text, True)
    if new:
        st.query_params.update(new)


@contextlib.contextmanager
def instead(parameters: Mapping[str, str]) -> Generator[None]:
    """Reads places as if the URL said this, and nothing else."""
    st.session_state[_INSTEAD] = parameters
    try:
        yield
    finally:
        del st.session_state[_INSTEAD]


def _names() -> list[str]:
    if _INSTEAD in st.session_state:
        return list(st.session_state[_INSTEAD])
    return [name for name in {**dict.fromkeys(st.query_params), **_ahead()} if parameter(name) is not None]


def set_place_parameter(name: str, text: str | None) -> None:
    """Sets one parameter of the URL, or removes it (None); see `write_place`."""
    _ahead()[name] = (text, False)


def moved_units(code_dim: int) -> dict[int, float]:
    """{unit: value} of the `u3=0.51` in the URL, those that exist."""
    found: dict[int, float] = {}
    for name in _names():
        if (match := _MOVED.fullmatch(name)) and int(match[1]) < code_dim and (at := number(name)) is not None:
            found[int(match[1])] = at
    return found


def move_unit(unit: int, text: str | None) -> None:
    set_place_parameter(f"u{unit}", text)


def added_directions() -> dict[str, float]:
    """{direction: steps} of the `p1=0.4` in the URL."""
    found = {name: number(name) for name in _names() if _ADDED.fullmatch(name)}
    return {name: steps for name, steps in found.items() if steps is not None}


def move_to(values: Mapping[str, str]) -> None:
    """Moves units (`u3`) and directions (`p1`) to these texts, and puts all others back."""
    for name in _names():
        if _is_move(name) and name not in values:
            set_place_parameter(name, None)
    for name, text in values.items():
        set_place_parameter(name, text)


def _is_move(name: str) -> bool:
    return bool(_MOVED.fullmatch(name) or _ADDED.fullmatch(name))


def _place() -> dict[str, str | None]:
    return {name: parameter(name) for name in _names() if _is_move(name) or name in (DRAW, PICK, ALONG)}


def leave_place() -> None:
    """Forgets moved units, random code and interpolation: the code is the start image's own again."""
    for name in _place():
        set_place_parameter(name, None)


# --- Walk's tray


@dataclasses.dataclass(frozen=True)
class Kept:
    """A place in the tray: the URL's parameters of a place, and a name once the visitor gave it one."""

    name: str
    place: str

    @property
    def parameters(self) -> dict[str, str]:
        pairs = (pair.partition("=") for pair in self.place.split("~"))
        return {key: value for key, _, value in pairs if key in _OF_A_PLACE or _is_move(key)}

    @property
    def direction(self) -> str:
        """What the URL calls the direction from the place's start to it."""
        return f"n{zlib.crc32(self.place.encode()):08x}"


def kept() -> list[Kept]:
    texts = (parameter(KEPT) or "").split("|")[:MOST_KEPT]
    found = (text[:MOST_PLACE].partition("*") for text in texts if text)
    return [Kept(name[:MOST_NAME], place) for name, _, place in found]


def keep(places: Sequence[Kept]) -> None:
    text = "|".join(f"{_plain(place.name)}*{place.place}" for place in places[:MOST_KEPT])
    set_place_parameter(KEPT, text or None)


def names_changed(names: Sequence[tuple[str, str]]) -> bool:
    """Whether named places are others than when this visit asked last; at its first time it is answered no."""
    named = [name for name in names if name[0]]
    before = st.session_state.get(_WALK_NAMED)
    st.session_state[_WALK_NAMED] = named
    return before is not None and before != named


def _plain(name: str) -> str:
    return "".join(" " if letter in "*|~=" else letter for letter in name).strip()[:MOST_NAME]


def place_here() -> str:
    """The place that the URL names, to be kept."""
    here = {name: parameter(name) for name in _names() if name in _OF_A_PLACE or _is_move(name)}
    return "~".join(f"{name}={value}" for name, value in here.items())


def go_to(place: Kept) -> None:
    """Goes to a kept place: the URL says again what it said there."""
    for name in _names():
        if name in _OF_A_PLACE or _is_move(name):
            set_place_parameter(name, None)
    for name, value in place.parameters.items():
        set_place_parameter(name, value)


def forget_place_of_another(start: str) -> None:
    """Leaves the place when the `start` (run and source) changed under it; a link that brings another keeps that."""
    seen = st.session_state.get(_WALK_SEEN)
    if seen is not None and seen[0] != start and seen[1] == _place():
        leave_place()


def remember_place(start: str) -> None:
    st.session_state[_WALK_SEEN] = (start, _place())


def heard_of_walk(token: str) -> int:
    """The number of the last move that the browser told of this walk; an answer to an earlier one is late there."""
    return st.session_state.get(_WALK_HEARD, {}).get(token, 0)


def hear_walk(token: str, count: int) -> None:
    st.session_state[_WALK_HEARD] = {token: count}


def units_page(run_id: str) -> int:
    """Which page of a run's units is looked at, for this visit."""
    seen, page = st.session_state.get(_WALK_PAGE, ("", 0))
    return page if seen == run_id else 0


def turn_units(run_id: str, page: int) -> None:
    st.session_state[_WALK_PAGE] = (run_id, page)


def hold(key: str, wanted: Any) -> None:
    """Gives a widget its value before it is drawn, only where it has another one, so that a held key never jumps."""
    if key not in st.session_state or st.session_state[key] != wanted:
        st.session_state[key] = wanted


# --- Start, Denoise


def share(name: str) -> float | None:
    """A number from 0 to 1 in the URL; None when there is none."""
    try:
        found = float(parameter(name) or "")
    except ValueError:
        return None
    return found if 0 <= found <= 1 else None


def position(name: str, count: int) -> int:
    """A whole number below `count` in the URL, else 0."""
    text = parameter(name) or ""
    return int(text) if text.isdecimal() and len(text) < 9 and int(text) < count else 0


def widget(name: str) -> str:
    """The key of the widget that shows the URL parameter `name`.

    By hand instead of `bind`, so that another run can bring its own values, and links hold short names, not labels.
    """
    return f"_{name}"


def widget_to_url(name: str) -> None:
    """For `on_change`: what the visitor set is the parameter from now on; `write_place` brings it into the URL."""
    found = st.session_state[widget(name)]
    set_place_parameter(name, None if found is None else f"{found:g}" if isinstance(found, float) else str(found))


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


def chosen_images(own: bool, total: int, default: list[int]) -> list[int]:
    """Positions chosen, as far as they exist: of the dataset those of the URL, of own images those of this visit."""
    asked = st.session_state.get(_OWN_IMAGES) if own else st.query_params.get(IMAGES)
    positions = [int(text) for text in (asked or "").split("-") if text.isdecimal() and len(text) < 6]
    kept = [position for position in dict.fromkeys(positions) if position < total]
    return kept if kept or asked == "" else default


def choose_images(own: bool, positions: list[int]) -> None:
    text = "-".join(str(position) for position in positions)
    if own:
        st.session_state[_OWN_IMAGES] = text
    else:
        set_parameter(IMAGES, text)


# --- Live components

_LIVE_FAILED = "_live_failed"


def hear(key: str, token: str, count: int) -> None:
    """Keeps the count of the visitor's last move in the component `key`; `token` names what its moves belong to."""
    st.session_state[f"{key}_heard"] = (token, count)


def heard(key: str, token: str) -> int:
    known, count = st.session_state.get(f"{key}_heard", ("", 0))
    return count if known == token else 0


def live_failed(reason: str) -> None:
    """For the rest of the visit pages are drawn without their live part."""
    st.session_state[_LIVE_FAILED] = reason


def live_failure() -> str | None:
    return st.session_state.get(_LIVE_FAILED)


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


# --- Maps

MAP_SCATTER = "_map_scatter"
MAPS = "maps"
"""What the panels show, in the form of `PanelSpec.text`, joined by "|"."""
MAP_IMAGES = "n"
MAP_SEED = "choice"
"""The seed of which images are shown."""
MAP_WIDGET = "_maps_"
"""Prefix of the keys of the page's own widgets."""
_MAPS_SHOWN = "_maps_shown"
_MAP_SPOT = "_map_spot"
_MAP_ROUND = "_maps_round"


def asked_maps() -> tuple[tuple[str, ...], int | None, int]:
    """Texts of the panels, number of images and seed in the URL; empty, None and 0 where it says nothing sensible."""
    texts = tuple(text for text in (parameter(MAPS) or "").split("|")[:MOST_PANELS] if text)
    count, seed = number(MAP_IMAGES), number(MAP_SEED)
    return texts, None if count is None or count < 2 else int(count), 0 if seed is None or seed < 0 else int(seed)


def ask_maps(texts: Sequence[str], count: int | None, seed: int) -> None:
    """Writes into the URL which maps are wanted; what is usual is left out."""
    set_parameter(MAPS, "|".join(texts) or None)
    set_parameter(MAP_IMAGES, None if count is None else str(count))
    set_parameter(MAP_SEED, str(seed) if seed else None)


def shown_maps() -> Any:
    """(run id, maps) that this visitor saw last."""
    return st.session_state.get(_MAPS_SHOWN)


def remember_maps(run_id: str, maps: Any) -> None:
    st.session_state[_MAPS_SHOWN] = (run_id, maps)


def map_spot() -> Any:
    """The place on a map that the visitor clicked on last, as the browser said it; None without any."""
    return st.session_state.get(_MAP_SPOT)


def keep_map_spot(spot: Any) -> None:
    st.session_state[_MAP_SPOT] = spot


def round_of_maps() -> int:
    """Part of the keys of the widgets that choose maps; another one empties them."""
    return st.session_state.get(_MAP_ROUND, 0)


def undo_map_choice() -> None:
    """The choice is again that of the URL."""
    st.session_state[_MAP_ROUND] = round_of_maps() + 1
