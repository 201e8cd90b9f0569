"""Choose the maps and the number of images; slow maps are computed in the background, after a press of “Run”."""

import html
from typing import Any

import streamlit as st

from aecore.foundation.errors import AecoreError, BadInput
from aecore.maps.plan import DEFAULT_IMAGES, is_cached, is_fast, max_count, shown_count, validate
from aecore.maps.queue import MapJob
from aecore.maps.spec import MAX_PANELS, AtlasSpec, PanelSpec
from aecore.parts.embeddings import Umap
from aecore.parts.looking import Embedding
from aecore.parts.registry import make, members
from aecore.session.session import Session
from aecore.store.folder import RunInfo
from app import cache, visitor
from app.state import maps
from app.widgets.run_picker import explorable_runs, offered_runs, run_labels
from app.widgets.settings_form import own_fields, settings_form
from app.widgets.text import plain

POLL_SECONDS = 0.4
NO_MAP = "none"
OTHER_RUN = "@"
EARLIER_EPOCH = "~"
CODE = make("embeddings", Embedding, "code")


def asked(session: Session) -> AtlasSpec:
    """The maps in the URL; the default ones if it has none or they are invalid."""
    texts, number, seed = maps.asked_maps()
    try:
        panels = tuple(PanelSpec.parse(text) for text in texts)
        for panel in panels:
            if panel.run is not None:
                cache.store().info(panel.run)  # the link may name a run that is not this visitor's to see
        spec = AtlasSpec(panels, number, seed) if panels else AtlasSpec(n=number, seed=seed)
        validate(session, spec)
        return spec
    except AecoreError:
        return AtlasSpec()


def at_once(session: Session, spec: AtlasSpec) -> bool:
    """True if these maps can be drawn without a wait."""
    try:
        return is_fast(session, spec) or is_cached(session, spec)
    except AecoreError:
        return False


def shown(session: Session, wanted: AtlasSpec) -> AtlasSpec:
    """The maps to draw now: the wanted ones if they need no wait, else those shown last, else the default ones."""
    last: Any = maps.shown_maps()
    before = [last[1]] if isinstance(last, tuple) and last[0] == session.run_id else []
    found = next((spec for spec in (wanted, *before) if at_once(session, spec)), AtlasSpec())
    maps.remember_maps(session.run_id, found)
    return found


def words(spec: AtlasSpec) -> str:
    """`PCA · MDS · Autoencoder code, 1,000 images`."""
    names = " · ".join(panel.embedding.title for panel in spec.panels)
    return names + ("" if spec.n is None else f", {spec.n:,} images")


# --- choosing


def choose(session: Session, wanted: AtlasSpec) -> tuple[AtlasSpec | None, str]:
    """Draw the widgets; return the chosen maps, or None and why they cannot be drawn."""
    key = f"{maps.MAP_WIDGET}{maps.round_of_maps()}{session.run_id}"
    found = _options(session, [panel.run or "" for panel in wanted.panels])
    try:
        panels = [
            panel
            for i, column in enumerate(st.columns(MAX_PANELS, gap="medium"))
            if (
                panel := _panel(
                    session, wanted.panels[i] if i < len(wanted.panels) else None,
                    {NO_MAP: "None", **found} if i else found, i, column, f"{key}{i}",
                )
            )
        ]  # fmt: skip
        number, seed = _images(session, wanted, key)
        if not panels:
            raise BadInput("choose at least one map")
        spec = AtlasSpec(tuple(panels), number, seed)
        validate(session, spec)
        return spec, ""
    except (AecoreError, ValueError) as error:
        return None, str(error)


def _panel(
    session: Session, before: PanelSpec | None, options: dict[str, str], i: int, column: Any, key: str
) -> PanelSpec | None:
    with column:
        if st.session_state.get(f"{key}.kind") not in options:  # on the first run, or after another run was deleted
            st.session_state[f"{key}.kind"] = _kind_of(before, options)
        kind = st.selectbox(f"Map {i + 1}", list(options), format_func=lambda kind: options[kind], key=f"{key}.kind")
        if kind == NO_MAP:
            return None
        if kind == EARLIER_EPOCH:
            epochs = session.snapshots
            held = before.epoch if before is not None and before.epoch in epochs else min(epochs)
            st.session_state.setdefault(f"{key}.epoch", held)
            epoch = st.select_slider("Epoch", epochs, key=f"{key}.epoch") if len(epochs) > 1 else held
            return PanelSpec(CODE, epoch=int(epoch))
        if kind.startswith(OTHER_RUN):
            return PanelSpec(CODE, run=kind.removeprefix(OTHER_RUN))
        own = (
            before.embedding
            if before is not None and _kind_of(before, options) == kind
            else make("embeddings", Embedding, kind)
        )
        return PanelSpec(make("embeddings", Embedding, {"kind": kind, **_settings(own, f"{key}.{kind}")}))


def _settings(before: Embedding, key: str) -> dict[str, Any]:
    """The settings of a map; the graph's only if its distances need one."""
    fields = [name for name in own_fields(type(before)) if name != "dimensions"]
    held, graph = before.model_dump(), [name for name in fields if name == "neighbours"]
    rest = [name for name in fields if name not in graph]
    values = settings_form(type(before), held, key, rest, without=("precomputed",), keep=False)
    if values.get("distance") == "geodesic":
        values |= settings_form(type(before), held, key, graph, keep=False)
    return values


def _options(session: Session, chosen: list[str]) -> dict[str, str]:
    """{kind: title} of what a panel can show: each method, this run's code at an epoch, other runs' codes."""
    found = {
        kind: cls.title for kind, cls in members("embeddings", Embedding).items() if cls is not Umap or Umap.installed()
    }
    if session.snapshots:
        found[EARLIER_EPOCH] = "Code during training"
    others = [info for info in offered_runs(explorable_runs(), chosen) if _has_same_images(session, info)]
    labels = run_labels(others)
    return found | {f"{OTHER_RUN}{info.run_id}": f"Code of {labels[info.run_id]}" for info in others}


def _has_same_images(session: Session, info: RunInfo) -> bool:
    config = info.config
    return info.run_id != session.run_id and config is not None and config.dataset == session.config.dataset


def _kind_of(panel: PanelSpec | None, options: dict[str, str]) -> str:
    if panel is None:
        return NO_MAP if NO_MAP in options else "pca"
    kind = panel.embedding.kind
    if panel.run is not None:
        kind = f"{OTHER_RUN}{panel.run}"
    elif panel.epoch is not None:
        kind = EARLIER_EPOCH
    return kind if kind in options else next(iter(options))


def _images(session: Session, wanted: AtlasSpec, key: str) -> tuple[int | None, int]:
    left, middle, _ = st.columns([1, 1, 2], gap="medium")
    total = max_count(session, AtlasSpec((PanelSpec(CODE),)))
    st.session_state.setdefault(f"{key}.n", shown_count(session, wanted))
    st.session_state.setdefault(f"{key}.seed", wanted.seed)
    number = left.number_input(
        "Images", min(2, total), total, step=500, key=f"{key}.n",
        help=f"Test images come first, then validation and training images; there are {total:,}. "
        f"More than {DEFAULT_IMAGES:,} take longer and are computed in the background.",
    )  # fmt: skip
    seed = middle.number_input(
        "Sample seed", 0, 9_999, step=1, key=f"{key}.seed", help="Chooses which images are shown."
    )
    return None if number == shown_count(session, AtlasSpec()) else int(number), int(seed)


# --- the state of a choice


def notice(session: Session, wanted: AtlasSpec, drawn: AtlasSpec, draft: AtlasSpec | None, refusal: str) -> None:
    """One line above the maps if they are not the wanted ones: why, and a button to change that."""
    if refusal:
        _line(f"<b>These maps cannot be computed:</b> {html.escape(refusal)}.", None, undo=True)
    elif draft is not None and draft != wanted:
        text = f"<b>Not yet computed:</b> {html.escape(words(draft))}. The maps below are the previous ones."
        _line(text, (session, draft), undo=True)
    elif drawn != wanted:
        job = cache.map_jobs().find(session.run_id, wanted)
        if job is not None and job.state in ("waiting", "running"):
            st.fragment(_progress, run_every=POLL_SECONDS)(job)
            return
        why = (
            ""
            if job is None
            else {"failed": f" It failed: {job.error}.", "stopped": " It was stopped."}.get(job.state, "")
        )
        text = f"<b>Not yet computed:</b> {html.escape(words(wanted))}.{html.escape(why)} Other maps are shown below."
        _line(text, (session, wanted))


def _line(text: str, run: tuple[Session, AtlasSpec] | None, undo: bool = False) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="map_notice"):
        st.html(f'<p class="stale" role="status">{text}</p>', width="stretch")
        if run is not None:
            st.button("Run", icon=":material/play_arrow:", type="primary", on_click=_run, args=run)
        if undo:
            st.button("Undo", icon=":material/undo:", on_click=maps.undo_map_choice)


def ask(spec: AtlasSpec) -> bool:
    """Write the wanted maps into the URL; True if that changed it."""
    default, before = AtlasSpec(), maps.asked_maps()
    maps.ask_maps(() if spec.panels == default.panels else [panel.text for panel in spec.panels], spec.n, spec.seed)
    return maps.asked_maps() != before


def _run(session: Session, spec: AtlasSpec) -> None:
    """Start the computation of maps in the background, unless they can be drawn at once."""
    ask(spec)
    if not at_once(session, spec):
        try:
            cache.map_jobs().ask(session.run_id, spec, visitor.current())
        except AecoreError as error:
            st.toast(plain(str(error)), icon=":material/error:")


def _progress(job: MapJob) -> None:
    if job.state not in ("waiting", "running"):
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", key="map_notice"):
        st.progress(job.fraction, text=plain(job.words))
        if job in cache.map_jobs().live(visitor.current()):  # others may wait for the same maps
            st.button("Stop", icon=":material/stop:", on_click=job.stop, args=(visitor.current(),))
