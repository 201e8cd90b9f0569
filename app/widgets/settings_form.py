"""Widgets for the fields of any settings, with each field's own title, help, default, range and unit."""

import types
from collections.abc import Collection, Mapping
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
import streamlit as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

Persist = Literal["session"] | None
MAX_SEGMENTS = 3
"""So many choices are drawn side by side; more as a list to open."""


def own_fields(settings: type[BaseModel]) -> list[str]:
    """Fields that can be set here: not the kind, no path, and nothing with a single possible value."""
    return [name for name, field in settings.model_fields.items() if name != "kind" and _settable(field)]


def settings_form(
    settings: type[BaseModel],
    values: Mapping[str, Any],
    key: str,
    only: Collection[str] | None = None,
    without: Collection[Any] = (),
    keep: bool = True,
    most: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Draw the fields of `settings` (or `only` some) and return their values, as in JSON.

    The widgets begin with `values`; choices in `without` are not offered. With `keep` the values stay when the page
    changes. The result may still be invalid: `parse` checks ranges that depend on other settings, and lists of numbers
    typed as text. `most` holds the greatest value of some whole numbers, where it is less than the field's own.
    """
    names = [name for name in own_fields(settings) if only is None or name in only]
    fields = {name: settings.model_fields[name] for name in names}
    persist: Persist = "session" if keep else None
    return {
        name: _widget(name, field, values[name], f"{key}.{name}", without, persist, (most or {}).get(name))
        for name, field in fields.items()
    }


def label_of(name: str, field: FieldInfo) -> str:
    """`Title (unit)`."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    title = field.title or name.replace("_", " ").capitalize()
    return f"{title} ({extra['unit']})" if extra.get("unit") else title


def bounds(field: FieldInfo) -> tuple[Any, Any]:
    """The least and the greatest value, or None; open bounds count as closed."""
    low: Any = None
    high: Any = None
    for limit in field.metadata:
        if isinstance(limit, annotated_types.Ge):
            low = limit.ge
        elif isinstance(limit, annotated_types.Gt):
            low = limit.gt
        elif isinstance(limit, annotated_types.Le):
            high = limit.le
        elif isinstance(limit, annotated_types.Lt):
            high = limit.lt
    return low, high


def _core_type(field: FieldInfo) -> Any:
    """The annotation without `None`."""
    annotation: Any = field.annotation
    if get_origin(annotation) in (Union, types.UnionType):
        return next(kind for kind in get_args(annotation) if kind is not type(None))
    return annotation


def _settable(field: FieldInfo) -> bool:
    kind = _core_type(field)
    low, high = bounds(field)
    known = kind in (bool, int, float) or get_origin(kind) is Literal or get_args(kind) in ((int, ...), (float, ...))
    return known and (low is None or low != high)


def _widget(
    name: str, field: FieldInfo, value: Any, key: str, without: Collection[Any], persist: Persist, most: int | None
) -> Any:
    kind, label, words = _core_type(field), label_of(name, field), field.description
    if kind is bool:
        return st.toggle(label, value=bool(value), key=key, help=words, persist_state=persist)
    if get_origin(kind) is Literal:
        return _choice(label, tuple(each for each in get_args(kind) if each not in without), value, key, words, persist)
    if get_origin(kind) is tuple:
        text = ", ".join(str(number) for number in value)
        given = st.text_input(label, text, key=key, help=words, placeholder="none", persist_state=persist)
        return (given or "").replace(",", " ").split()
    low, high = bounds(field)
    if kind is float and (low, high) == (0, 1):
        return st.slider(label, 0.0, 1.0, float(value), 0.01, key=key, help=words, persist_state=persist)
    return _number(kind, label, value, low, high if most is None else most, key, words, persist)


def _choice(label: str, options: tuple[Any, ...], value: Any, key: str, words: str | None, persist: Persist) -> Any:
    def text(option: Any) -> str:
        return str(option).replace("_", " ")

    if len(options) <= MAX_SEGMENTS:
        return st.segmented_control(
            label, options, default=value, required=True, format_func=text, key=key, help=words, width="stretch",
            persist_state=persist,
        )  # fmt: skip
    return st.selectbox(
        label, options, options.index(value), format_func=text, key=key, help=words, persist_state=persist
    )


def _number(
    kind: Any, label: str, value: Any, low: Any, high: Any, key: str, words: str | None, persist: Persist
) -> Any:
    cast: Any = int if kind is int else float
    whole = kind is int
    return st.number_input(
        label,
        None if low is None else cast(low),
        None if high is None else cast(high),
        None if value is None else cast(value),
        step=1 if whole else (abs(cast(value)) / 10 or 0.01),
        format="%d" if whole else "%g",
        key=key,
        help=words,
        persist_state=persist,
    )
