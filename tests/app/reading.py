"""Read what a page drew."""

import json
from collections.abc import Callable
from typing import Any

from streamlit.components.v2.bidi_component.main import _make_trigger_id as trigger_id
from streamlit.testing.v1 import AppTest

OpenPage = Callable[..., AppTest]


def drawn(page: AppTest) -> str:
    """Everything that the page drew with `st.html`, and the HTML of its `pressable`s."""
    return "\n".join([*(element.proto.body for element in page.get("html")), *map(_html, _pressables(page))])


def _pressables(page: AppTest) -> list[Any]:
    return [element for element in page.get("bidi_component") if element.proto.component_name == "pressable"]


def _html(element: Any) -> str:
    return str(json.loads(element.proto.json))


def press(page: AppTest, action: str, subject: str) -> AppTest:
    """Press a link or button of a `pressable`, as a browser reports it, and run the page."""
    marks = f'data-action="{action}" data-subject="{subject}"'
    (element,) = [element for element in _pressables(page) if marks in _html(element)]
    states = page._tree.get_widget_states()
    pressed = states.widgets.add()
    pressed.id = trigger_id(element.proto.id, "events")
    pressed.json_trigger_value = json.dumps([{"event": "pressed", "value": {"action": action, "subject": subject}}])
    return page._run(states)


def sent_to(page: AppTest, component: str) -> dict[str, Any]:
    """The data that the page gave to the component of that name."""
    (element,) = [e for e in page.get("bidi_component") if e.proto.component_name == component]
    return json.loads(element.proto.json if element.proto.HasField("json") else element.proto.mixed.json)


def words(page: AppTest) -> str:
    """All text on a page."""
    kinds = (page.markdown, page.caption, page.error, page.warning, page.success, page.title)
    texts = [element.value for kind in kinds for element in kind]
    return "\n".join([*texts, drawn(page)])


def button(page: AppTest, label: str) -> Any:
    return next(found for found in page.button if found.label == label)
