"""What the tests share: a store of each index kind, and its factory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest

import bitcask
from bitcask import _bitcask

Index = Literal["btree", "hash", "art", "skiplist", "bptree"]
INDEX_KINDS = _bitcask._index_kinds()


class Open(Protocol):
    """Opens a store, by default the one at the test's path, and closes it after the test."""

    def __call__(self, at: Path | None = None, **options: Any) -> bitcask.Store: ...


def figures_hold(store: bitcask.Store) -> bool:
    """Whether the figures of the files are what is counted anew; but for their length, as a sync in the background marks the log."""
    counted, kept = ([dataclasses.replace(file, bytes=0) for file in files] for files in (store.recount(), store.file_stats()))
    return counted == kept


@pytest.fixture(params=INDEX_KINDS)
def index(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["mmap", "file"])
def io(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def open_store(path: Path) -> Iterator[Open]:
    opened: list[bitcask.Store] = []

    def open_store(at: Path | None = None, **options: Any) -> bitcask.Store:
        opened.append(bitcask.open(at or path, **options))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Open, index: Index) -> bitcask.Store:
    return open_store(index=index)
