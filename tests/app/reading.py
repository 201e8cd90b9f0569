"""How tests of pages open a page and read what it drew."""

import json
from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

OpenPage = Callable[..., AppTest]


def drawn(page: AppTest) -> str:
    """All that the page drew with `st.html`."""
    return "\n".join(element.proto.body for element in page.get("html"))


def told(page: AppTest, component: str) -> dict[str, Any]:
    """What the component of that name was given."""
    (element,) = [e for e in page.get("bidi_component") if e.proto.component_name == component]
    return json.loads(element.proto.json if element.proto.HasField("json") else element.proto.mixed.json)


def words(page: AppTest) -> str:
    """Everything that is said on a page."""
    kinds = (page.markdown, page.caption, page.error, page.warning, page.success, page.title)
    said = [element.value for kind in kinds for element in kind]
    return "\n".join([*said, *(block.proto.body for block in page.get("html"))])


def button(page: AppTest, label: str) -> Any:
    return next(found for found in page.button if found.label == label)
