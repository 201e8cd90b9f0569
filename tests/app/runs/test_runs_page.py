"""Runs: side by side, renamed, deleted and brought back, taken out and in."""

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reading import button, press, words
from streamlit.testing.v1 import AppTest

from aecore.foundation.errors import BadInput
from aecore.session import render
from aecore.session.session import Session
from aecore.store import archive
from aecore.store.figures import figures, number, short
from aecore.store.store import RunStore
from app import cache
from app.views.runs.compare import comparable, first_choice


@pytest.fixture
def own_home(home: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiny runs that a test may change."""
    trained = home
    shutil.copytree(trained / "runs", empty_home / "runs")
    return empty_home


@pytest.fixture
def ids(own_home: Path) -> dict[str, str]:
    found = RunStore(own_home).runs()
    return {info.config.recipe: info.run_id for info in found if info.config is not None and not info.builtin}


def more(page: AppTest, run_id: str) -> AppTest:
    return press(page, "more", run_id)


def test_runs_stand_side_by_side_on_the_same_images(own_home: Path, ids: dict[str, str], open_page) -> None:
    both = [ids["denoising"], ids["variational"]]
    page = open_page("runs", compare=",".join(both))
    assert not page.exception
    said = words(page)
    sessions = [cache.session(run_id) for run_id in both]
    images = sessions[0].gallery(64).images
    for session in sessions:
        error = session.denoise(images, "none").figures()["sse"][1]
        assert number(error) in said
        for figure, text in figures(session.info):
            assert f">{figure.label}</abbr></th>" in said
            assert f"<td>{text}</td>" in said
        for words_ in short(session.info, "test_sse", "probe_accuracy", "noise_r2"):
            assert words_ in said, "in the list too"
    assert "Error, these images" in said
    page.selectbox(key="_runs_noise").set_value("gaussian").run()
    assert not page.exception
    assert "<span>Corrupted</span>" in words(page)


def test_without_a_link_it_compares_what_can_be_compared(own_home: Path, ids: dict[str, str], open_page) -> None:
    page = open_page("runs", compare="gone,also-gone")
    assert not page.exception
    assert page.multiselect[0].value
    infos = [info for info in RunStore(own_home).runs() if info.explorable]
    assert {info.status.shape for info in comparable(infos, [ids["denoising"]])} == {(1, 8, 8)}
    assert comparable(infos, []) == infos
    chosen = first_choice(infos)
    assert 1 <= len(chosen) <= 3
    assert first_choice([]) == []


def test_an_empty_home_says_what_to_do(empty_home: Path, open_page) -> None:
    page = open_page("runs")
    assert not page.exception
    assert "Nothing has been trained here yet" in words(page)


def test_damaged_runs_are_listed_with_the_reason(own_home: Path, ids: dict[str, str], open_page) -> None:
    (own_home / "runs" / ids["denoising"] / "weights.safetensors").write_bytes(b"short")
    (own_home / "runs" / "empty").mkdir()
    page = open_page("runs")
    assert not page.exception
    said = words(page)
    assert "status.json is missing" in said
    assert "weights.safetensors is missing or damaged" in said
    more(page, "empty")
    assert not page.exception
    button(page, "Delete").click().run()
    assert not (own_home / "runs" / "empty").exists()


def test_rename_delete_and_undo(own_home: Path, ids: dict[str, str], open_page) -> None:
    run_id = ids["variational"]
    page = more(open_page("runs"), run_id)
    page.text_input(key=f"_runs_name_{run_id}").set_value("<i>Anna's</i> *net*")
    button(page, "Rename").click().run()
    assert RunStore(own_home).info(run_id).name == "<i>Anna's</i> *net*"
    assert "&lt;i&gt;Anna" in words(page)
    assert "<i>Anna" not in words(page)

    more(page, run_id)
    button(page, "Delete").click().run()
    assert not (own_home / "runs" / run_id).exists()
    assert "was deleted" in words(page)
    assert not page.exception
    button(page, "Undo").click().run()
    assert (own_home / "runs" / run_id).is_dir()
    assert "was deleted" not in words(page)

    more(page, run_id)
    button(page, "Delete").click().run()
    button(page, "Delete for good").click().run()
    assert RunStore(own_home).trash() == []
    assert "was deleted" not in words(page)


def test_ready_made_runs_cannot_be_changed(
    own_home: Path, ids: dict[str, str], open_page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builtin = tmp_path / "assets" / "runs"
    builtin.mkdir(parents=True)
    shutil.move(own_home / "runs" / ids["denoising"], builtin)
    monkeypatch.setattr("aecore.store.store.assets", lambda: builtin.parent)
    cache.forget()
    page = open_page("runs")
    assert "Ready-made" in words(page)
    more(page, ids["denoising"])
    assert not page.exception
    labels = {found.label for found in page.button}
    assert "Walk" in labels
    assert not labels & {"Delete", "Rename"}
    assert "came with the program" in words(page)
    for change in (lambda: cache.store().delete(ids["denoising"]), lambda: cache.store().rename(ids["denoising"], "x")):
        with pytest.raises(BadInput, match="ready-made"):
            change()


def test_a_zip_comes_in_or_says_why_not(own_home: Path, ids: dict[str, str], open_page) -> None:
    content = archive.export_zip(RunStore(own_home), ids["denoising"])
    page = open_page("runs")
    page.file_uploader[0].set_value(("bad.zip", b"PK not really", "application/zip")).run()
    button(page, "Import").click().run()
    assert not page.exception
    assert "whole zip file" in page.error[0].value
    page.file_uploader[0].set_value(("run.zip", content, "application/zip")).run()
    button(page, "Import").click().run()
    assert not page.exception
    assert not [error.value for error in page.error]
    imported = [info for info in RunStore(own_home).runs() if info.status.imported]
    assert len(imported) == 1
    assert "imported" in words(page)


def test_exports_are_made_of_the_run_itself(own_home: Path, ids: dict[str, str]) -> None:
    session = Session(RunStore(own_home), ids["denoising"])
    with Image.open(io.BytesIO(render.reconstructions_png(session))) as image:
        assert image.format == "PNG"
    with Image.open(io.BytesIO(render.walk_gif(session))) as moving:
        assert (moving.format, getattr(moving, "n_frames", 1)) == ("GIF", render.FRAMES)
    codes = np.load(io.BytesIO(render.codes_npy(session, 50)), allow_pickle=False)
    gallery = session.gallery(50)
    np.testing.assert_array_equal(codes, session.encode(gallery.images))
    lines = render.codes_csv(session, 50).decode().splitlines()
    assert lines[0].split(",")[:3] == ["index", "class", "h0"]
    table = np.array([[float(number) for number in line.split(",")[2:]] for line in lines[1:]], np.float32)
    np.testing.assert_allclose(table, codes, rtol=1e-6)
    with zipfile.ZipFile(io.BytesIO(archive.export_zip(RunStore(own_home), ids["denoising"]))) as packed:
        assert "weights.safetensors" in packed.namelist()
