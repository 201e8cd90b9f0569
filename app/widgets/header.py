"""The top of every page: its title, one line on what it shows and one thing to try."""

import html

import streamlit as st


def header(title: str, shows: str, try_this: str) -> None:
    """Draw the title and the line below it."""
    st.title(title, anchor=False)
    st.html(f'<p class="lead">{html.escape(shows)} <b>Try:</b> {html.escape(try_this)}</p>')
