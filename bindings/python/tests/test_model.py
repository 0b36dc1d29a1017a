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
from conftest import INDEX_KINDS
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

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.dir)

    @initialize(options=OPTIONS)
    def open(self, options: dict[str, Any]) -> None:
        self.store = bitcask.open(self.dir / "store", **options)

    @rule(options=OPTIONS, clean=st.booleans())
    def reopen(self, options: dict[str, Any], clean: bool) -> None:
        self.scans.clear()
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
