"""Train: choose a kind, images and settings, watch the training, and open the trained run."""

from aecore.training import queue
from app import cache, visitor
from app.state import training
from app.views.train.setup import not_here, setup
from app.views.train.watch import watch
from app.widgets.header import header
from app.widgets.picture import picture_error


def chosen_job() -> str | None:
    """The training in the URL, else the visitor's own that runs, else None: then a new one is set up."""
    named = training.watched_job()
    if named is None:
        store = cache.store()
        own = [info for info in queue.queue(store) if info.status.owner == store.who.name and info.state == "running"]
        training.watch_job(own[0].run_id if own else None)
        return own[0].run_id if own else None
    return None if named == training.NEW_JOB else named


def page() -> None:
    job = chosen_job()
    if job is None and (refusal := not_here(visitor.current())):
        header("Train", "A network learns from examples.", "walk or denoise with the runs that are here.")
        picture_error(refusal)
    elif job is None:
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
