"""Errors for users: each message says what happened, what it means and what to do next."""


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
