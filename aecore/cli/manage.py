"""Commands that keep order: delete, restore, rename, export, import; and app."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass
from aecore.cli.output import UsageError, find_run, open_session, open_store, out, say_json, write


def delete(options: argparse.Namespace) -> None:
    store = open_store()
    for run_id in [find_run(store, wanted) for wanted in options.runs]:
        store.delete(run_id)
        print(f"Deleted {run_id}; to undo: aecore restore {run_id}")


def restore(options: argparse.Namespace) -> None:
    store = open_store()
    if options.run:
        store.restore(options.run)
        return print(f"{options.run} is back")
    if options.json:
        return say_json(store.trash())
    print("\n".join(store.trash()) or "The trash is empty.")


def rename(options: argparse.Namespace) -> None:
    store = open_store()
    run_id = find_run(store, options.run)
    store.rename(run_id, options.name)
    print(f"{run_id} is now called {store.info(run_id).name}")


def export(options: argparse.Namespace) -> None:
    (_export_model if out(options.out, ".zip", ".onnx") == ".onnx" else _export_run)(options)


def _export_model(options: argparse.Namespace) -> None:
    from aecore.session.onnx_cache import content, signature

    if options.with_images:
        raise UsageError("argument --with-images: an .onnx file holds no pictures; they travel in a .zip")
    if options.noise and options.part != "denoiser":
        raise UsageError("argument --noise: only a denoiser corrupts; add --part denoiser")
    part = options.part or "decoder"
    made = content(open_session(options.run), part, options.noise)
    write(options.out, made)
    print(f"{options.out}: the {part}, {len(made) / 1e6:.2f} MB: {signature(made)}")


def _export_run(options: argparse.Namespace) -> None:
    from aecore.store.archive import IMAGES, export_zip

    if options.part or options.noise:
        raise UsageError("argument --part/--noise: a .zip holds the whole run; for its model write to an .onnx file")
    store = open_store()
    run_id = find_run(store, options.run)
    write(options.out, export_zip(store, run_id, options.with_images))
    kept_back = (store.folder(run_id) / IMAGES).is_file() and not options.with_images
    print(f"{options.out}: {run_id}{' without its pictures (--with-images adds them)' if kept_back else ''}")


def import_run(options: argparse.Namespace) -> None:
    from aecore.store.archive import MAX_BYTES, import_zip

    with open(options.file, "rb") as file:
        data = file.read(MAX_BYTES + 1)  # what is longer is refused, and need not be read
    print(f"Imported as {import_zip(open_store(), data)}")


def app(options: argparse.Namespace) -> None:
    from aecore.cli.serve import launch

    launch(options.port, options.host, not options.no_browser)
