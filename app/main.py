"""The page table. Every page is a file in `views`."""

from pathlib import Path

import streamlit as st

from app import crowd, preload

HERE = Path(__file__).parent
STYLES = ("style.css", "widgets/error_curve.css")

st.set_page_config(page_title="Autoencoders by touch", page_icon=str(HERE / "icon.png"), layout="wide")
start = st.Page("views/start.py", title="Start", icon=":material/home:", default=True)
page = st.navigation(
    [
        start,
        st.Page("views/denoise.py", title="Denoise", icon=":material/blur_on:"),
        st.Page("views/walk.py", title="Walk", icon=":material/explore:"),
        st.Page("views/maps.py", title="Maps", icon=":material/scatter_plot:"),
        st.Page("views/train.py", title="Train", icon=":material/model_training:"),
        st.Page("views/runs.py", title="Runs", icon=":material/folder_open:"),
    ],
    position="top",
)
st.html(f"<style>{''.join((HERE / name).read_text(encoding='utf-8') for name in STYLES)}</style>")
if page is not start:
    preload.wait()
try:
    page.run()
finally:
    crowd.leave()
