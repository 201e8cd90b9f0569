"""The top of every page: its title, one line on what it shows and one thing to try, and what the server is open for."""

import html

import streamlit as st

from app import visitor


def header(title: str, shows: str, try_this: str) -> None:
    """Draw the title and the lines below it."""
    st.title(title, anchor=False)
    st.html(f'<p class="lead">{html.escape(shows)} <b>Try:</b> {html.escape(try_this)}</p>{_situation()}')


def _situation() -> str:
    """HTML of what the server is open for, to unfold; nothing where one person uses the program alone."""
    found = situation_words()
    if found is None:
        return ""
    return (
        f'<details class="situation"><summary>{html.escape(found[0])}</summary><p>{html.escape(found[1])}</p></details>'
    )


def situation_words() -> tuple[str, str] | None:
    """A short name of what the server is open for to this visitor, and what that means; None if alone."""
    situation, who = visitor.access(), visitor.current()
    if situation == "alone":
        return None
    if situation == "read-only":
        return "For looking only", (
            "Everything can be looked at and played with, and nothing is kept: what you upload and choose is gone when "
            "you close the page. To train and keep runs, install the program on your own machine."
        )
    if who.is_operator:
        return "Shared server · teacher", (
            "You see and may change the runs, trainings and maps of every visitor; the Server page lists them. "
            "Visitors see the ready-made runs, their own, and those that you share on the Runs page."
        )
    return "Shared server · guest", (
        "The runs that you train are kept on this server. Only you and the person who runs it see them, unless you "
        f"share one on the Runs page. This browser's cookie says which are yours. {who.quotas.training_words()} "
        "Uploaded images are gone when you close the page, unless you train on them."
    )
