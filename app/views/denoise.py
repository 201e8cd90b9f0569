"""Denoise: what a run makes of damaged images, at any kind and strength of noise."""

import dataclasses
import html
from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore import pictures
from aecore.corruptions import NoCorruption, Rows
from aecore.errors import AecoreError
from aecore.parts import Corruption
from aecore.registry import members
from aecore.session import Denoised, Gallery, Session
from app import cache, state
from app.widgets.error_curve import error_curve
from app.widgets.image_picker import pick_images
from app.widgets.image_source import image_source
from app.widgets.picture import picture, picture_error, send_now
from app.widgets.run_picker import header_with_run

ROWS = ("Original", "Corrupted", "Reconstruction")
FIGURES = {
    "sse": ("Squared error per image", "Σ (x − r)² over all pixels, mean over the images; 0 is identical", "{:.2f}"),
    "psnr": ("PSNR, dB", "Peak signal-to-noise ratio of the mean error; higher is better", "{:.1f}"),
    "ssim": ("SSIM", "Structural similarity, −1 to 1; 1 is identical", "{:.2f}"),
}
MAX_SEED = 9999


def noise_kinds(session: Session) -> dict[str, type[Corruption]]:
    """{kind: class}, what the run was trained for first; without `none`, which is every kind's level 0."""
    own = session.config.corruption.kind
    if own == NoCorruption.kind_name() and session.continues:
        own = Rows.kind_name()
    kinds = {kind: cls for kind, cls in members("corruptions", Corruption).items() if kind != "none"}
    return dict(sorted(kinds.items(), key=lambda item: item[0] != own))


def pick_noise(session: Session) -> str:
    """The kind of noise: that of the URL, else the run's own."""
    kinds = noise_kinds(session)
    asked = state.parameter(state.NOISE)
    kind = asked if asked in kinds else next(iter(kinds))
    key = state.widget(state.NOISE)
    state.hold(key, kind)
    st.pills(
        "Noise",
        list(kinds),
        format_func=lambda name: kinds[name].title,
        required=True,
        key=key,
        on_change=state.widget_to_url,
        args=(state.NOISE,),
        wrap=True,
    )
    return kind


def level_of(session: Session, kind: str) -> float:
    """The strength of the noise: that of the URL, else the run's own, else the kind's."""
    asked = state.share(state.LEVEL)
    return session.corruption(kind).level if asked is None else asked


def level_slider(session: Session, kind: str, level: float) -> None:
    field = noise_kinds(session)[kind].model_fields["level"]
    key = state.widget(state.LEVEL)
    state.hold(key, level)
    st.slider(
        str(field.title),
        0.0,
        1.0,
        step=0.01,
        key=key,
        on_change=state.widget_to_url,
        args=(state.LEVEL,),
        help=field.description,
    )


def pick_seed(random: bool) -> int:
    """The seed of the noise; where nothing is random, its controls rest."""
    seed = state.position(state.SEED, MAX_SEED + 1)
    key = state.widget(state.SEED)
    state.hold(key, seed)
    row = st.container(horizontal=True, gap="small", vertical_alignment="bottom", wrap=False)
    row.number_input(
        "Seed",
        0,
        MAX_SEED,
        key=key,
        on_change=state.widget_to_url,
        args=(state.SEED,),
        help="Equal seeds replay equal noise.",
        disabled=not random,
    )
    row.button(
        "New noise",
        icon=":material/casino:",
        on_click=state.set_parameter,
        args=(state.SEED, str((seed + 1) % (MAX_SEED + 1))),
        width="stretch",
        disabled=not random,
    )
    return seed


@dataclasses.dataclass(frozen=True)
class Scene:
    """What the level is applied to, and where on the page the results stand."""

    session: Session
    gallery: Gallery
    chosen: tuple[int, ...]
    kind: str
    seed: int
    picture: DeltaGenerator
    slider: DeltaGenerator
    below: DeltaGenerator


@st.fragment
def view(scene: Scene) -> None:
    """All that follows the level; the rest of the page stays as it is. The picture goes first, the URL last."""
    state.begin_place()
    level = level_of(scene.session, scene.kind)
    with scene.picture:
        done = _picture(scene, level)
    send_now()
    with scene.slider:
        level_slider(scene.session, scene.kind, level)
        if done is not None and scene.kind == Rows.kind_name() and scene.session.continues:
            height = scene.session.shape[1]
            st.caption(f"The first {done.rows_given} of {height} rows are given; the decoder goes on from there.")
    with scene.below:
        if done is not None:
            st.html(f'<div class="below">{_figures(done)}{_curve(scene, level)}</div>')
    state.write_place()


def _picture(scene: Scene, level: float) -> Denoised | None:
    if not scene.chosen:
        picture_error("No image is chosen. Pick some with “Choose”, or press “Others”.")
        return None
    try:
        done = scene.session.denoise(scene.gallery.images[list(scene.chosen)], scene.kind, level, scene.seed)
        sheet = pictures.sheet([done.original, done.shown, done.reconstruction])
    except AecoreError as error:
        picture_error(str(error))
        return None
    words = f"{len(scene.chosen)} images: original, corrupted at level {level:.2f}, reconstruction"
    picture(sheet, words, rows=ROWS, columns=names_of(scene.gallery, scene.chosen), most=12)
    return done


def _figures(done: Denoised) -> str:
    figures = done.figures()
    rows = "".join(
        f'<tr title="{html.escape(hint, quote=True)}"><th scope="row">{name}</th>'
        + "".join(f"<td>{form.format(value)}</td>" for value in figures[key])
        + "</tr>"
        for key, (name, hint, form) in FIGURES.items()
        if key in figures
    )
    return (
        '<div><table class="figures"><thead><tr><td></td><th scope="col">Corrupted</th>'
        f'<th scope="col">Reconstruction</th></tr></thead><tbody>{rows}</tbody></table>'
        f'<p class="reading">{html.escape(reading(done.removed))}</p></div>'
    )


def _curve(scene: Scene, level: float) -> str:
    session, own = scene.session, scene.session.config.corruption
    source = state.own_images_token() if scene.gallery.own else "dataset"
    images = scene.gallery.images[list(scene.chosen)]
    try:
        curve = cache.error_curve(
            str(session.folder), session.run_id, source, scene.chosen, scene.kind, scene.seed, images
        )
    except AecoreError as error:
        return f'<div class="picture-error" role="alert">{html.escape(str(error))}</div>'
    return error_curve(curve, own.level if own.kind == scene.kind else None, level)


def reading(removed: float | None) -> str:
    """The figures in plain words."""
    if removed is None:
        return "Without noise, the error that is left is what the code cannot hold."
    if removed <= 0:
        return "Here the model does more harm than good: its answer is further from the original than the noisy image."
    return f"The model takes away {removed:.0%} of the squared error that the noise had put in."


def page() -> None:
    session = header_with_run(
        "Denoise",
        "Noise is put on each image, and the autoencoder draws what it believes was there.",
        "raise the level until the reconstruction becomes another image.",
        "digits-denoising",
    )
    state.begin_place(whole_page=True)
    state.forget_view_of_another_run("denoise", session.run_id, (state.LEVEL, state.NOISE))
    left, right = st.columns([7, 3], gap="large")
    picture_place = left.container(key="denoise_picture")
    below = left.container(key="denoise_below")
    with right:
        kind = pick_noise(session)
        slider = st.container()
        seed = pick_seed(noise_kinds(session)[kind].random)
        if not (session.config.corruption.level or session.continues):
            st.caption(":material/info: This run was trained without noise; it never learned to repair.")
        gallery = image_source(session)
        chosen = pick_images(gallery)
    view(Scene(session, gallery, tuple(chosen), kind, seed, picture_place, slider, below))


def names_of(gallery: Gallery, chosen: Sequence[int]) -> list[str]:
    """The classes of the images, where there are any."""
    if gallery.labels is None or not gallery.label_names:
        return []
    return [gallery.label_names[int(gallery.labels[position])] for position in chosen]


page()
