"""Errors meant for people: the message says what happened, what it means and what to do next."""


class AecoreError(Exception):
    """Base of every error that a page or the command line shows as one line instead of a traceback."""


class DataUnavailable(AecoreError):
    """The pictures of a dataset are not on this machine and could not be fetched."""


class BadInput(AecoreError):
    """A file or array given by a person cannot be used; the message is the one-line reason."""


class BadSettings(AecoreError):
    """Settings that cannot work together; the message names the field and the remedy."""


class RunUnavailable(AecoreError):
    """A run does not exist, is damaged, or has no weights to explore."""


class Stopped(AecoreError):
    """A person ended a computation before it had a result."""
