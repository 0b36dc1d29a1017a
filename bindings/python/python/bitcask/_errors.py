"""The exceptions: one class for each status of the core that a Python caller can meet.

Every one derives from Error, and also from the builtin exception that means the same, where there is one. What the
core knows is in attributes; they live in the instance's __dict__, so that exceptions survive pickling (and with it
process pools).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar


class Error(Exception):
    """A call failed. The base of all exceptions of this package."""

    status: ClassVar[str] = ""
    """Name of the status, the same in every language: "KEY_EMPTY" and so on. Empty for the base classes."""

    path: Path | None = None
    """The file or directory that the error is about."""

    offset: int | None = None
    """Where in that file."""

    os_error: int | None = None
    """The operating system's error number."""


class InvalidArgumentError(Error, ValueError):
    """An argument or option is out of range."""

    status = "INVALID_ARGUMENT"


class KeyEmptyError(InvalidArgumentError):
    """Keys have at least one byte."""

    status = "KEY_EMPTY"


class KeyTooLargeError(InvalidArgumentError):
    """The key is longer than MAX_KEY_LEN."""

    status = "KEY_TOO_LARGE"


class ValueTooLargeError(InvalidArgumentError):
    """The value is longer than MAX_VALUE_LEN."""

    status = "VALUE_TOO_LARGE"


class ClosedError(Error, ValueError):
    """The store was closed. (A ValueError, as with closed files.)"""

    status = "CLOSED"


class ForkedError(Error):
    """The store was opened by a parent process; this one has to open it itself, after the parent closed it."""

    status = "FORKED"


class BatchFinishedError(Error):
    """The batch was committed or discarded already."""

    status = "BATCH_FINISHED"


class ConflictError(Error):
    """Another commit changed what the transaction had read. It wrote nothing and is over; begin a new one."""

    status = "CONFLICT"


class TransactionFinishedError(Error):
    """The transaction was committed already, or ended by a conflict."""

    status = "TRANSACTION_FINISHED"


class LockedError(Error):
    """The store is open for writing elsewhere."""

    status = "LOCKED"

    pid: int | None = None
    """The holder's process id, where it is known."""


class NoStoreError(Error, FileNotFoundError):
    """There is no store there, and create is False."""

    status = "NO_STORE"

    def __str__(self) -> str:
        return _text(self)


class ReadOnlyError(Error):
    """The store was opened for reading only."""

    status = "READ_ONLY"


class CancelledError(Error):
    """The callback that is told of an opening's progress stopped it."""

    status = "CANCELLED"


class StaleError(Error):
    """A reader knows of a record that the writer in another process took back; refreshing forgets it."""

    status = "STALE"


class IoError(Error, OSError):
    """An operating-system call failed. Nothing that was acknowledged is lost."""

    status = "IO"

    def __str__(self) -> str:
        return _text(self)


class DiskFullError(IoError):
    """The disk or a quota is full. Reads, and what frees space, go on working."""

    status = "DISK_FULL"


class WritesStoppedError(Error):
    """The store stopped writing after a failure that could not be undone (__cause__); reopen it to write again."""

    status = "WRITES_STOPPED"


class CorruptedError(Error):
    """The bytes in a file are not what was written."""

    status = "CORRUPTED"


class UnsupportedVersionError(Error):
    """The file was written in a version of the format that this release does not know."""

    status = "UNSUPPORTED_VERSION"


class UnsupportedFeatureError(Error):
    """The file needs a feature that this release does not have."""

    status = "UNSUPPORTED_FEATURE"


class ForeignFileError(Error):
    """A file of another store is in the directory."""

    status = "FOREIGN_FILE"


class UnsupportedError(Error):
    """The index kind can't do this."""

    status = "UNSUPPORTED"


class InternalError(Error):
    """A bug in bitcask; please report it."""

    status = "INTERNAL"


def _text(error: OSError) -> str:
    """The core's own message, which says more than strerror does, if the error came from there."""
    message: str | None = error.__dict__.get("_message")
    return OSError.__str__(error) if message is None else message


_BY_STATUS: dict[str, type[Error]] = {
    cls.status: cls
    for cls in (
        InvalidArgumentError,
        KeyEmptyError,
        KeyTooLargeError,
        ValueTooLargeError,
        ClosedError,
        ForkedError,
        BatchFinishedError,
        ConflictError,
        TransactionFinishedError,
        LockedError,
        NoStoreError,
        ReadOnlyError,
        CancelledError,
        StaleError,
        IoError,
        DiskFullError,
        WritesStoppedError,
        CorruptedError,
        UnsupportedVersionError,
        UnsupportedFeatureError,
        ForeignFileError,
        UnsupportedError,
        InternalError,
    )
}

# Shown, and pickled, by the names under which users have them.
for _cls in (Error, *_BY_STATUS.values()):
    _cls.__module__ = "bitcask"


def _make(  # pyright: ignore[reportUnusedFunction]
    status: str,
    message: str,
    *,
    path: str | None = None,
    offset: int | None = None,
    os_error: int | None = None,
    pid: int | None = None,
    cause: Error | None = None,
) -> Error:
    """Make the exception for an error of the core. Called from the extension."""
    # A status newer than this file is an Error all the same.
    cls = _BY_STATUS.get(status, Error)
    if issubclass(cls, OSError) and os_error is not None:
        error: Error = cls(os_error, os.strerror(os_error), path)
        error.__dict__["_message"] = message
    else:
        error = cls(message)
    for name, value in (("offset", offset), ("os_error", os_error), ("pid", pid)):
        if value is not None:
            error.__dict__[name] = value
    if path is not None:
        error.path = Path(path)
    if cause is not None:
        error.__cause__ = cause
    return error
