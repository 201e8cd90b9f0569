"""Train: choose a kind, images and settings, watch the training, and open the trained run."""

from aecore.training import queue
from app import cache
from app.state import training
from app.views.train.setup import setup
from app.views.train.watch import watch
from app.widgets.header import header


def chosen_job() -> str | None:
    """The training in the URL, else the one that runs, else None: then a new one is set up."""
    named = training.watched_job()
    if named is None:
        running = [info.run_id for info in queue.queue(cache.store()) if info.state == "running"]
        training.watch_job(running[0] if running else None)
        return running[0] if running else None
    return None if named == training.NEW_JOB else named


def page() -> None:
    job = chosen_job()
    if job is None:
        header(
            "Train",
            "These held-out images will show what the network learns; it trains on others like them.",
            "choose fewer code units, or more noise than you could see through yourself, and train.",
        )
        setup()
    else:
        header(
            "Train",
            "Held-out images, reconstructed as the network learns.",
            "watch in which epoch the shapes appear, and stop when the error no longer falls.",
        )
        watch(job)


page()
