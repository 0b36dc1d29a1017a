"""One store, batch or iterator in several threads: nothing lost, nothing torn, nothing stuck."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from conftest import Open

import bitcask

T = TypeVar("T")
THREADS = 4


def together(work: Callable[[int], T], threads: int = THREADS) -> list[T]:
    """Runs work(0), work(1), ... at once, and gives what they return."""
    barrier = threading.Barrier(threads)

    def run(i: int) -> T:
        barrier.wait()
        return work(i)

    with ThreadPoolExecutor(threads) as pool:
        return [future.result(timeout=120) for future in [pool.submit(run, i) for i in range(threads)]]


def test_each_thread_its_own_keys(store: bitcask.Store) -> None:
    def work(me: int) -> dict[bytes, bytes]:
        rng, mine = random.Random(me), dict[bytes, bytes]()
        for i in range(2000):
            key = b"%d-%d" % (me, rng.randrange(200))
            match rng.randrange(5):
                case 0 | 1:
                    store[key] = mine[key] = b"%d" % i * rng.randrange(30)
                case 2:
                    assert store.delete(key) == (mine.pop(key, None) is not None)
                case 3:
                    assert store.get(key) == mine.get(key)
                case _:
                    with store.batch() as batch:
                        for j in range(3):
                            other = b"%d-%d" % (me, rng.randrange(200))
                            batch[other] = mine[other] = b"%d" % j
        assert dict(store.prefix(b"%d-" % me)) == mine
        return mine

    expected = dict[bytes, bytes]()
    for mine in together(work):
        expected |= mine
    assert dict(store.items()) == expected and len(store) == len(expected)


def test_no_reader_sees_part_of_a_batch(store: bitcask.Store) -> None:
    store.update({b"a": b"0", b"z": b"0"})
    stop = threading.Event()

    def work(me: int) -> None:
        if me == 0:
            for i in range(1, 1500):
                store.update({b"a": b"%d" % i, b"z": b"%d" % i})
            stop.set()
        while not stop.is_set():
            (_, a), (_, z) = store.range()
            assert a == z

    together(work)


def test_pop_gives_each_to_one(store: bitcask.Store) -> None:
    store.update({b"%d" % i: b"v" for i in range(500)})

    def work(me: int) -> list[bytes]:
        got = [b"%d" % i for i in range(300) if store.pop(b"%d" % i, None)]
        try:
            while True:
                got.append(store.popitem()[0])
        except KeyError:
            return got

    popped = Counter(key for got in together(work) for key in got)
    assert popped == Counter(b"%d" % i for i in range(500)) and len(store) == 0


def test_setdefault_agrees(store: bitcask.Store) -> None:
    answers = together(lambda me: [store.setdefault(b"%d" % i, b"%d" % me) for i in range(500)])
    assert all(answer == answers[0] for answer in answers)
    assert answers[0] == [store[b"%d" % i] for i in range(500)]


def test_a_shared_iterator_gives_each_record_once(store: bitcask.Store) -> None:
    keys = [b"%05d" % i for i in range(20_000)]
    store.update(dict.fromkeys(keys, b"v"))
    scan = iter(store)
    parts = together(lambda me: list(scan))
    assert sorted(key for part in parts for key in part) == keys
    assert all(part == sorted(part) for part in parts)


def test_a_shared_batch(store: bitcask.Store) -> None:
    batch = store.batch()

    def work(me: int) -> None:
        for i in range(1000):
            batch[b"%d-%d" % (me, i)] = b"v"

    together(work)
    assert len(batch) == 4000
    outcomes = list[bool]()

    def commit(me: int) -> None:
        try:
            batch.commit()
            outcomes.append(True)
        except bitcask.BatchFinishedError:
            outcomes.append(False)

    together(commit)
    assert sorted(outcomes) == [False] * 3 + [True] and len(store) == 4000


@pytest.mark.parametrize("durability", ["none", "interval", "always"])
def test_close_under_load(open_store: Open, index: str, durability: str) -> None:
    store = open_store(index=index, durability=durability)
    store.update({b"%d" % i: b"v" for i in range(1000)})
    closed = Counter[str]()

    def work(me: int) -> None:
        acts: list[Callable[[], object]] = [
            lambda: store.put(b"1", b"x"),
            lambda: store[b"2"],
            lambda: list(store.range(limit=100)),
            lambda: store.update({b"3": b"y"}),
            lambda: store.pop(b"4", None),
        ]
        if me == len(acts):
            time.sleep(0.03)
            store.close()
            return
        with pytest.raises(bitcask.ClosedError):
            while True:
                acts[me]()
        closed["threads"] += 1

    together(work, threads=6)
    assert closed["threads"] == 5 and store.closed
    assert open_store(index=index)[b"2"] == b"v"


def test_writers_share_syncs(open_store: Open) -> None:
    store = open_store(durability="always")

    def work(me: int) -> None:
        for i in range(50):
            store[b"%d-%d" % (me, i)] = b"v"

    together(work, threads=8)
    assert len(store) == 400 and store.stats().last_seq == 400


def test_other_threads_run_during_a_long_call(open_store: Open) -> None:
    """The GIL is free while the store works: a thread that only counts gets on."""
    store = open_store(durability="none")
    with store.batch() as batch:
        for i in range(100_000):
            batch[b"%d" % i] = b"v" * 20
    began, ended = threading.Event(), threading.Event()

    def work(me: int) -> int:
        count = 0
        if me == 0:
            began.set()
            store.clear()
            ended.set()
        else:
            began.wait()
            while not ended.is_set():
                count += 1
        return count

    assert together(work, threads=2)[1] != 0 and len(store) == 0
