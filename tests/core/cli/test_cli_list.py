"""The commands list, show, directions, recipes, datasets and fetch."""

import json
import shutil

from aecore.store.figures import FIGURES


def test_lists_and_shows_what_was_trained(home, command):
    (row,) = [row for row in command.json("list") if not row["builtin"]]
    assert (row["recipe"], row["dataset"], row["code_dim"], row["state"]) == ("denoising", "digits", 3, "finished")
    shown = command.json("show", "tiny")
    assert shown["run_id"] == row["run_id"]
    assert shown["config"]["training"]["epochs"] == 2
    effects = [unit["effect"] for unit in shown["units"]]
    assert effects == sorted(effects, reverse=True)
    assert sorted(unit["unit"] for unit in shown["units"]) == [0, 1, 2]
    assert row["run_id"] in command("list")
    text = command("show", "tiny")
    assert 'corruption.kind             "masking"' in text
    labels = {figure.name: figure.label for figure in FIGURES}
    assert all(f"  {labels[name]} " in text for name in ("test_sse", "probe_accuracy", "noise_r2"))
    assert "test_sse" not in text, "figures go by their labels for people"


def test_directions_are_listed_with_what_they_change(home, command):
    found = {value["name"]: value for value in command.json("directions", "shapes-variational")}
    assert found["scale: high − low"]["words"] == "larger"
    assert len(found["scale: high − low"]["vector"]) == 10
    assert "vector" not in found["unit 0"]
    text = command("directions", "digits-overcomplete")
    assert "principal direction 8" in text
    assert "80 weaker ones: --json" in text


def test_a_run_is_found_by_the_beginning_of_its_id(home, tiny, command):
    run_id = tiny.run_id
    assert command.json("show", run_id[:-2])["run_id"] == run_id
    shutil.copytree(home / "runs" / run_id, home / "runs" / f"{run_id}-b")
    assert "could be" in command.failure("show", run_id[:-2])
    assert command.json("show", run_id)["run_id"] == run_id


def test_a_damaged_run_is_listed_with_its_reason(home, tiny, command):
    folder = home / "runs" / tiny.run_id
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**status, "created": float("nan"), "name": "\x1b[2J"}))
    (folder / "weights.safetensors").write_bytes(b"short")
    (row,) = [row for row in command.json("list") if row["state"] == "damaged"]
    assert "weights.safetensors" in row["reason"]
    assert row["created"] is None
    assert "\x1b" not in command("show", row["run_id"])
    assert "\x1b" not in command("list")
    assert "cannot be opened" in command.failure("walk", row["run_id"], "-o", "w.png")


def test_recipes_and_datasets(home, command):
    recipes = {value["name"]: value for value in command.json("recipes")}
    assert recipes["variational"]["config"]["objective"]["kind"] == "variational"
    datasets = {value["kind"]: value for value in command.json("datasets")}
    assert datasets["digits"]["available"]
    assert datasets["digits"]["licence"] == "CC BY 4.0"
    assert datasets["folder"]["own_path"]
    assert not datasets["folder"]["available"]
    assert datasets["mnist"]["downloadable"]
    assert "LeCun" in datasets["mnist"]["source"]


def test_only_what_can_be_downloaded_is_fetched(home, command):
    line = command.wrong_usage("fetch", "digits")
    assert "'digits' cannot be downloaded" in line
    assert "mnist" in line
