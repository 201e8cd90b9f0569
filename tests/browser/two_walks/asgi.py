"""A page with two walks, for the test of components side by side."""

from pathlib import Path

import streamlit as st

from app.routes import routes

app = st.App(Path(__file__).parent / "page.py", routes=routes())
