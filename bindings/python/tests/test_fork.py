"""A forked child gets ForkedError from every call, in whatever state the fork found the store, and does no harm."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Open

import bitcask

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def in_child(check: Callable[[], object]) -> None:
    """Runs a check in a forked child, and fails if it raises or hangs."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            check()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert status == 0, f"the child failed: {status}"
            return
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    pytest.fail("the child hangs")


def all_calls_fail(
    store: bitcask.Store,
    batch: bitcask.Batch | None = None,
    scan: Any = None,
    snapshot: bitcask.Snapshot | None = None,
    transaction: bitcask.Transaction | None = None,
    load: bitcask.BulkLoad | None = None,
) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: store[b"a"],
        lambda: store.get(b"missing"),
        lambda: b"a" in store,
        lambda: len(store),
        lambda: list(store),
        lambda: store.range(b"a"),
        lambda: store.put(b"a", b"2"),
        lambda: store.put(b"a", b"2", sync=True),
        lambda: store.delete(b"a"),
        lambda: store.pop(b"a"),
        lambda: store.multi_get([b"a", b"b"]),
        lambda: store.multi_get([]),
        lambda: store.value_size(b"a"),
        store.first,
        store.last,
        store.random_key,
        store.count,
        lambda: store.count(b"a"),
        store.popitem,
        lambda: store.setdefault(b"a", b"1"),
        lambda: store.update({b"a": b"1"}),
        store.clear,
        store.sync,
        store.stats,
        store.close,
        store.snapshot,
        store.transaction,
        store.bulk_load,
        store.refresh,
        store.merge,
        store.merge_needed,
        store.file_stats,
        store.pause_merge,
        lambda: store.last_seq,
        lambda: store.durable_seq,
        lambda: store.wait_durable(0),
        lambda: store.fetch_add(b"n"),
        lambda: store.put_if_absent(b"a", b"1"),
        lambda: store.compare_and_swap(b"a", b"1", None),
        lambda: store.modify(b"a", lambda value: b"2"),
        lambda: store.transact(lambda t: t.get(b"a")),
        lambda: asyncio.run(awaited(store)),
    ]
    if snapshot is not None:
        calls += [lambda: snapshot[b"a"], lambda: len(snapshot), lambda: list(snapshot)]
    if transaction is not None:
        calls += [lambda: transaction.get(b"a"), lambda: list(transaction), transaction.commit]
    if load is not None:
        calls += [lambda: load.put(b"a", b"1"), load.finish]
    if batch is not None:
        calls.append(batch.commit)
    if scan is not None:
        calls += [lambda: list(scan), lambda: scan.seek(b"a")]
    for call in calls:
        with pytest.raises(bitcask.ForkedError):
            call()
    assert "Store" in repr(store) and store.path.is_absolute()


async def awaited(store: bitcask.Store) -> None:
    await store.put_async(b"a", b"1")


def still_whole(store: bitcask.Store, path: Path, expected: dict[bytes, bytes]) -> None:
    assert dict(store) == expected
    store[b"after"] = expected[b"after"] = b"the fork"
    store.sync()
    store.close()
    with bitcask.open(path) as again:
        assert dict(again) == expected


def test_idle(store: bitcask.Store, path: Path) -> None:
    store[b"a"] = b"1"
    in_child(lambda: all_calls_fail(store))
    still_whole(store, path, {b"a": b"1"})


@pytest.mark.parametrize("durability", ["none", "interval", "always"])
def test_every_durability(open_store: Open, path: Path, durability: str) -> None:
    store = open_store(durability=durability, sync_interval=0.001)
    store[b"a"] = b"1"
    in_child(lambda: all_calls_fail(store))
    still_whole(store, path, {b"a": b"1"})


def test_with_a_batch_and_an_iterator_under_way(store: bitcask.Store, path: Path) -> None:
    pairs = {b"%05d" % i: b"v" for i in range(2000)}
    store.update(pairs)
    batch, scan = store.batch(), store.range()
    batch[b"b"] = b"2"
    first = [next(scan) for _ in range(3)]
    in_child(lambda: all_calls_fail(store, batch, scan))
    assert first + list(scan) == list(pairs.items())
    batch.commit()
    still_whole(store, path, pairs | {b"b": b"2"})


def test_with_a_snapshot_a_transaction_and_a_load_under_way(store: bitcask.Store, path: Path) -> None:
    store[b"a"] = b"1"
    snapshot, transaction, load = store.snapshot(), store.transaction(), store.bulk_load()
    transaction[b"b"] = transaction[b"a"]
    load.update((b"%05d" % i, bytes(1000)) for i in range(30_000))  # More than is kept in memory.
    in_child(lambda: all_calls_fail(store, None, None, snapshot, transaction, load))
    assert dict(snapshot) == {b"a": b"1"}
    transaction.commit()
    load.finish()
    assert len(store) == 30_002 and store[b"29999"] == bytes(1000)
    del snapshot, transaction, load
    store.clear()
    still_whole(store, path, {})


def test_with_writes_that_a_loop_awaits(open_store: Open, path: Path) -> None:
    store = open_store(durability="none")

    async def main() -> None:
        begun = [store.put_async(b"%d" % i, b"v", sync=True) for i in range(100)]
        in_child(lambda: None)
        assert [each.seq for each in await asyncio.gather(*begun)] == list(range(1, 101))

    asyncio.run(main())
    in_child(lambda: all_calls_fail(store))
    still_whole(store, path, {b"%d" % i: b"v" for i in range(100)})


def test_a_child_that_drops_everything(open_store: Open, path: Path) -> None:
    things: list[Any] = [bitcask.open(path)]
    things[0][b"a"] = b"1"
    things += [things[0].batch(), iter(things[0]), things[0].items()]
    things += [things[0].snapshot(), things[0].transaction(), things[0].bulk_load()]
    in_child(things.clear)
    assert things[0][b"a"] == b"1"
    with pytest.raises(bitcask.LockedError):
        bitcask.open(path)
    things.clear()
    assert dict(open_store()) == {b"a": b"1"}


def test_leaving_the_block_in_the_child(path: Path) -> None:
    def leave() -> None:
        with pytest.raises(bitcask.ForkedError):
            store.__exit__(None, None, None)

    with bitcask.open(path) as store:
        store[b"a"] = b"1"
        in_child(leave)
        assert store[b"a"] == b"1"


def test_after_close(store: bitcask.Store) -> None:
    store.close()

    def check() -> None:
        with pytest.raises((bitcask.ClosedError, bitcask.ForkedError)):
            store[b"a"]

    in_child(check)


def test_a_child_of_a_child(store: bitcask.Store, path: Path) -> None:
    store[b"a"] = b"1"

    def check() -> None:
        all_calls_fail(store)
        in_child(lambda: all_calls_fail(store))

    in_child(check)
    still_whole(store, path, {b"a": b"1"})


def test_the_child_opens_its_own(store: bitcask.Store, path: Path, tmp_path: Path) -> None:
    store[b"a"] = b"1"

    def check() -> None:
        with pytest.raises(bitcask.LockedError):
            bitcask.open(path)
        with bitcask.open(path, read_only=True) as reader:
            assert reader[b"a"] == b"1"
        with bitcask.open(tmp_path / "own") as own:
            own[b"b"] = b"2"

    in_child(check)
    with bitcask.open(tmp_path / "own") as own:
        assert dict(own) == {b"b": b"2"}
    still_whole(store, path, {b"a": b"1"})


@contextlib.contextmanager
def busy(*work: Callable[[], object]) -> Iterator[None]:
    """Threads that do the work over and over."""
    stop, failures = threading.Event(), list[BaseException]()

    def run(act: Callable[[], object]) -> None:
        try:
            while not stop.is_set():
                act()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(act,)) for act in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures


def test_while_other_threads_use_it(open_store: Open, index: str) -> None:
    """Locks that other threads hold at the fork are never freed in the child; nothing there may wait for them."""
    store = open_store(index=index, durability="interval", sync_interval=0.001)
    store.update({b"%04d" % i: b"v" * 100 for i in range(1000)})
    count = itertools.count()
    shared_batch = [store.batch()]
    shared_scan = [store.range()]

    def batch() -> None:
        shared_batch[0] = store.batch()
        for i in range(100):
            shared_batch[0][b"%04d" % i] = b"b"
        shared_batch[0].commit()

    def scan() -> None:
        shared_scan[0] = store.range()
        assert sum(1 for _ in shared_scan[0]) >= 990

    def pop() -> None:
        store.pop(b"0500", None)
        store.setdefault(b"0500", b"v")

    def put() -> None:
        store[b"%04d" % (next(count) % 1000)] = bytes(100)

    with busy(put, batch, scan, pop, lambda: store.put(b"0001", b"s", sync=True), lambda: store.get(b"0002")):
        for _ in range(15):
            time.sleep(0.005)
            in_child(lambda: all_calls_fail(store, scan=shared_scan[0]))
    assert len(store) >= 990


EXITS = """
import os, sys, bitcask
store = bitcask.open(sys.argv[1])
store[b"a"] = b"1"
batch, scan = store.batch(), iter(store)
pid = os.fork()
if pid == 0:
    sys.exit(0)      # An ordinary end of the interpreter, with all of it alive.
assert os.waitpid(pid, 0)[1] == 0
store[b"b"] = b"2"
store.close()
"""


def test_an_ordinary_exit_of_the_child(path: Path, open_store: Open) -> None:
    run = subprocess.run([sys.executable, "-c", EXITS, path], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")
    assert dict(open_store()) == {b"a": b"1", b"b": b"2"}
