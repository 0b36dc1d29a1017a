"""Sequence numbers, and writes that an event loop awaits."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest
from conftest import Open

import bitcask


def test_numbers(store: bitcask.Store) -> None:
    assert (store.last_seq, store.durable_seq) == (0, 0)
    assert store.put(b"a", b"1") == 1 and store.put(b"a", b"2", sync=True) == 2
    assert store.put_seq(b"a", b"3") == (3, True) and store.put_seq(b"b", b"1").existed is False
    assert store.delete_seq(b"a") == (5, True) and store.delete_seq(b"a", sync=True) == (5, False)
    batch = store.batch()
    batch[b"c"] = b"1"
    assert batch.commit() == 6 == store.last_seq and store.durable_seq >= 5
    assert store.wait_durable(6) is True and store.durable_seq == 6
    assert store.wait_durable(6, 0) and store.wait_durable(0, timeout=-1)
    with pytest.raises(bitcask.InvalidArgumentError):
        store.wait_durable(7)
    with pytest.raises(bitcask.InvalidArgumentError, match="timeout"):
        store.wait_durable(6, float("nan"))


def test_awaited(store: bitcask.Store) -> None:
    async def main() -> None:
        assert await store.put_async(b"a", bytearray(b"1")) == (1, False)
        assert await store.put_async(b"a", b"2", sync=True) == (2, True)
        assert store.durable_seq == 2
        batch = store.batch()
        batch[b"b"] = b"1"
        batch.delete(b"a")
        assert await batch.commit_async(sync=True) == 3
        with pytest.raises(bitcask.BatchFinishedError, match="committed"):
            batch.commit_async()
        assert await store.delete_async(b"b") == (4, True)
        assert (await store.delete_async(b"b")).existed is False
        written = await asyncio.gather(*(store.put_async(b"%d" % i, b"v") for i in range(500)))
        assert [each.seq for each in written] == list(range(5, 505))

    asyncio.run(main())
    assert len(store) == 500


def test_failures(store: bitcask.Store) -> None:
    async def main() -> None:
        with pytest.raises(bitcask.KeyEmptyError):
            await store.put_async(b"", b"1")
        with pytest.raises(TypeError):
            await store.put_async("text", b"1")  # type: ignore[arg-type]
        assert await store.put_async(b"a", b"1") == (1, False)
        store.close()
        with pytest.raises(bitcask.ClosedError):
            await store.put_async(b"a", b"1")

    asyncio.run(main())
    with pytest.raises(RuntimeError, match="no running event loop"):
        store.put_async(b"a", b"1")


def test_a_cancelled_wait_takes_nothing_back(store: bitcask.Store) -> None:
    async def main() -> None:
        complaints = list[object]()
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        future = store.put_async(b"a", b"1")
        assert future.cancel()
        assert (await store.put_async(b"b", b"2")).seq == 2
        assert complaints == []
        with pytest.raises(asyncio.CancelledError):
            await future

    asyncio.run(main())
    assert dict(store) == {b"a": b"1", b"b": b"2"}


def test_loops_that_are_closed_before_their_outcomes_come(store: bitcask.Store) -> None:
    loops = list[weakref.ref[asyncio.AbstractEventLoop]]()

    async def main(me: int) -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        for i in range(20):
            store.put_async(b"%d-%d" % (me, i), b"v", sync=True)

    for me in range(10):
        asyncio.run(main(me))
    store.sync()

    async def last() -> None:
        await store.put_async(b"last", b"v")

    asyncio.run(last())
    assert len(store) == 201
    gc.collect()
    assert [loop() for loop in loops] == [None] * 10, "nothing is kept for loops that are gone"


def test_loops_in_many_threads(store: bitcask.Store) -> None:
    failures = list[BaseException]()

    def run(me: int) -> None:
        async def main() -> None:
            for i in range(50):
                written = await asyncio.gather(*(store.put_async(b"%d-%d-%d" % (me, i, j), b"v") for j in range(10)))
                assert len({each.seq for each in written}) == 10

        try:
            asyncio.run(main())
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(me,)) for me in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and len(store) == 2000


ENDS = {
    "the loop ends with writes under way": "asyncio.run(begin())",
    "the loop is left open": "loop = asyncio.new_event_loop(); loop.run_until_complete(begin())",
    "the store is closed in the loop": "asyncio.run(begin()); store.close()",
    "sys.exit in the loop": "async def main(): await begin(); sys.exit(0)\nasyncio.run(main())",
    "os._exit": "asyncio.run(begin()); store.sync(); os._exit(0)",
    "a daemon thread's loop": """
def run():
    async def main():
        while True:
            await store.put_async(b'k', b'v', sync=True)
    asyncio.run(main())
threading.Thread(target=run, daemon=True).start(); time.sleep(0.05); asyncio.run(begin())
""",
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("durability", ["none", "interval", "always"])
def test_exits(path: Path, end: str, durability: str) -> None:
    start = """
import asyncio, os, sys, threading, time, bitcask
store = bitcask.open(sys.argv[1], durability=sys.argv[2])
async def begin():
    for i in range(300):
        kept.append(store.put_async(b"%d" % i, b"v"))
    await kept[0]
kept = []
"""
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", start + ENDS[end], path, durability],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    with bitcask.open(path) as store:
        assert store[b"0"] == b"v"


def test_a_reader(store: bitcask.Store, open_store: Open) -> None:
    store[b"a"] = b"1"
    reader = open_store(read_only=True)
    assert not reader.refresh().changed
    store.update({b"a": b"2", b"b": b"3"})
    old = reader.snapshot()
    assert reader[b"a"] == b"1"
    refreshed = reader.refresh()
    assert refreshed.changed and refreshed.last_seq == 2 == reader.last_seq and not refreshed.reloaded
    assert dict(reader) == {b"a": b"2", b"b": b"3"} and dict(old) == {b"a": b"1"}
    assert not store.refresh().changed
    with pytest.raises(bitcask.ReadOnlyError):
        reader.durable_seq

    async def main() -> None:
        with pytest.raises(bitcask.ReadOnlyError):
            await reader.put_async(b"a", b"1")

    asyncio.run(main())
