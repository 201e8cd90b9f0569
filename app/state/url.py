"""Read and write URL parameters, and widgets that follow them."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

Parameters = Mapping[str, str]
"""{parameter: text}, as `parameters` reads them once for a run of the page."""
_SHOWN_RUN = "_shown_run"
_PENDING = "_pending_parameters"
_MAX_NUMBER = 1e6


def value(key: str, default: Any) -> Any:
    """Return a widget's value before the widget is drawn, so that the picture can stand above its controls."""
    return st.session_state.get(key, default)


# --- reading


def parameters() -> dict[str, str]:
    """Read all parameters of the URL, with those that are pending in place of what it says still."""
    pending = {name: text for name, (text, _) in _pending().items()}
    return {name: text for name, text in {**st.query_params, **pending}.items() if text is not None}


def number(parameters: Parameters, name: str, low: float = -_MAX_NUMBER, high: float = _MAX_NUMBER) -> float | None:
    """Read a number from `low` to `high`; None where the parameter is missing or is not one."""
    try:
        found = float(parameters.get(name, ""))
    except ValueError:
        return None
    return found if low <= found <= high else None  # NaN compares false


def whole(parameters: Parameters, name: str, count: int, default: int = 0) -> int:
    """Read a whole number from 0 to `count` - 1, in digits only; `default` if it is missing or something else."""
    text = parameters.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 and int(text) < count else default


# --- writing


def set_parameter(name: str, text: str | None) -> None:
    """Write one parameter of the URL at once, or remove it (None)."""
    if text is None:
        if name in st.query_params:
            del st.query_params[name]
    elif st.query_params.get(name) != text:
        st.query_params[name] = text


def set_pending(name: str, text: str | None) -> None:
    """Set one parameter, or remove it (None); `write_pending` brings it into the URL after the picture is drawn."""
    _pending()[name] = (text, False)


def _pending() -> dict[str, tuple[str | None, bool]]:
    """{parameter: (text, written)}: what was set and may not have come back with the URL yet.

    The URL is written after the picture, and the browser may send the next move before it knows the new URL.
    """
    return st.session_state.setdefault(_PENDING, {})


def forget_written(whole_page: bool = False) -> None:
    """When a run begins, forget the pending parameters that the URL shows by now; with `whole_page` all written ones,
    since the URL that comes with it is newer.
    """
    pending = _pending()
    for name, (text, written) in list(pending.items()):
        if written and (whole_page or st.query_params.get(name) == text):
            del pending[name]


def write_pending() -> None:
    """Once the picture is drawn, bring the URL up to date, in one message where nothing is removed."""
    pending = _pending()
    new: dict[str, str] = {}
    for name, (text, _) in list(pending.items()):
        if text is not None and st.query_params.get(name) != text:
            new[name] = text
        elif text is None and name in st.query_params:
            del st.query_params[name]
        pending[name] = (text, True)
    if new:
        st.query_params.update(new)


def forget_view_of_another_run(page: str, run_id: str, names: tuple[str, ...]) -> None:
    """Remove parameters when `page` shows another run than before in this visit; those of a first link stay."""
    before = st.session_state.get(f"{_SHOWN_RUN}_{page}")
    st.session_state[f"{_SHOWN_RUN}_{page}"] = run_id
    if before is not None and before != run_id:
        for name in names:
            set_parameter(name, None)


# --- widgets


def widget(name: str) -> str:
    """Return the key of the widget that shows the URL parameter `name`.

    By hand instead of `bind`, so that another run can bring its own values, and links hold short names, not labels.
    """
    return f"_{name}"


def hold(key: str, wanted: Any) -> None:
    """Give a widget its value before it is drawn, only if it has another one, so that a held key never jumps."""
    if key not in st.session_state or st.session_state[key] != wanted:
        st.session_state[key] = wanted


def widget_to_url(name: str) -> None:
    """For `on_change`: the widget's new value becomes the pending parameter `name`."""
    found = st.session_state[widget(name)]
    set_pending(name, None if found is None else f"{found:g}" if isinstance(found, float) else str(found))
