"""The workload, the same for all stores: pairs of 24 + 150 random bytes, in one order for writing and in another for reading.

Keys to be read are made before the clock starts and lie in memory in the order of use. What is read is kept for a few hundred
operations, as a program's own objects are, and checked while the clock stands: the length of each value, and a sum of first
bytes, which must be the one of what was written for all stores.
"""

from __future__ import annotations

import random
import shutil
import statistics
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter_ns as now
from typing import TypeVar

from stores import Known, Pair, Store

KEY_LEN, VALUE_LEN = 24, 150
RANGE = 10
"""Pairs of a range."""
TOGETHER = 1000
"""Keys of a call that asks for many."""
CHUNK = 250
"""Values that are kept before they are checked."""
THREADS = 4
PASSES = 3
"""The median of so many passes counts."""

Sample = dict[str, object]
T = TypeVar("T")


def head(data: bytes) -> int:
    return int.from_bytes(data[:8], "little")


def chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[at : at + size] for at in range(0, len(items), size)]


class Check:
    """What was read, summed up."""

    def __init__(self) -> None:
        self.sum = 0

    def values(self, values: Iterable[bytes | None]) -> None:
        for value in values:
            if value is None or len(value) != VALUE_LEN:
                raise SystemExit("a value is missing, or of another length")
            self.sum += head(value)

    def pairs(self, pairs: Iterable[Pair]) -> None:
        for key, value in pairs:
            self.sum += head(key)
            self.values((value,))

    def is_of(self, expected: int, what: str) -> int:
        """The sum as a sample has it: never 0, which stands for no check."""
        if self.sum != expected:
            raise SystemExit(f"{what}: the values are not those that were written")
        return expected % (1 << 63) | 1


def median(passes: int, once: Callable[[], T]) -> T:
    """The middle result of so many passes."""
    return statistics.median_low(once() for _ in range(passes))  # type: ignore[type-var]


class Run:
    def __init__(self, known: Known, count: int, directory: Path) -> None:
        rng = random.Random(3)
        self.pairs = [(rng.randbytes(KEY_LEN), rng.randbytes(VALUE_LEN)) for _ in range(count)]
        order = rng.sample(range(count), count)
        # New objects, so that they lie one behind the other.
        self.probes = [bytes(bytearray(self.pairs[at][0])) for at in order]
        self.sum = sum(head(value) for _, value in self.pairs)
        self.all = self.sum + sum(head(key) for key, _ in self.pairs)
        self.some = [head(self.pairs[at][1]) for at in order[: max(count // 5, 1)]]
        self.starts = self.probes[: max(count // 10, 1)]
        self.known = known
        self.directory = directory / "store"
        self.samples: list[Sample] = []

    def tell(self, row: str, unit: str, value: float | None, check: int = 0, note: str | None = None) -> None:
        sample: Sample = {"row": row, "unit": unit, "value": value, "check": check}
        self.samples.append(sample if note is None else sample | {"note": note})

    def run(self) -> None:
        store = self.known.open(self.directory)
        self.put(store)
        self.get(store)
        self.get_alone(store)
        self.get_many(store)
        self.threads(store)
        self.expected = self.range_sum()
        self.walks(store, "")
        start = now()
        compacted = store.compact()
        self.tell("compaction", "nanos", now() - start)
        self.walks(compacted, ", compacted")
        compacted.close()
        self.open(compacted.directory)

    def put(self, store: Store) -> None:
        put = store.put
        start = now()
        for key, value in self.pairs:
            put(key, value)
        self.tell("put, no sync", "nanos", (now() - start) / len(self.pairs), len(self.pairs))
        store.sync()

    def get(self, store: Store) -> None:
        def once() -> float:
            spent, check = 0, Check()
            with store.reading() as get:
                for chunk in chunks(self.probes, CHUNK):
                    start = now()
                    values = [get(key) for key in chunk]
                    spent += now() - start
                    check.values(values)
            self.check = check.is_of(self.sum, "get")
            return spent / len(self.probes)

        self.tell("get", "nanos", median(PASSES, once), self.check)

    def get_alone(self, store: Store) -> None:
        probes = self.probes[: len(self.some)]
        get, spent, check = store.get, 0, Check()
        for chunk in chunks(probes, CHUNK):
            start = now()
            values = [get(key) for key in chunk]
            spent += now() - start
            check.values(values)
        self.tell("get, by itself", "nanos", spent / len(probes), check.is_of(sum(self.some), "get, by itself"))

    def get_many(self, store: Store) -> None:
        lists = [list(chunk) for chunk in chunks(self.probes, TOGETHER)]

        def once() -> float:
            spent, check = 0, Check()
            with store.reading_many() as many:
                for keys in lists:
                    start = now()
                    values = many(keys)
                    spent += now() - start
                    check.values(values)
            check.is_of(self.sum, "get, 1000 keys a call")
            return spent / len(self.probes)

        self.tell("get, 1000 keys a call", "nanos", median(PASSES, once), self.check)

    def threads(self, store: Store) -> None:
        """All keys, a share for each thread. Of the values only lengths are summed here, within the time, for one thread as for all."""
        if not self.known.threads:
            for row, unit in [("get, 4 threads", "keys"), ("get, 4 threads against one", "times")]:
                self.tell(row, unit, None, note="mixes up what its threads read")
            return

        def rate(threads: int) -> float:
            lengths: list[int] = []

            def work(share: list[Sequence[bytes]]) -> None:
                length = 0
                with store.reading() as get:
                    for chunk in share:
                        length += sum(map(len, [get(key) for key in chunk]))  # type: ignore[arg-type]
                lengths.append(length)

            parts = chunks(self.probes, CHUNK)
            workers = [threading.Thread(target=work, args=(parts[i::threads],)) for i in range(threads)]
            start = now()
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            spent = now() - start
            if sum(lengths) != len(self.probes) * VALUE_LEN:
                raise SystemExit("get, in threads: a value is missing, or of another length")
            return len(self.probes) * 1e9 / spent

        # By turns, so that a busy moment hits both.
        rates = [(rate(1), rate(THREADS)) for _ in range(PASSES)]
        self.tell("get, 4 threads", "keys", statistics.median_low(many for _, many in rates), len(self.probes))
        against = statistics.median_low(many / one for one, many in rates)
        self.tell("get, 4 threads against one", "times", against)

    def range_sum(self) -> int:
        """What all ranges together read, by a sorted list."""
        from bisect import bisect_left

        ordered = sorted(self.pairs)
        keys = [key for key, _ in ordered]
        heads = [head(key) + head(value) for key, value in ordered]
        return sum(sum(heads[at : at + RANGE]) for at in (bisect_left(keys, start) for start in self.starts))

    def walks(self, store: Store, after: str) -> None:
        if self.known.ordered:
            self.tell(f"range of 10{after}", "nanos", median(PASSES, lambda: self.ranges(store)), self.check)
        else:
            self.tell(f"range of 10{after}", "nanos", None, note="keeps no order")
        self.tell(f"iteration{after}", "keys", median(PASSES, lambda: self.iterate(store)), self.check)

    def ranges(self, store: Store) -> float:
        spent, check = 0, Check()
        with store.ranging() as ranging:
            for chunk in chunks(self.starts, CHUNK // RANGE):
                start = now()
                found = [ranging(key, RANGE) for key in chunk]
                spent += now() - start
                for pairs in found:
                    check.pairs(pairs)
        self.check = check.is_of(self.expected, "ranges")
        return spent / len(self.starts)

    def iterate(self, store: Store) -> float:
        spent, check = 0, Check()
        start = now()
        with store.items() as items:
            while pairs := self.some_of(items):
                spent += now() - start
                check.pairs(pairs)
                start = now()
            spent += now() - start
        self.check = check.is_of(self.all, "iteration")
        return len(self.pairs) * 1e9 / spent

    @staticmethod
    def some_of(items: Iterator[Pair]) -> list[Pair]:
        return list(islice(items, CHUNK))

    def open(self, directory: Path) -> None:
        def once() -> int:
            start = now()
            store = self.known.open(directory)
            value = store.get(self.probes[0])
            spent = now() - start
            check = Check()
            check.values((value,))
            check.is_of(self.some[0], "open")
            store.close()
            return spent

        self.tell("open, clean, to the first get", "nanos", median(PASSES, once))


def measure(known: Known, count: int, directory: Path) -> list[Sample]:
    run = Run(known, count, directory)
    run.run()
    shutil.rmtree(run.directory)
    return run.samples
