"""Text from outside: names, reasons, errors and parameters, shown as the letters they are and as nothing else.

Streamlit reads most of its texts as Markdown with directives, plotly reads names as HTML. Whatever a visitor, a file
or an exception says goes through `plain` or `chart_text` first; `html.escape` is for HTML, `one_line` for the rest.
"""

import re

from aecore.foundation.text import one_line as one_line

_MARKDOWN = re.compile(r"[\\`*\[\]<>|~$&]|(?<!\w)_|_(?!\w)|:(?=\S)")
_BLOCK = re.compile(r"^([#+-]|\d+(?=[.)]))")
_BREAK = "\u2060"
"""Word joiner: invisible. Links, emoji and icons are found in the text after backslashes are gone; it parts them."""
_FOUND_LATER = re.compile(r"(?i)(:(?=\S)|@(?=[-\w])|\bwww(?=\.))")


def plain(text: str) -> str:
    """Markdown that Streamlit shows as `text`: no link, picture, colour, icon, emoji, formula, HTML or new line."""
    parted = _FOUND_LATER.sub(rf"\1{_BREAK}", one_line(text))
    return _BLOCK.sub(_escaped_block, _MARKDOWN.sub(r"\\\g<0>", parted))


def _escaped_block(found: re.Match[str]) -> str:
    mark = found[0]
    return f"{mark}\\" if mark[0].isdigit() else f"\\{mark}"


def chart_text(text: str) -> str:
    """A name as plotly shows it: no link, no bold, no line break."""
    return one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
