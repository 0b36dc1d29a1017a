"""Random histories against a dict, with reopening under any index and options.

BITCASK_EXAMPLES is the number of histories (60; a long run has 5,000).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from conftest import INDEX_KINDS, figures_hold
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import bitcask

EXAMPLES = int(os.environ.get("BITCASK_EXAMPLES", "60"))

# Few enough to meet again, with neighbours in order, shared prefixes and lengths around the index's limits.
KEYS = st.one_of(
    st.sampled_from([b"a", b"aa", b"ab", b"b", b"\x00", b"\xff", b"\xff\xff", b"k" * 300, b"k" * 301]),
    st.binary(min_size=1, max_size=3),
    st.integers(0, 60).map(lambda i: b"user:%06d:profile" % i),
)
VALUES = st.one_of(st.binary(max_size=40), st.integers(0, 3).map(lambda i: bytes([i]) * (1500 << i)))
BOUNDS = st.none() | KEYS | st.just(b"")
OPTIONS = st.fixed_dictionaries(
    {
        "index": st.sampled_from(INDEX_KINDS),
        "io": st.sampled_from(["mmap", "file"]),
        "durability": st.sampled_from(["none", "interval"]),
        "max_file_size": st.sampled_from([4096, 16384, 1 << 30]),
        "verify_checksums": st.booleans(),
    }
)


class StoreAgainstDict(RuleBasedStateMachine):
    store: bitcask.Store

    def __init__(self) -> None:
        super().__init__()
        self.dir = Path(tempfile.mkdtemp(prefix="bitcask-"))
        self.model: dict[bytes, bytes] = {}
        self.scans: list[tuple[Any, list[tuple[bytes, bytes]]]] = []
        self.snapshots: list[tuple[bitcask.Snapshot, dict[bytes, bytes]]] = []

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.dir)

    @initialize(options=OPTIONS)
    def open(self, options: dict[str, Any]) -> None:
        self.store = bitcask.open(self.dir / "store", **options)

    @rule(options=OPTIONS, clean=st.booleans())
    def reopen(self, options: dict[str, Any], clean: bool) -> None:
        self.scans.clear()
        self.snapshots.clear()
        if clean:
            self.store.close()
        else:
            del self.store
        self.store = bitcask.open(self.dir / "store", create=False, **options)
        assert dict(self.store.items()) == self.model

    @rule(key=KEYS, value=VALUES, mutable=st.booleans())
    def put(self, key: bytes, value: bytes, mutable: bool) -> None:
        self.store[bytearray(key) if mutable else key] = memoryview(value) if mutable else value
        self.model[key] = value

    @rule(key=KEYS)
    def get(self, key: bytes) -> None:
        assert self.store.get(key) == self.model.get(key)
        assert (key in self.store) == (key in self.model)
        value = self.model.get(key)
        assert self.store.value_size(key) == (None if value is None else len(value))
        if key not in self.model:
            with pytest.raises(KeyError):
                self.store[key]

    @rule(keys=st.lists(KEYS, max_size=12), as_iterator=st.booleans())
    def multi_get(self, keys: list[bytes], as_iterator: bool) -> None:
        given = (bytearray(key) for key in keys) if as_iterator else keys
        assert self.store.multi_get(given) == [self.model.get(key) for key in keys]

    @rule()
    def ends(self) -> None:
        pairs = sorted(self.model.items())
        assert self.store.first() == (pairs[0] if pairs else None)
        assert self.store.last() == (pairs[-1] if pairs else None)

    @rule()
    def random_key(self) -> None:
        key = self.store.random_key()
        assert key in self.model if self.model else key is None

    @rule(key=KEYS)
    def delete(self, key: bytes) -> None:
        assert self.store.delete(key) == (self.model.pop(key, None) is not None)

    @rule(key=KEYS, default=st.none() | VALUES)
    def pop(self, key: bytes, default: bytes | None) -> None:
        assert self.store.pop(key, default) == self.model.pop(key, default)

    @rule()
    def popitem(self) -> None:
        if not self.model:
            with pytest.raises(KeyError):
                self.store.popitem()
        else:
            last = max(self.model)
            assert self.store.popitem() == (last, self.model.pop(last))

    @rule(key=KEYS, value=VALUES)
    def setdefault(self, key: bytes, value: bytes) -> None:
        assert self.store.setdefault(key, value) == self.model.setdefault(key, value)

    @rule(pairs=st.dictionaries(KEYS, VALUES, max_size=8))
    def update(self, pairs: dict[bytes, bytes]) -> None:
        self.store.update(pairs)
        self.model.update(pairs)

    @rule(writes=st.lists(st.tuples(KEYS, st.none() | VALUES), max_size=12), fate=st.sampled_from(["commit", "raise"]))
    def batch(self, writes: list[tuple[bytes, bytes | None]], fate: str) -> None:
        try:
            with self.store.batch() as batch:
                for key, value in writes:
                    if value is None:
                        del batch[key]
                    else:
                        batch[key] = value
                assert len(batch) == len(dict(writes))
                if fate == "raise":
                    raise ZeroDivisionError
        except ZeroDivisionError:
            return
        for key, value in writes:
            if value is None:
                self.model.pop(key, None)
            else:
                self.model[key] = value

    @rule(key=KEYS, keep=st.booleans())
    def snapshot(self, key: bytes, keep: bool) -> None:
        snapshot = self.store.snapshot()
        if keep and len(self.snapshots) < 3:
            self.snapshots.append((snapshot, dict(self.model)))  # For later, when other things have been written.
        else:
            assert dict(snapshot) == self.model and snapshot.get(key) == self.model.get(key)
            snapshot.close()

    @rule(keys=st.lists(KEYS, max_size=6), reverse=st.booleans(), close=st.booleans())
    def look_at_snapshots(self, keys: list[bytes], reverse: bool, close: bool) -> None:
        for snapshot, model in self.snapshots:
            pairs = sorted(model.items(), reverse=reverse)
            assert list(snapshot.range(reverse=reverse)) == pairs and len(snapshot) == len(pairs)
            assert snapshot.multi_get(keys) == [model.get(key) for key in keys]
            assert snapshot.last() == (max(pairs) if pairs else None)
        if close and self.snapshots:
            self.snapshots.pop(0)[0].close()

    @rule(
        steps=st.lists(st.tuples(st.sampled_from(["get", "put", "delete", "prefix", "back", "scan"]), KEYS, VALUES), max_size=12),
        meddle=st.none() | st.tuples(KEYS, VALUES),
    )
    def transaction(self, steps: list[tuple[str, bytes, bytes]], meddle: tuple[bytes, bytes] | None) -> None:
        began, mine, read, all_read = dict(self.model), dict(self.model), set[bytes](), False
        transaction = self.store.transaction()
        savepoint, marked, wrote = transaction.savepoint(), dict(mine), set[bytes]()
        marked_wrote, ranges, marked_ranges = set[bytes](), set[bytes](), set[bytes]()
        for step, key, value in steps:
            match step:
                case "get":
                    assert transaction.get(key) == mine.get(key)
                    if key not in wrote and not any(key.startswith(prefix) for prefix in ranges):
                        read.add(key)
                case "put":
                    transaction[key] = mine[key] = value
                    wrote.add(key)
                case "delete":
                    del transaction[key]
                    mine.pop(key, None)
                    wrote.add(key)
                case "prefix":
                    transaction.delete_prefix(key[:1])
                    mine = {k: v for k, v in mine.items() if not k.startswith(key[:1])}
                    wrote = {k for k in wrote if not k.startswith(key[:1])}
                    ranges.add(key[:1])
                case "back" if value:
                    savepoint.rollback()
                    mine, wrote, ranges = dict(marked), set(marked_wrote), set(marked_ranges)
                case "back":
                    savepoint, marked, marked_wrote, marked_ranges = transaction.savepoint(), dict(mine), set(wrote), set(ranges)
                case _:
                    assert list(transaction.range()) == sorted(mine.items())
                    all_read = True
        if meddle is not None:
            # By another writer. What was read must not have changed; what was only written is the transaction's.
            key, value = meddle
            self.store[key] = self.model[key] = value
        try:
            transaction.commit()
        except bitcask.ConflictError:
            assert meddle is not None and (wrote or ranges), "a conflict without a reason"
            assert all_read or meddle[0] in read, "a conflict without a reason"
            return
        assert meddle is None or meddle[0] not in read or not (wrote or ranges), "an overlooked conflict"
        assert self.model == (began if meddle is None else began | dict([meddle]))
        self.model = {k: v for k, v in self.model.items() if not any(k.startswith(prefix) for prefix in ranges)}
        for key in wrote:
            if key in mine:
                self.model[key] = mine[key]
            else:
                self.model.pop(key, None)

    @rule(key=KEYS, expected=st.none() | VALUES, new=st.none() | VALUES, right=st.booleans())
    def compare_and_swap(self, key: bytes, expected: bytes | None, new: bytes | None, right: bool) -> None:
        if right:
            expected = self.model.get(key)
        swapped = self.store.compare_and_swap(key, expected, new)
        assert swapped == (self.model.get(key) == expected)
        if swapped:
            self.write(key, new)

    @rule(key=KEYS, more=VALUES | st.none())
    def modify(self, key: bytes, more: bytes | None) -> None:
        def change(value: bytes | None) -> bytes | None:
            return None if more is None else ((value or b"") + more)[:5000]

        new = change(self.model.get(key))
        assert self.store.modify(key, change) == new
        self.write(key, new)

    def write(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.model.pop(key, None)
        else:
            self.model[key] = value

    @rule(pairs=st.lists(st.tuples(KEYS, VALUES), max_size=8), atomic=st.booleans(), finish=st.booleans())
    def bulk_load(self, pairs: list[tuple[bytes, bytes]], atomic: bool, finish: bool) -> None:
        load = self.store.bulk_load(atomic=atomic)
        load.update(pairs)
        if finish or not atomic:
            load.finish()
            self.model.update(pairs)
        else:
            load.abandon()

    @rule(everything=st.booleans())
    def merge(self, everything: bool) -> None:
        self.store.merge(everything=everything)
        figures = self.store.file_stats()
        assert sum(file.live_records for file in figures) == len(self.model) and figures_hold(self.store)

    @rule()
    def clear(self) -> None:
        self.store.clear()
        self.model.clear()

    @rule(
        start=BOUNDS,
        end=BOUNDS,
        prefix=BOUNDS,
        low=st.booleans(),
        high=st.booleans(),
        reverse=st.booleans(),
        limit=st.none() | st.integers(0, 10),
        keep=st.booleans(),
    )
    def range(
        self,
        start: bytes | None,
        end: bytes | None,
        prefix: bytes | None,
        low: bool,
        high: bool,
        reverse: bool,
        limit: int | None,
        keep: bool,
    ) -> None:
        expected = [
            (key, value)
            for key, value in sorted(self.model.items(), reverse=reverse)
            if (start is None or key > start or (low and key == start))
            and (end is None or key < end or (high and key == end))
            and key.startswith(prefix or b"")
        ][:limit]
        options: dict[str, Any] = {"prefix": prefix, "start_inclusive": low, "end_inclusive": high}
        options |= {"reverse": reverse, "limit": limit}
        assert list(self.store.range_keys(start, end, **options)) == [key for key, _ in expected]
        assert self.store.count(start, end, **options) == len(expected)
        scan = self.store.range(start, end, **options)
        if keep and len(self.scans) < 3:
            self.scans.append((scan, expected))  # For later, when other things have been written.
        else:
            assert list(scan) == expected

    @rule()
    def finish_scan(self) -> None:
        if self.scans:
            scan, expected = self.scans.pop()
            assert list(scan) == expected

    @rule(other=st.sets(KEYS | st.just(b""), max_size=8))
    def views(self, other: set[bytes]) -> None:
        assert self.store.keys() & other == self.model.keys() & other
        assert self.store.keys() - other == self.model.keys() - other
        assert (self.store.items() == self.model.items()) is True
        assert list(reversed(self.store)) == sorted(self.model, reverse=True)
        assert list(self.store.values()) == [self.model[key] for key in sorted(self.model)]

    @rule()
    def sync(self) -> None:
        self.store.sync()

    @invariant()
    def length(self) -> None:
        if hasattr(self, "store"):
            assert len(self.store) == len(self.model)


TestStoreAgainstDict = StoreAgainstDict.TestCase
TestStoreAgainstDict.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=50,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
