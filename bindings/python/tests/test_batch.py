"""Batches: atomic, discarded on an exception, finished once."""

from __future__ import annotations

import pytest
from conftest import Open

import bitcask


def test_commit_at_the_end_of_the_block(store: bitcask.Store) -> None:
    store[b"old"] = b"1"
    with store.batch() as batch:
        batch[b"a"] = b"1"
        batch.put(b"b", bytearray(b"2"))
        del batch[b"old"]
        batch.delete(b"never there")
        assert len(batch) == 4
        assert dict(store) == {b"old": b"1"}, "nothing yet"
    assert dict(store) == {b"a": b"1", b"b": b"2"}
    assert len(batch) == 0


def test_the_last_write_of_a_key_counts(store: bitcask.Store) -> None:
    with store.batch() as batch:
        batch[b"a"] = b"1"
        del batch[b"a"]
        batch[b"a"] = b"2"
        batch[b"b"] = b"1"
        del batch[b"b"]
        assert len(batch) == 2
    assert dict(store) == {b"a": b"2"}


def test_an_exception_discards(store: bitcask.Store) -> None:
    with pytest.raises(ZeroDivisionError), store.batch() as batch:
        batch[b"a"] = b"1"
        raise ZeroDivisionError
    assert len(store) == 0
    with pytest.raises(bitcask.BatchFinishedError, match="discarded"):
        batch.put(b"a", b"1")
    with pytest.raises(bitcask.BatchFinishedError, match="discarded"):
        batch.commit()


def test_commit_by_hand(store: bitcask.Store) -> None:
    batch = store.batch()
    batch[b"a"] = b"1"
    batch.commit(sync=True)
    assert store[b"a"] == b"1"
    for again in (batch.commit, batch.clear, lambda: batch.delete(b"a"), lambda: batch.put(b"a", b"2")):
        with pytest.raises(bitcask.BatchFinishedError, match="committed"):
            again()
    batch.discard()
    assert "committed" in repr(batch)


def test_commit_inside_the_block(store: bitcask.Store) -> None:
    with store.batch(sync=True) as batch:
        batch[b"a"] = b"1"
        batch.commit()
    assert store[b"a"] == b"1"


def test_clear_and_discard(store: bitcask.Store) -> None:
    with store.batch() as batch:
        batch[b"a"] = b"1"
        batch.clear()
        batch[b"b"] = b"2"
    assert dict(store) == {b"b": b"2"}
    with store.batch() as batch:
        batch[b"c"] = b"3"
        batch.discard()
        batch.discard()
    assert dict(store) == {b"b": b"2"}


def test_empty_and_dropped_batches(store: bitcask.Store) -> None:
    with store.batch() as batch:
        assert batch and len(batch) == 0
    store.batch().put(b"a", b"1")
    assert len(store) == 0


def test_one_sequence_number(store: bitcask.Store) -> None:
    store[b"a"] = b"1"
    before = store.stats().last_seq
    with store.batch() as batch:
        for i in range(1000):
            batch[b"%d" % i] = b"v"
    assert store.stats().last_seq == before + 1


def test_errors_leave_the_batch_usable(store: bitcask.Store) -> None:
    with store.batch() as batch:
        batch[b"a"] = b"1"
        with pytest.raises(bitcask.KeyEmptyError):
            batch[b""] = b"1"
        with pytest.raises(TypeError):
            batch["b"] = b"1"  # type: ignore[index]
        with pytest.raises(TypeError):
            batch[b"b"] = None  # type: ignore[assignment]
    assert dict(store) == {b"a": b"1"}


def test_prefixes_of_what_it_would_leave(store: bitcask.Store) -> None:
    store.update({b"a": b"1", b"a1": b"2", b"a2": b"3", b"b": b"4"})
    batch = store.batch()
    batch[b"a3"] = b"5"
    del batch[b"a1"]
    assert list(batch.prefix(b"a")) == [(b"a", b"1"), (b"a2", b"3"), (b"a3", b"5")]
    assert list(batch.prefix(b"a", reverse=True, limit=2)) == [(b"a3", b"5"), (b"a2", b"3")]
    assert list(batch.prefix(b"c")) == []


def test_after_close(store: bitcask.Store) -> None:
    batch = store.batch()
    batch[b"a"] = b"1"
    store.close()
    with pytest.raises(bitcask.ClosedError):
        batch[b"b"] = b"2"
    with pytest.raises(bitcask.ClosedError):
        batch.commit()


def test_a_batch_keeps_its_store(open_store: Open, path: object) -> None:
    with bitcask.open(str(path)).batch() as batch:
        batch[b"a"] = b"1"
    del batch
    assert dict(open_store()) == {b"a": b"1"}
