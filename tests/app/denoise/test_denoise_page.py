"""The Denoise page: the messages of its live part, the same page without it, and what a link restores."""

import base64
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reading import OpenPage, drawn, sent_to
from streamlit.testing.v1 import AppTest

import aecore
from aecore.foundation import metrics
from aecore.parts.corruptions import GaussianNoise, Masking, Patches, Rows, SaltAndPepper
from aecore.pictures import sheets
from app.live import denoise as live
from app.state import keys, runs, uploads, url

FAILED = {"_live_failed": "the page's own program could not be loaded"}
"""Held by a visit whose browser could not load the live part."""


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


def scene(page: AppTest) -> dict[str, Any]:
    assert not page.exception, [error.value for error in page.exception]
    return sent_to(page, "live_denoise")


def let_go(page: AppTest, **view: object) -> dict[str, Any]:
    """The visitor's hand lets go with that view; what the component is told then."""
    data = scene(page)
    sent = {name: data[name] for name in ("kind", "level", "seed", "token")} | {"count": data["heard"] + 1} | view
    page.session_state[keys.LIVE_DENOISE] = {"view": sent}
    return scene(page.run())


# --- the live page


def test_the_component_is_told_the_picture_and_figures_of_the_session(
    run_ids: dict[str, str], open_page: OpenPage
) -> None:
    run_id = run_ids["denoising"]
    data = scene(open_page("denoise", run=run_id, level=0.25, seed=3))
    session = aecore.open(run_id)
    done = session.denoise(session.gallery(64).images[:8], "masking", 0.25, 3)
    sheet = sheets.sheet([done.original, done.shown, done.reconstruction])
    assert data["pictures"]["sheet"] == sheets.data_uri(sheets.png(sheet))
    np.testing.assert_allclose(data["before"]["sse"], metrics.sse(done.original, done.corrupted))
    np.testing.assert_allclose(data["after"][0]["sse"], metrics.sse(done.original, done.reconstruction))
    np.testing.assert_allclose(data["after"][0]["ssim"], metrics.ssim(done.original, done.reconstruction))
    assert (data["kind"], data["level"], data["seed"], data["own"]) == ("masking", 0.25, 3, False)
    assert data["alt"] == "8 images: original, corrupted at level 0.25, reconstruction"
    values = base64.b64decode(data["images"]["values"])
    images = np.frombuffer(values, np.uint8).reshape(data["images"]["dims"]) / np.float32(data["images"]["depth"])
    np.testing.assert_array_equal(images, done.original)


def test_pictures_that_are_not_of_bytes_go_in_sixteen_bits() -> None:
    images = np.random.default_rng(0).random((2, 3, 4, 5), np.float32)
    data = live.packed(images)
    values = np.frombuffer(base64.b64decode(data["values"]), "<u2").reshape(2, 3, 4, 5)
    np.testing.assert_allclose(values / 65_535, images, atol=1 / 131_000)
    assert data["depth"] == 65_535


def test_the_runs_own_noise_and_level_come_first(run_ids: dict[str, str], open_page: OpenPage) -> None:
    data = scene(open_page("denoise", run=run_ids["denoising"]))
    assert data["kinds"][0]["title"] == Masking.title
    assert (data["kind"], data["level"], data["own"]) == ("masking", 0.4, True)
    assert "trained at 0.40" in data["curve"]
    assert 'class="now" style="left:40.00%"' in data["curve"]
    assert {kind["name"]: (kind["black"], kind["white"]) for kind in data["kinds"]}["gaussian"] == (None, None)


def test_what_the_hand_let_go_of_is_in_the_url_and_drawn(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("denoise", run=run_ids["denoising"])
    data = let_go(page, level=0.7, seed=12)
    assert (data["level"], data["seed"], data["heard"], data["kind"]) == (0.7, 12, 1, "masking")
    assert (page.query_params["level"], page.query_params["seed"]) in (("0.7", "12"), (["0.7"], ["12"]))
    assert "noise" not in page.query_params
    data = let_go(page, kind="gaussian")
    assert (data["kind"], data["level"], data["heard"]) == ("gaussian", 0.7, 2)


def test_another_kind_brings_its_own_level_until_one_was_chosen(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("denoise", run=run_ids["denoising"])
    data = let_go(page, kind="gaussian", level=0.3)
    assert (data["level"], data["own"]) == (0.3, True)
    assert "level" not in page.query_params


NONSENSE = [
    None,
    "0.5",
    {"kind": "masking", "level": float("nan"), "seed": 0, "count": 1},
    {"kind": "masking", "level": 1.5, "seed": 0, "count": 1},
    {"kind": "masking", "level": "high", "seed": 0, "count": 1},
    {"kind": "masking", "level": 0.5, "seed": 10_000, "count": 1},
    {"kind": "masking", "level": 0.5, "seed": -1, "count": 1},
    {"kind": "no_such_noise", "level": 0.5, "seed": 0, "count": 1},
    {"kind": "masking", "level": 0.5, "seed": 0, "count": 1, "token": "another run"},
]


@pytest.mark.parametrize("sent", NONSENSE)
def test_nonsense_from_the_browser_is_no_view(sent: object) -> None:
    whole = {"token": "ours", **sent} if isinstance(sent, dict) else sent
    assert live.received(whole, "ours", {"masking": Masking}) is None
    whole = {"token": "ours", "kind": "masking", "level": 0.5, "seed": 7, "count": 2}
    assert live.received(whole, "ours", {"masking": Masking}) == (live.View("masking", 0.5, 7), 2)


def test_nonsense_from_the_browser_moves_nothing(run_ids: dict[str, str], open_page: OpenPage) -> None:
    held = {keys.LIVE_DENOISE: {"view": {"token": run_ids["denoising"], **NONSENSE[3]}}}
    data = scene(open_page("denoise", held=held, run=run_ids["denoising"]))
    assert (data["kind"], data["level"], data["seed"], data["heard"]) == ("masking", 0.4, 0, 0)


def test_a_second_run_gets_the_very_same_noise(run_ids: dict[str, str], open_page: OpenPage) -> None:
    first, second = run_ids["denoising"], run_ids["variational"]
    data = scene(open_page("denoise", run=first, second=second, noise="patches", level=0.5, seed=4))
    assert data["runs"] == [first, second]
    assert data["titles"] == ["Tiny denoiser", "Tiny VAE"]
    one, other = aecore.open(first), aecore.open(second)
    images = one.gallery(64).images[:8]
    done = other.denoise(images, one.corruption("patches"), 0.5, 4)
    np.testing.assert_array_equal(done.corrupted, one.denoise(images, "patches", 0.5, 4).corrupted)
    np.testing.assert_allclose(data["after"][1]["sse"], metrics.sse(done.original, done.reconstruction))


def test_only_runs_of_the_same_image_shape_stand_beside_one_another(
    run_ids: dict[str, str], open_page: OpenPage
) -> None:
    page = open_page("denoise", run=run_ids["denoising"], second="mnist-variational")
    assert scene(page)["runs"] == [run_ids["denoising"]]
    options = page.selectbox(key=url.widget(keys.SECOND)).options
    assert any("Tiny VAE" in option for option in options)
    assert not any("MNIST" in option for option in options)
    page.selectbox(key=url.widget(keys.SECOND)).set_value(run_ids["variational"]).run()
    assert scene(page)["runs"][1] == run_ids["variational"]
    assert page.query_params["second"] in (run_ids["variational"], [run_ids["variational"]])


def test_a_sequence_is_continued_from_as_many_rows_as_are_asked_for(home: Path, open_page: OpenPage) -> None:
    page = open_page("denoise", run="digits-sequence")
    data = scene(page)
    assert (data["kind"], data["kinds"][0]["random"]) == ("rows", False)
    assert data["note"] == data["kinds"][0]["given"].replace("{rows}", "4") != ""
    assert "first 2 of 8 rows" in let_go(page, level=0.75)["note"]
    assert let_go(page, kind="masking")["note"] == ""


def test_other_decoders_are_not_said_to_go_on(run_ids: dict[str, str], open_page: OpenPage) -> None:
    data = scene(open_page("denoise", run=run_ids["denoising"], noise="rows", level=0.5))
    assert data["note"] == ""
    assert all(kind["given"] == "" for kind in data["kinds"])


def test_a_link_restores_the_view(run_ids: dict[str, str], open_page: OpenPage) -> None:
    data = scene(open_page("denoise", run=run_ids["denoising"], level=0.7, seed=5, noise="gaussian", images="9-2-40"))
    assert (data["kind"], data["level"], data["seed"]) == ("gaussian", 0.7, 5)
    assert data["alt"] == "3 images: original, corrupted at level 0.70, reconstruction"


def test_many_images_stand_in_lines_below_one_another(run_ids: dict[str, str], open_page: OpenPage) -> None:
    images = "-".join(str(i) for i in range(64))
    data = scene(open_page("denoise", run=run_ids["denoising"], images=images))
    assert data["images"]["dims"] == [64, 1, 8, 8]
    session = aecore.open(run_ids["denoising"])
    done = session.denoise(session.gallery(64).images, "masking", 0.4)
    sheet = live.picture((done,))
    assert sheet.shape[:2] == (6 * 3 * 9 - 1, 12 * 9 - 1)
    second_line = sheets.sheet([done.original[12:24], done.shown[12:24], done.reconstruction[12:24]])
    np.testing.assert_array_equal(sheet[27:53], second_line)


@pytest.mark.parametrize(
    "parameters",
    [
        {
            "level": "nan",
            "noise": "<b>loud</b>",
            "seed": "1e99",
            "images": "64--1-x-9999999999999999",
            "second": "none",
        },
        {"level": "7", "seed": "-1", "images": "-".join(str(i) for i in range(99))},
    ],
)
@pytest.mark.parametrize("held", [{}, FAILED])
def test_nonsense_in_the_url_falls_back(
    run_ids: dict[str, str], open_page: OpenPage, parameters: dict[str, str], held: dict[str, str]
) -> None:
    page = open_page("denoise", held=held, run=run_ids["denoising"], **parameters)
    assert not page.exception
    assert "loud" not in drawn(page)
    if held:
        assert len(figures(page)) == 6
        assert (page.slider(key=url.widget(keys.LEVEL)).value, page.number_input(key=url.widget(keys.SEED)).value) == (
            0.4,
            0,
        )
    else:
        data = scene(page)
        assert (data["kind"], data["level"], data["seed"]) == ("masking", 0.4, 0)


def test_images_can_be_ticked_and_changed_for_others(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("denoise", run=run_ids["denoising"])
    next(button for button in page.button if button.label == "Different images").click().run()
    assert page.query_params[uploads.IMAGES] in ("8-9-10-11-12-13-14-15", ["8-9-10-11-12-13-14-15"])
    next(button for button in page.button if button.label == "First 24").click().run()
    assert scene(page)["images"]["dims"][0] == 24
    next(button for button in page.button if button.label == "Different images").click().run()
    data = scene(page)
    assert data["images"]["dims"][0] == 24
    assert len(data["labels"]) == 24


def test_another_run_brings_its_own_noise_and_level(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("denoise", run=run_ids["denoising"], level=0.9, noise="gaussian")
    page.selectbox(key=runs.RUN_PICKER).set_value(run_ids["variational"]).run()
    page.selectbox(key=runs.RUN_PICKER).set_value(run_ids["denoising"]).run()
    data = scene(page)
    assert (data["kind"], data["level"], data["heard"]) == ("masking", 0.4, 0)


# --- the same page without its live part


def test_a_failed_load_is_said_in_one_line_and_leaves_a_page_that_works(
    run_ids: dict[str, str], open_page: OpenPage
) -> None:
    page = open_page("denoise", run=run_ids["denoising"])
    page.session_state[keys.LIVE_DENOISE] = {"failed": {"reason": FAILED["_live_failed"]}}
    page.run()
    assert not page.exception
    assert not page.get("bidi_component")
    assert captions(page).count(FAILED["_live_failed"]) == 1
    page.slider(key=url.widget(keys.LEVEL)).set_value(0.6).run()
    assert "corrupted at level 0.60" in drawn(page)
    assert page.query_params["level"] in ("0.6", ["0.6"])


def test_its_picture_and_figures_are_those_of_the_session(run_ids: dict[str, str], open_page: OpenPage) -> None:
    run_id = run_ids["denoising"]
    page = open_page("denoise", held=FAILED, run=run_id, level=0.25, seed=3)
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


@pytest.mark.parametrize(
    ("kind", "level"), [(Masking, 0), (GaussianNoise, 1), (SaltAndPepper, 1), (Patches, 0), (Rows, 1)]
)
def test_every_kind_of_noise_at_its_ends(run_ids: dict[str, str], open_page: OpenPage, kind: type, level: int) -> None:
    page = open_page("denoise", held=FAILED, run=run_ids["variational"], noise=kind.kind_name(), level=level)
    assert not page.exception
    assert figures(page) or "inf" in drawn(page)
    assert page.slider(key=url.widget(keys.LEVEL)).value == level
    assert page.pills(key=url.widget(keys.NOISE)).value == kind.kind_name()


def test_without_noise_the_words_speak_of_the_code(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("denoise", held=FAILED, run=run_ids["denoising"], level=0.0)
    assert "what the code cannot represent" in drawn(page)


def test_new_noise_changes_the_picture_and_its_seed_replays_it(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("denoise", held=FAILED, run=run_ids["denoising"])
    first = source(page)
    next(button for button in page.button if button.label == "New noise").click().run()
    assert page.number_input(key=url.widget(keys.SEED)).value == 1
    assert source(page) != first
    page.number_input(key=url.widget(keys.SEED)).set_value(0).run()
    assert source(page) == first


def test_it_shows_a_second_run_too(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("denoise", held=FAILED, run=run_ids["denoising"], second=run_ids["variational"])
    assert len(figures(page)) == 9
    assert "Tiny VAE" in drawn(page)


def test_it_continues_a_sequence(home: Path, open_page: OpenPage) -> None:
    page = open_page("denoise", held=FAILED, run="digits-sequence")
    assert page.pills(key=url.widget(keys.NOISE)).value == "rows"
    assert "first 4 of 8 rows" in captions(page)
    assert page.number_input(key=url.widget(keys.SEED)).disabled, "nothing here is random"
    page.slider(key=url.widget(keys.LEVEL)).set_value(0.75).run()
    assert "first 2 of 8 rows" in captions(page)
    session = aecore.open("digits-sequence")
    x = session.gallery(64).images[:8]
    done = session.denoise(x, "rows", 0.75)
    assert source(page) == sheets.data_uri(sheets.png(sheets.sheet([x, done.shown, session.continue_rows(x, 2)])))
