"""Opening, closing, reopening, and what an open store tells of itself."""

from __future__ import annotations

import copy
import dataclasses
import gc
import os
import pickle
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import INDEX_KINDS, Index, Open

import bitcask


def test_paths_of_every_kind(tmp_path: Path) -> None:
    class Fancy:
        def __init__(self, name: str | bytes) -> None:
            self.name = name

        def __fspath__(self) -> str | bytes:
            return self.name

    name = str(tmp_path / "st\u00f6re")
    kinds: list[Any] = [name, os.fsencode(name), Path(name), Fancy(name), Fancy(os.fsencode(name))]
    for kind in kinds:
        with bitcask.open(kind) as store:
            assert isinstance(store.path, Path) and store.path == Path(name)
    odd = os.fsencode(tmp_path) + b"/not-\xff-utf8"
    with bitcask.open(odd) as store:
        assert os.fsencode(store.path) == odd
    for wrong in (None, 7, ["x"]):
        with pytest.raises(TypeError):
            bitcask.open(wrong)  # type: ignore[arg-type]
    for broken in ("nul\0byte", b"nul\0byte"):
        with pytest.raises(ValueError, match="null"):
            bitcask.open(broken)


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with bitcask.open("store") as store:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        store[b"a"] = b"1"
        store.sync()
    with bitcask.open(tmp_path / "store") as store:
        assert store[b"a"] == b"1"


@pytest.mark.parametrize(
    "options",
    [
        {},
        *({"index": index} for index in INDEX_KINDS),
        {"io": None},
        {"io": "mmap"},
        {"io": "file"},
        {"index": "hash", "io": "file", "sort_budget": 200_000},
        {"sort_budget": 0},
        {"sort_budget": 2**64 - 1},
        {"index_budget": 1 << 20},
        {"durability": "none"},
        {"durability": "always"},
        {"durability": "interval", "sync_interval": 0.001, "sync_bytes": 1},
        {"durability": "interval", "sync_interval": 3600, "sync_bytes": 2**63},
        {"max_file_size": 4096},
        {"max_file_size": 2**32},
        {"verify_checksums": False},
        {"on_damage": "serve"},
    ],
)
def test_every_option(path: Path, options: Any) -> None:
    pairs = {b"%04d" % i: b"%d" % i * 20 for i in range(1000)}
    with bitcask.open(path, **options) as store:
        store.update(pairs)
        store.sync()
        del store[b"0007"]
    del pairs[b"0007"]
    with bitcask.open(path, create=False, **options) as store:
        assert dict(store.items()) == pairs and len(store) == 999
    with bitcask.open(path, read_only=True, **options) as store:
        assert dict(store.items()) == pairs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"index": "tree"}, "btree.*hash.*skiplist"),
        ({"index": "BTREE"}, "btree"),
        ({"io": "pread"}, "mmap.*file"),
        ({"io": ""}, "mmap.*file"),
        ({"index_budget": 0}, "index_budget"),
        ({"index_budget": (1 << 20) - 1}, "index_budget"),
        ({"durability": "sometimes"}, "always"),
        ({"on_damage": "ignore"}, "serve"),
        ({"sync_interval": -1.0}, "sync_interval"),
        ({"sync_interval": float("nan")}, "sync_interval"),
        ({"sync_interval": 0.0}, "interval"),
        ({"sync_bytes": 0}, "interval"),
        ({"max_file_size": 4095}, "max_file_size"),
        ({"max_file_size": 2**32 + 1}, "max_file_size"),
    ],
)
def test_options_out_of_range(path: Path, options: Any, message: str) -> None:
    with pytest.raises(bitcask.InvalidArgumentError, match=message) as error:
        bitcask.open(path, **options)
    assert isinstance(error.value, ValueError) and not path.exists()


def test_options_of_the_wrong_type(path: Path) -> None:
    wrong: list[dict[str, Any]] = [{"index": 1}, {"create": "yes"}, {"max_file_size": "1"}, {"unknown": 1}]
    wrong += [{"io": 1}, {"io": b"mmap"}, {"sort_budget": "1"}, {"sort_budget": 1.5}, {"index_budget": None}]
    for options in wrong:
        with pytest.raises(TypeError):
            bitcask.open(path, **options)
    outside: list[dict[str, Any]] = [{"sort_budget": -1}, {"sort_budget": 2**64}, {"index_budget": -1}]
    for options in outside:
        with pytest.raises(OverflowError):
            bitcask.open(path, **options)
    with pytest.raises(TypeError):
        bitcask.open(path, "btree")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        bitcask.Store()


def test_close_is_idempotent(store: bitcask.Store) -> None:
    assert not store.closed
    store.close()
    assert store.closed
    store.close()
    with pytest.raises(bitcask.ClosedError):
        store.__enter__()[b"a"]


def test_after_close(store: bitcask.Store) -> None:
    store[b"a"] = b"1"
    views, path = (store.keys(), store.values(), store.items()), store.path
    store.close()
    calls: list[Callable[[], Any]] = [
        lambda: store[b"a"],
        lambda: store.get(b"a"),
        lambda: b"a" in store,
        lambda: len(store),
        lambda: bool(store),
        lambda: iter(store),
        lambda: reversed(store),
        lambda: store.range(),
        lambda: store.prefix(b"a"),
        lambda: store.put(b"a", b"2"),
        lambda: store.delete(b"a"),
        lambda: store.multi_get([b"a", b"b"]),
        lambda: store.multi_get([]),
        lambda: store.value_size(b"a"),
        store.first,
        store.last,
        store.random_key,
        store.count,
        lambda: store.count(b"a"),
        lambda: store.pop(b"a"),
        store.popitem,
        lambda: store.setdefault(b"a", b"1"),
        lambda: store.update({b"a": b"1"}),
        store.clear,
        store.sync,
        store.stats,
        *(lambda view=view: list(view) for view in views),
        *(lambda view=view: len(view) for view in views),
    ]
    for call in calls:
        with pytest.raises(bitcask.ClosedError):
            call()
    assert store.path == path and "closed" in repr(store) and store.open_report() is not None


def test_dropping_closes(path: Path) -> None:
    store = bitcask.open(path)
    store[b"a"] = b"1"
    gone = weakref.ref(store)
    del store
    gc.collect()
    assert gone() is None
    with bitcask.open(path) as store:
        assert store[b"a"] == b"1"


def test_an_exception_closes_too(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), bitcask.open(path) as store:
        raise ZeroDivisionError
    assert store.closed


def test_any_index_opens_any_directory(path: Path) -> None:
    expected: dict[bytes, bytes] = {}
    for i, index in enumerate([*INDEX_KINDS, *INDEX_KINDS[::-1]]):
        with bitcask.open(path, index=index) as store:  # type: ignore[arg-type]
            assert dict(store) == expected
            store[b"%d" % i] = expected[b"%d" % i] = index.encode()


def test_read_only_sees_what_was_there(path: Path, open_store: Open) -> None:
    writer = open_store()
    writer[b"a"] = b"1"
    reader = open_store(read_only=True)
    writer[b"b"] = b"2"
    assert dict(reader) == {b"a": b"1"}
    calls: list[Callable[[], Any]] = [
        lambda: reader.put(b"x", b"y"),
        lambda: reader.delete(b"a"),
        lambda: reader.update({b"x": b"y"}),
        reader.clear,
        reader.popitem,
        reader.sync,
    ]
    for write in calls:
        with pytest.raises(bitcask.ReadOnlyError):
            write()
    assert dict(reader) == {b"a": b"1"}


def test_stats_and_report(path: Path) -> None:
    with bitcask.open(path) as store:
        store.update({b"%d" % i: b"v" for i in range(100)})
        del store[b"7"]
        stats = store.stats()
        assert (stats.keys, stats.files, stats.last_seq) == (99, 1, 2)
        assert stats.data_bytes > 100 * 30 and stats.index_bytes > 0
        assert (stats.damaged_places, stats.damaged_bytes, stats.mapped_files) == (0, 0, 1)
        assert store.open_report().files == 0 or store.open_report().hint_records == 0
    with bitcask.open(path) as store:
        report = store.open_report()
        assert report.files >= 1 and report.last_seq == 2 and report.damage == () and report.torn == ()
        with pytest.raises(dataclasses.FrozenInstanceError):
            report.files = 7  # type: ignore[misc]
        assert pickle.loads(pickle.dumps(report)) == report and pickle.loads(pickle.dumps(stats)) == stats


def test_nothing_is_mapped_with_io_file(path: Path, index: Index) -> None:
    options: Any = {"index": index, "max_file_size": 4096}
    pairs = {b"%04d" % i: b"%d" % i * 20 for i in range(500)}
    with bitcask.open(path, io="mmap", **options) as store:
        store.update(pairs)
        store[b"more"] = pairs[b"more"] = bytes(5000)
        assert store.stats().mapped_files == store.stats().files >= 2
    with bitcask.open(path, io="file", **options) as store:
        assert store.stats().mapped_files == 0
        assert dict(store) == pairs and store.multi_get(pairs) == list(pairs.values())
        store[b"last"] = pairs[b"last"] = b"1"
        assert store.stats().mapped_files == 0
    with bitcask.open(path, read_only=True, **options) as store:
        assert store.stats().mapped_files == 0 and dict(store) == pairs


def test_beyond_the_sort_budget(path: Path) -> None:
    pairs = {b"%04d" % i: b"v" for i in range(200)}
    with bitcask.open(path, index="hash", sort_budget=1000) as store:
        store.update(pairs)
        calls: list[Callable[[], Any]] = [
            lambda: iter(store),
            lambda: list(store.items()),
            lambda: store.range(limit=1),
        ]
        for call in calls:
            with pytest.raises(bitcask.UnsupportedError):
                call()
        assert (store.count(), store.count(b"0100"), store.first()) == (200, 100, (b"0000", b"v"))
        assert store.last() == store.popitem() == (b"0199", b"v")
        assert store.multi_get(pairs) == [b"v"] * 199 + [None]
    with bitcask.open(path, index="btree", sort_budget=0) as store:
        assert len(list(store)) == 199
    with bitcask.open(path, index="hash", sort_budget=1000) as store:
        store.clear()
        assert len(store) == 0


def test_repr(store: bitcask.Store, path: Path) -> None:
    store[b"a"] = b"1"
    assert repr(store) == f"<bitcask.Store {str(path)!r} keys=1>"
    assert "keys=0" in repr(store.batch())


@pytest.mark.parametrize("act", [pickle.dumps, copy.copy, copy.deepcopy])
def test_pickling_is_a_helpful_type_error(store: bitcask.Store, act: Callable[[Any], Any]) -> None:
    for thing, advice in ((store, "path"), (store.batch(), "commit"), (iter(store), "another")):
        with pytest.raises(TypeError, match=f"bitcask.{type(thing).__name__}.*{advice}"):
            act(thing)


def test_the_module() -> None:
    assert bitcask.__version__.count(".") == 2
    assert len(set(bitcask.__all__)) == len(bitcask.__all__)
    for name in bitcask.__all__:
        thing = getattr(bitcask, name)
        assert not isinstance(thing, type) or thing.__module__ == "bitcask", name
    for cls in (bitcask.Store, bitcask.Batch, bitcask.Scan):
        assert cls.__module__ == "bitcask" and cls.__doc__
        for name, member in vars(cls).items():
            assert name.startswith("_") or member.__doc__, name
