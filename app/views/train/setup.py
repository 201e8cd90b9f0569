"""Set up a training: its kind, images and main settings, and all other settings in an expander."""

import html
from typing import Any

import streamlit as st

from aecore.foundation.errors import AecoreError, BadInput, BadSettings
from aecore.model.config import PACKAGES, RunConfig, TrainingSettings, parse
from aecore.model.recipes import RECIPES, Recipe, suggested_epochs
from aecore.parts.data import Data, Dataset, Part
from aecore.parts.datasets.npz import save_npz
from aecore.parts.loading import load_data
from aecore.parts.registry import members
from aecore.pictures import sheets
from aecore.store.access import Visitor
from aecore.store.owners import start_download
from aecore.store.run_data import IMAGES
from aecore.training import queue
from aecore.training.run import Outlook, outlook
from app import cache, visitor
from app.state import uploads, url
from app.state.training import DATASET, RECIPE, TRAIN_COLOUR, TRAIN_SIDE, TRAIN_WIDGET, watch_job
from app.text import plain
from app.widgets.own_images import show_intake, uploader
from app.widgets.picture import picture, picture_error
from app.widgets.queue import train_queue
from app.widgets.settings_form import own_fields, settings_form

OWN = "own"
SIDES = (8, 16, 28, 32, 48, 64)
CHOSEN_PARTS = ("corruption", "backbone", "likelihood", "objective", "procedure")
LEADING = ("corruption", "objective")
"""Parts whose first setting (a level, a weight) is shown outside the expander."""
MAX_RUN_NAME = 80
MAX_PARAMETERS = 20_000_000
"""Of a network trained from the page; a larger one would use up the memory that everybody shares."""
NOTHING_KEPT = (
    "Nothing is kept on this server, so nothing is trained on it; to train, install the program on your own machine, "
    "as its README says, and start it with “aecore app”."
)
COPY_NOTE = (
    "Training keeps a copy of these images in the run's folder on this server, so that the run can be opened later. "
    "To remove the copy, delete the run for good on the Runs page."
)
SEEN_NOTE = "The person who runs this server can see these images, too."


def not_here(who: Visitor) -> str:
    """Why this visitor cannot train on this server at all; "" for others."""
    if not who.may_write:
        return NOTHING_KEPT
    return "" if who.is_operator or who.quotas.waiting else who.quotas.training_words()


@st.fragment
def setup() -> None:
    """Draw the settings at the right, and at the left the images on which they would train."""
    left, right = st.columns([7, 3], gap="large")
    shown = left.container()
    with right:
        recipe = _recipe()
        kind = _dataset_kind(recipe)
        data, refusal = _data(kind)
        config: RunConfig | None = None
        if data is not None:
            try:
                config = _settings(recipe, kind, data)
            except BadSettings as error:
                refusal = str(error)
        preview = None
        if config is not None and data is not None:
            preview, refusal = _checked(config, data)
        if data is not None:
            _train_button(config if preview is not None and not refusal else None, data, refusal)
            if not (who := visitor.current()).is_operator:
                st.caption(who.quotas.training_words())
        train_queue()
    with shown:
        _picture(config, data, preview, refusal)
        _recipe_words(recipe, preview)


# --- kind and images


def _recipe() -> Recipe:
    key = f"{TRAIN_WIDGET}recipe"
    if key not in st.session_state:
        asked = url.parameters().get(RECIPE)
        st.session_state[key] = asked if asked in RECIPES else "denoising"
    name = st.selectbox(
        "Kind", list(RECIPES), key=key, format_func=lambda name: RECIPES[name].title, persist_state="session"
    )
    url.set_parameter(RECIPE, name)
    return RECIPES[name]


def dataset_kinds() -> dict[str, str]:
    """{kind: title} of all datasets but those in files on the server, and the visitor's own images."""
    offered = {kind: cls.title for kind, cls in members("datasets", Dataset).items() if not cls.local_path}
    return {**offered, OWN: "Your own images"}


def _dataset_kind(recipe: Recipe) -> str:
    titles = dataset_kinds()
    key = f"{TRAIN_WIDGET}{recipe.name}.dataset"
    if key not in st.session_state:
        asked = url.parameters().get(DATASET)
        st.session_state[key] = asked if asked in titles else recipe.config.dataset.kind
    kind = st.selectbox("Images", list(titles), key=key, format_func=lambda kind: titles[kind], persist_state="session")
    url.set_parameter(DATASET, None if kind == recipe.config.dataset.kind else kind)
    return kind


def _data(kind: str) -> tuple[Data | None, str]:
    """The images, or why there are none yet."""
    try:
        if kind == OWN:
            return _own(), ""
        dataset = members("datasets", Dataset)[kind].model_validate({})
        if not dataset.available():
            _download(dataset)
            remedy = "Download it once for everybody here."
            if not visitor.current().is_operator:
                remedy = "Ask the person who runs the server to download it, or choose other images."
            return None, f"{dataset.title} is not on this server yet. {remedy}"
        return load_data(dataset), ""
    except AecoreError as error:
        return None, str(error)


def _own() -> Data:
    with st.expander("Upload images", icon=":material/add_photo_alternate:", expanded=not uploads.uploads()):
        uploader()
        side = st.select_slider("Side (pixels)", SIDES, 32, key=TRAIN_SIDE, persist_state="session")
        colour = st.toggle("Keep colours", key=TRAIN_COLOUR, persist_state="session")
        files = [(file.name, file.content) for file in uploads.uploads()]
        if files:
            intake = cache.own_images(uploads.uploads_version(), (side, side), 3 if colour else 1, files)
            show_intake(intake, f"{side} × {side} pixels")
    seen = "" if visitor.current().is_operator else f" {SEEN_NOTE}"
    st.caption(f":material/info: {COPY_NOTE}{seen}")
    if not files:
        raise BadInput("Upload some pictures to train on: image files, a ZIP or an NPZ. A few dozen are a good start.")
    return cache.own_data(uploads.uploads_version(), side, 3 if colour else 1, files)


# --- downloads


def _download(dataset: Dataset) -> None:
    found = cache.downloads(dataset.kind)
    running = bool(found) and found[0].running
    st.fragment(_download_state, run_every=0.5 if running else None)(dataset, running)


def _download_state(dataset: Dataset, was_running: bool) -> None:
    found = cache.downloads(dataset.kind)
    if found and found[0].running:
        st.progress(found[0].fraction, text=plain(found[0].words))
        st.caption("The download continues if you leave this page.")
        return
    if was_running:
        st.rerun()
    if found and found[0].error:
        st.error(plain(found[0].error), icon=":material/cloud_off:")
    if not visitor.current().is_operator:
        return
    if st.button(f"Download {dataset.title}", icon=":material/download:", type="primary", width="stretch"):
        try:
            found[:] = [start_download(visitor.current(), dataset)]
        except AecoreError as error:
            st.error(plain(str(error)), icon=":material/block:")
        else:
            st.rerun()


# --- settings


def _settings(recipe: Recipe, kind: str, data: Data) -> RunConfig:
    """Draw the widgets; return their settings. Raises `BadSettings` if these cannot work together."""
    values = recipe.config.model_dump(mode="json")
    key = f"{TRAIN_WIDGET}{recipe.name}"
    images = len(data.indices("train"))
    epochs, procedure = suggested_epochs(recipe.config, kind, images)
    who = visitor.current()
    most = {} if who.is_operator else {"epochs": who.quotas.epochs}
    values["training"] = {**values["training"], "threads": 1, "epochs": min(epochs, most.get("epochs", epochs))}
    values["procedure"] = procedure.model_dump(mode="json")
    values["dataset"] = {"kind": "npz", "path": IMAGES} if kind == OWN else {"kind": kind}
    with st.container(horizontal=True, gap="small"):
        basic = settings_form(RunConfig, values, key, ("code_dim",))
        training = settings_form(TrainingSettings, values["training"], f"{key}.{kind}", ("epochs",), most=most)
    noisy = values["corruption"]["kind"] if recipe.config.corruption.level else ""
    parts: dict[str, dict[str, Any]] = {}
    if noisy:
        parts["corruption"] = _part("corruption", values, key)
    leading = st.container()
    with st.expander("All settings", icon=":material/tune:"):
        for name in CHOSEN_PARTS:
            part = parts.get(name) or _part(name, values, key)
            where = f"{key}.{kind}" if name == "procedure" else key  # its epochs depend on the images, too
            cls = members(PACKAGES[name][0], PACKAGES[name][1])[part["kind"]]
            names = own_fields(cls)
            first = names[:1] if name in LEADING else []
            with leading:
                part |= settings_form(cls, part, f"{where}.{name}.{cls.kind_name()}", first)
            rest = [field for field in names if field not in first]
            part |= settings_form(cls, part, f"{where}.{name}.{cls.kind_name()}", rest)
            parts[name] = part
        st.divider()
        rest = [field for field in own_fields(TrainingSettings) if field != "epochs"]
        training |= settings_form(TrainingSettings, values["training"], f"{key}.{kind}", rest)
    return parse({**values, **parts, **basic, "training": {**values["training"], **training}})


def _part(name: str, values: dict[str, Any], key: str) -> dict[str, Any]:
    """The choice of a part's kind: with the recipe's settings if it is the recipe's kind, else with its defaults."""
    found: dict[str, type[Part]] = members(PACKAGES[name][0], PACKAGES[name][1])
    own = values[name]["kind"]
    kind = st.selectbox(
        RunConfig.model_fields[name].title or name.capitalize(), list(found), list(found).index(own),
        format_func=lambda kind: found[kind].title or kind, key=f"{key}.{name}", persist_state="session",
        help=(found[own].__doc__ or "").split("\n")[0] or None,
    )  # fmt: skip
    if kind == own:
        return dict(values[name])
    return found[kind].model_validate({}).model_dump(mode="json")


def _checked(config: RunConfig, data: Data) -> tuple[Outlook | None, str]:
    """The preview of a training, or why it cannot be started."""
    try:
        own = config.dataset.local_path
        preview = outlook(config, data) if own else cache.outlook(config.json_text())
    except AecoreError as error:
        return None, str(error)
    if preview.parameters > MAX_PARAMETERS:
        millions, limit = f"{preview.parameters / 1e6:,.0f}", f"{MAX_PARAMETERS / 1e6:.0f}"
        return (
            None,
            f"This network has {millions} million parameters; the page trains at most {limit}. Use fewer.",
        )
    try:
        _check_quotas(config, preview)
    except AecoreError as error:
        return preview, str(error)
    return preview, ""


def _check_quotas(config: RunConfig, preview: Outlook) -> None:
    """Raise `NotAllowed` for a training that the queue would refuse."""
    store = cache.store()
    if not (who := store.who).is_operator:
        who.quotas.check_epochs(config.procedure.total_epochs(config))
        who.quotas.check_parameters(preview.parameters)
        who.quotas.check_waiting(len(store.live_of(who.name)))


def _own_name(config: RunConfig) -> str:
    """A name for a run trained on uploads: the kind, and the uploaded file or their number."""
    files = [file.name for file in uploads.uploads()]
    recipe = RECIPES.get(config.recipe)
    title = recipe.title if recipe else config.recipe
    return f"{title} · {files[0] if len(files) == 1 else f'{len(files)} files'}"[:MAX_RUN_NAME]


def _train_button(config: RunConfig | None, data: Data, refusal: str) -> None:
    if st.button(
        "Train", icon=":material/play_arrow:", type="primary", disabled=config is None, width="stretch", key="_train_go"
    ):
        assert config is not None
        try:
            images = save_npz(data.images) if config.dataset.local_path else None
            watch_job(queue.submit(cache.store(), config, _own_name(config) if images else "", images))
        except AecoreError as error:
            refusal = str(error)
        else:
            st.rerun()
    if refusal:
        st.error(plain(refusal), icon=":material/block:")


# --- pictures and words


def _picture(config: RunConfig | None, data: Data | None, preview: Outlook | None, refusal: str) -> None:
    if preview is None or config is None or data is None:
        # Why settings are refused is said at the button; why there are no images is said here.
        picture_error(
            refusal if data is None else "These settings cannot work together; see the message at the button."
        )
        return
    noisy = config.corruption.level > 0
    rows = [preview.clean, preview.corrupted] if noisy else [preview.clean]
    try:
        sheet = sheets.sheet(rows)
    except AecoreError as error:
        picture_error(str(error))
        return
    alt = f"{len(preview.clean)} held-out images of {data.name}{', above, and corrupted, below' if noisy else ''}"
    picture(sheet, alt, rows=("Original", "Corrupted") if noisy else ("Original",), most=14)


def _recipe_words(recipe: Recipe, preview: Outlook | None) -> None:
    sizes = ""
    if preview is not None:
        sizes = f"<dt>Sizes</dt><dd>{preview.images:,} training images, {preview.parameters:,} parameters</dd>"
    st.html(
        f'<section class="recipe"><p class="teaches">{html.escape(recipe.teaches)}</p>'
        f'<dl class="facts"><dt>Formula</dt><dd class="formula">{html.escape(recipe.formula)}</dd>'
        f"<dt>Source</dt><dd>{html.escape(recipe.source)}</dd>{sizes}</dl></section>"
    )
