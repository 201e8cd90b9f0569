"""Clean texts that come from outside: names, reasons, figures' names."""

import unicodedata

MAX_LETTERS = 600
"""Of one line; longer ones are cut."""
MAX_MARKS = 4
"""Combining marks on one letter: more than any script needs, too few to write over the lines above and below."""


def one_line(text: str, most: int = MAX_LETTERS) -> str:
    """One line of at most `most` letters, without control, direction and zero-width characters and piled-up marks."""
    found, marks = [], 0
    for letter in text[: 4 * most]:
        kind = unicodedata.category(letter)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if kind == "Cf" or marks > MAX_MARKS:
            continue
        found.append(letter if letter.isprintable() else " ")
    line = " ".join("".join(found).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
