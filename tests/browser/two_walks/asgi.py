"""The server of a page with two Walk components."""

from pathlib import Path

import streamlit as st

from app.routes import routes

app = st.App(Path(__file__).parent / "page.py", routes=routes())
