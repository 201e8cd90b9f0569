"""The choice of a run: it holds for all pages, and links contain the run's id."""

from collections import Counter
from collections.abc import Collection, Sequence

import streamlit as st

from aecore.foundation.errors import AecoreError, RunUnavailable
from aecore.model.config import RunConfig
from aecore.model.recipes import RECIPES
from aecore.session.session import Session
from aecore.store.folder import LIVE, RunInfo
from app import cache
from app.state import runs
from app.widgets.header import header
from app.widgets.picture import picture_error
from app.widgets.text import one_line

MAX_OFFERED = 50
"""Own runs in a list to choose from, the newest; older ones are opened from Runs."""
NO_RUNS = "There is no trained run yet. Open Train and start one; it appears here when it has ended."


def run_name(info: RunInfo) -> str:
    """The name that people gave a run, else its recipe and dataset."""
    if info.status.name or info.config is None:
        return one_line(info.name)
    recipe = RECIPES.get(info.config.recipe)
    title = recipe.title if recipe else info.config.recipe.replace("_", " ")
    return one_line(f"{title} · {dataset_title(info.config)}")


def dataset_title(config: RunConfig) -> str:
    """Name the images of a run."""
    return "Own images" if config.dataset.local_path else config.dataset.title or config.dataset.kind


def explorable_runs() -> Sequence[RunInfo]:
    """Runs that can be opened: ready-made ones in the order of the recipes, then own ones, newest first."""
    return _explorable(cache.runs())


@cache.of_listing
def _explorable(listed: Sequence[RunInfo]) -> Sequence[RunInfo]:
    order = {name: place for place, name in enumerate(RECIPES)}
    infos = [info for info in listed if info.explorable]
    ready = sorted(
        (info for info in infos if info.builtin),
        key=lambda info: order.get(info.config.recipe, len(order)) if info.config else len(order),
    )
    return (*ready, *(info for info in infos if not info.builtin))


def offered_runs(infos: Sequence[RunInfo], chosen: Collection[str] = ()) -> Sequence[RunInfo]:
    """Those of `infos` that a list offers: ready-made ones, the newest `MAX_OFFERED` own ones, and the `chosen`."""
    older = {info.run_id for info in [info for info in infos if not info.builtin][MAX_OFFERED:]}.difference(chosen)
    return [info for info in infos if info.run_id not in older] if older else infos


@cache.of_listing
def _offered(infos: Sequence[RunInfo]) -> dict[str, str]:
    return run_labels(offered_runs(infos))


def run_labels(infos: Sequence[RunInfo]) -> dict[str, str]:
    """{run id: name and code size}, followed by the end of the id if two runs would have the same label."""
    plain = {info.run_id: f"{run_name(info)} · {info.config.code_dim if info.config else '?'} units" for info in infos}
    times = Counter(plain.values())
    return {run_id: text if times[text] == 1 else f"{text} · {run_id[-6:]}" for run_id, text in plain.items()}


def header_with_run(title: str, shows: str, try_this: str, showpiece: str) -> Session:
    """Draw the `header` with the choice of a run at its right (below it on a phone); return the run's session.

    `showpiece` is the ready-made run that the page shows until somebody chooses one. Call it outside fragments. If the
    run in the URL does not exist or cannot be opened, the page says so and ends there; the choice stays usable.
    """
    left, right = st.columns([5, 2], gap="large", vertical_alignment="center")
    with left:
        header(title, shows, try_this)
    with right:
        chosen = _pick(title, showpiece)
    return _opened(title, chosen)


def _pick(page: str, showpiece: str) -> str | None:
    infos = explorable_runs()
    chosen = _chosen(page, infos, showpiece)
    labels = _offered(infos)
    if chosen is not None and chosen not in labels:
        labels = run_labels(offered_runs(infos, (chosen,)))
    st.session_state[runs.RUN_PICKER] = chosen if chosen in labels else None
    st.selectbox(
        "Run",
        list(labels),
        key=runs.RUN_PICKER,
        format_func=lambda run_id: labels.get(str(run_id), str(run_id)),
        on_change=_picked,
        placeholder="Choose a run",
        icon=":material/network_node:",
        label_visibility="collapsed",
    )
    if len(labels) < len(infos):
        st.caption(f"The newest {MAX_OFFERED} own runs; open older ones from Runs.")
    return chosen


def _opened(page: str, run_id: str | None) -> Session:
    try:
        if run_id is None:
            raise RunUnavailable(NO_RUNS)
        session = _open(run_id)
    except AecoreError as error:
        picture_error(
            f"{str(error)[:1].upper()}{str(error)[1:]}{'' if run_id is None else '. Choose another run above.'}"
        )
        st.stop()
    if not runs.is_offered(page, run_id):
        runs.choose_run(run_id)
    return session


def _chosen(page: str, infos: Sequence[RunInfo], showpiece: str) -> str | None:
    """The run in the URL, else the one chosen last (if it still exists), else the page's showpiece, else the first."""
    if (asked := runs.asked_run()) is not None:
        return asked
    ids = [info.run_id for info in infos]
    if (last := runs.last_run()) in ids:
        return last
    offered = showpiece if showpiece in ids else next(iter(ids), None)
    if offered is not None:
        runs.offer_run(page, offered)
    return offered


def _picked() -> None:
    if (run_id := st.session_state.get(runs.RUN_PICKER)) is not None:
        runs.choose_run(run_id)


def _open(run_id: str) -> Session:
    info = cache.store().info(run_id)
    if info.state in LIVE:
        raise RunUnavailable("this run is still training; it can be opened when it has ended or been stopped")
    if not info.explorable:
        raise RunUnavailable(f"this run cannot be opened: {info.reason or info.state}")
    return cache.session(run_id)
