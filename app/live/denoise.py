"""The Denoise page's live part: the grid of images, its noise, brush and figures, computed in the visitor's browser.

The component gets the server's picture too, which it shows until the model is loaded, or if it cannot run.
"""

import base64
import dataclasses
import html
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import streamlit as st

from aecore.parts.contracts import Corruption
from aecore.parts.corruptions import GaussianNoise, Rows
from aecore.parts.data import Pictures
from aecore.pictures import sheets
from aecore.session.denoising import Denoised
from aecore.session.session import Session
from app import live
from app.state import keys
from app.state.live import last_received, receive, sent

COLUMNS = 12
"""Images side by side in a line of the sheet."""
SEEDS = 10_000
MAX_REASON = 200
"""Letters of a reason."""
FIGURES = {
    "sse": ("Squared error per image", "Σ (x − r)² over all pixels, mean over the images; 0 is identical", 2),
    "psnr": ("PSNR, dB", "Peak signal-to-noise ratio of the mean error; higher is better", 1),
    "ssim": ("SSIM", "Structural similarity, −1 to 1; 1 is identical", 2),
}
"""{figure: (name, meaning, digits after the point)}."""
WORDS = {
    "none": "Without noise, the remaining error is what the code cannot represent.",
    "harm": "The model makes it worse: its reconstruction is further from the original than the noisy image.",
    "good": "The model removed {share} of the noise error.",
}
"""The figures in words, for images without noise, and where the model raised or lowered the squared error."""
_DENOISE = live.component(
    "denoise",
    html=(live.HERE / "denoise.html").read_text(encoding="utf-8"),
    css="".join(
        path.read_text(encoding="utf-8")
        for path in (live.HERE / "denoise.css", live.HERE.parent / "widgets" / "drawn_curve.css")
    ),
)


@dataclasses.dataclass(frozen=True)
class View:
    """What the visitor chooses."""

    kind: str
    level: float
    seed: int


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """Images corrupted and reconstructed by one run, or by two side by side.

    `own_level` is True if the visitor chose no level: then each kind of noise begins at the run's own or its usual one.
    """

    sessions: tuple[Session, ...]
    titles: tuple[str, ...]
    kinds: Mapping[str, type[Corruption]]
    view: View
    own_level: bool
    results: tuple[Denoised, ...]
    labels: tuple[str, ...]
    curve: Callable[[], str]
    """Makes the HTML of error against level; a callable, because the picture need not wait for it."""


def moved(token: str, kinds: Mapping[str, object]) -> View | None:
    """The view that the visitor chose in the browser since the last run; None if there was no such move."""
    found = received(sent(keys.LIVE_DENOISE, "view"), token, kinds)
    if found is None or found[1] <= last_received(keys.LIVE_DENOISE, token):
        return None
    receive(keys.LIVE_DENOISE, token, found[1])
    return found[0]


def failure() -> str | None:
    """Why the browser could not load the component; None while nothing failed."""
    match sent(keys.LIVE_DENOISE, "failed"):
        case {"reason": str(reason)}:
            return reason[:MAX_REASON]
        case _:
            return None


def denoise(scene: Scene) -> None:
    """Draw the component."""
    key = keys.LIVE_DENOISE
    token = scene.sessions[0].run_id
    sheet = picture(scene.results)
    # The picture's size before the module that measures it is loaded: custom properties reach into the component.
    high, wide = sheet.shape[:2]
    st.html(f"<style>.st-key-{key} {{ --natural: {wide}px; --shape: {wide} / {high} }}</style>")
    _DENOISE(
        key=key,
        data={
            "module": live.module_address("denoise"),
            "base": live.base(),
            "token": token,
            "heard": last_received(key, token),
            "pictures": {"sheet": sheets.data_uri(sheets.png(sheet))},
            **message(scene),
        },
        on_view_change=lambda: None,
        on_failed_change=lambda: None,
    )


def picture(results: tuple[Denoised, ...]) -> np.ndarray:
    """Original, corrupted and each run's reconstruction in rows, `COLUMNS` images a line; lines below one another."""
    first = results[0]
    rows = [first.original, first.shown, *(result.reconstruction for result in results)]
    return sheets.sheet([row[i : i + COLUMNS] for i in range(0, len(first.original), COLUMNS) for row in rows])


def words(scene: Scene) -> str:
    """The picture's alternative text."""
    n = len(scene.results[0].original)
    images = f"{n} image{'' if n == 1 else 's'}"
    return f"{images}: original, corrupted at level {scene.view.level:.2f}, reconstruction"


def message(scene: Scene) -> dict[str, Any]:
    """The scene as the browser reads it (`denoise/message.ts`)."""
    first, view = scene.results[0], scene.view
    session = scene.sessions[0]
    has_ssim = first.ssim is not None
    return {
        "runs": [one.run_id for one in scene.sessions],
        "titles": list(scene.titles),
        "kinds": [_kind(session, name, part) for name, part in scene.kinds.items()],
        "repair": GaussianNoise.kind_name(),
        "kind": view.kind,
        "level": view.level,
        "seed": view.seed,
        "own": scene.own_level,
        "seeds": SEEDS,
        "images": packed(first.original),
        "ink": float(first.original.mean() < 0.5),
        "labels": list(scene.labels),
        "alt": words(scene),
        "before": _scores(first, 0),
        "after": [_scores(result, 1) for result in scene.results],
        "figures": [
            {"key": key, "name": name, "hint": hint, "digits": digits}
            for key, (name, hint, digits) in FIGURES.items()
            if has_ssim or key != "ssim"
        ],
        "words": WORDS,
        "note": given_rows(session, view.kind, first.rows_given),
        "hidden": list(sheets.HIDDEN),
        "columns": COLUMNS,
        "curve": scene.curve(),
    }


def _kind(session: Session, name: str, part: type[Corruption]) -> dict[str, Any]:
    field = part.model_fields["level"]
    return {
        "name": name,
        "title": part.title,
        "words": str(field.title),
        "help": str(field.description),
        "level": session.corruption(name).level,
        "random": part.random,
        "black": part.black,
        "white": part.white,
        "given": given_rows(session, name, "{rows}"),
    }


def given_rows(session: Session, kind: str, rows: int | str) -> str:
    """A note if the decoder continues the image from `rows` given rows; else empty."""
    if kind != Rows.kind_name() or not session.continues:
        return ""
    return f"The first {rows} of {session.shape[1]} rows are given; the decoder continues from there."


def _scores(result: Denoised, which: int) -> dict[str, list[float]]:
    """The figures of each corrupted image (`which` = 0) or reconstruction (1)."""
    found = {"sse": (result.sse_before, result.sse_after)[which].tolist()}
    return found if result.ssim is None else {**found, "ssim": result.ssim[which].tolist()}


def packed(images: Pictures) -> dict[str, Any]:
    """Images as integers from 0 to `depth` in base64: 8 bits each if that is exact, else 16."""
    for depth, dtype in ((255, "u1"), (65_535, "<u2")):
        whole = np.rint(images.clip(0, 1) * depth).astype(dtype)
        if depth > 255 or np.abs(whole / np.float32(depth) - images).max() < 1e-6:
            break
    return {"values": base64.b64encode(whole.tobytes()).decode("ascii"), "depth": depth, "dims": list(images.shape)}


def received(value: object, token: str, kinds: Mapping[str, object]) -> tuple[View, int] | None:
    """The view that the browser sent, and the count of its move; None for anything else."""
    match value:
        case {
            "kind": str(kind),
            "level": int() | float() as level,
            "seed": int(seed),
            "count": int(count),
            "token": str(own),
        }:
            pass
        case _:
            return None
    if own != token or kind not in kinds or not 0 <= level <= 1 or not 0 <= seed < SEEDS:
        return None  # of another run, or out of range; NaN compares false
    return View(kind, float(level), seed), count


def reading(removed: float | None) -> str:
    """The share of the noise error that was removed, in words."""
    if removed is None:
        return WORDS["none"]
    return WORDS["harm"] if removed <= 0 else WORDS["good"].format(share=f"{removed:.0%}")


def table(results: tuple[Denoised, ...], titles: tuple[str, ...]) -> str:
    """The figures as HTML, for the page without the component."""
    figures = [result.figures() for result in results]
    heads = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in ("Corrupted", *titles))
    rows = "".join(
        f'<tr title="{html.escape(hint, quote=True)}"><th scope="row">{name}</th>'
        + "".join(f"<td>{value:.{digits}f}</td>" for value in (figures[0][key][0], *(each[key][1] for each in figures)))
        + "</tr>"
        for key, (name, hint, digits) in FIGURES.items()
        if key in figures[0]
    )
    return f'<table class="figures"><thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table>'
