"""Snapshots: read-only mappings of one moment."""

from __future__ import annotations

import collections.abc
import copy
import gc
import pickle
import weakref

import pytest
from conftest import Open
from test_threads import together

import bitcask


def test_it_shows_its_moment(store: bitcask.Store) -> None:
    store.update({b"%03d" % i: b"%d" % i for i in range(500)})
    with store.snapshot() as snapshot:
        was = dict(store)
        assert snapshot.seq == store.last_seq
        store.update({b"%03d" % i: b"new" for i in range(0, 500, 2)})
        del store[b"001"]
        store[b"zzz"] = b"later"
        assert dict(snapshot) == was and len(snapshot) == 500 and dict(store) != was
        assert snapshot[b"001"] == b"1" and snapshot.get(b"zzz") is None and snapshot.get(b"zzz", 7) == 7
        assert b"001" in snapshot and b"zzz" not in snapshot
        with pytest.raises(KeyError) as error:
            snapshot[b"zzz"]
        assert error.value.args == (b"zzz",)
        assert snapshot.multi_get([b"001", b"zzz", b"002"]) == [b"1", None, b"2"]
        assert snapshot.value_size(b"010") == 2 and snapshot.value_size(b"zzz") is None
        assert snapshot.first() == (b"000", b"0") and snapshot.last() == (b"499", b"499")
        assert list(snapshot) == sorted(was) and list(reversed(snapshot)) == sorted(was, reverse=True)
        assert list(snapshot.range(b"010", b"012", end_inclusive=True, reverse=True)) == [
            (key, was[key]) for key in (b"012", b"011", b"010")
        ]
        assert list(snapshot.range_keys(prefix=b"49", limit=3)) == [b"490", b"491", b"492"]
        assert list(snapshot.prefix(b"49", reverse=True, limit=1)) == [(b"499", b"499")]
        assert snapshot.count(b"100", b"200") == 100
        assert snapshot.keys() & {b"001", b"zzz"} == {b"001"} and snapshot.items() == was.items()
        assert list(snapshot.values()) == [was[key] for key in sorted(was)] and b"new" not in snapshot.values()
        assert list(reversed(snapshot.items())) == sorted(was.items(), reverse=True)
        assert snapshot.keys().mapping is snapshot


def test_it_is_a_mapping_and_no_mutable_one(store: bitcask.Store) -> None:
    snapshot = store.snapshot()
    assert isinstance(snapshot, collections.abc.Mapping) and not isinstance(snapshot, collections.abc.MutableMapping)
    for name in ("__setitem__", "__delitem__", "put", "clear", "update", "batch"):
        assert not hasattr(snapshot, name)
    assert snapshot == snapshot and snapshot != store.snapshot() and hash(snapshot)
    assert weakref.ref(snapshot)() is snapshot
    for copying in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="Snapshot"):
            copying(snapshot)
    assert repr(snapshot) == "<bitcask.Snapshot seq=0>"


def test_wrong_keys(store: bitcask.Store) -> None:
    snapshot = store.snapshot()
    with pytest.raises(bitcask.KeyEmptyError):
        snapshot[b""]
    with pytest.raises(bitcask.KeyTooLargeError):
        snapshot.get(b"k" * 65536)
    with pytest.raises(TypeError, match="not str"):
        snapshot["text"]  # type: ignore[index]
    with pytest.raises(TypeError, match="one key"):
        snapshot.multi_get(b"key")  # type: ignore[arg-type]


def test_after_its_end(store: bitcask.Store) -> None:
    store[b"a"] = b"1"
    snapshot = store.snapshot()
    scan = snapshot.range()
    store[b"a"] = b"2"
    assert not snapshot.closed
    snapshot.close()
    snapshot.close()
    assert snapshot.closed and snapshot.seq == 1
    for call in (lambda: snapshot[b"a"], lambda: len(snapshot), lambda: list(snapshot), snapshot.first):
        with pytest.raises(bitcask.ClosedError, match="snapshot"):
            call()
    assert list(scan) == [(b"a", b"1")], "iterators live by themselves"
    other = store.snapshot()
    store.close()
    with pytest.raises(bitcask.ClosedError, match="store"):
        other[b"a"]
    with pytest.raises(bitcask.ClosedError):
        store.snapshot()
    other.close()


def test_it_keeps_the_store(open_store: Open) -> None:
    store = open_store()
    store[b"a"] = b"1"
    kept = weakref.ref(store)
    snapshot = store.snapshot()
    store.close()
    del store
    gc.collect()
    assert kept() is not None
    del snapshot


def test_in_many_threads_while_others_write(store: bitcask.Store) -> None:
    """Two keys that are always changed together are never seen apart, and a snapshot never moves."""
    store.update({b"a": b"0", b"b": b"0"})

    def work(me: int) -> None:
        for i in range(200):
            if me < 2:
                store.update({b"a": b"%d" % i, b"b": b"%d" % i})
                continue
            with store.snapshot() as snapshot:
                seen = snapshot[b"a"]
                assert snapshot[b"b"] == seen and dict(snapshot) == {b"a": seen, b"b": seen}

    together(work)


def test_one_closed_by_another_thread(store: bitcask.Store) -> None:
    store.update({b"%d" % i: b"v" for i in range(100)})
    for _ in range(20):
        snapshot = store.snapshot()

        def work(me: int, snapshot: bitcask.Snapshot = snapshot) -> None:
            if me == 0:
                snapshot.close()
                return
            try:
                for _ in range(50):
                    assert len(dict(snapshot)) == 100
            except bitcask.ClosedError:
                pass

        together(work)
