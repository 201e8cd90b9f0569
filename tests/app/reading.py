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
