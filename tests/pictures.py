"""Makes README's pictures from the real program: `python tests/pictures.py [walk denoise pages]`, into assets/pictures.

`pages` needs Chromium.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
OUT = Path(__file__).parent.parent / "assets" / "pictures"


def walk() -> None:
    """Four textures walk the same units, the most effective first, there and back."""
    import aecore
    from aecore.pictures import sheets

    session = aecore.open("patterns-variational")
    starts = session.encode(session.gallery(24, seed=4).images)[[1, 5, 10, 16]]
    frames: list[np.ndarray] = []
    swing = np.sin(np.linspace(0, 2 * np.pi, 14, endpoint=False))
    for unit in session.units_by_effect()[:4]:
        low, high = session.unit_range(int(unit), 0.05, 0.95)
        codes = np.repeat(starts[:, None], len(swing), 1)
        here = starts[:, unit, None]
        codes[:, :, unit] = here + np.where(swing > 0, high - here, here - low) * swing
        images = session.decode(codes.reshape(-1, session.code_dim))
        moments = images.reshape(len(starts), len(swing), *session.shape).swapaxes(0, 1)
        frames += [sheets.sheet([moment], gap=2) for moment in moments]
    (OUT / "walk.gif").write_bytes(sheets.gif(frames, 90, 4))


def denoise() -> None:
    """The course's three columns: original, corrupted, reconstruction, from the ready-made run.

    Without MNIST at hand the originals are stored codes, decoded, so that README shows no MNIST image.
    """
    import aecore
    from aecore.pictures import sheets

    session = aecore.open("mnist-course-denoising")
    shown = session.denoise(session.gallery(8, seed=1).images, seed=1)
    columns = [shown.original, shown.corrupted.clip(0, 1), shown.reconstruction]
    sheet = sheets.labelled_columns(columns, ["original", "corrupted", "reconstruction"], across=2)
    (OUT / "denoise.png").write_bytes(sheets.png(sheet))


def pages() -> None:
    """The Denoise, Walk and Maps pages as they look at 1280 × 800."""
    from chromium import ARGS, REST
    from playwright.sync_api import sync_playwright
    from server import server

    with tempfile.TemporaryDirectory() as home, server(Path(home)) as (url, _), sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS.split())
        page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
        for name, run in [("denoise", "digits-denoising"), ("walk", "patterns-variational"), ("maps", "digits-deep")]:
            page.goto(f"{url}/{name}?run={run}")
            page.wait_for_selector(REST)
            page.wait_for_selector("[data-live=true], .maps[data-ready='1']")
            page.wait_for_load_state("networkidle")
            page.screenshot(path=OUT / f"page-{name}.png")
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["walk", "denoise", "pages"])
    OUT.mkdir(parents=True, exist_ok=True)
    for name in parser.parse_args().what:
        {"walk": walk, "denoise": denoise, "pages": pages}[name]()


if __name__ == "__main__":
    main()
