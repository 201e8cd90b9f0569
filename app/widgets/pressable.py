"""HTML with links and buttons, drawn as one component: Streamlit's own elements cost 0.2 ms each in every run."""

import html
from pathlib import Path

from streamlit.components import v2

_HTML = v2.component(
    "pressable",
    html='<div class="pressable"></div>',
    js=(Path(__file__).parent / "pressable.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # so that the page's style sheet holds for it
)


def pressable(content: str, key: str) -> tuple[str, str] | None:
    """Draw `content`, which is trusted; return (action, subject) of what was pressed since the last run, or None.

    They come from the browser and may be any texts.
    """
    match _HTML(key=key, data=content, on_pressed_change=lambda: None).pressed:
        case {"action": str(action), "subject": str(subject)}:
            return action, subject
        case _:
            return None


def link(address: str, action: str, subject: str, label: str, icon: str) -> str:
    """HTML of a link that is pressed as `action` on `subject`; opened in a new tab, it leads to `address`."""
    return f'<a href="{html.escape(address, quote=True)}"{_pressed(action, subject)}>{_labelled(label, icon)}</a>'


def button(action: str, subject: str, label: str, icon: str) -> str:
    """HTML of a button that is pressed as `action` on `subject`."""
    return f'<button type="button"{_pressed(action, subject)}>{_labelled(label, icon)}</button>'


def _pressed(action: str, subject: str) -> str:
    return f' data-action="{html.escape(action, quote=True)}" data-subject="{html.escape(subject, quote=True)}"'


def _labelled(label: str, icon: str) -> str:
    return f'<span class="icon" aria-hidden="true" translate="no">{html.escape(icon)}</span>{html.escape(label)}'
