"""A server that is read-only: it writes nothing into its home, and what it caches elsewhere goes with it."""

import os
import urllib.request
from pathlib import Path

from server import ROOT, server


def test_a_read_only_server_keeps_its_home_as_it_is_and_cleans_up(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    elsewhere.mkdir()
    log = tmp_path / "log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(elsewhere)}
    with server(home, log=log, cwd=tmp_path, env=environment, options=["--read-only"]) as (url, _):
        assert urllib.request.urlopen(f"{url}/live/model/digits-denoising/decoder.json").status == 200
        (folder,) = elsewhere.glob("aecore-*")
        assert folder.is_dir()
    assert not list(elsewhere.glob("aecore-*"))
    text = log.read_text()
    assert "Read-only: visitors look and play" in text
    assert "/teacher/" not in text
    assert not (home / "teacher-secret").exists()
    assert not (home / "queue.lock").exists(), "no training is started"
