"""The page table. Every page is a file in `views`."""

from pathlib import Path

import streamlit as st

from app import picture_first, preload, visitor

HERE = Path(__file__).parent
STYLES = ("style.css", "widgets/drawn_curve.css")

st.set_page_config(page_title="Explore autoencoders hands-on", page_icon=str(HERE / "icon.png"), layout="wide")
start = st.Page("views/start/page.py", title="Start", icon=":material/home:", default=True)
pages = [
    start,
    st.Page("views/denoise/page.py", title="Denoise", url_path="denoise", icon=":material/blur_on:"),
    st.Page("views/walk/page.py", title="Walk", url_path="walk", icon=":material/explore:"),
    st.Page("views/maps/page.py", title="Maps", url_path="maps", icon=":material/scatter_plot:"),
    st.Page("views/train/page.py", title="Train", url_path="train", icon=":material/model_training:"),
    st.Page("views/runs/page.py", title="Runs", url_path="runs", icon=":material/folder_open:"),
]
if visitor.access() == "shared" and visitor.current().is_operator:
    pages.append(st.Page("views/server/page.py", title="Server", url_path="server", icon=":material/dns:"))
page = st.navigation(pages, position="top")
st.html(f"<style>{''.join((HERE / name).read_text(encoding='utf-8') for name in STYLES)}</style>")
if page is not start:
    preload.wait()
try:
    page.run()
finally:
    picture_first.leave()
