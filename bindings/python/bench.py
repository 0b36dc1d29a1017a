"""Times get, put and iteration from Python, and prints one JSON object a line: name, value, unit, command.

    python bench.py [DIRECTORY]

BITCASK_BENCH_N     pairs (1,000,000) of a random 24-byte key and a 150-byte value
BITCASK_BENCH_INDEX the index kind (btree)
BITCASK_BENCH_IO    mmap or file (mmap)

A pass over all pairs in random order is one measurement; gets are the best of three. The loop around the calls is
measured too and taken off; a multi_get asks for 1000 keys, and its figure is for one of them, beside python_gets_1000_ns, the same
by a get for each. What Python adds to a get, python_get_extra_ns, is python_get_ns less the time that the core's
Db::get takes for the same keys, values, options and order, in the same run of the machine: a timing alone says little.
Both have to read their keys in one random order, for on this scale a get is mostly cache misses.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

import bitcask

N = int(os.environ.get("BITCASK_BENCH_N", "1000000"))
INDEX = os.environ.get("BITCASK_BENCH_INDEX", "btree")
IO = os.environ.get("BITCASK_BENCH_IO", "mmap")
SETTINGS = f"BITCASK_BENCH_N={N} BITCASK_BENCH_INDEX={INDEX} BITCASK_BENCH_IO={IO}"
COMMAND = f"{SETTINGS} python bindings/python/bench.py"


def report(name: str, value: float, unit: str = "ns") -> None:
    line = {"name": name, "value": round(value, 1), "unit": unit, "command": COMMAND}
    print(json.dumps(line), flush=True)


def best(work: Callable[[], object], rounds: int = 3) -> int:
    """Nanoseconds of the fastest round."""
    times: list[int] = []
    for _ in range(rounds):
        start = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - start)
    return min(times)


def drain(iterable: Iterable[object]) -> None:
    deque(iterable, maxlen=0)


def main(directory: str) -> None:
    rng = random.Random(1)
    keys = [rng.randbytes(24) for _ in range(N)]
    value = rng.randbytes(150)
    order = rng.sample(keys, len(keys))
    store = bitcask.open(directory, index=INDEX, io=IO, durability="none")  # type: ignore[arg-type]

    def loop() -> None:
        for _ in order:
            pass

    def put() -> None:
        for key in keys:
            store[key] = value

    def get() -> None:
        for key in order:
            store[key]

    def method() -> None:
        lookup = store.get
        for key in order:
            lookup(key)

    def many() -> None:
        for at in range(0, N, 1000):
            store.multi_get(order[at : at + 1000])

    def many_by_one() -> None:
        lookup = store.get
        for at in range(0, N, 1000):
            [lookup(key) for key in order[at : at + 1000]]

    def contains() -> None:
        for key in order:
            key in store  # noqa: B015

    def ranges() -> None:
        for key in order[: N // 10]:
            drain(store.range(key, limit=10))

    def threads() -> None:
        parts = [threading.Thread(target=lambda i=i: drain(map(store.__getitem__, order[i::4]))) for i in range(4)]
        for part in parts:
            part.start()
        for part in parts:
            part.join()

    empty = best(loop)
    report("python_put_ns", (best(put, 1) - empty) / N)
    report("python_get_ns", (best(get) - empty) / N)
    report("python_get_method_ns", (best(method) - empty) / N)
    report("python_multi_get_ns", best(many) / N)
    report("python_gets_1000_ns", best(many_by_one) / N)
    report("python_contains_ns", (best(contains) - empty) / N)
    one = best(lambda: drain(map(store.__getitem__, order)))
    report("python_4_threads_ratio", one / best(threads), "times one thread's rate")
    report("python_items_ns", best(lambda: drain(store.items())) / N)
    report("python_keys_ns", best(lambda: drain(store)) / N)
    if INDEX != "hash":  # Which sorts for each range.
        report("python_range_10_ns", best(ranges) / (N // 10))
    with_dict = dict.fromkeys(keys, value)

    def plain() -> None:
        for key in order:
            with_dict[key]

    report("python_dict_get_ns", (best(plain) - empty) / N)
    store.close()


if __name__ == "__main__":
    base = tempfile.mkdtemp(prefix="bitcask-bench-", dir=sys.argv[1] if len(sys.argv) > 1 else None)
    try:
        main(os.path.join(base, "store"))
    finally:
        shutil.rmtree(base)
