"""Every failing status is an exception of its own, with what the core knows in attributes."""

from __future__ import annotations

import errno
import os
import pickle
import resource
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from conftest import Open

import bitcask
from bitcask import _bitcask, _errors

# What only callers through C can meet, and what is no failure.
ELSEWHERE = {"OK", "NOT_FOUND", "NULL_ARGUMENT", "BUFFER_TOO_SMALL", "INVALID_HANDLE"}


def test_one_class_for_each_status_of_the_core() -> None:
    core = {name for name, _ in _bitcask._statuses()}
    assert set(_errors._BY_STATUS) == core - ELSEWHERE and ELSEWHERE < core
    for status, cls in _errors._BY_STATUS.items():
        assert cls.__name__ == "".join(word.capitalize() for word in status.split("_")) + "Error"
        assert getattr(bitcask, cls.__name__) is cls and issubclass(cls, bitcask.Error) and cls.__doc__
        assert cls.status == status


def test_the_tree() -> None:
    for cls in (bitcask.KeyEmptyError, bitcask.KeyTooLargeError, bitcask.ValueTooLargeError):
        assert issubclass(cls, bitcask.InvalidArgumentError) and issubclass(cls, ValueError)
    assert issubclass(bitcask.IoError, OSError) and issubclass(bitcask.DiskFullError, bitcask.IoError)
    assert issubclass(bitcask.NoStoreError, FileNotFoundError) and issubclass(bitcask.ClosedError, ValueError)
    assert not issubclass(bitcask.Error, (OSError, ValueError, LookupError))


@pytest.mark.parametrize("status", sorted(_errors._BY_STATUS))
@pytest.mark.parametrize("details", [{}, {"path": "/x/y", "offset": 7, "os_error": errno.EIO}, {"path": "/x/\udcff"}])
def test_made_and_pickled(status: str, details: Any) -> None:
    error = _errors._make(status, "what happened", **details)
    again = pickle.loads(pickle.dumps(error))
    for e in (error, again):
        assert type(e) is _errors._BY_STATUS[status] and e.status == status
        assert str(e) == "what happened" and e.offset == details.get("offset")
        assert e.path == (Path(details["path"]) if "path" in details else None)
        assert e.os_error == details.get("os_error")
        if isinstance(e, OSError) and e.os_error is not None:
            assert (e.errno, e.filename, e.strerror) == (errno.EIO, "/x/y", "Input/output error")
    assert vars(error) == vars(again)


def test_users_may_raise_them_too() -> None:
    assert str(bitcask.CorruptedError("oh")) == "oh" and bitcask.CorruptedError("oh").path is None
    own = bitcask.IoError(errno.EIO, "oh", "/x")
    assert own.errno == errno.EIO and "oh" in str(own) and "/x" in str(own)
    assert bitcask.LockedError("x").pid is None


def test_an_unknown_status_is_an_error_all_the_same() -> None:
    assert type(_errors._make("FROM_THE_FUTURE", "what")) is bitcask.Error


def test_the_cause_of_stopped_writes() -> None:
    cause = _errors._make("IO", "sync failed", path="/x", os_error=errno.EIO)
    error = _errors._make("WRITES_STOPPED", "no more writes", path="/x", os_error=errno.EIO, cause=cause)
    assert error.__cause__ is cause and error.os_error == errno.EIO


def test_locked(store: bitcask.Store, path: Path) -> None:
    with pytest.raises(bitcask.LockedError) as error:
        bitcask.open(path)
    assert error.value.path == path and error.value.pid in (None, os.getpid())


def test_no_store(path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        bitcask.open(path, create=False)
    assert isinstance(error.value, bitcask.NoStoreError) and error.value.path == path and str(path) in str(error.value)
    path.mkdir()
    with pytest.raises(bitcask.NoStoreError):
        bitcask.open(path, create=False)


def test_io_errors_are_os_errors(tmp_path: Path) -> None:
    with pytest.raises(OSError) as error:
        bitcask.open(tmp_path / "missing" / "store")
    assert isinstance(error.value, bitcask.IoError)
    assert error.value.errno == errno.ENOENT == error.value.os_error
    assert Path(error.value.filename) == error.value.path
    assert str(error.value.path) in str(error.value)


def filled(path: Path) -> Path:
    with bitcask.open(path) as store:
        store.update({b"%03d" % i: b"value %03d " % i * 10 for i in range(100)})
    return path / "1.data"


def test_damage_is_reported_and_never_served(path: Path) -> None:
    file = filled(path)
    contents = bytearray(file.read_bytes())
    at = contents.index(b"value 042")
    contents[at] ^= 1
    file.write_bytes(contents)
    with bitcask.open(path, on_damage="serve") as store:
        for i in range(100):
            if i == 42:
                with pytest.raises(bitcask.CorruptedError) as error:
                    store[b"%03d" % i]
                assert error.value.path == file and 0 < (error.value.offset or 0) <= at
            else:
                assert store[b"%03d" % i] == b"value %03d " % i * 10
        scan, seen, damaged = store.range(), list[int](), 0
        while damaged < 10:
            try:
                for key, _ in scan:
                    seen.append(int(key))
                break
            except bitcask.CorruptedError:
                damaged += 1
                scan.skip_damaged()
        assert damaged == 1 and seen == [i for i in range(100) if i != 42]


def patch_header(file: Path, offset: int, value: bytes) -> None:
    """Changes a field in both copies of the header, with a right checksum (FORMAT 2.1)."""
    contents = bytearray(file.read_bytes())
    header = contents[:64]
    header[offset : offset + len(value)] = value
    header[28:32] = bytes(4)
    header[28:32] = zlib.crc32(header).to_bytes(4, "little")
    contents[:128] = header * 2
    file.write_bytes(contents)


def test_unsupported_version(path: Path) -> None:
    file = filled(path)
    patch_header(file, 8, b"\x07\x00")
    with pytest.raises(bitcask.UnsupportedVersionError, match="version 7") as error:
        bitcask.open(path)
    assert error.value.path == file


def test_unsupported_feature(path: Path) -> None:
    file = filled(path)
    patch_header(file, 12, b"\x00\x00\x00\x80")
    with pytest.raises(bitcask.UnsupportedFeatureError) as error:
        bitcask.open(path)
    assert error.value.path == file


def test_foreign_file(path: Path, tmp_path: Path) -> None:
    filled(path)
    shutil.copy(filled(tmp_path / "other"), path / "2.data")
    patch_header(path / "2.data", 24, b"\x02\x00\x00\x00")
    with pytest.raises(bitcask.ForeignFileError) as error:
        bitcask.open(path)
    assert error.value.path is not None


FULL = """
import resource, sys, bitcask
store = bitcask.open(sys.argv[1], max_file_size=1 << 20)
store[b"before"] = b"1"
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, resource.RLIM_INFINITY))
try:
    for i in range(10_000):
        store[b"%d" % i] = bytes(1000)
except bitcask.DiskFullError as error:
    assert isinstance(error, OSError) and error.errno == error.os_error and error.path, vars(error)
    assert store[b"before"] == b"1"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store[b"after"] = b"2"
    print("full at", i)
"""


def test_a_full_disk(path: Path) -> None:
    # A limit of the file's size stands for the disk: Python ignores the signal that comes with it.
    run = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and run.stdout.startswith("full at"), run
    with bitcask.open(path) as store:
        assert store[b"before"] == b"1" and store[b"after"] == b"2"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY


def test_values_too_large_for_memory_are_memory_errors(open_store: Open) -> None:
    store = open_store(durability="none")
    store[b"k"] = bytes(200 << 20)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), limits[1]))
    try:
        with pytest.raises((MemoryError, bitcask.IoError)):
            store[b"k"]
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert len(store[b"k"]) == 200 << 20
