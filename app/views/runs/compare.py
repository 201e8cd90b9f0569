"""Compare up to four runs: the same images through each of them, their figures and training curves."""

import html
from collections.abc import Sequence

import streamlit as st

from aecore.foundation.errors import AecoreError
from aecore.parts.contracts import Corruption
from aecore.parts.registry import members
from aecore.pictures import sheets
from aecore.session.denoising import Denoised
from aecore.session.session import Session
from aecore.store.figures import FIGURES, STAGES, figures, number
from aecore.store.folder import RunFolder, RunInfo
from app import cache
from app.state import runs, url
from app.widgets.curves import chart, line, thinned
from app.widgets.figures import definitions, name_of
from app.widgets.picture import picture, picture_error
from app.widgets.run_picker import offered_runs, run_labels

MAX_RUNS = 4
MEASURED_IMAGES = 64
SHOWN_IMAGES = 8
LETTERS = "ABCD"
NO_NOISE = "none"


@st.fragment
def compare(infos: Sequence[RunInfo]) -> None:
    """Draw the pictures at the left, the choice at the right; `infos` are the runs that can be opened."""
    left, right = st.columns([7, 3], gap="large")
    shown = left.container()
    with right:
        chosen = _choose(infos)
        kind, first = _noise(), _first_image()
    with shown:
        if not chosen:
            picture_error("Choose two or more runs to compare their pictures.")
            return
        try:
            _compared(chosen, kind, first)
        except AecoreError as error:
            picture_error(str(error))


def comparable(infos: Sequence[RunInfo], chosen: list[str]) -> list[RunInfo]:
    """Runs for pictures of the same shape as the first chosen one's; all if none is chosen."""
    shape = next((info.status.shape for info in infos if chosen and info.run_id == chosen[0]), None)
    return [info for info in infos if shape is None or info.status.shape == shape]


def first_choice(infos: Sequence[RunInfo]) -> list[str]:
    """The default choice: the first runs that can be compared with one another."""
    for info in infos:
        same = comparable(infos, [info.run_id])
        if len(same) > 1:
            return [one.run_id for one in sorted(same, key=lambda one: one is not info)[:3]]
    return [info.run_id for info in infos[:1]]


def _choose(infos: Sequence[RunInfo]) -> list[str]:
    key = f"{runs.RUNS_WIDGET}compared"
    known = [info.run_id for info in infos]
    # The session holds ids, as a link does; a run that was deleted since is left out.
    kept = st.session_state.get(key)
    wanted = [run_id for run_id in runs.compared_runs() if run_id in known] if kept is None else list(kept)
    if kept is None and not wanted:
        wanted = first_choice(infos)
    wanted = [run_id for run_id in dict.fromkeys(wanted) if run_id in known][:MAX_RUNS]
    same = comparable(infos, wanted)
    offered = offered_runs(same, wanted)
    allowed = [info.run_id for info in offered]
    url.hold(key, [run_id for run_id in wanted if run_id in allowed])
    labels = run_labels(offered)
    chosen = st.multiselect(
        "Runs", allowed, key=key, format_func=lambda run_id: labels.get(str(run_id), "?"), max_selections=MAX_RUNS,
        placeholder="Choose two to four", wrap=True, persist_state="session",
        help="Only runs for pictures of the same size can be compared; remove all to choose another size.",
    )  # fmt: skip
    runs.compare_runs(chosen)
    if len(same) < len(known) and (shape := same[0].status.shape):
        st.caption(f"{len(same)} of {len(known)} runs take pictures of {shape[2]} × {shape[1]} pixels.")
    return chosen


def _noise() -> str:
    titles = {kind: cls.title for kind, cls in members("corruptions", Corruption).items()}
    titles[NO_NOISE] = "No noise"
    kind = st.selectbox(
        "Input noise", list(titles), format_func=lambda kind: titles[kind], key=f"{runs.RUNS_WIDGET}noise",
        persist_state="session", help="The same noise for every run, at its default level.",
    )  # fmt: skip
    return str(kind)


def _first_image() -> int:
    """A button for different images; return the position of the first one."""
    key = f"{runs.RUNS_WIDGET}first"

    def different() -> None:
        st.session_state[key] = (int(url.value(key, 0)) + SHOWN_IMAGES) % MEASURED_IMAGES

    st.button("Different images", icon=":material/shuffle:", on_click=different, width="stretch", key=f"{key}_others")
    return int(url.value(key, 0))


def _compared(chosen: list[str], kind: str, first: int) -> None:
    sessions = [cache.session(run_id) for run_id in chosen]
    images = cache.gallery(sessions[0].info.token, chosen[0], MEASURED_IMAGES).images
    every = tuple(range(len(images)))
    results = [
        cache.denoised(sessions[0], session, every, MEASURED_IMAGES, session.corruption(kind)) for session in sessions
    ]
    part = slice(first, first + SHOWN_IMAGES) if first < len(images) else slice(0, SHOWN_IMAGES)
    rows = {"Original": results[0].original, "Corrupted": results[0].shown}
    if kind == NO_NOISE:
        del rows["Corrupted"]
    rows |= {f"{letter}": result.reconstruction for letter, result in zip(LETTERS, results, strict=False)}
    picture(
        sheets.sheet([row[part] for row in rows.values()]),
        f"The same images, original and reconstructed by {len(results)} runs",
        rows=list(rows),
        most=12,
    )
    _table(sessions, results, len(images))
    _curves(sessions)


def _curves(sessions: list[Session]) -> None:
    """Draw each run's error on held-out images over the epochs."""
    found = [_curve(session.info) for session in sessions]
    lines = [(letter, *curve) for letter, curve in zip(LETTERS, found, strict=False)]
    epochs = int(max((x[-1] for _, x, _ in lines if x), default=0))
    if epochs:
        st.markdown("**Training curves**")
        chart("compare_curves", "Squared error per image", epochs, lines, log=True)
        st.caption("Each on its own held-out images, corrupted as in its training; the scale is logarithmic.")


@cache.of_run
def _curve(info: RunInfo) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return line(thinned(RunFolder(info.folder).history()), "", "validation_sse")[1:]


_figures = cache.of_run(figures)


def _table(sessions: list[Session], results: list[Denoised], n: int) -> None:
    """Draw a table with a column for each run: its error on these images, then its stored figures."""
    labels = run_labels([session.info for session in sessions])
    errors = [float(result.sse_after.mean()) for result in results]
    note = f"Squared error Σ (x − r)², mean of {n} images of run A: comparable between all kinds, lower is better."
    rows = {f'<abbr title="{note}">Error, these images</abbr>': [
        f"<b>{number(error)}</b>" if error == min(errors) else number(error) for error in errors
    ]}  # fmt: skip
    known = [dict(_figures(session.info)) for session in sessions]
    for figure in (*FIGURES, STAGES):
        texts = [found.get(figure, "") for found in known]
        if any(texts):
            rows[name_of(figure)] = [html.escape(text or "–") for text in texts]
    heads = "".join(
        f'<th scope="col"><b>{letter}</b> {html.escape(labels[session.run_id])}</th>'
        for letter, session in zip(LETTERS, sessions, strict=False)
    )
    lines = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for name, cells in rows.items()
    )
    st.html(
        f'<div class="strip"><table class="figures runs-table"><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )
    definitions()
