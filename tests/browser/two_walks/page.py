"""A page with two Walk components, each of its own run."""

import streamlit as st

from app import cache
from app.live import walk, walk_place
from app.state import url

for column, name, run_id in zip(
    st.columns(2), ("one", "other"), ("digits-variational", "digits-undercomplete"), strict=True
):
    session = cache.session(run_id)
    gallery = cache.gallery(str(session.folder), run_id, 8)
    place = walk_place.parse(url.parameters(), session, gallery)
    with column, st.container(key=name):
        walk.stage(place, name)
        walk.units(place, name)
        walk.library(url.parameters(), session, gallery, name)
