"""A store is a MutableMapping: the standard library's own tests of one, and what they leave out."""

from __future__ import annotations

import inspect
import shelve
import shutil
import tempfile
import textwrap
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from conftest import Index, Open

import bitcask

try:
    from test import mapping_tests  # type: ignore[import-not-found,unused-ignore]
except ImportError:  # Some distributions leave the test package out.
    mapping_tests = None

ABC = {b"a": b"1", b"b": b"2", b"c": b"3"}


if mapping_tests is not None:

    class StandardLibrarysOwn(mapping_tests.BasicTestMappingProtocol):  # type: ignore[misc]
        """BasicTestMappingProtocol with bytes for its strings, and contents compared where it compares mappings."""

        index: Index = "btree"

        def _reference(self) -> dict[bytes, bytes]:
            return {b"1": b"2", b"key1": b"value1", b"key2": b"\x00\x01\x02"}

        def _empty_mapping(self) -> bitcask.Store:
            directory = tempfile.mkdtemp(prefix="bitcask-")
            self.addCleanup(shutil.rmtree, directory)
            store = bitcask.open(directory, index=self.index)
            self.addCleanup(store.close)
            return store

        def assertEqual(self, first: Any, second: Any, msg: Any = None) -> None:
            if isinstance(first, bitcask.Store) and isinstance(second, bitcask.Store):
                first, second = dict(first), dict(second)
            super().assertEqual(first, second, msg)

        def test_update(self) -> None:
            source = textwrap.dedent(inspect.getsource(mapping_tests.BasicTestMappingProtocol.test_update))
            assert source.count("return 'a'") == 1
            names: dict[str, Callable[[Any], None]] = {}
            exec(source.replace("return 'a'", "return b'a'"), names)
            names["test_update"](self)

    class TestStandardLibrarysOwnBtree(StandardLibrarysOwn):
        pass

    class TestStandardLibrarysOwnHash(StandardLibrarysOwn):
        index: Index = "hash"

    class TestStandardLibrarysOwnArt(StandardLibrarysOwn):
        index: Index = "art"

    class TestStandardLibrarysOwnSkiplist(StandardLibrarysOwn):
        index: Index = "skiplist"

    class TestStandardLibrarysOwnBptree(StandardLibrarysOwn):
        index: Index = "bptree"

    del StandardLibrarysOwn  # A base without tests of its own; pytest would collect it.


def test_it_is_a_mutable_mapping(store: bitcask.Store) -> None:
    assert isinstance(store, MutableMapping)
    assert issubclass(bitcask.Store, Mapping)
    store.update(ABC)
    match store:
        case {b"a": first, **rest}:
            assert first == b"1" and rest == {b"b": b"2", b"c": b"3"}
        case _:
            pytest.fail("no mapping pattern matches")


def test_nothing_of_a_mutable_mapping_is_missing() -> None:
    names = {name for name in dir(MutableMapping) if name.startswith("__") or not name.startswith("_")}
    assert {name for name in names if not hasattr(bitcask.Store, name)} <= {"__abstractmethods__", "__slots__", "__class_getitem__"}


def test_getting_and_setting(store: bitcask.Store) -> None:
    store[b"k"] = b"v"
    assert store[b"k"] == b"v" and b"k" in store and len(store) == 1
    store[b"k"] = b""
    assert store[b"k"] == b"" and store.get(b"k", b"x") == b"" and b"k" in store
    del store[b"k"]
    assert b"k" not in store and store.get(b"k") is None and store.get(b"k", 7) == 7 and len(store) == 0
    assert store.get(b"k", default="text") == "text" and store.get(key=b"k") is None
    with pytest.raises(KeyError) as missing:
        store[b"k"]
    assert missing.value.args == (b"k",)
    with pytest.raises(KeyError):
        del store[b"k"]


def test_put_and_delete(store: bitcask.Store) -> None:
    store.put(b"k", b"v")
    store.put(b"k", b"w", sync=True)
    assert store[b"k"] == b"w"
    assert store.delete(b"k") is True
    assert store.delete(b"k") is False
    store[b"k"] = b"v"
    assert store.delete(b"k", sync=True) is True
    with pytest.raises(TypeError):
        store.put(b"k", b"v", True)  # type: ignore[call-arg]


def test_pop(store: bitcask.Store) -> None:
    store.update(ABC)
    assert store.pop(b"a") == b"1" and b"a" not in store
    assert store.pop(b"a", None) is None
    assert store.pop(b"b", None) == b"2"
    with pytest.raises(KeyError) as missing:
        store.pop(b"a")
    assert missing.value.args == (b"a",)


def test_popitem_takes_the_last(store: bitcask.Store) -> None:
    store.update(ABC)
    assert [store.popitem() for _ in ABC] == [(b"c", b"3"), (b"b", b"2"), (b"a", b"1")]
    with pytest.raises(KeyError):
        store.popitem()


def test_setdefault(store: bitcask.Store) -> None:
    assert store.setdefault(b"k", b"v") == b"v"
    assert store.setdefault(b"k", bytearray(b"w")) == b"v"
    assert store.setdefault(b"l", bytearray(b"w")) == b"w" == store[b"l"]
    with pytest.raises(TypeError):
        store.setdefault(b"m")  # type: ignore[call-arg]


def test_update_takes_what_dict_takes(store: bitcask.Store, open_store: Open, tmp_path: Path) -> None:
    other = open_store(tmp_path / "other")
    other.update(ABC)

    class OnlyKeys:
        def keys(self) -> list[bytes]:
            return list(ABC)

        def __getitem__(self, key: bytes) -> bytes:
            return ABC[key]

    sources: list[Any] = [ABC, other, OnlyKeys(), ABC.items(), iter(ABC.items()), [[k, v] for k, v in ABC.items()]]
    for source in sources:
        store.clear()
        store.update(source)
        assert dict(store) == ABC
    store.update()
    store.update({})
    assert dict(store) == ABC


def test_update_is_all_or_nothing(store: bitcask.Store) -> None:
    bad: list[tuple[Any, type[Exception]]] = [
        ([(b"a", b"1"), (b"b",)], ValueError),
        ([(b"a", b"1"), (b"b", b"2", b"3")], ValueError),
        ([(b"a", b"1"), 7], TypeError),
        ([(b"a", b"1"), ("b", b"2")], TypeError),
        ([(b"a", b"1"), (b"b", None)], TypeError),
        ([(b"a", b"1"), (b"", b"2")], bitcask.KeyEmptyError),
        ({b"a": b"1", b"b": "2"}, TypeError),
        (7, TypeError),
        (None, TypeError),
    ]
    for source, error in bad:
        with pytest.raises(error):
            store.update(source)
        assert len(store) == 0
    with pytest.raises(TypeError):
        store.update(a=b"1")  # type: ignore[call-overload]


def test_clear(store: bitcask.Store) -> None:
    store.update({b"%05d" % i: b"v" for i in range(5000)})
    last = store.stats().last_seq
    store.clear()
    assert len(store) == 0 and list(store) == []
    assert store.stats().last_seq == last + 1, "one batch"
    store.clear()


def test_order_is_bytewise(store: bitcask.Store) -> None:
    keys = [b"b", b"a", b"a\x00", b"\xff", b"\x00", b"aa", b"B", b"\x7f", b"\x80"]
    store.update({key: key[::-1] for key in keys})
    assert list(store) == sorted(keys)
    assert list(reversed(store)) == sorted(keys, reverse=True)


def test_equality_is_identity(store: bitcask.Store, open_store: Open, tmp_path: Path) -> None:
    other = open_store(tmp_path / "other")
    assert store == store and store != other and store != {} and hash(store) == hash(store)
    assert {store: 1}[store] == 1


def test_truth_is_emptiness(store: bitcask.Store) -> None:
    assert not store
    store[b"a"] = b"1"
    assert store


def test_shelve_works_on_top(open_store: Open) -> None:
    # A Shelf hands bytes to what it stands on, whatever its types say.
    below: Any = open_store()
    with shelve.Shelf[Any](below) as shelf:
        shelf["ada"] = {"born": 1815}
        assert shelf["ada"] == {"born": 1815} and list(shelf) == ["ada"] and "ada" in shelf
        shelf.sync()
    below = open_store()
    assert dict(shelve.Shelf[Any](below)) == {"ada": {"born": 1815}}
