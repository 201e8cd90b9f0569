"""The run picker, own images and the image source, on the Denoise page, which uses all of them."""

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reading import OpenPage, drawn, sent_to
from streamlit.testing.v1 import AppTest

import aecore
from aecore.store.store import RunStore
from app.state import runs, uploads
from app.widgets.run_picker import run_labels


def png(value: int, size: tuple[int, int] = (20, 20)) -> bytes:
    out = io.BytesIO()
    Image.new("L", size, value).save(out, "PNG")
    return out.getvalue()


def picture_error_of(page: AppTest) -> str:
    return next((e.proto.body for e in page.get("html") if 'class="picture-error"' in e.proto.body), "")


# --- the run picker


def test_the_first_run_is_opened_and_named_by_its_id_in_the_url(home: Path, open_page: OpenPage) -> None:
    page = open_page("denoise")
    assert not page.exception
    assert page.query_params[runs.RUN] == page.selectbox(key=runs.RUN_PICKER).value


def test_the_run_of_the_url_is_opened(run_ids: dict[str, str], open_page: OpenPage) -> None:
    for run_id in run_ids.values():
        assert open_page("denoise", run=run_id).selectbox(key=runs.RUN_PICKER).value == run_id


def test_choosing_a_run_changes_the_url_and_survives_changing_pages(
    run_ids: dict[str, str], open_page: OpenPage
) -> None:
    page = open_page("denoise", run=run_ids["denoising"])
    page.selectbox(key=runs.RUN_PICKER).set_value(run_ids["variational"]).run()
    assert page.query_params[runs.RUN] == run_ids["variational"]
    page.query_params.clear()
    page.switch_page("views/start/page.py").run()
    assert page.selectbox(key=runs.RUN_PICKER).value == run_ids["variational"]
    assert page.query_params[runs.RUN] == run_ids["variational"]


@pytest.mark.parametrize(
    ("name", "asked"),
    [("start", "no-such-run"), ("denoise", "../../etc/passwd"), ("start", "<script>"), ("denoise", "")],
)
def test_an_unknown_run_is_answered_in_words_and_another_can_be_chosen(
    run_ids: dict[str, str], open_page: OpenPage, name: str, asked: str
) -> None:
    page = open_page(name, run=asked)
    assert not page.exception
    assert "there is no run" in picture_error_of(page).lower()
    assert "<script>" not in picture_error_of(page)
    page.selectbox(key=runs.RUN_PICKER).set_value(run_ids["denoising"]).run()
    assert not page.exception
    assert not picture_error_of(page)
    assert page.query_params[runs.RUN] == run_ids["denoising"]


def test_damaged_and_waiting_runs_are_not_offered_and_say_why(
    empty_home: Path, trained: Path, open_page: OpenPage
) -> None:
    whole = next((trained / "runs").iterdir())
    damaged = empty_home / "runs" / "damaged"
    damaged.mkdir(parents=True)
    for file in ("config.json", "status.json"):
        (damaged / file).write_bytes((whole / file).read_bytes())
    (damaged / "weights.safetensors").write_bytes((whole / "weights.safetensors").read_bytes()[:100])
    waiting = RunStore().create(aecore.recipes()["denoising"].config)
    for run_id, words in ((damaged.name, "cannot be opened"), (waiting, "still training")):
        page = open_page("denoise", run=run_id)
        assert not page.exception
        assert words in picture_error_of(page)
        assert not any(run_id in option for option in page.selectbox(key=runs.RUN_PICKER).options)


def test_runs_of_equal_name_can_be_told_apart(run_ids: dict[str, str]) -> None:
    infos = [info for info in aecore.runs() if info.run_id in run_ids.values()]
    twins = [*infos, *(dataclasses.replace(info, run_id=f"{info.run_id}-again") for info in infos)]
    texts = run_labels(infos)
    assert len(set(texts.values())) == len(infos)
    assert all("units" in text for text in texts.values())
    assert all(text.endswith(run_id[-6:]) for run_id, text in run_labels(twins).items())


# --- own images


def test_own_images_are_kept_shown_and_forgotten(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("denoise", run=run_ids["denoising"])
    page.file_uploader[0].upload("a.png", png(0)).upload("b.png", b"nonsense").run()
    assert not page.exception
    assert any("**1 image**" in element.value for element in page.markdown)
    assert "b.png: It is no picture" in drawn(page)
    page.segmented_control(key=uploads.SOURCE).set_value("dataset").run()
    assert sent_to(page, "live_denoise")["alt"].startswith("8 images:")
    page.segmented_control(key=uploads.SOURCE).set_value("yours").run()
    assert sent_to(page, "live_denoise")["alt"].startswith("1 image:")
    page.switch_page("views/start/page.py").run()
    page.switch_page("views/denoise/page.py").run()
    assert any("**1 image**" in element.value for element in page.markdown)
    next(button for button in page.button if button.label == "Remove my images").click().run()
    assert not state_uploads(page)
    assert not page.exception


def state_uploads(page: AppTest) -> list[uploads.Upload]:
    return page.session_state["_uploads"]


def test_ink_on_paper_is_inverted_for_runs_of_light_digits(run_ids: dict[str, str], open_page: OpenPage) -> None:
    for value, invert in ((255, True), (0, False)):
        page = open_page("denoise", run=run_ids["denoising"])
        page.file_uploader[0].upload("a.png", png(value)).run()
        assert page.toggle(key=uploads.INVERT).value is invert


def test_own_gallery_is_the_bytes_as_shares_or_their_negative() -> None:
    from aecore.pictures.uploads import read_files
    from aecore.session.gallery import own_gallery

    intake = read_files([("a.png", png(51, (4, 4)))], (4, 4), 1)
    np.testing.assert_allclose(own_gallery(intake).images, 0.2, atol=1e-6)
    np.testing.assert_allclose(own_gallery(intake, invert=True).images, 0.8, atol=1e-6)


def test_a_run_whose_data_is_not_here_shows_decoded_codes_and_says_so(
    empty_home: Path, trained: Path, open_page: OpenPage
) -> None:
    import shutil

    source = next((trained / "runs").iterdir())
    copy = empty_home / "runs" / source.name
    shutil.copytree(source, copy)
    status = json.loads((copy / "status.json").read_text())
    (copy / "status.json").write_text(json.dumps({**status, "data_hash": "another"}))
    page = open_page("denoise", run=copy.name)
    assert not page.exception
    assert any("decoded" in caption.value for caption in page.caption)
    assert sent_to(page, "live_denoise")["images"]["dims"][0] == 8
