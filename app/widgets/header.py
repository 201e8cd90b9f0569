"""The top of every page: its name, one line on what is seen and one thing to try."""

import html

import streamlit as st


def header(title: str, seen: str, try_this: str) -> None:
    st.title(title, anchor=False)
    st.html(f'<p class="lead">{html.escape(seen)} <b>Try:</b> {html.escape(try_this)}</p>')
