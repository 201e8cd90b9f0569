"""Read what a page drew."""

import json
from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

OpenPage = Callable[..., AppTest]


def drawn(page: AppTest) -> str:
    """Everything that the page drew with `st.html`."""
    return "\n".join(element.proto.body for element in page.get("html"))


def sent_to(page: AppTest, component: str) -> dict[str, Any]:
    """The data that the page gave to the component of that name."""
    (element,) = [e for e in page.get("bidi_component") if e.proto.component_name == component]
    return json.loads(element.proto.json if element.proto.HasField("json") else element.proto.mixed.json)


def words(page: AppTest) -> str:
    """All text on a page."""
    kinds = (page.markdown, page.caption, page.error, page.warning, page.success, page.title)
    texts = [element.value for kind in kinds for element in kind]
    return "\n".join([*texts, *(block.proto.body for block in page.get("html"))])


def button(page: AppTest, label: str) -> Any:
    return next(found for found in page.button if found.label == label)
