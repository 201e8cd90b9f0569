"""The maps as one picture that the server draws, for a browser that could not load the page's live part."""

import streamlit as st

from aecore.maps.atlas import Atlas
from aecore.maps.poster import poster
from aecore.pictures import sheets
from aecore.session.session import Session
from app.widgets.run_picker import run_labels
from app.widgets.text import plain


def still_maps(session: Session, atlas: Atlas, colours: str, thumbnails: bool, reason: str) -> None:
    """Draw the maps, and say once why they stand still; the controls of the page change them."""
    heading = run_labels([session.info])[session.run_id]
    drawn = sheets.png(poster(atlas, colours, heading, thumbnails))
    titles = ", ".join(panel.title for panel in atlas.panels)
    st.image(drawn, width="stretch", alt=f"Maps of {len(atlas):,} images: {titles}")
    st.caption(f":material/info: The maps stand still: {plain(reason)}. Reload the page to try again.")
