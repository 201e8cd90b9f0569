"""Errors for users: each message says what happened, what it means and what to do next."""

import errno


class AecoreError(Exception):
    """Base of all errors that a page or the command line shows as one line instead of a traceback."""


class DataUnavailable(AecoreError):
    """The pictures of a dataset are not on this machine and could not be fetched."""


class BadInput(AecoreError):
    """A file, array or value given by a user cannot be used; the message is the reason, in one line."""


class BadSettings(AecoreError):
    """Settings that do not work together; the message names the field and the remedy."""


class NotAllowed(AecoreError):
    """An action that this visitor may not take; the message says who may."""


class RunUnavailable(AecoreError):
    """A run does not exist, is damaged, or has no weights to explore."""


class Stopped(AecoreError):
    """A user stopped a computation before it had a result."""


_FULL = "the disk is full; make room on it, then try again"
_FORBIDDEN = (
    "the program has no permission to read or write its files; whoever runs it can give that permission, or start it "
    "with another folder (--home)"
)
_GONE = "a file or folder of the program is missing, perhaps just deleted; reload the page and try again"
_OPEN = "the program has too many files open; try again in a moment"
_WORDS = {
    errno.ENOSPC: _FULL, errno.EDQUOT: _FULL,
    errno.EACCES: _FORBIDDEN, errno.EPERM: _FORBIDDEN, errno.EROFS: _FORBIDDEN,
    errno.ENOENT: _GONE, errno.ENOTDIR: _GONE,
    errno.EMFILE: _OPEN, errno.ENFILE: _OPEN,
    errno.EFBIG: "the file would be larger than this system permits; raise that limit (ulimit -f), then try again",
}  # fmt: skip


def words_of(error: Exception) -> str:
    """Word an error for a page: what happened and what to do next, without any path of this machine.

    Python's own text of an `OSError` names the whole path, which is nobody's business but the operator's.
    """
    if not isinstance(error, OSError):
        return str(error)
    if error.errno in _WORDS:
        return _WORDS[error.errno]
    if isinstance(error, TimeoutError):  # filelock's too, which names its file
        return "another process was busy with it for too long; try again"
    what = error.strerror or (str(error) if error.filename is None else type(error).__name__)
    return f"{what}; try again"
