"""Merges, figures of data files, and calls that tell how far they are."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Index, Open, figures_hold
from test_threads import together

import bitcask

EAGER = bitcask.MergePolicy(frag_merge_trigger=30, frag_threshold=10, small_file_threshold=0)


def half_dead(open_store: Open, index: str) -> bitcask.Store:
    store = open_store(
        index=index, max_file_size=16384, merge_policy=EAGER, durability="none", background_merge=False
    )
    for _ in range(2):
        for i in range(500):
            store[b"%04d" % i] = b"%d" % i * 30
    for i in range(0, 500, 5):
        del store[b"%04d" % i]
    return store


def test_merge(open_store: Open, index: str) -> None:
    store = half_dead(open_store, index)
    pairs = dict(store)
    before = store.file_stats()
    assert figures_hold(store) and [file.id for file in before] == sorted(file.id for file in before)
    assert sum(file.live_records for file in before) == 400 and sum(file.tombstones for file in before) == 100
    assert sum(file.dead_records for file in before) == 600 and [file.active for file in before][-1]
    need = store.merge_needed()
    assert need is not None and need.files and need.reclaimable_bytes > 0 and need.reason and need.in_window
    told = list[bitcask.MergeProgress]()
    report = store.merge(progress=told.append)
    assert report.removed_files == need.files and report.removed_bytes > report.created_bytes > 0
    assert report.dropped_records > 0 and report.copied_records == report.installed_records
    assert told and told[-1].bytes_total == report.removed_bytes and report.skipped_files == ()
    assert store.merge_needed() is None and store.merge().removed_files == ()
    everything = store.merge(everything=True, bytes_per_second=1 << 30)
    assert everything.removed_files and dict(store) == pairs
    assert sum(file.dead_records for file in store.file_stats()) == 0 and any(file.merged for file in store.file_stats())
    store.close()
    assert dict(open_store(index=index)) == pairs


def test_files_by_number(open_store: Open) -> None:
    store = half_dead(open_store, "btree")
    assert store.merge(files=[2, 1]).removed_files == (1, 2)
    with pytest.raises(bitcask.InvalidArgumentError):
        store.merge(files=[1])
    with pytest.raises(TypeError):
        store.merge(files=["1"])  # type: ignore[list-item]


def test_stopped_by_its_callback(open_store: Open) -> None:
    store = half_dead(open_store, "btree")
    pairs = dict(store)

    def failing(progress: bitcask.MergeProgress) -> None:
        raise ZeroDivisionError

    with pytest.raises(bitcask.CancelledError):
        store.merge(progress=lambda progress: False)
    with pytest.raises(ZeroDivisionError):
        store.merge(progress=failing)
    with pytest.raises(TypeError, match="callable"):
        store.merge(progress=7)  # type: ignore[arg-type]
    assert dict(store) == pairs and store.merge_needed() is not None


def test_paused_and_beside_writers(open_store: Open, index: str) -> None:
    store = half_dead(open_store, index)
    store.pause_merge()

    def work(me: int) -> object:
        if me == 0:
            return store.merge(everything=True)
        if me == 1:
            for i in range(300):
                store[b"%04d" % i] = b"new"
            store.resume_merge()
        else:
            for _ in range(20):
                assert store[b"0499"] == b"499" * 30
        return None

    report = together(work, threads=3)[0]
    assert isinstance(report, bitcask.MergeReport) and report.removed_files
    assert [store[b"%04d" % i] for i in range(300)] == [b"new"] * 300 and store[b"0499"] == b"499" * 30


def test_in_the_background(open_store: Open) -> None:
    store = open_store(max_file_size=16384, merge_policy=EAGER, durability="none", background_merge=True)
    assert store.last_background_merge() is None
    for _ in range(2):
        for i in range(500):
            store[b"%04d" % i] = b"%d" % i * 30
    while store.stats().background_merges == 0:
        time.sleep(0.001)
    last = store.last_background_merge()
    assert last is not None and last.report is not None and last.error is None and abs(time.time() - last.ended) < 3600
    assert last.report.removed_files and store.stats().background_merge_failures == 0
    assert dict(store) == {b"%04d" % i: b"%d" % i * 30 for i in range(500)}
    store.close()
    with pytest.raises(bitcask.ClosedError):
        store.last_background_merge()


def test_after_close(store: bitcask.Store) -> None:
    store.close()
    for call in (store.merge, store.merge_needed, store.pause_merge, store.resume_merge, store.file_stats, store.recount):
        with pytest.raises(bitcask.ClosedError):
            call()


@pytest.mark.parametrize(
    ("policy", "error"),
    [(bitcask.MergePolicy(window=(0, 24)), bitcask.InvalidArgumentError), (7, AttributeError)],
)
def test_policies(path: Path, policy: bitcask.MergePolicy, error: type[Exception]) -> None:
    with pytest.raises(error):
        bitcask.open(path, merge_policy=policy)
    bitcask.open(path, merge_policy=bitcask.MergePolicy(window=(23, 4), frag_merge_trigger=101)).close()


def test_opening_tells_its_progress(path: Path, index: Index) -> None:
    with bitcask.open(path, index=index) as store:
        store.update({b"%04d" % i: b"v" * 100 for i in range(1000)})
    told = list[bitcask.OpenProgress]()
    with bitcask.open(path, index=index, progress=told.append, checkpoint_bytes=0) as store:
        assert len(store) == 1000
    assert told[-1].phase == "finish" and told[-1].bytes_done == told[-1].bytes_total > 0
    assert all(before.bytes_done <= after.bytes_done for before, after in zip(told, told[1:], strict=False))


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Python's own handler, whatever the tests were started by: shells have what they run in the background ignore the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
def test_opening_stopped_by_its_callback(path: Path) -> None:
    bitcask.open(path).close()

    def interrupting(progress: bitcask.OpenProgress) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(bitcask.CancelledError):
        bitcask.open(path, progress=lambda progress: False)
    with pytest.raises(ZeroDivisionError):
        bitcask.open(path, progress=lambda progress: 1 // 0)
    with pytest.raises(KeyboardInterrupt):
        bitcask.open(path, progress=interrupting)
    with pytest.raises(TypeError, match="callable"):
        bitcask.open(path, progress="x")  # type: ignore[arg-type]
    for fine in (None, 0, True, "no"):
        bitcask.open(path, progress=lambda progress, fine=fine: fine).close()  # type: ignore[misc]
