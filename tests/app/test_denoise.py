"""Denoise: the picture, its figures, and what a link restores."""

import re
from pathlib import Path

import numpy as np
import pytest
from reading import OpenPage, drawn
from streamlit.testing.v1 import AppTest

import aecore
from aecore import metrics, pictures
from aecore.corruptions import GaussianNoise, Masking, Patches, Rows, SaltAndPepper
from app import state
from app.widgets.error_curve import error_curve


def figures(page: AppTest) -> list[float]:
    """The numbers of the table, row by row: before and after."""
    return [float(text) for text in re.findall(r"<td>([-\d.]+)</td>", drawn(page))]


def captions(page: AppTest) -> str:
    return "\n".join(caption.value for caption in page.caption)


def source(page: AppTest) -> str:
    """The main picture, as its data URI."""
    match = re.search(r'class="picture.*?<img src="([^"]+)"', drawn(page))
    assert match is not None
    return match[1]


def test_the_picture_and_the_figures_are_those_of_the_session(run_ids: dict[str, str], open_page: OpenPage) -> None:
    run_id = run_ids["denoising"]
    page = open_page("denoise", run=run_id, level=0.25, seed=3)
    assert not page.exception
    session = aecore.open(run_id)
    done = session.denoise(session.gallery(64).images[:8], "masking", 0.25, 3)
    expected = [
        metrics.sse(done.original, done.corrupted).mean(),
        metrics.sse(done.original, done.reconstruction).mean(),
        metrics.decibels(metrics.mse(done.original, done.corrupted).mean()),
        metrics.decibels(metrics.mse(done.original, done.reconstruction).mean()),
        metrics.ssim(done.original, done.corrupted).mean(),
        metrics.ssim(done.original, done.reconstruction).mean(),
    ]
    np.testing.assert_allclose(figures(page), expected, atol=0.051)
    assert "8 images: original, corrupted at level 0.25" in drawn(page)
    assert f"{done.removed:.0%}" in drawn(page)


def test_the_runs_own_noise_and_level_come_first(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("denoise", run=run_ids["denoising"])
    assert page.pills(key=state.widget(state.NOISE)).options[0] == Masking.title
    assert page.pills(key=state.widget(state.NOISE)).value == "masking"
    assert page.slider(key=state.widget(state.LEVEL)).value == 0.4
    assert "trained at 0.40" in drawn(page)
    assert 'class="now" style="left:40.00%"' in drawn(page)


@pytest.mark.parametrize("kind", [Masking, GaussianNoise, SaltAndPepper, Patches, Rows])
@pytest.mark.parametrize("recipe", ["denoising", "variational"])
def test_every_kind_of_noise_at_every_end(
    run_ids: dict[str, str], open_page: OpenPage, kind: type, recipe: str
) -> None:
    page = open_page("denoise", run=run_ids[recipe], noise=kind.kind_name())
    for level in (0.0, 1.0):
        page.slider(key=state.widget(state.LEVEL)).set_value(level).run()
        assert not page.exception
        assert figures(page) or "inf" in drawn(page)
    assert page.pills(key=state.widget(state.NOISE)).value == kind.kind_name()


def test_without_noise_the_words_speak_of_the_code(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("denoise", run=run_ids["denoising"], level=0.0)
    assert "what the code cannot hold" in drawn(page)


def test_a_sequence_is_continued_from_as_many_rows_as_are_asked_for(home: Path, open_page: OpenPage) -> None:
    page = open_page("denoise", run="digits-sequence")
    assert page.pills(key=state.widget(state.NOISE)).value == "rows"
    assert "first 4 of 8 rows" in captions(page)
    assert page.number_input(key=state.widget(state.SEED)).disabled, "nothing here is random"
    page.slider(key=state.widget(state.LEVEL)).set_value(0.75).run()
    assert "first 2 of 8 rows" in captions(page)
    session = aecore.open("digits-sequence")
    x = session.gallery(64).images[:8]
    done = session.denoise(x, "rows", 0.75)
    assert source(page) == pictures.data_uri(pictures.png(pictures.sheet([x, done.shown, session.continue_rows(x, 2)])))
    page.pills(key=state.widget(state.NOISE)).set_value("masking").run()
    assert "rows are given" not in captions(page)
    assert not page.number_input(key=state.widget(state.SEED)).disabled


def test_other_decoders_are_not_said_to_go_on(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("denoise", run=run_ids["denoising"], noise="rows", level=0.5)
    assert not page.exception
    assert "rows are given" not in captions(page)


def test_a_link_restores_the_view(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("denoise", run=run_ids["denoising"], level=0.7, seed=5, noise="gaussian", images="9-2-40")
    assert page.slider(key=state.widget(state.LEVEL)).value == 0.7
    assert page.number_input(key=state.widget(state.SEED)).value == 5
    assert page.pills(key=state.widget(state.NOISE)).value == "gaussian"
    assert "3 images: original, corrupted at level 0.70" in drawn(page)


@pytest.mark.parametrize(
    "parameters",
    [
        {"level": "7"},
        {"level": "nan"},
        {"level": "x"},
        {"noise": "<b>loud</b>"},
        {"seed": "-1"},
        {"seed": "1e99"},
        {"images": "64--1-x-9999999999999999"},
        {"images": "-".join(str(i) for i in range(64))},
    ],
)
def test_nonsense_in_the_url_falls_back(
    run_ids: dict[str, str], open_page: OpenPage, parameters: dict[str, str]
) -> None:
    page = open_page("denoise", run=run_ids["denoising"], **parameters)
    assert not page.exception
    assert "loud" not in drawn(page)
    assert len(figures(page)) == 6 or "No image is chosen" in drawn(page)


def test_new_noise_changes_the_picture_and_its_seed_replays_it(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("denoise", run=run_ids["denoising"])
    first = source(page)
    next(button for button in page.button if button.label == "New noise").click().run()
    assert page.number_input(key=state.widget(state.SEED)).value == 1
    assert source(page) != first
    page.number_input(key=state.widget(state.SEED)).set_value(0).run()
    assert source(page) == first


def test_images_can_be_ticked_and_changed_for_others(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("denoise", run=run_ids["denoising"])
    next(button for button in page.button if button.label == "Others").click().run()
    assert page.query_params[state.IMAGES] in ("8-9-10-11-12-13-14-15", ["8-9-10-11-12-13-14-15"])
    assert not page.exception


def test_another_run_brings_its_own_noise_and_level(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("denoise", run=run_ids["denoising"], level=0.9, noise="gaussian")
    page.selectbox(key=state.RUN_PICKER).set_value(run_ids["variational"]).run()
    page.selectbox(key=state.RUN_PICKER).set_value(run_ids["denoising"]).run()
    assert not page.exception
    assert page.pills(key=state.widget(state.NOISE)).value == "masking"
    assert page.slider(key=state.widget(state.LEVEL)).value == 0.4


@pytest.mark.parametrize("largest", [1e-6, 0.03, 0.9, 1.0, 14.6, 99.0, 151.3, 12345.6])
def test_ticks_are_round_and_few(largest: float) -> None:
    levels = np.linspace(0, 1, 3)
    drawing = error_curve({"level": levels, "before": levels * largest, "after": levels * 0}, None, 0.5)
    ticks = [float(text) for text in re.findall(r'class="y".*?<span>([^<]+)</span>', drawing)]
    assert 3 <= len(ticks) <= 7
    assert ticks[0] == 0
    assert largest <= ticks[-1] * (1 + 1e-5) <= 2 * largest + 1e-9
    assert f"{ticks[1]:e}"[0] in "125"


def test_a_curve_of_nothing_is_drawn_all_the_same() -> None:
    flat = np.zeros(1)
    assert "noise level" in error_curve({"level": flat, "before": flat, "after": flat}, 0.4, 0.0)
