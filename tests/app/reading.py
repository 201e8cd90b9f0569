"""How tests of pages open a page and read what it drew."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

OpenPage = Callable[..., AppTest]


def drawn(page: AppTest) -> str:
    """All that the page drew with `st.html`."""
    return "\n".join(element.proto.body for element in page.get("html"))
