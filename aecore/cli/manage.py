"""Commands that manage runs: queue, stop, share, delete, restore, rename, export, import."""

from pathlib import Path

import click

from aecore.cli.options import (
    FILE,
    RUN_HELP,
    OutputFile,
    command,
    complete_deleted_run,
    complete_own_run,
    json_option,
    own_run_argument,
    run_argument,
)
from aecore.cli.output import find_run, open_session, open_store, print_json, print_table, write_file


@command("queue", "aecore queue --json")
@json_option
def show_queue(as_json: bool) -> None:
    """List the trainings that run and wait, in the order in which they start."""
    from aecore.training.queue import queue

    jobs = queue(open_store())
    if as_json:
        return print_json([
            {"run_id": job.run_id, "state": job.state, "owner": job.status.owner, "epoch": job.status.epoch,
             "epochs": job.status.epochs} for job in jobs
        ])  # fmt: skip
    rows = [
        (job.run_id, job.state, job.status.owner or "you", f"{job.status.epoch} of {job.status.epochs}") for job in jobs
    ]
    if not rows:
        return print("No training runs or waits.")
    print_table(("RUN", "STATE", "OWNER", "EPOCH"), rows)


@command("stop", "aecore stop denoising-digits-20260101-1a2b3c", "aecore stop --all")
@click.argument("runs", metavar="[RUN]...", nargs=-1, shell_complete=complete_own_run, help=RUN_HELP)
@click.option("--all", "everything", is_flag=True, help="every training that runs or waits, whoever began it")
def stop(runs: tuple[str, ...], everything: bool) -> None:
    """Stop trainings. Their best weights so far are kept; a waiting one leaves the queue."""
    from aecore.training import queue

    store = open_store()
    if everything:
        return print(f"Stopped {queue.clear(store)} trainings")
    if not runs:
        raise click.UsageError("name the runs to stop, or --all; aecore queue lists them")
    for run_id in [find_run(store, wanted) for wanted in runs]:
        state = store.info(run_id).state
        queue.stop(store, run_id)
        stopping = {"running": "is asked to stop after its present step", "queued": "is taken out of the queue"}
        print(f"{run_id} {stopping.get(state, f'has ended already: {state}')}")


@command("share", "aecore share denoising-digits-20260101-1a2b3c")
@own_run_argument
@click.option("--off", is_flag=True, help="stop sharing it")
def share(run: str, off: bool) -> None:
    """Show a run to every visitor of a shared server. They see its figures, codes, pictures, and the images that it was
    trained on; they cannot change or export it.
    """
    store = open_store()
    run_id = find_run(store, run)
    store.share(run_id, not off)
    print(f"{run_id} is {'no longer ' if off else ''}shared with the visitors of a shared server")


@command("delete", "aecore delete denoising-digits-20260101-1a2b3c")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, shell_complete=complete_own_run, help=RUN_HELP)
def delete(runs: tuple[str, ...]) -> None:
    """Move runs to the trash. The last ten can be restored."""
    store = open_store()
    for run_id in [find_run(store, wanted) for wanted in runs]:
        store.delete(run_id)
        print(f"Deleted {run_id}; to undo: aecore restore {run_id}")


@command("restore", "aecore restore denoising-digits-20260101-1a2b3c")
@click.argument("run", metavar="[RUN]", required=False, shell_complete=complete_deleted_run, help="its whole id")
@json_option
def restore(run: str | None, as_json: bool) -> None:
    """Restore a deleted run. Without RUN, list the runs that can be restored."""
    store = open_store()
    if run:
        store.restore(run)
        return print(f"{run} is restored")
    if as_json:
        return print_json(store.trash())
    print("\n".join(store.trash()) or "The trash is empty.")


@command("rename", "aecore rename denoising-digits-20260101-1a2b3c 'forty per cent noise'")
@own_run_argument
@click.argument("name", metavar="NAME", help="the new name, 1 to 80 characters")
def rename(run: str, name: str) -> None:
    """Give a run a name people remember. Its id stays the same, so links keep working."""
    store = open_store()
    run_id = find_run(store, run)
    store.rename(run_id, name)
    print(f"{run_id} is now called {store.info(run_id).name}")


@command(
    "export",
    "aecore export denoising run.zip",
    "aecore export variational decoder.onnx",
    "aecore export denoising repair.onnx --part denoiser --noise salt_and_pepper",
)
@run_argument
@click.argument(
    "out", metavar="OUT", type=OutputFile(".zip", ".onnx"), help="file to write: .zip for the run, .onnx for its model"
)
@click.option(
    "--part",
    type=click.Choice(("decoder", "encoder", "denoiser")),
    help="what the model in an .onnx file does (default: decoder)",
)
@click.option("--noise", metavar="KIND", help="a denoiser's corruption (default: as in training)")
@click.option("--with-images", is_flag=True, help="include your own pictures that the run was trained on")
def export(run: str, out: str, part: str | None, noise: str | None, with_images: bool) -> None:
    """Write a run to a zip file, or its model to an ONNX file. A zip opens on any machine with aecore import, a model
    in every program that runs ONNX.
    """
    if Path(out).suffix.lower() == ".onnx":
        if with_images:
            raise click.UsageError(
                "--with-images: an .onnx file holds no pictures; write to a .zip file to include them"
            )
        if noise and part != "denoiser":
            raise click.UsageError("--noise: only a denoiser corrupts pictures; add --part denoiser")
        return _export_model(run, out, part or "decoder", noise)
    if part or noise:
        raise click.UsageError("--part/--noise: a .zip holds the whole run; for its model write to an .onnx file")
    _export_run(run, out, with_images)


def _export_model(run: str, out: str, part: str, noise: str | None) -> None:
    from aecore.session.onnx_cache import content, signature

    model = content(open_session(run), part, noise)
    write_file(out, model)
    print(f"{out}: the {part}, {len(model) / 1e6:.2f} MB: {signature(model)}")


def _export_run(run: str, out: str, with_images: bool) -> None:
    from aecore.store.archive import IMAGES, export_zip

    store = open_store()
    run_id = find_run(store, run)
    write_file(out, export_zip(store, run_id, with_images))
    left_out = (store.folder(run_id) / IMAGES).is_file() and not with_images
    print(f"{out}: {run_id}{' without its pictures (--with-images includes them)' if left_out else ''}")


@command("import", "aecore import run.zip")
@click.argument("file", metavar="FILE.zip", type=FILE, help="a zip file that aecore export wrote")
def import_run(file: str) -> None:
    """Add a run that was exported elsewhere. Its files are all checked before it is kept."""
    from aecore.store.archive import MAX_BYTES, import_zip

    with open(file, "rb") as zipped:
        data = zipped.read(MAX_BYTES + 1)  # one byte more than is accepted: a larger file is refused without reading it
    print(f"Imported as {import_zip(open_store(), data)}")
