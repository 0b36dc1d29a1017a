"""Transactions, savepoints, and changes of single keys that depend on what is there."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Open
from test_threads import together

import bitcask


def test_commit_at_the_end_of_the_block(store: bitcask.Store) -> None:
    store.update({b"a": b"1", b"b": b"2", b"c": b"3"})
    with store.transaction() as t:
        assert t.seq == 1 and t[b"a"] == b"1" and b"b" in t and t.get(b"x") is None and t.get(b"x", 7) == 7
        t[b"a"] = b"10"
        t.put(b"d", bytearray(b"4"))
        del t[b"b"]
        t.delete(b"never there")
        assert t.writes == 4
        assert t[b"a"] == b"10" and b"b" not in t and t[b"d"] == b"4"
        assert list(t) == [b"a", b"c", b"d"]
        assert list(t.range(b"b", reverse=True)) == [(b"d", b"4"), (b"c", b"3")]
        assert list(t.range_keys(limit=1)) == [b"a"] and list(t.prefix(b"d")) == [(b"d", b"4")]
        with pytest.raises(KeyError) as error:
            t[b"b"]
        assert error.value.args == (b"b",)
        assert dict(store) == {b"a": b"1", b"b": b"2", b"c": b"3"}, "nothing yet"
    assert dict(store) == {b"a": b"10", b"c": b"3", b"d": b"4"} and store.last_seq == 2
    assert "committed" in repr(t)


def test_an_exception_rolls_back(store: bitcask.Store) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction() as t:
        t[b"a"] = b"1"
        raise ZeroDivisionError
    assert len(store) == 0 and store.last_seq == 0 and "rolled back" in repr(t)
    calls: list[Callable[[], Any]] = [
        t.commit,
        t.savepoint,
        lambda: t[b"a"],
        lambda: t.put(b"a", b"1"),
        lambda: list(t),
        lambda: t.seq,
    ]
    for call in calls:
        with pytest.raises(bitcask.TransactionFinishedError, match="rolled back"):
            call()
    t.rollback()
    assert t.writes == 0


def test_it_sees_its_moment_and_conflicts(store: bitcask.Store) -> None:
    store[b"a"] = b"1"
    with pytest.raises(bitcask.ConflictError), store.transaction() as t:
        assert t[b"a"] == b"1"
        store[b"a"] = b"2"
        assert t[b"a"] == b"1"
        t[b"b"] = b"written"
    assert dict(store) == {b"a": b"2"} and "conflict" in repr(t)
    with pytest.raises(bitcask.TransactionFinishedError):
        t.commit()
    t.rollback()


def test_what_counts_as_read(store: bitcask.Store) -> None:
    def reads(read: Callable[[bitcask.Transaction], object], key: bytes) -> bool:
        """Whether the commit rests on a key after this."""
        t = store.transaction()
        read(t)
        t[b"own"] = b"x"
        store.put(key, b"new") if key not in store else store.delete(key)
        try:
            t.commit()
        except bitcask.ConflictError:
            return True
        return False

    store.update({b"k%02d" % i: b"v" for i in range(50)})
    assert reads(lambda t: t.get(b"missing"), b"missing")
    assert reads(lambda t: b"k07" in t, b"k07")
    assert not reads(lambda t: t[b"k08"], b"k09")
    assert not reads(lambda t: t.put(b"k10", b"blind"), b"k10")
    assert reads(lambda t: t.get_for_update(b"k11"), b"k11")

    def write_then(read: str) -> Callable[[bitcask.Transaction], object]:
        def both(t: bitcask.Transaction) -> None:
            t[b"k12"] = b"mine"
            assert getattr(t, read)(b"k12") == b"mine"

        return both

    assert not reads(write_then("get"), b"k12")
    assert reads(write_then("get_for_update"), b"k12")
    # Phantoms; and an iterator is never ahead of its user.
    assert reads(lambda t: list(t.prefix(b"k1")), b"k1new")
    assert not reads(lambda t: list(t.prefix(b"k1")), b"k2new")
    assert reads(lambda t: [key for key, _ in zip(t, range(3), strict=False)], b"k001")
    assert not reads(lambda t: next(t.range(b"k20")), b"k21")
    assert reads(lambda t: next(t.range(b"k22")), b"k22")
    assert not reads(lambda t: t.delete_prefix(b"k3"), b"k30")


def test_deleting_ranges(store: bitcask.Store) -> None:
    store.update({b"a%d" % i: b"v" for i in range(10)} | {b"b%d" % i: b"v" for i in range(10)})
    with store.transaction() as t:
        t.delete_prefix(b"b")
        t.delete_range(b"a2", b"a8", start_inclusive=False, end_inclusive=True)
        t[b"a5"] = b"put afterwards"
        store[b"a3"] = b"by another"
    assert list(store) == [b"a0", b"a1", b"a2", b"a5", b"a9"], "those that are there at the commit"


@pytest.mark.parametrize("begin", [bitcask.Store.batch, bitcask.Store.transaction])
def test_savepoints(store: bitcask.Store, begin: Callable[[bitcask.Store], Any]) -> None:
    store[b"old"] = b"1"
    with begin(store) as writes:
        writes[b"a"] = b"1"
        outer = writes.savepoint()
        with writes.savepoint():
            writes[b"b"] = b"kept"
        with pytest.raises(ZeroDivisionError), writes.savepoint():
            writes[b"a"] = b"2"
            writes[b"c"] = b"3"
            writes.delete_prefix(b"o")
            assert writes.get(b"old") is None and writes.get(b"a") == b"2"
            raise ZeroDivisionError
        assert writes.get(b"old") == b"1" and writes.get(b"a") == b"1" and writes.get(b"b") == b"kept"
        inner = writes.savepoint()
        writes[b"d"] = b"4"
        inner.rollback()
        writes[b"e"] = b"5"
        inner.rollback()
        inner.release()
        with pytest.raises(bitcask.InvalidArgumentError):
            inner.rollback()
        assert [key for key, _ in writes.range()] == [b"a", b"b", b"old"]
        outer.rollback()
        writes[b"f"] = b"6"
        with writes.savepoint():
            outer.release()  # And with it the younger one, which its block leaves alone then.
    assert dict(store) == {b"old": b"1", b"a": b"1", b"f": b"6"}
    with pytest.raises((bitcask.BatchFinishedError, bitcask.TransactionFinishedError)):
        outer.rollback()
    with outer:
        pass
    with pytest.raises(TypeError, match="Savepoint"):
        pickle.dumps(outer)


def test_transact_begins_anew_at_conflicts(store: bitcask.Store) -> None:
    store[b"n"] = b"0"

    def increment(t: bitcask.Transaction) -> int:
        n = int(t[b"n"]) + 1
        t[b"n"] = b"%d" % n
        return n

    given = together(lambda me: [store.transact(increment) for _ in range(50)])
    assert sorted(n for each in given for n in each) == list(range(1, 201)) and store[b"n"] == b"200"

    tries = 0

    def hopeless(t: bitcask.Transaction) -> None:
        nonlocal tries
        tries += 1
        increment(t)
        store[b"n"] = b"%d" % tries

    with pytest.raises(bitcask.ConflictError):
        store.transact(hopeless, attempts=3)
    assert tries == 3
    with pytest.raises(bitcask.InvalidArgumentError):
        store.transact(increment, attempts=0)

    def failing(t: bitcask.Transaction) -> None:
        t[b"never"] = b"1"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.transact(failing)
    assert b"never" not in store


def test_money_is_neither_made_nor_lost(store: bitcask.Store) -> None:
    accounts = [b"account %d" % i for i in range(5)]
    store.update(dict.fromkeys(accounts, b"100"))

    def work(me: int) -> None:
        def move(t: bitcask.Transaction) -> None:
            source, target = accounts[(me + i) % 5], accounts[(me * 3 + i * 7 + 1) % 5]
            left = int(t[source]) - 1
            t[source] = b"%d" % left
            t[target] = b"%d" % (int(t[target]) + 1)

        for i in range(60):
            store.transact(move)
            with store.snapshot() as snapshot:
                assert sum(map(int, snapshot.values())) == 500

    together(work)
    assert sum(map(int, store.values())) == 500


def test_compare_and_swap(store: bitcask.Store) -> None:
    swap = store.compare_and_swap
    assert not swap(b"k", b"1", b"2") and b"k" not in store
    assert swap(b"k", None, b"1") and store[b"k"] == b"1"
    assert not swap(b"k", None, b"2") and not swap(b"k", b"", b"2") and store[b"k"] == b"1"
    assert swap(b"k", bytearray(b"1"), memoryview(b""), sync=True) and store[b"k"] == b""
    assert swap(b"k", b"", None) and b"k" not in store
    assert swap(b"k", None, None)
    with pytest.raises(bitcask.KeyEmptyError):
        swap(b"", None, b"1")
    with pytest.raises(TypeError):
        swap(b"k", None, "text")  # type: ignore[arg-type]
    assert store.put_if_absent(b"k", b"1") and not store.put_if_absent(b"k", b"2", sync=True) and store[b"k"] == b"1"
    assert sum(together(lambda me: store.put_if_absent(b"one", b"%d" % me))) == 1


def test_fetch_add(store: bitcask.Store) -> None:
    assert store.fetch_add(b"n") == 0 and store.fetch_add(b"n", 5) == 1 and store.fetch_add(b"n", -10, sync=True) == 6
    assert int.from_bytes(store[b"n"], "little", signed=True) == -4
    together(lambda me: [store.fetch_add(b"n") for _ in range(250)])
    assert store.fetch_add(b"n", 0) == 996
    with pytest.raises(bitcask.InvalidArgumentError, match="64 bits"):
        store.fetch_add(b"n", 2**63 - 1)
    with pytest.raises(OverflowError):
        store.fetch_add(b"n", 2**63)
    store[b"text"] = b"abc"
    with pytest.raises(bitcask.InvalidArgumentError, match="3 bytes"):
        store.fetch_add(b"text")
    assert store.fetch_add(b"n", 0) == 996 and store[b"text"] == b"abc"


def test_modify(store: bitcask.Store) -> None:
    assert store.modify(b"k", lambda value: (value or b"") + b"a") == b"a"
    assert store.modify(b"k", lambda value: bytearray((value or b"") + b"b"), sync=True) == b"ab" == store[b"k"]
    assert store.modify(b"k", lambda value: None) is None and b"k" not in store
    assert store.modify(b"k", lambda value: None) is None
    with pytest.raises(ZeroDivisionError):
        store.modify(b"k", lambda value: b"%d" % (1 // 0))
    with pytest.raises(TypeError, match="not str"):
        store.modify(b"k", lambda value: "text")  # type: ignore[arg-type,return-value]
    assert b"k" not in store
    together(lambda me: [store.modify(b"n", lambda value: b"%d" % (int(value or 0) + 1)) for _ in range(100)])
    assert store[b"n"] == b"400"

    seen = list[bytes | None]()

    def meddling(value: bytes | None) -> bytes:
        seen.append(value)
        if len(seen) < 3:
            store[b"m"] = b"%d" % len(seen)
        return (value or b"") + b"!"

    assert store.modify(b"m", meddling) == b"2!" and seen == [None, b"1", b"2"]


def test_popping_is_atomic_among_all_writers(store: bitcask.Store) -> None:
    """What is put while others pop is popped once or still there, never lost."""

    def work(me: int) -> list[bytes]:
        if me == 0:
            for i in range(300):
                store.put(b"k", b"%d" % i)
                while b"k" in store:
                    pass
            return []
        popped = list[bytes]()
        while len(popped) < 300 and not (popped and popped[-1] == b"299"):
            if (value := store.pop(b"k", None)) is not None:
                popped.append(value)
        return popped

    assert together(work, threads=2)[1] == [b"%d" % i for i in range(300)]


def test_a_read_only_store(store: bitcask.Store, open_store: Open) -> None:
    store[b"a"] = b"1"
    store.close()
    reader = open_store(read_only=True)
    with pytest.raises(bitcask.ReadOnlyError), reader.transaction() as t:
        assert t[b"a"] == b"1"
        t[b"a"] = b"2"
    with pytest.raises(bitcask.ReadOnlyError):
        reader.compare_and_swap(b"a", b"1", b"2")


def test_after_close(store: bitcask.Store) -> None:
    t = store.transaction()
    t[b"a"] = b"1"
    store.close()
    calls: list[Callable[[], Any]] = [t.commit, lambda: t[b"b"], lambda: list(t), store.transaction]
    calls += [lambda: store.fetch_add(b"n"), lambda: store.modify(b"n", lambda value: b"")]
    for call in calls:
        with pytest.raises(bitcask.ClosedError):
            call()
    with pytest.raises(ZeroDivisionError), t:
        raise ZeroDivisionError
    with pytest.raises(TypeError, match="Transaction"):
        pickle.dumps(t)
