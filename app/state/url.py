"""Read and write URL parameters, and widgets that follow them."""

import contextlib
from collections.abc import Generator, Mapping
from typing import Any

import streamlit as st

_SHOWN_RUN = "_shown_run"


def value(key: str, default: Any) -> Any:
    """A widget's value before the widget is drawn, so that the picture can stand above its controls."""
    return st.session_state.get(key, default)


def parameter(name: str) -> str | None:
    """What the URL says, or is about to say."""
    if _INSTEAD in st.session_state:
        return st.session_state[_INSTEAD].get(name)
    return pending()[name][0] if name in pending() else st.query_params.get(name)


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


_INSTEAD = "_walk_instead"
_WALK_AHEAD = "_walk_ahead"
_MOST = 1e6


def pending() -> dict[str, tuple[str | None, bool]]:
    """{parameter: (text, written)}: what was set by a move and may not have come back with the URL yet.

    The URL is written after the picture, and the browser may send the next move before it knows the new URL.
    """
    return st.session_state.setdefault(_WALK_AHEAD, {})


def begin_place(whole_page: bool = False) -> None:
    """As a run begins: forgets what the URL shows by now, and for the `whole_page` all that was written before it."""
    ahead = pending()
    for name, (text, written) in list(ahead.items()):
        if written and (whole_page or st.query_params.get(name) == text):
            del ahead[name]


def write_place() -> None:
    """When the picture is drawn: brings the URL up to date, in one message where nothing is removed."""
    ahead = pending()
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


def names() -> list[str]:
    if _INSTEAD in st.session_state:
        return list(st.session_state[_INSTEAD])
    return [name for name in {**dict.fromkeys(st.query_params), **pending()} if parameter(name) is not None]


def set_place_parameter(name: str, text: str | None) -> None:
    """Sets one parameter of the URL, or removes it (None); see `write_place`."""
    pending()[name] = (text, False)


def hold(key: str, wanted: Any) -> None:
    """Gives a widget its value before it is drawn, only where it has another one, so that a held key never jumps."""
    if key not in st.session_state or st.session_state[key] != wanted:
        st.session_state[key] = wanted


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
