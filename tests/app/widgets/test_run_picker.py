"""The choice of a run: what its list offers when there are very many runs."""

from pathlib import Path

import pytest
from reading import OpenPage, words

from aecore.store.folder import RunInfo, Status
from app.state.runs import RUN_PICKER
from app.widgets import run_picker
from app.widgets.run_picker import MAX_OFFERED, offered_runs

OLDER = "open older ones from Runs"


def info_of(run_id: str, builtin: bool = False) -> RunInfo:
    return RunInfo(run_id, Path(run_id), "finished", "", builtin, Status(), None)


def test_a_list_offers_ready_made_the_newest_own_and_the_chosen_runs() -> None:
    ready, own = [info_of("ready", True)], [info_of(f"own-{i}") for i in range(600)]
    infos = (*ready, *own)
    assert list(offered_runs(infos)) == [*ready, *own[:MAX_OFFERED]]
    assert list(offered_runs(infos, ("own-599", "gone"))) == [*ready, *own[:MAX_OFFERED], own[599]]
    assert offered_runs(infos[:20]) == infos[:20]


def test_an_older_run_is_offered_where_it_is_shown_and_the_page_says_where_the_others_are(
    home: Path, run_ids: dict[str, str], open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_picker, "MAX_OFFERED", 1)
    own = [info.run_id for info in run_picker.explorable_runs() if not info.builtin]
    newest, older = own
    page = open_page("walk", run=newest)
    assert not page.exception
    assert page.selectbox(key=RUN_PICKER).value == newest
    all_labels = run_picker.run_labels(run_picker.explorable_runs())
    assert all_labels[older] not in page.selectbox(key=RUN_PICKER).options
    assert OLDER in words(page)
    page = open_page("walk", run=older)
    assert page.selectbox(key=RUN_PICKER).value == older
    assert all_labels[older] in page.selectbox(key=RUN_PICKER).options
    monkeypatch.undo()
    monkeypatch.setenv("AECORE_HOME", str(home))
    assert OLDER not in words(open_page("runs"))
