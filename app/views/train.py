"""Train: choose a kind, images and settings; watch it learn; go on with what it has learned."""

from aecore import jobs
from app import cache, state
from app.widgets.header import header
from app.widgets.train_setup import setup
from app.widgets.train_watch import watch


def chosen_job() -> str | None:
    """The training that the URL names, else the one that runs, else None: then a new one is set up."""
    named = state.watched_job()
    if named is None:
        running = [info.run_id for info in jobs.queue(cache.store()) if info.state == "running"]
        state.watch_job(running[0] if running else None)
        return running[0] if running else None
    return None if named == state.NEW_JOB else named


def page() -> None:
    job = chosen_job()
    if job is None:
        header(
            "Train",
            "These held-out images will show what the network has learned; it trains on others like them.",
            "take fewer code units, or more noise than you could see through yourself, and train.",
        )
        setup()
    else:
        header(
            "Train",
            "Images that the network does not train on, redrawn as it learns.",
            "watch in which epoch the shapes appear, and stop when the error no longer falls.",
        )
        watch(job)


page()
