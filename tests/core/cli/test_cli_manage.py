"""The commands delete, restore, rename, export and import."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest


def test_delete_restore_rename_export_import(tiny, command):
    run_id = tiny.run_id
    command("rename", "tiny", "small")
    command("export", "small", "run.zip")
    assert f"aecore restore {run_id}" in command("delete", "small")
    assert command.json("restore") == [run_id]
    assert "there is no run" in command.failure("show", "small")
    command("restore", run_id)
    command("import", "run.zip")
    names = [row["name"] for row in command.json("list") if not row["builtin"]]
    assert names == ["small", "small"]
    Path("run.zip").write_bytes(b"nonsense")
    assert "not a whole zip" in command.failure("import", "run.zip")


def test_export_writes_a_model_that_runs_alone(tiny, command):
    assert "code (n, 3) → picture (n, 1, 8, 8)" in command("export", "tiny", "decoder.onnx")
    codes = np.ones((2, 3), np.float32)
    (pictures,) = onnxruntime.InferenceSession("decoder.onnx").run(None, {"code": codes})
    assert np.allclose(pictures, tiny.decode(codes), atol=1e-4)
    command("export", "tiny", "encoder.onnx", "--part", "encoder")
    text = command("export", "tiny", "repair.onnx", "--part", "denoiser", "--noise", "gaussian")
    assert "field (n, 1, 8, 8), level () → corrupted (n, 1, 8, 8)" in text


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["run.txt"], ".zip or .onnx"),
        (["run.zip", "--part", "decoder"], "--part/--noise"),
        (["run.zip", "--noise", "masking"], "--part/--noise"),
        (["a.onnx", "--noise", "masking"], "--part denoiser"),
        (["a.onnx", "--with-images"], "--with-images"),
        (["a.onnx", "--part", "eye"], "'eye' is not one of"),
    ],
)
def test_what_cannot_be_exported_together_is_wrong_usage(home, command, words, why):
    assert why in command.wrong_usage("export", "tiny", *words)
    assert not list(Path.cwd().iterdir())


def test_a_denoiser_of_an_unknown_noise_is_not_exported(home, command):
    line = command.failure("export", "tiny", "a.onnx", "--part", "denoiser", "--noise", "fog")
    assert "unknown kind 'fog'" in line
    assert not list(Path.cwd().iterdir())
