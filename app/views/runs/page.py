"""Runs: compare all trained networks on this machine, rename, delete, export and import them."""

from app import cache, visitor
from app.views.runs.compare import compare
from app.views.runs.list import runs_list
from app.views.runs.manage import import_run
from app.widgets.header import header
from app.widgets.picture import picture_error
from app.widgets.run_picker import explorable_runs


def page() -> None:
    header(
        "Runs",
        "The same images through different networks.",
        "compare a run with few code units and one with many, then give both the same noise.",
    )
    infos = explorable_runs()
    if infos:
        compare(infos)
    else:
        picture_error("There is no run to compare yet. Open Train and start one, or import a run.")
    if visitor.current().may_write:
        import_run()
    runs_list(cache.runs())


page()
