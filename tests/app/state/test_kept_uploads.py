"""The ledger of the files that visits keep: what fits, what is left out, what is given back."""

import gc

import pytest

from app.state import uploads
from app.state.uploads import Ledger, Upload


def files(*sizes: int) -> list[Upload]:
    return [Upload(f"{number}.png", bytes(size)) for number, size in enumerate(sizes)]


def test_files_are_kept_while_there_is_room_in_the_visit_and_altogether():
    ledger = Ledger()
    mine = files(40, 40, 40, 20)
    kept, out = ledger.keep(mine, "mine", 100, 150)
    assert [file.name for file in kept] == ["0.png", "1.png", "3.png"]
    assert out == [mine[2]]
    theirs, out = ledger.keep(files(60, 50), "theirs", 100, 150)
    assert [file.name for file in theirs] == ["1.png"]
    assert (ledger.total("mine"), ledger.total("theirs"), ledger.total()) == (100, 50, 150)


def test_what_was_kept_stays_kept_and_is_counted_once():
    ledger = Ledger()
    mine, _ = ledger.keep(files(60), "mine", 100, 100)
    again, out = ledger.keep([*files(50), *mine, *files(40)], "mine", 100, 100)
    assert [len(file.content) for file in again] == [60, 40]
    assert len(out) == 1
    assert ledger.total() == 100


def test_files_are_given_back_with_the_last_who_holds_them():
    ledger = Ledger()
    kept, _ = ledger.keep(files(10, 20), "mine", 100, 100)
    cycle = {"files": kept}
    cycle["self"] = cycle  # as a visit's state is
    del kept[0]
    assert ledger.total() == 20
    del cycle, kept
    gc.collect()
    assert ledger.total() == 0


def test_a_visitor_is_told_what_was_left_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(uploads, "_ledger", Ledger())
    monkeypatch.setattr(uploads, "MB", 1)  # a visit has room for 64 bytes

    def toasts(sizes: tuple[int, ...]) -> list[str]:
        said: list[str] = []
        with monkeypatch.context() as patch:
            patch.setattr(uploads.st, "session_state", {})
            patch.setattr(uploads.st, "toast", said.append)
            uploads.keep_uploads(files(*sizes))
        return said

    assert toasts((64,)) == []
    (said,) = toasts((60, 10))
    assert said.startswith("1\\.png was left out: there is no room for more images. Remove some of yours")
    assert toasts((65, 66))[0].startswith("0\\.png and 1 more files were left out")
