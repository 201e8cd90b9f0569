"""The command line: what it writes, what it says, and its exit codes."""

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from aecore.cli import serve
from aecore.cli.parser import main
from aecore.foundation import metrics
from aecore.pictures.uploads import MAX_IMAGES
from aecore.session.session import Session
from aecore.store.store import RunStore
from aecore.training import trainer
from aecore.training.trainer import Stopped

TINY = ["--set", "epochs=2", "--set", "backbone.widths=[8]", "--set", "code_dim=3", "--set", "training.threads=1"]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with one small run called `tiny`, trained through the command line."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECORE_HOME", "unset")
        assert main(["--home", str(home), "train", "denoising", *TINY, "--name", "tiny"]) == 0
    return home


@pytest.fixture
def home(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to be changed; the working folder is an empty one."""
    shutil.copytree(trained, tmp_path / "home")
    monkeypatch.setenv("AECORE_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def own_run() -> str:
    return next(info.run_id for info in RunStore().runs() if info.name == "tiny")


def said(capsys: Capture, *arguments: str) -> Any:
    """The JSON that a command prints."""
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def wrong_usage(capsys: Capture, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def failure(capsys: Capture, *arguments: str) -> str:
    assert main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def opened(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


# --- listing ---------------------------------------------------------------------------------------------------------


def test_lists_and_shows_what_was_trained(home: Path, capsys: Capture) -> None:
    (row,) = [row for row in said(capsys, "list") if not row["builtin"]]
    assert (row["recipe"], row["dataset"], row["code_dim"], row["state"]) == ("denoising", "digits", 3, "finished")
    shown = said(capsys, "show", "tiny")
    assert shown["run_id"] == row["run_id"]
    assert shown["config"]["training"]["epochs"] == 2
    effects = [unit["effect"] for unit in shown["units"]]
    assert effects == sorted(effects, reverse=True)
    assert sorted(unit["unit"] for unit in shown["units"]) == [0, 1, 2]
    assert main(["list"]) == 0
    assert row["run_id"] in capsys.readouterr().out
    assert main(["show", "tiny"]) == 0
    words = capsys.readouterr().out
    assert 'corruption.kind             "masking"' in words
    assert "  Linear probe " in words
    assert "  Copies pure noise (R²)  " in words
    assert "test_sse" not in words, "figures go by their names for people"


def test_directions_are_listed_with_what_they_change(home: Path, capsys: Capture) -> None:
    found = {value["name"]: value for value in said(capsys, "directions", "shapes-variational")}
    assert found["scale: high − low"]["words"] == "larger"
    assert len(found["scale: high − low"]["vector"]) == 10
    assert "vector" not in found["unit 0"]
    assert main(["directions", "digits-overcomplete"]) == 0
    words = capsys.readouterr().out
    assert "principal direction 8" in words
    assert "80 weaker ones: --json" in words


def test_a_run_is_found_by_the_beginning_of_its_id(home: Path, capsys: Capture) -> None:
    run_id = own_run()
    assert said(capsys, "show", run_id[:-2])["run_id"] == run_id
    shutil.copytree(home / "runs" / run_id, home / "runs" / f"{run_id}-b")
    assert "could be" in failure(capsys, "show", run_id[:-2])
    assert said(capsys, "show", run_id)["run_id"] == run_id


def test_a_damaged_run_is_listed_with_its_reason(home: Path, capsys: Capture) -> None:
    folder = home / "runs" / own_run()
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**status, "created": float("nan"), "name": "\x1b[2J"}))
    (folder / "weights.safetensors").write_bytes(b"short")
    (row,) = [row for row in said(capsys, "list") if row["state"] == "damaged"]
    assert "weights.safetensors" in row["reason"]
    assert row["created"] is None
    assert main(["show", row["run_id"]]) == 0
    assert "\x1b" not in capsys.readouterr().out
    assert "cannot be opened" in failure(capsys, "walk", row["run_id"], "-o", "w.png")


def test_recipes_and_datasets(home: Path, capsys: Capture) -> None:
    recipes = {value["name"]: value for value in said(capsys, "recipes")}
    assert recipes["variational"]["config"]["objective"]["kind"] == "variational"
    datasets = {value["kind"]: value for value in said(capsys, "datasets")}
    assert datasets["digits"]["available"]
    assert datasets["digits"]["licence"] == "CC BY 4.0"
    assert datasets["folder"]["own_path"]
    assert not datasets["folder"]["available"]
    assert datasets["mnist"]["downloadable"]
    assert "LeCun" in datasets["mnist"]["source"]


MAKING = ["", "app", "train", "fetch", "export", "import", "delete", "restore", "rename"]
LISTING = ["list", "show", "directions", "recipes", "datasets"]


@pytest.mark.parametrize(
    "command",
    [*MAKING, "list", "show", "directions", "recipes", "datasets", "reconstruct", "walk", "embed", "likelihood"],
)
def test_help_has_an_example_and_a_reason(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"  aecore {command}" in text
    assert "example:" in text or "first steps:" in text


# --- training --------------------------------------------------------------------------------------------------------


def test_own_pictures_by_a_path_from_here(home: Path, capsys: Capture) -> None:
    Path("pictures").mkdir()
    for i in range(12):
        pixels = np.random.default_rng(i).integers(0, 255, (10, 10)).astype(np.uint8)
        Image.fromarray(pixels).save(f"pictures/{i}.png")
    run = said(capsys, "train", "undercomplete", *TINY, "--dataset", "folder=pictures", "--set", "dataset.size=8")
    config = said(capsys, "show", run["run_id"])["config"]
    assert config["dataset"] == {"kind": "folder", "path": str(Path.cwd() / "pictures"), "size": 8, "colour": False}


def test_ctrl_c_keeps_the_best_so_far(home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    report = trainer.Trainer._report

    def press(self: trainer.Trainer, stage: str, step: int, steps: int) -> None:
        report(self, stage, step, steps)
        if (self.epoch, step) == (1, 1):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(trainer.Trainer, "_report", press)
    before = signal.getsignal(signal.SIGINT)
    assert main(["train", "undercomplete", *TINY, "--set", "epochs=50"]) == 0
    assert "Stopped after 1 of 50 epochs; the best weights so far are kept" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is before
    (info,) = [info for info in RunStore().runs() if info.state == "stopped"]
    assert Session(RunStore(), info.run_id).code_dim == 3


def test_stopping_before_the_first_epoch_fails_in_one_line(
    home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: trainer.Trainer) -> None:
        raise Stopped

    monkeypatch.setattr(trainer.Trainer, "run", stop)
    assert "no weights to keep" in failure(capsys, "train", "undercomplete", *TINY)


def test_an_ended_training_of_several_stages_goes_on(
    home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = ["--set", "procedure.levels=[]", "--set", "procedure.layer_epochs=2"]
    report = trainer.Trainer._report

    def press(self: trainer.Trainer, stage: str, step: int, steps: int) -> None:
        report(self, stage, step, steps)
        if (stage, self.epoch, step) == ("layer 2", 3, 1):
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "_report", press)
        assert main(["train", "stacked_denoising", *TINY, *stages, "--name", "stacked"]) == 0
    info = next(info for info in RunStore().runs() if info.name == "stacked")
    assert f"aecore train --resume {info.run_id}" in capsys.readouterr().out
    assert "give the run alone" in wrong_usage(capsys, "train", "--resume", info.run_id, "--name", "other")
    assert "name a kind" in wrong_usage(capsys, "train")
    run = said(capsys, "train", "--resume", info.run_id)
    assert (run["run_id"], run["state"], run["epoch"]) == (info.run_id, "finished", 6)
    assert [stage["name"] for stage in said(capsys, "show", info.run_id)["stages"]] == ["layer 1", "layer 2", "joint"]
    assert main(["show", info.run_id]) == 0
    assert "layer 1" in capsys.readouterr().out
    assert "is finished; train it anew" in failure(capsys, "train", "--resume", info.run_id)


def test_divergence_is_a_failure_with_a_remedy(home: Path, capsys: Capture) -> None:
    line = failure(capsys, "train", "linear", "--set", "epochs=3", "--set", "learning_rate=10", "--set", "code_dim=2")
    assert "training diverged" in line
    assert "training.learning_rate=1" in line


def test_a_full_disk_is_said_in_words(home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(store: RunStore, *arguments: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device", "config.json")

    monkeypatch.setattr(RunStore, "create", full)
    assert failure(capsys, "train", "undercomplete", *TINY) == "aecore: config.json: No space left on device"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["train", "nope"], "there is no recipe 'nope'; the recipes are: undercomplete"),
        (["train", "variational", "--set", "objective.beta=-1"], "beta"),
        (["train", "variational", "--set", "objective.gamma=1"], "gamma"),
        (["train", "variational", "--set", "nonsense=1"], "nonsense: there is no such setting"),
        (["train", "variational", "--set", "epochs"], "FIELD=VALUE"),
        (["train", "variational", "--set", "epochs=many"], "epochs"),
        (["train", "variational", "--dataset", "nope"], "unknown kind 'nope'"),
        (["train", "variational", "--dataset", "digits=here"], "path"),
        (["train", "variational", "--set", "backbone.code_activation=relu"], "use identity"),
        (["fetch", "digits"], "mnist"),
        (["walk", "tiny", "-o", "walk.mp4"], ".png or .gif"),
        (["walk", "tiny", "-o", "w.png", "--unit", "9"], "units 0 to 2"),
        (["walk", "tiny", "-o", "w.png", "--index", "5000"], "0 to 1796"),
        (["embed", "tiny", "-o", "e.csv", "--method", "sammon"], "pca, mds, code"),
        (["embed", "tiny", "-o", "e.csv", "--n", "0"], "number (2 to 70000)"),
        (["app", "--port", "0"], "port (1 to 65535)"),
        ([], "required"),
    ],
)
def test_wrong_usage_names_the_field(home: Path, capsys: Capture, arguments: list[str], named: str) -> None:
    before = [info.run_id for info in RunStore().runs()]
    assert named in wrong_usage(capsys, *arguments)
    assert [info.run_id for info in RunStore().runs()] == before


# --- looking ---------------------------------------------------------------------------------------------------------


def test_walk_writes_rows_of_whole_pixels(home: Path, capsys: Capture) -> None:
    assert main(["walk", "tiny", "-o", "walk.png"]) == 0
    drawn = opened("walk.png")
    native = drawn[::12, ::12]
    assert drawn.shape == (12 * (3 * 9 - 1), 12 * (11 * 9 - 1), 3)
    assert np.array_equal(native.repeat(12, 0).repeat(12, 1), drawn)
    session = Session(RunStore(), own_run())
    start = session.encode(session.gallery(1).images)[0]
    unit = int(session.units_by_effect()[0])
    expected = np.rint(session.walk(start, unit, 11)[1][0, 0] * 255)
    assert np.array_equal(native[:8, :8, 0], expected)


def test_walk_gif_is_a_closed_loop(home: Path, capsys: Capture) -> None:
    Image.fromarray(np.eye(20, dtype=np.uint8) * 255).save("own.png")
    assert main(["walk", "tiny", "-o", "walk.gif", "--unit", "1", "--image", "own.png"]) == 0
    frames = list[np.ndarray]()
    with Image.open("walk.gif") as gif:
        assert (gif.size, gif.info["loop"]) == ((96, 96), 0)
        for i in range(gif.n_frames):
            gif.seek(i)
            frames.append(np.asarray(gif.convert("L"), np.float32))
    there, back = frames[1 : len(frames) // 2], frames[: len(frames) // 2 : -1]
    assert all(np.array_equal(a, b) for a, b in zip(there, back, strict=True))


def test_reconstruct_own_and_test_images(home: Path, capsys: Capture) -> None:
    Image.fromarray(np.eye(20, dtype=np.uint8) * 255).save("own.png")
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert main(["reconstruct", "tiny", "own.png", "broken.png", "-o", "r.png"]) == 0
    assert "left out: broken.png" in capsys.readouterr().out
    assert main(["reconstruct", "tiny", "--level", "0.5", "--noise", "gaussian", "--n", "2", "-o", "n.png"]) == 0
    assert opened("n.png").shape[1] > opened("r.png").shape[1]  # a column more
    assert "broken.png: " in failure(capsys, "reconstruct", "tiny", "broken.png", "-o", "x.png")
    assert failure(capsys, "reconstruct", "tiny", "absent.png", "-o", "x.png").endswith("No such file or directory")
    assert "there is no folder" in failure(capsys, "reconstruct", "tiny", "own.png", "-o", "no/x.png")
    assert sorted(p.name for p in Path().iterdir()) == ["broken.png", "n.png", "own.png", "r.png"]


@pytest.mark.parametrize(("method", "columns"), [("pca", 2), ("mds", 2), ("code", 2), ("units", 3)])
def test_embed_writes_the_same_numbers_in_both_formats(home: Path, capsys: Capture, method: str, columns: int) -> None:
    assert main(["embed", "tiny", "-o", "e.npy", "--method", method, "--n", "40"]) == 0
    assert main(["embed", "tiny", "-o", "e.csv", "--method", method, "--n", "40"]) == 0
    coordinates = np.load("e.npy", allow_pickle=False)
    table = np.genfromtxt("e.csv", delimiter=",", names=True)
    assert coordinates.shape == (40, columns)
    assert table.dtype.names is not None
    assert np.allclose(np.stack([table[name] for name in table.dtype.names[2:]], 1), coordinates, rtol=1e-6)
    data = Session(RunStore(), own_run()).data
    assert data.labels is not None
    assert np.array_equal(data.labels[table["index"].astype(int)], table["label"])


def test_embed_writes_maps_their_quality_and_a_picture(home: Path, capsys: Capture) -> None:
    methods = ["--method", "pca", "--method", "mds", "--method", "code~0"]
    assert main(["embed", "tiny", *methods, "--n", "40", "-o", "maps.csv"]) == 0
    words = capsys.readouterr().out
    assert words.splitlines()[0].split()[:2] == ["MAP", "STRESS-1"]
    assert "40 of 1,797 images (40 test)" in words
    table = np.genfromtxt("maps.csv", delimiter=",", names=True, deletechars="")
    assert table.dtype.names == ("index", "label", "pca_x", "pca_y", "mds_x", "mds_y", "code_x", "code_y")
    quality = Path("maps.quality.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in quality] == ["map", "pca", "mds", "code~0"]
    assert 0 < float(quality[2].split(",")[1]) < 1
    assert opened("maps.png").shape[1] > 3 * 720


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "npz"])
def test_embed_takes_pictures_of_ones_own(home: Path, capsys: Capture, packed: bool) -> None:
    images = np.random.default_rng(0).integers(0, 255, (6, 20, 20), np.uint8)
    if packed:
        np.savez("own.npz", images=images)
    else:
        Path("own").mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(f"own/{i}.png")
        Path("own/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    source = "own.npz" if packed else "own"
    assert main(["embed", source, "--method", "pca", "--method", "mds", "-o", "maps.csv"]) == 0
    words = capsys.readouterr().out
    assert "6 pictures of your own" in words
    assert packed or "left out: broken.png" in words
    lines = Path("maps.csv").read_text().splitlines()
    assert lines[0] == "name,pca_x,pca_y,mds_x,mds_y"
    assert lines[1].startswith("own.npz [0]," if packed else "0.png,")
    assert "needs a run" in failure(capsys, "embed", source, "--method", "code", "-o", "c.csv")
    assert main(["embed", source, "--run", "tiny", "--method", "code", "-o", "c.npy"]) == 0
    coordinates = np.load("c.npy", allow_pickle=False)
    session = Session(RunStore(), own_run())
    assert coordinates.shape == (6, 2)
    assert Path("c.quality.csv").read_text().count("\n") == 2
    assert session.code_dim == 3
    assert "alone" in wrong_usage(capsys, "embed", source, "--method", "units", "-o", "u.csv")
    assert "names the run" in wrong_usage(capsys, "embed", "tiny", "--run", "tiny", "-o", "u.csv")


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "npz"])
def test_embed_knows_the_classes_of_pictures_of_ones_own(home: Path, capsys: Capture, packed: bool) -> None:
    labels = np.array([3, 12, 3, 12, 3, 12] * 4)
    images = np.random.default_rng(0).integers(0, 60, (24, 12, 12), np.uint8)
    images[labels == 12, 6:] += 150
    if packed:
        np.savez("own.npz", images=images, labels=labels)
    else:
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            Path(f"own/{label}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(f"own/{label}/{i}.png")
    assert main(["embed", "own.npz" if packed else "own", "--method", "pca", "-o", "maps.csv"]) == 0
    table = np.genfromtxt("maps.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    assert table.dtype.names == ("name", "label", "x", "y")
    assert sorted(table["label"]) == sorted(labels)
    assert (table["x"][table["label"] == 3] > 0).all() != (table["x"][table["label"] == 12] > 0).all()
    quality = np.genfromtxt("maps.quality.csv", delimiter=",", names=True)
    agree = metrics.knn_accuracy(np.stack([table["x"], table["y"]], 1), table["label"])
    assert float(quality["knn_accuracy"]) == pytest.approx(agree)
    if not packed:
        Image.fromarray(images[0]).save("own/alone.png")
        assert main(["embed", "own", "--method", "pca", "-o", "maps.csv"]) == 0
        assert Path("maps.csv").read_text().startswith("name,x,y"), "one of them has no class"


def test_embed_takes_more_pictures_of_ones_own_than_a_visitor_may_send(home: Path, capsys: Capture) -> None:
    images = np.random.default_rng(0).integers(0, 255, (MAX_IMAGES + 50, 8, 8), np.uint8)
    np.savez("own.npz", images=images, y=np.arange(len(images)) % 7)
    assert main(["embed", "own.npz", "--method", "pca", "-o", "maps.npy"]) == 0
    assert f"{len(images):,} pictures of your own" in capsys.readouterr().out
    places = np.load("maps.npy", allow_pickle=False)
    assert len(np.unique(places, axis=0)) == len(images), "each has a place of its own"
    np.savez("first.npz", images=images[:30], y=np.arange(30) % 7)
    assert main(["embed", "own.npz", "--method", "pca", "--n", "30", "-o", "some.npy"]) == 0
    assert main(["embed", "first.npz", "--method", "pca", "-o", "first.npy"]) == 0
    some, first = (np.load(name, allow_pickle=False) for name in ("some.npy", "first.npy"))
    np.testing.assert_array_equal(some, first)
    assert "at most 2,000" in failure(capsys, "embed", "own.npz", "--method", "mds_nonmetric", "-o", "maps.npy")


# --- keeping ---------------------------------------------------------------------------------------------------------


def test_delete_restore_rename_export_import(home: Path, capsys: Capture) -> None:
    run_id = own_run()
    assert main(["rename", "tiny", "small"]) == 0
    assert main(["export", "small", "run.zip"]) == 0
    assert main(["delete", "small"]) == 0
    assert f"aecore restore {run_id}" in capsys.readouterr().out
    assert said(capsys, "restore") == [run_id]
    assert "there is no run" in failure(capsys, "show", "small")
    assert main(["restore", run_id]) == 0
    assert main(["import", "run.zip"]) == 0
    capsys.readouterr()
    names = [row["name"] for row in said(capsys, "list") if not row["builtin"]]
    assert names == ["small", "small"]
    Path("run.zip").write_bytes(b"nonsense")
    assert "not a whole zip" in failure(capsys, "import", "run.zip")


def test_export_writes_a_model_that_runs_alone(home: Path, capsys: Capture) -> None:
    assert main(["export", "tiny", "decoder.onnx"]) == 0
    assert "code (n, 3) → picture (n, 1, 8, 8)" in capsys.readouterr().out
    session, codes = Session(RunStore(), own_run()), np.ones((2, 3), np.float32)
    (pictures,) = onnxruntime.InferenceSession("decoder.onnx").run(None, {"code": codes})
    assert np.allclose(pictures, session.decode(codes), atol=1e-4)
    assert main(["export", "tiny", "encoder.onnx", "--part", "encoder"]) == 0
    assert main(["export", "tiny", "repair.onnx", "--part", "denoiser", "--noise", "gaussian"]) == 0
    assert "field (n, 1, 8, 8), level () → corrupted (n, 1, 8, 8)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["run.txt"], ".zip or .onnx"),
        (["run.zip", "--part", "decoder"], "--part/--noise"),
        (["run.zip", "--noise", "masking"], "--part/--noise"),
        (["a.onnx", "--noise", "masking"], "--part denoiser"),
        (["a.onnx", "--with-images"], "--with-images"),
        (["a.onnx", "--part", "eye"], "invalid choice: 'eye'"),
    ],
)
def test_what_cannot_be_exported_together_is_wrong_usage(
    home: Path, capsys: Capture, words: list[str], why: str
) -> None:
    assert why in wrong_usage(capsys, "export", "tiny", *words)
    assert "unknown kind 'fog'" in failure(capsys, "export", "tiny", "a.onnx", "--part", "denoiser", "--noise", "fog")
    assert not list(Path.cwd().iterdir())


# --- the app's server ------------------------------------------------------------------------------------------------


def test_a_named_port_that_is_taken_fails_in_one_line(capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = failure(capsys, "app", "--no-browser", "--port", str(taken.getsockname()[1]))
    assert "is taken by another program" in line


def test_the_usual_port_taken_means_the_next_one_with_a_word(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(serve, "PORT", taken.getsockname()[1])
        chosen = serve.free_port("127.0.0.1", None)
    assert chosen > serve.PORT
    assert f"using {chosen}" in capsys.readouterr().out


def test_an_address_of_elsewhere_fails_in_one_line(capsys: Capture) -> None:
    assert "not an address of this machine" in failure(capsys, "app", "--host", "192.0.2.1", "--no-browser")


def test_the_front_end_is_found_beside_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "asgi.py").write_text("raise SystemExit('decoy')")
    monkeypatch.chdir(tmp_path)
    assert serve.entry() == Path(serve.__file__).parents[2] / "app" / "asgi.py"


SERVER = """
import http.server, sys
port = int(next(a for a in sys.argv if a.startswith("--server.port=")).split("=")[1])
class Ok(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", port), Ok).serve_forever()
"""


def test_sigterm_ends_the_server_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Once the server answers, the browser opens; ending then leaves neither server nor port behind."""
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    monkeypatch.setattr(serve, "_command", lambda s, port, host: [sys.executable, script, f"--server.port={port}"])
    opened = list[str]()

    def browse(url: str) -> bool:
        opened.append(url)
        signal.raise_signal(signal.SIGTERM)
        return True

    monkeypatch.setattr(serve.webbrowser, "open", browse)
    before = signal.getsignal(signal.SIGTERM)
    port = serve.free_port("127.0.0.1", None)
    try:
        assert main(["app", "--port", str(port)]) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert opened == [f"http://127.0.0.1:{port}"]
    assert f"ready at http://127.0.0.1:{port}" in capsys.readouterr().out
    assert serve.free_port("127.0.0.1", port) == port


def test_a_server_that_does_not_start_fails(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(serve, "_command", lambda *_: [sys.executable, "-c", "raise SystemExit(3)"])
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert "could not start (exit code 3)" in failure(capsys, "app", "--no-browser")
    finally:
        signal.signal(signal.SIGTERM, before)


# --- as a program ----------------------------------------------------------------------------------------------------


def test_as_a_program_from_a_folder_of_decoys(home: Path) -> None:
    """Exit codes, one line on stderr, an early closed pipe, and no module of the working folder picked up."""
    for name in ("app.py", "aecore.py", "torch.py", "streamlit.py", "json.py"):
        Path(name).write_text("raise SystemExit('decoy')")
    root = str(Path(serve.__file__).parent.parent)
    env = {**os.environ, "PYTHONPATH": root}
    failed = subprocess.run([sys.executable, "-P", "-m", "aecore", "show", "absent"], env=env, capture_output=True)
    assert (failed.returncode, failed.stdout, failed.stderr.count(b"\n")) == (1, b"", 1)
    assert failed.stderr.startswith(b"aecore: there is no run 'absent'")
    listing = subprocess.Popen([sys.executable, "-P", "-m", "aecore", "recipes"], env=env, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)  # fmt: skip
    assert listing.stdout is not None
    assert listing.stderr is not None
    listing.stdout.close()
    with listing.stderr:
        assert listing.stderr.read() == b""
    assert listing.wait() == 0


# --- likelihood ------------------------------------------------------------------------------------------------------


def test_likelihood_of_a_variational_run_alone(home: Path, capsys: Capture) -> None:
    found = said(capsys, "likelihood", "digits-variational", "--samples", "20", "--n", "50", "--binarise")
    assert found["images"] == 50
    assert found["binarised"]
    assert -30 < found["log_likelihood"] < -15
    more = said(capsys, "likelihood", "digits-variational", "--samples", "200", "--n", "50", "--binarise")
    assert more["log_likelihood"] > found["log_likelihood"], "the bound grows with the samples"
    assert main(["likelihood", "digits-learned-variance", "--samples", "2", "--n", "20"]) == 0
    assert "nats per image (K = 2; 20 of 270 test images" in capsys.readouterr().out
    assert "take a variational run" in failure(capsys, "likelihood", "tiny")
    assert "number (1 to 10000)" in wrong_usage(capsys, "likelihood", "tiny", "--samples", "0")
