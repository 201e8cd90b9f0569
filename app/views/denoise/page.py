"""Denoise: corrupt images with any kind and level of noise, and reconstruct them."""

import dataclasses
import html
from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore.foundation.errors import AecoreError
from aecore.parts.contracts import Corruption
from aecore.session.denoising import Denoised
from aecore.session.gallery import Gallery
from aecore.session.session import Session
from app import cache, picture_first
from app.live import denoise as live
from app.live.denoise import Scene, View
from app.state import keys, uploads, url
from app.state.live import live_failed, live_failure
from app.state.url import Parameters, number, whole
from app.text import plain
from app.views.denoise import noise
from app.views.denoise.noise import noise_kinds
from app.widgets.drawn_curve import error_curve
from app.widgets.image_picker import pick_images
from app.widgets.image_source import GALLERY, image_source
from app.widgets.picture import picture, picture_error, send_now
from app.widgets.run_picker import explorable_runs, header_with_run, offered_runs, run_labels, run_name

ROWS = ("Original", "Corrupted")
RECONSTRUCTION = "Reconstruction"
NO_SECOND_RUN = "Compare with …"


@dataclasses.dataclass(frozen=True)
class Chosen:
    """The runs and images to show."""

    session: Session
    second: Session | None
    gallery: Gallery
    positions: tuple[int, ...]


# --- what is shown


def view_of(parameters: Parameters, session: Session) -> View:
    """Kind, level and seed: the parameters', else the run's own."""
    kinds = noise_kinds(session)
    asked = parameters.get(keys.NOISE)
    kind = asked if asked in kinds else next(iter(kinds))
    return View(kind, level_of(parameters, session, kind), whole(parameters, keys.SEED, live.SEEDS))


def level_of(parameters: Parameters, session: Session, kind: str) -> float:
    """The level of the noise: the parameter, else the run's own, else the kind's default."""
    asked = number(parameters, keys.LEVEL, 0, 1)
    return session.corruption(kind).level if asked is None else asked


def scene_of(parameters: Parameters, chosen: Chosen) -> Scene:
    """Corrupt and reconstruct the images. Raises `AecoreError` if they cannot be corrupted or drawn."""
    session, second = chosen.session, chosen.second
    view = view_of(parameters, session)
    part = session.corruption(view.kind)
    sessions = (session,) if second is None else (session, second)
    return Scene(
        sessions=sessions,
        titles=titles_of(sessions),
        kinds=noise_kinds(session),
        view=view,
        own_level=number(parameters, keys.LEVEL, 0, 1) is None,
        results=tuple(_denoised(chosen, one, part, view) for one in sessions),
        labels=tuple(names_of(chosen.gallery, chosen.positions)),
        curve=partial(_curve, chosen, view),
    )


def _denoised(chosen: Chosen, by: Session, part: Corruption, view: View) -> Denoised:
    if chosen.gallery.own:
        return by.denoise(chosen.gallery.images[list(chosen.positions)], part, view.level, view.seed)
    return cache.denoised(chosen.session, by, chosen.positions, GALLERY, part, view.level, view.seed)


def titles_of(sessions: tuple[Session, ...]) -> tuple[str, ...]:
    """Labels of the rows of reconstructions."""
    if len(sessions) == 1:
        return (RECONSTRUCTION,)
    infos = [session.info for session in sessions]
    names, labels = [run_name(info) for info in infos], run_labels(infos)
    return tuple(names) if len(set(names)) > 1 else tuple(labels[info.run_id] for info in infos)


def _curve(chosen: Chosen, view: View) -> str:
    session, own = chosen.session, chosen.session.config.corruption
    source = uploads.own_images_token() if chosen.gallery.own else "dataset"
    images = chosen.gallery.images[list(chosen.positions)]
    curve = cache.error_curve(
        session.info.token, session.run_id, source, chosen.positions, view.kind, view.seed, images
    )
    return error_curve(curve, own.level if own.kind == view.kind else None, view.level)


def names_of(gallery: Gallery, positions: Sequence[int]) -> list[str]:
    """The classes of the images; [] without classes."""
    if gallery.labels is None or not gallery.label_names:
        return []
    return [gallery.label_names[int(gallery.labels[position])] for position in positions]


def _shown(chosen: Chosen, show: Callable[[Scene], None]) -> None:
    """Draw the scene, or say why there is none."""
    if not chosen.positions:
        picture_error("No image is chosen. Pick some with “Choose”, or press “Different images”.")
        return
    try:
        show(scene_of(url.parameters(), chosen))
    except AecoreError as error:
        picture_error(str(error))


# --- the live page


@st.fragment
def live_view(chosen: Chosen) -> None:
    """Everything that follows the pointer; drawn again on release. The URL is written last."""
    if (reason := live.failure()) is not None:
        live_failed(reason)
        st.rerun()
    url.forget_written()
    _receive_move(chosen.session)
    _shown(chosen, live.denoise)
    send_now()
    url.write_pending()


def _receive_move(session: Session) -> None:
    """Set the parameters that the visitor changed in the browser."""
    parameters, kinds = url.parameters(), noise_kinds(session)
    before = view_of(parameters, session)
    view = live.moved(session.run_id, kinds) or before
    if view.kind != before.kind:
        url.set_pending(keys.NOISE, view.kind)
    if abs(view.level - level_of(parameters, session, view.kind)) > 1e-9:
        url.set_pending(keys.LEVEL, f"{view.level:g}")
    if view.seed != before.seed:
        url.set_pending(keys.SEED, str(view.seed))


# --- the same page without its live part


@dataclasses.dataclass(frozen=True)
class Places:
    """Containers of the parts that follow the level."""

    picture: DeltaGenerator
    slider: DeltaGenerator
    below: DeltaGenerator


@st.fragment
def plain_view(chosen: Chosen, places: Places) -> None:
    """Everything that follows the level. The picture is drawn first, the URL written last."""
    url.forget_written()
    view = view_of(url.parameters(), chosen.session)
    with places.slider:
        noise.level_slider(noise_kinds(chosen.session)[view.kind], view.level)
    with places.picture:
        _shown(chosen, lambda scene: _plain(scene, places))
    url.write_pending()


def _plain(scene: Scene, places: Places) -> None:
    first = scene.results[0]
    lines = -(-len(first.original) // live.COLUMNS)
    columns = scene.labels if lines == 1 else ()
    picture(
        live.picture(scene.results), live.words(scene), rows=(*ROWS, *scene.titles) * lines, columns=columns, most=12
    )
    send_now()
    if note := live.given_rows(scene.sessions[0], scene.view.kind, first.rows_given):
        places.slider.caption(plain(note))
    reading = f'<p class="reading">{html.escape(live.reading(first.removed))}</p>'
    table = live.table(scene.results, scene.titles)
    places.below.html(f'<div class="below"><div>{table}{reading}</div>{scene.curve()}</div>')


# --- choosing runs and images


def pick_second(session: Session) -> Session | None:
    """The choice of a second run for images of the same size, on the same noise; None if none is chosen."""
    asked = url.parameters().get(keys.SECOND)
    offered = offered_runs(explorable_runs(), (session.run_id, asked or ""))
    labels = run_labels([info for info in offered if info.status.shape == session.shape])
    others = {run_id: name for run_id, name in labels.items() if run_id != session.run_id}
    chosen = asked if asked in others else NO_SECOND_RUN
    key = url.widget(keys.SECOND)
    url.hold(key, chosen)

    def picked() -> None:
        found = st.session_state[key]
        url.set_parameter(keys.SECOND, None if found == NO_SECOND_RUN else found)

    st.selectbox(
        "Compare with another run", [NO_SECOND_RUN, *others], icon=":material/compare:", key=key, on_change=picked,
        format_func=lambda name: f"Compare with {others[name]}" if name in others else NO_SECOND_RUN,
        disabled=not others, label_visibility="collapsed",
    )  # fmt: skip
    return None if chosen == NO_SECOND_RUN else cache.session(chosen)


def choose(session: Session, *places: DeltaGenerator) -> Chosen:
    """The choices of the images' source, of the images, and of a second run, each in its container."""
    source, images, beside = places
    with source:
        gallery = image_source(session)
    with images:
        positions = tuple(pick_images(gallery))
    with beside:
        try:
            second = pick_second(session)
        except AecoreError as error:
            st.caption(f":material/info: {plain(str(error))}")
            second = None
    return Chosen(session, second, gallery, positions)


def hint(session: Session) -> None:
    """Say if the run was trained without noise."""
    if not (session.config.corruption.level or session.continues):
        st.caption(":material/info: This run was trained without noise; it never learned to remove it.")


def page() -> None:
    picture_first.enter()
    session = header_with_run(
        "Denoise",
        "Noise is added to each image, and the autoencoder reconstructs the original.",
        "raise the noise level until the reconstruction becomes another image.",
        "digits-denoising",
    )
    url.forget_written(whole_page=True)
    url.forget_view_of_another_run("denoise", session.run_id, (keys.LEVEL, keys.NOISE))
    if (reason := live_failure()) is not None:
        _plain_page(session, reason)
        return
    place = st.container()
    hint(session)
    chosen = choose(session, *st.columns(3, gap="medium"))
    with place:
        live_view(chosen)


def _plain_page(session: Session, reason: str) -> None:
    left, right = st.columns([7, 3], gap="large")
    picture_place = left.container(key="denoise_picture")
    below = left.container(key="denoise_below")
    with right:
        view, kinds = view_of(url.parameters(), session), noise_kinds(session)
        noise.pick_noise(kinds, view.kind)
        slider = st.container()
        noise.pick_seed(view.seed, live.SEEDS, kinds[view.kind].random)
        hint(session)
        chosen = choose(session, st.container(), st.container(), st.container())
        st.caption(f"The picture changes when you release a control: {plain(reason)}.")
    plain_view(chosen, Places(picture_place, slider, below))


page()
