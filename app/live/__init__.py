"""The components that run in the visitor's browser: most of them draw a run's exported graphs without the server.

`frontend` holds their TypeScript source and `dist` its build, where `manifest.json` maps each name to its built file.
"""

import json
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components import v2

HERE = Path(__file__).parent
DIST = HERE / "dist"
MANIFEST: dict[str, Any] = json.loads((DIST / "manifest.json").read_text(encoding="utf-8"))
_LOADER = (HERE / "loader.js").read_text(encoding="utf-8")


def base() -> str:
    """Return the path below which the app is served, "" or "/path"; it precedes every address under `/live`."""
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def module_address(name: str) -> str:
    """Return the address of the built module `name`. Its content never changes: the file name holds its hash."""
    return f"{base()}/live/dist/{MANIFEST['modules'][name]}"


def script(name: str) -> str:
    """Return the text of the built script `name`, for `js=` of a small component that must work without `/live`."""
    return (DIST / MANIFEST["inline"][name]).read_text(encoding="utf-8")


def component(name: str, html: str, css: str) -> Any:
    """Register the component `name`; mount it with `data` that holds `module=module_address(name)` and a `key`.

    Each redraw sends only a small loader. The browser fetches the module by its address, once, on the first page that
    mounts it. If that fails, the loader sets the state value `failed` to `{"reason": ...}`.
    """
    return v2.component(f"live_{name}", html=html, css=css, js=_LOADER)
