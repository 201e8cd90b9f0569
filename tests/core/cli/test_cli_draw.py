"""The commands reconstruct, walk and likelihood."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def test_walk_writes_rows_of_whole_pixels(tiny, command, read):
    command("walk", "tiny", "-o", "walk.png")
    drawn = read("walk.png")
    native = drawn[::12, ::12]
    assert drawn.shape == (12 * (3 * 9 - 1), 12 * (11 * 9 - 1), 3)
    assert np.array_equal(native.repeat(12, 0).repeat(12, 1), drawn)
    start = tiny.encode(tiny.gallery(1).images)[0]
    unit = int(tiny.units_by_effect()[0])
    expected = np.rint(tiny.walk(start, unit, 11)[1][0, 0] * 255)
    assert np.array_equal(native[:8, :8, 0], expected)


def test_walk_gif_is_a_closed_loop(home, command):
    Image.fromarray(np.eye(20, dtype=np.uint8) * 255).save("own.png")
    command("walk", "tiny", "-o", "walk.gif", "--unit", "1", "--image", "own.png")
    frames = list[np.ndarray]()
    with Image.open("walk.gif") as gif:
        assert (gif.size, gif.info["loop"]) == ((96, 96), 0)
        for i in range(gif.n_frames):
            gif.seek(i)
            frames.append(np.asarray(gif.convert("L"), np.float32))
    there, back = frames[1 : len(frames) // 2], frames[: len(frames) // 2 : -1]
    assert all(np.array_equal(a, b) for a, b in zip(there, back, strict=True))


def test_reconstruct_own_and_test_images(home, command, read):
    Image.fromarray(np.eye(20, dtype=np.uint8) * 255).save("own.png")
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert "left out: broken.png" in command("reconstruct", "tiny", "own.png", "broken.png", "-o", "r.png")
    command("reconstruct", "tiny", "--level", "0.5", "--noise", "gaussian", "--n", "2", "-o", "n.png")
    assert read("n.png").shape[1] > read("r.png").shape[1]  # a column more
    assert "broken.png: " in command.failure("reconstruct", "tiny", "broken.png", "-o", "x.png")
    assert command.failure("reconstruct", "tiny", "absent.png", "-o", "x.png").endswith("No such file or directory")
    assert "there is no folder" in command.failure("reconstruct", "tiny", "own.png", "-o", "no/x.png")
    assert sorted(p.name for p in Path().iterdir()) == ["broken.png", "n.png", "own.png", "r.png"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--unit", "9"], "units 0 to 2"),
        (["--unit", "-1"], "units 0 to 2"),
        (["--index", "5000"], "0 to 1796"),
        (["--index", "-1"], "0 to 1796"),
        (["--index", "1", "--image", "own.png"], "give one of them"),
    ],
)
def test_a_walk_from_or_along_what_is_not_there_is_wrong_usage(home, command, options, named):
    assert named in command.wrong_usage("walk", "tiny", "-o", "w.png", *options)
    assert not list(Path.cwd().iterdir())


def test_likelihood_of_a_variational_run_alone(home, command):
    found = command.json("likelihood", "digits-variational", "--samples", "20", "--n", "50", "--binarise")
    assert found["images"] == 50
    assert found["binarised"]
    assert -30 < found["log_likelihood"] < -15
    more = command.json("likelihood", "digits-variational", "--samples", "200", "--n", "50", "--binarise")
    assert more["log_likelihood"] > found["log_likelihood"], "the bound grows with the samples"
    text = command("likelihood", "digits-learned-variance", "--samples", "2", "--n", "20")
    assert "nats per image (K = 2; 20 of 270 test images" in text
    assert "take a variational run" in command.failure("likelihood", "tiny")
