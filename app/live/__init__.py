"""The model under the pointer: components that run a run's exported graphs in the visitor's browser.

`frontend` holds their source, `dist` what is built of it and served under `/live`, `manifest.json` the built names.
"""

import json
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components import v2

HERE = Path(__file__).parent
MANIFEST: dict[str, Any] = json.loads((HERE / "dist" / "manifest.json").read_text(encoding="utf-8"))
_LOADER = (HERE / "loader.js").read_text(encoding="utf-8")


def base() -> str:
    """The path below which the app is served: "" or "/path", put before every address under `/live`."""
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def module_address(name: str) -> str:
    """Where the browser finds the built module of the component `name`; immutable, since its content is in the name."""
    return f"{base()}/live/dist/{MANIFEST['modules'][name]}"


def component(name: str, html: str, css: str) -> Any:
    """Registers the component `name`; mount it with `data` that holds `module=module_address(name)` and a `key`.

    What is sent with every redraw is a tiny loader: the module comes by its own address once, and nothing of it on
    pages that do not mount it. A module that cannot be loaded is reported by the state value `failed`, in words.
    """
    return v2.component(f"live_{name}", html=html, css=css, js=_LOADER)
