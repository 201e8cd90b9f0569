"""The command embed: coordinates, quality and picture of maps, of a run's images and of one's own pictures."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aecore.cli.embed import MAX_IMAGES as MAX_MAPPED
from aecore.foundation import metrics
from aecore.foundation.errors import BadInput
from aecore.maps.spec import AtlasSpec
from aecore.pictures.uploads import MAX_IMAGES


@pytest.mark.parametrize(("methods", "columns"), [(("pca", "mds", "code"), 6), (("units",), 3)], ids=str)
def test_embed_writes_the_same_numbers_in_both_formats(tiny, command, methods, columns):
    options = [*(word for method in methods for word in ("--method", method)), "--n", "40"]
    command("embed", "tiny", "-o", "e.npy", *options)
    command("embed", "tiny", "-o", "e.csv", *options)
    coordinates = np.load("e.npy", allow_pickle=False)
    table = np.genfromtxt("e.csv", delimiter=",", names=True)
    assert coordinates.shape == (40, columns)
    assert np.allclose(np.stack([table[name] for name in table.dtype.names[2:]], 1), coordinates, rtol=1e-6)
    assert np.array_equal(tiny.data.labels[table["index"].astype(int)], table["label"])


def test_embed_writes_maps_their_quality_and_a_picture(home, command, read):
    methods = ["--method", "pca", "--method", "mds", "--method", "code~0"]
    text = command("embed", "tiny", *methods, "--n", "40", "-o", "maps.csv")
    assert text.splitlines()[0].split()[:2] == ["MAP", "STRESS-1"]
    assert "40 of 1,797 images (40 test)" in text
    table = np.genfromtxt("maps.csv", delimiter=",", names=True, deletechars="")
    assert table.dtype.names == ("index", "label", "pca_x", "pca_y", "mds_x", "mds_y", "code_x", "code_y")
    quality = Path("maps.quality.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in quality] == ["map", "pca", "mds", "code~0"]
    assert 0 < float(quality[2].split(",")[1]) < 1
    assert read("maps.png").shape[1] > 3 * 720


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "npz"])
def test_embed_takes_pictures_of_ones_own(tiny, command, packed):
    images = np.random.default_rng(0).integers(0, 255, (6, 20, 20), np.uint8)
    if packed:
        np.savez("own.npz", images=images)
    else:
        Path("own").mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(f"own/{i}.png")
        Path("own/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    source = "own.npz" if packed else "own"
    text = command("embed", source, "--method", "pca", "--method", "mds", "-o", "maps.csv")
    assert "6 pictures of your own" in text
    assert packed or "left out: broken.png" in text
    lines = Path("maps.csv").read_text().splitlines()
    assert lines[0] == "name,pca_x,pca_y,mds_x,mds_y"
    assert lines[1].startswith("own.npz [0]," if packed else "0.png,")
    assert "needs a run" in command.failure("embed", source, "--method", "code", "-o", "c.csv")
    command("embed", source, "--run", "tiny", "--method", "code", "-o", "c.npy")
    coordinates = np.load("c.npy", allow_pickle=False)
    assert coordinates.shape == (6, 2)
    assert Path("c.quality.csv").read_text().count("\n") == 2
    assert "alone" in command.wrong_usage("embed", source, "--method", "units", "-o", "u.csv")
    assert "names the run" in command.wrong_usage("embed", "tiny", "--run", "tiny", "-o", "u.csv")


def test_embed_takes_a_zip_of_pictures_and_a_keras_file_without_a_test_set(home, command):
    images = np.random.default_rng(0).integers(0, 255, (6, 12, 12), np.uint8)
    with zipfile.ZipFile("own.zip", "w") as packed:
        for i, image in enumerate(images):
            content = io.BytesIO()
            Image.fromarray(image).save(content, "png")
            packed.writestr(f"{i}.png", content.getvalue())
    assert "6 pictures of your own" in command("embed", "own.zip", "--method", "pca", "-o", "zip.npy")
    np.savez("own.npz", x_train=images, y_train=np.arange(6) % 2)
    command("embed", "own.npz", "--method", "pca", "-o", "npz.npy")
    zipped, arrays = (np.load(name, allow_pickle=False) for name in ("zip.npy", "npz.npy"))
    np.testing.assert_allclose(zipped, arrays, atol=1e-6)


def test_embed_says_what_an_exported_run_is_and_what_to_do(tiny, command):
    command("export", "tiny", "good.zip")
    for line in (
        command.failure("embed", "good.zip", "-o", "e.csv"),
        command.failure("embed", "good.zip", "--method", "pca", "--run", "tiny", "-o", "e.csv"),
        command.failure("walk", "good.zip", "-o", "walk.gif"),
    ):
        assert "good.zip is an exported run" in line
        assert "aecore import good.zip" in line
    for name in ("nowhere.zip", "nowhere.npz"):
        assert f"there is no file {name}" in command.failure("embed", name, "-o", "e.csv")
    Path("notes.txt").write_text("no picture")
    assert "holds 0 pictures" in command.failure("embed", "notes.txt", "-o", "e.csv")


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "npz"])
def test_embed_knows_the_classes_of_pictures_of_ones_own(tiny, command, packed):
    labels = np.array([3, 12, 3, 12, 3, 12] * 4)
    images = np.random.default_rng(0).integers(0, 60, (24, 12, 12), np.uint8)
    images[labels == 12, 6:] += 150
    if packed:
        np.savez("own.npz", images=images, labels=labels)
    else:
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            Path(f"own/{label}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(f"own/{label}/{i}.png")
    command("embed", "own.npz" if packed else "own", "--method", "pca", "-o", "maps.csv")
    table = np.genfromtxt("maps.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    assert table.dtype.names == ("name", "label", "x", "y")
    assert sorted(table["label"]) == sorted(labels)
    assert (table["x"][table["label"] == 3] > 0).all() != (table["x"][table["label"] == 12] > 0).all()
    quality = np.genfromtxt("maps.quality.csv", delimiter=",", names=True)
    agree = metrics.knn_accuracy(np.stack([table["x"], table["y"]], 1), table["label"])
    assert float(quality["knn_accuracy"]) == pytest.approx(agree)
    if not packed:
        Image.fromarray(images[0]).save("own/alone.png")
        command("embed", "own", "--method", "pca", "-o", "maps.csv")
        assert Path("maps.csv").read_text().startswith("name,x,y"), "one of them has no class"


def test_embed_takes_more_pictures_of_ones_own_than_a_visitor_may_send(home, command):
    images = np.random.default_rng(0).integers(0, 255, (MAX_IMAGES + 50, 8, 8), np.uint8)
    np.savez("own.npz", images=images, y=np.arange(len(images)) % 7)
    assert f"{len(images):,} pictures of your own" in command("embed", "own.npz", "--method", "pca", "-o", "maps.npy")
    places = np.load("maps.npy", allow_pickle=False)
    assert len(np.unique(places, axis=0)) == len(images), "each has a place of its own"
    np.savez("first.npz", images=images[:30], y=np.arange(30) % 7)
    command("embed", "own.npz", "--method", "pca", "--n", "30", "-o", "some.npy")
    command("embed", "first.npz", "--method", "pca", "-o", "first.npy")
    some, first = (np.load(name, allow_pickle=False) for name in ("some.npy", "first.npy"))
    np.testing.assert_array_equal(some, first)
    assert "at most 2,000" in command.failure("embed", "own.npz", "--method", "mds_nonmetric", "-o", "maps.npy")


@pytest.mark.parametrize(
    ("options", "named"),
    [(["--method", "sammon"], "pca, mds, code"), (["--method", "units", "--method", "pca"], "give it alone")],
)
def test_methods_that_do_not_exist_or_go_together_are_wrong_usage(home, command, options, named):
    assert named in command.wrong_usage("embed", "tiny", "-o", "e.csv", *options)
    assert not list(Path.cwd().iterdir())


def test_the_most_images_are_those_that_maps_accept():
    assert AtlasSpec(n=MAX_MAPPED).n == MAX_MAPPED
    with pytest.raises(BadInput):
        AtlasSpec(n=MAX_MAPPED + 1)
