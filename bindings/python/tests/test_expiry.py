"""Keys that expire: what the conformance cases can't say of them in Python's terms."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from conftest import Open, figures_hold

import bitcask

HOUR = timedelta(hours=1)


def is_left(left: timedelta | None, want: timedelta) -> bool:
    """Give or take a minute: time goes on, and a transaction counts from its beginning."""
    return left is not None and abs(left - want) < timedelta(minutes=1)


def await_gone(store: bitcask.Store, key: bytes) -> None:
    while key in store:
        time.sleep(0.001)


def test_times_to_live(store: bitcask.Store) -> None:
    store.put(b"a", b"1", ttl=HOUR)
    assert is_left(store.ttl(b"a"), HOUR) and store.expire(b"a", 7200) and is_left(store.ttl(b"a"), 2 * HOUR)
    assert store.persist(b"a", sync=True) and store.ttl(b"a") is None and not store.persist(b"a")
    assert store.put_seq(b"a", b"2", ttl=1800.5).existed and is_left(store.ttl(b"a"), timedelta(minutes=30))
    assert not store.put_if_absent(b"a", b"3", ttl=HOUR) and store.put_if_absent(b"lock", b"", ttl=HOUR)
    with pytest.raises(KeyError):
        store.ttl(b"none")
    assert not store.expire(b"none", HOUR) and not store.persist(b"none")
    store[b"b"] = b"1"
    store.put(b"b", b"2", ttl=timedelta(microseconds=1))
    await_gone(store, b"b")
    assert store.get(b"b") is None and dict(store) == {b"a": b"2", b"lock": b""}
    assert store.modify(b"lock", lambda value: b"mine") == b"mine" and is_left(store.ttl(b"lock"), HOUR)
    assert store.compare_and_swap(b"lock", b"mine", b"", keep_expiry=True) and is_left(store.ttl(b"lock"), HOUR)
    assert store.compare_and_swap(b"lock", b"", b"", ttl=2 * HOUR, sync=True) and is_left(store.ttl(b"lock"), 2 * HOUR)
    assert store.fetch_add(b"n", 2, ttl=HOUR) == 0 and is_left(store.ttl(b"n"), HOUR) and store.delete(b"n")
    (figures,) = store.file_stats()
    assert figures.expired_records == 1 and 1 < figures.expired_bytes < figures.live_bytes and figures_hold(store)
    assert store.sweep_expired() == 1 and len(store) == 2 and store.file_stats()[0].expired_records == 0
    store.put(b"a", b"", ttl=0)
    assert b"a" not in store and store.expire(b"lock", timedelta()) and len(store) == 0
    store.put(b"a", b"", ttl=1e15)
    assert store.ttl(b"a") == timedelta(days=999_999_999)
    store[b"a"] = b"forever"
    assert store.ttl(b"a") is None


@pytest.mark.parametrize("wrong", ["1", b"1", None, [1]])
def test_no_times(store: bitcask.Store, wrong: object) -> None:
    with pytest.raises(TypeError, match="timedelta"):
        store.expire(b"a", wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [-1, -HOUR, float("nan"), float("inf")])
def test_impossible_times(store: bitcask.Store, wrong: timedelta | float) -> None:
    with pytest.raises(bitcask.InvalidArgumentError, match="ttl"):
        store.put(b"a", b"1", ttl=wrong)
    assert len(store) == 0


def test_queued(store: bitcask.Store) -> None:
    async def write() -> None:
        await store.put_async(b"a", b"1", ttl=HOUR)

    asyncio.run(write())
    assert is_left(store.ttl(b"a"), HOUR)


def test_in_batches_transactions_and_loads(store: bitcask.Store) -> None:
    store[b"a"] = b"1"
    with store.batch() as batch:
        batch.put(b"b", b"2", ttl=HOUR)
        assert batch.expire(b"a", 2 * HOUR) and is_left(batch.ttl(b"a"), 2 * HOUR) and is_left(batch.ttl(b"b"), HOUR)
        assert not batch.persist(b"none")
        with pytest.raises(KeyError):
            batch.ttl(b"none")
    assert is_left(store.ttl(b"a"), 2 * HOUR) and is_left(store.ttl(b"b"), HOUR)
    with store.transaction() as transaction:
        transaction.put(b"c", b"3", ttl=HOUR)
        assert transaction.persist(b"a") and transaction.ttl(b"a") is None and transaction.expire(b"b", 2 * HOUR)
        with pytest.raises(KeyError):
            transaction.ttl(b"none")
    assert store.ttl(b"a") is None and is_left(store.ttl(b"b"), 2 * HOUR) and is_left(store.ttl(b"c"), HOUR)
    with store.bulk_load() as load:
        load.put(b"d", b"4", ttl=HOUR)
        with pytest.raises(bitcask.InvalidArgumentError):
            load.put(b"e", b"5", ttl=0)
    assert is_left(store.ttl(b"d"), HOUR) and b"e" not in store


def test_by_age(open_store: Open) -> None:
    store = open_store(expiry=HOUR)
    store[b"a"] = b"1"
    store.put(b"b", b"2", ttl=2 * HOUR)
    assert is_left(store.ttl(b"a"), HOUR) and is_left(store.ttl(b"b"), 2 * HOUR)
    store.close()
    store = open_store(expiry=0.001)
    await_gone(store, b"a")
    assert dict(store) == {b"b": b"2"}
    report = store.merge(everything=True)
    assert report.swept_keys == 1
    store.close()
    assert dict(open_store()) == {b"b": b"2"}


def test_after_close(store: bitcask.Store) -> None:
    store.close()
    for call in (store.ttl, store.persist, lambda key: store.expire(key, HOUR), lambda key: store.put(key, b"", ttl=HOUR)):
        with pytest.raises(bitcask.ClosedError):
            call(b"a")
    with pytest.raises(bitcask.ClosedError):
        store.sweep_expired()
