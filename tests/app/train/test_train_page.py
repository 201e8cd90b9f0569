"""The Train page: settings of the parts, refusals in words, and a training from the click to its result."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reading import button, words

from aecore.foundation.errors import DataUnavailable
from aecore.model.config import PACKAGES, TrainingSettings
from aecore.model.recipes import RECIPES
from aecore.parts.data import Dataset
from aecore.parts.datasets import Mnist
from aecore.parts.registry import members
from aecore.store.folder import RunFolder
from aecore.store.store import RunStore
from aecore.training import queue
from aecore.training.run import train
from app.views.train.setup import OWN, dataset_kinds
from app.views.train.watch import duration
from app.widgets.curves import MAX_POINTS, thinned
from app.widgets.settings_form import own_fields


def picture(kind: int) -> bytes:
    """A small drawing: `kind` says where its white square stands."""
    pixels = np.zeros((12, 12), np.uint8)
    pixels[kind % 8 : kind % 8 + 4, 2:6] = 255
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def test_it_offers_every_kind_and_no_path_of_the_server(empty_home: Path, open_page) -> None:
    page = open_page("train")
    assert not page.exception
    kind, images = (next(box for box in page.selectbox if box.label == label) for label in ("Kind", "Images"))
    assert kind.options == [recipe.title for recipe in RECIPES.values()]
    local = {name for name, cls in members("datasets", Dataset).items() if cls.local_path}
    assert local >= {"folder", "npz"}
    assert set(dataset_kinds()) == set(members("datasets", Dataset)) - local | {OWN}
    assert images.options == list(dataset_kinds().values())


@pytest.mark.parametrize("recipe", [name for name, recipe in RECIPES.items() if recipe.config.dataset.kind != "mnist"])
def test_every_recipe_can_be_set_up_as_it_is(empty_home: Path, open_page, recipe: str) -> None:
    page = open_page("train", recipe=recipe)
    assert not page.exception
    assert RECIPES[recipe].teaches in words(page)
    assert not page.error
    train_button = button(page, "Train")
    assert not train_button.disabled
    train_button.click().run()
    (job,) = queue.queue(RunStore(empty_home))
    expected = RECIPES[recipe].config
    assert job.config is not None
    assert job.config.training.threads == 1
    assert job.config.model_copy(update={"training": expected.training}) == expected
    assert "Train another" in {found.label for found in page.button}  # the page now watches it


def test_the_form_has_a_widget_for_every_setting(empty_home: Path, open_page) -> None:
    page = open_page("train", recipe="denoising")
    groups = (page.number_input, page.slider, page.selectbox, page.text_input, page.toggle, page.button_group)
    keys = {widget.key for group in groups for widget in group}
    config = RECIPES["denoising"].config
    for name in ("corruption", "backbone", "likelihood", "objective"):
        part = getattr(config, name)
        assert f"_train_denoising.{name}" in keys
        assert {f"_train_denoising.{name}.{part.kind}.{field}" for field in own_fields(type(part))} <= keys
        assert set(own_fields(type(part))) <= set(type(part).model_fields)
    assert {f"_train_denoising.digits.{field}" for field in own_fields(TrainingSettings)} <= keys
    assert "_train_denoising.code_dim" in keys
    level = next(slider for slider in page.slider if slider.label == "Fraction hidden")
    assert (level.min, level.max, level.value) == (0.0, 1.0, 0.4)


def test_own_fields_of_every_part_can_be_drawn() -> None:
    """No part may come with a setting that nobody can reach from the page."""
    for name in ("corruption", "backbone", "likelihood", "objective", "procedure"):
        for cls in members(PACKAGES[name][0], PACKAGES[name][1]).values():
            hidden = set(cls.model_fields) - set(own_fields(cls)) - {"kind"}
            assert hidden <= ({"level"} if cls.kind_name() == "none" else set()), cls


def test_settings_reach_the_run(empty_home: Path, open_page) -> None:
    page = open_page("train", recipe="denoising")
    page.number_input(key="_train_denoising.code_dim").set_value(7)
    page.number_input(key="_train_denoising.digits.epochs").set_value(3)
    page.slider(key="_train_denoising.corruption.masking.level").set_value(0.6)
    page.text_input(key="_train_denoising.backbone.mlp.widths").set_value("24, 12").run()
    button(page, "Train").click().run()
    (job,) = queue.queue(RunStore(empty_home))
    config = job.config
    assert config is not None
    assert (config.code_dim, config.training.epochs, config.corruption.level) == (7, 3, 0.6)
    assert config.backbone.model_dump()["widths"] == (24, 12)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("text_input", "_train_contractive.backbone.mlp.widths", "many"), "valid integer"),
        (("text_input", "_train_contractive.backbone.mlp.widths", "9999"), "1 to 4096 units"),
        (("text_input", "_train_contractive.backbone.mlp.widths", "4096 4096 4096"), "million parameters"),
        (("selectbox", "_train_contractive.objective", "variational"), "code_activation"),
    ],
)
def test_what_cannot_work_is_refused_in_words_before_it_starts(
    empty_home: Path, open_page, change: tuple[str, str, str], said: str
) -> None:
    page = open_page("train", recipe="contractive")
    kind, key, value = change
    getattr(page, kind)(key=key).set_value(value).run()
    assert not page.exception
    assert button(page, "Train").disabled
    assert said in page.error[0].value
    assert queue.queue(RunStore(empty_home)) == []


def test_data_that_is_not_here_is_offered_for_download(
    empty_home: Path, open_page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AECORE_MNIST", raising=False)
    page = open_page("train", recipe="course_denoising")
    assert "not on this server yet" in words(page)
    assert not [found for found in page.button if found.label == "Train"]

    def offline(self: Mnist, progress: object = None, fetch: bool = False) -> None:
        raise DataUnavailable("MNIST could not be downloaded; check the network, then try again.")

    monkeypatch.setattr(Mnist, "load", offline)
    button(page, "Download MNIST").click().run()
    while not page.error:  # the download is a thread; each look is a run of the page
        page.run()
    assert "check the network" in page.error[0].value
    assert not page.exception
    assert button(page, "Download MNIST")


def test_own_images_are_copied_and_it_is_said_before(empty_home: Path, open_page) -> None:
    page = open_page("train", dataset=OWN, recipe="undercomplete")
    assert "keeps a copy" in words(page)
    assert "Upload some pictures" in words(page)
    assert not [found for found in page.button if found.label == "Train"]
    page.file_uploader[0].set_value([(f"{i}.png", picture(i), "image/png") for i in range(2)]).run()
    assert "at least 3" in words(page)
    page.file_uploader[0].set_value([(f"{i}.png", picture(i), "image/png") for i in range(2, 9)]).run()
    assert "keeps a copy" in words(page)
    button(page, "Train").click().run()
    (job,) = queue.queue(RunStore(empty_home))
    with np.load(job.folder / "images.npz") as kept:
        assert kept["images"].shape == (9, 1, 32, 32)
    assert job.config is not None
    assert job.config.dataset.kind == "npz"
    assert job.name == f"{RECIPES['undercomplete'].title} · 9 files"


def test_a_training_from_the_click_to_its_result(empty_home: Path, open_page) -> None:
    page = open_page("train", recipe="denoising")
    page.number_input(key="_train_denoising.digits.epochs").set_value(3).run()
    button(page, "Train").click().run()
    (job,) = queue.queue(RunStore(empty_home))
    assert "Starts in a moment" in page.get("progress")[0].proto.text
    page.query_params["job"] = job.run_id  # a browser's address keeps it; here every run begins with the test's own
    store, looks = RunStore(empty_home), []

    def look() -> bool:
        """Asked before every step: looks at the page once, after the first epoch."""
        if not looks and store.info(job.run_id).status.epoch:
            page.run()
            assert not page.exception
            looks.append(page.get("progress")[0].proto.text)
        return False

    assert job.config is not None
    train(job.config, store, should_stop=look, run_id=job.run_id)
    assert looks[0].startswith("Epoch 1 of 3")
    page.run()
    assert not page.exception
    assert "Squared error per test image" in page.success[0].value
    assert len(page.get("plotly_chart")) == 2
    assert {"Denoise", "Walk", "Maps", "Train another"} <= {found.label for found in page.button}

    again = open_page("train", job=job.run_id)  # another tab, another day
    assert again.success[0].value == page.success[0].value
    assert button(open_page("train", job="new"), "Train")


def test_a_queue_is_seen_and_can_be_left(empty_home: Path, open_page) -> None:
    store = RunStore(empty_home)
    first, second = (queue.submit(store, RECIPES["linear"].config) for _ in range(2))
    RunFolder(store.folder(first)).update(state="running", pid=1, pid_started=_started(1), shape=(1, 8, 8))
    assert "of 150" in open_page("train").get("progress")[0].proto.text  # no job named: the one that runs
    page = open_page("train", job=second)
    assert "Number 1 in the queue" in page.get("progress")[0].proto.text
    assert "one at a time" in words(page)
    next(found for found in page.button if found.label.startswith("Remove ")).click().run()
    assert store.info(second).state == "stopped"
    assert "before it began" in words(page)
    page = open_page("train", job=first)
    next(found for found in page.button if found.label.startswith("Stop ")).click().run()
    assert RunFolder(store.folder(first)).stop_asked()
    assert "stopping" in page.get("progress")[0].proto.text


def _started(pid: int) -> float:
    import psutil

    return psutil.Process(pid).create_time()


def test_a_training_that_diverged_says_what_to_change(empty_home: Path, open_page) -> None:
    from aecore.model.config import with_settings

    config = with_settings(
        RECIPES["linear"].config,
        {"learning_rate": 10.0, "epochs": 3, "schedule": "constant", "threads": 1, "likelihood.sigma": 0.001},
    )
    page = open_page("train", job=train(config, RunStore(empty_home)))
    assert not page.exception
    assert "diverged" in page.error[0].value
    assert "Try learning rate 1" in page.error[0].value


def test_stages_are_marked_and_an_ended_one_resumes(empty_home: Path, open_page) -> None:
    from aecore.model.config import with_settings

    small = {"backbone.widths": [16], "procedure.levels": [], "procedure.layer_epochs": 2, "epochs": 3, "threads": 1}
    config = with_settings(RECIPES["stacked_denoising"].config, small)
    store, calls = RunStore(empty_home), []

    def stop() -> bool:
        calls.append(1)
        return len(calls) > 45  # in the joint stage, at ten steps an epoch

    page = open_page("train", job=train(config, store, should_stop=stop))
    assert "layer 2 **" in words(page)
    assert "joint **" not in words(page)
    spec = json.loads(page.get("plotly_chart")[0].proto.spec)
    assert [mark["text"] for mark in spec["layout"]["annotations"]] == ["layer 1", "layer 2"]
    button(page, "Resume").click().run()
    assert not page.exception
    (job,) = queue.queue(store)
    assert (job.state, job.status.stages) == ("queued", ("layer 1", "layer 2"))
    assert "Starts in a moment" in page.get("progress")[0].proto.text


def test_a_job_that_nobody_knows_is_said(empty_home: Path, open_page) -> None:
    for name in ("never-was", "../../etc", "<b>x</b>"):
        page = open_page("train", job=name)
        assert not page.exception
        assert "there is no run" in words(page)
        assert "<b>x</b>" not in words(page)
        assert button(page, "Train another")


def test_long_histories_are_thinned_and_keep_both_ends() -> None:
    rows = [{"epoch": epoch} for epoch in range(10_001)]
    few = thinned(rows)
    assert len(few) <= MAX_POINTS + 1
    assert (few[0], few[-1]) == (rows[0], rows[-1])
    assert thinned(rows[:5]) == rows[:5]
    assert thinned([]) == []


def test_durations_read_well() -> None:
    assert [duration(seconds) for seconds in (0.2, 8.4, 200, 7500)] == ["1 s", "8 s", "3 min", "2 h 5 min"]
