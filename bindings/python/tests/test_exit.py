"""The interpreter ends with live objects, in every way that we know, without a crash, a hang or a word.

BITCASK_EXITS is the number of exits (50; a long run has 1,000).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import INDEX_KINDS

import bitcask

EXITS = int(os.environ.get("BITCASK_EXITS", "50"))

START = """
import atexit, builtins, gc, os, sys, threading, time, weakref
import bitcask
store = bitcask.open(sys.argv[1], index=sys.argv[2], durability=sys.argv[3], sync_interval=0.001)
store.update({b"%05d" % i: b"v" * 50 for i in range(2000)})
batch = store.batch()
batch[b"never"] = b"1"
scan = store.range()
next(scan)
snapshot, transaction, load = store.snapshot(), store.transaction(), store.bulk_load()
transaction[b"never"] = load[b"never"] = b"1"
def forever(act):
    def run():
        while True:
            act()
    threading.Thread(target=run, daemon=True).start()
"""

ENDS = {
    "everything alive": "",
    "only the iterator": "del store, batch, snapshot, transaction, load",
    "only the batch": "del store, scan, snapshot, transaction, load",
    "only the snapshot": "del store, batch, scan, transaction, load",
    "only the transaction": "del store, batch, scan, snapshot, load",
    "only the load": "del store, batch, scan, snapshot, transaction",
    "closed with children": "store.close()",
    "in a cycle": "cycle = [store, scan, batch]; cycle.append(cycle); del store, scan, batch, cycle",
    "in an uncollected cycle": "gc.disable(); cycle = [store]; cycle.append(cycle); del store, cycle",
    "kept by builtins": "builtins.kept = (store, scan, batch)",
    "kept by another module": "sys.kept = store; threading.kept = scan; os.kept = batch",
    "an attribute's finalizer uses it": """
class User:
    def __init__(self, store): self.store = store
    def __del__(self): self.store[b"00001"] = b"x" * 50; list(self.store.range(limit=3))
user = User(store)
kept = [user]; kept.append(kept)
""",
    "atexit uses it": "atexit.register(lambda: (store.put(b'00001', b'x' * 50), list(scan), store.close()))",
    "a finalizer of the store": "weakref.finalize(store, lambda: None)",
    "sys.exit": "sys.exit(0)",
    "os._exit": "sys.stdout.flush(); os._exit(0)",
    "daemon threads put": "[forever(lambda: store.put(b'00001', b'x' * 50)) for _ in range(3)]; time.sleep(0.02)",
    "daemon threads sync": "[forever(lambda: store.put(b'00001', b'x' * 50, sync=True)) for _ in range(3)]; time.sleep(0.02)",
    "daemon threads get": "[forever(lambda: store[b'00001']) for _ in range(3)]; time.sleep(0.02)",
    "daemon threads iterate": "[forever(lambda: list(store.items())) for _ in range(3)]; time.sleep(0.02)",
    "daemon threads share an iterator": """
def turn():
    next(scan, None) or scan.seek(b"")
[forever(turn) for _ in range(3)]; time.sleep(0.02)
""",
    "daemon threads transact": """
def change(t): t[b"00001"] = t[b"00002"][:0] + b"x" * 50
[forever(lambda: (store.transact(change), store.snapshot().get(b"00001"))) for _ in range(3)]; time.sleep(0.02)
""",
    "a daemon thread merges": "forever(lambda: store.merge(everything=True, progress=lambda at: None)); time.sleep(0.02)",
    "a daemon thread, and closed": "forever(lambda: b'x' in store); threading.excepthook = lambda *_: None; store.close()",
    "a thread that goes on": "threading.Thread(target=lambda: (time.sleep(0.05), store.put(b'00001', b'x' * 50))).start()",
    "a stuck daemon thread": "forever(lambda: time.sleep(1000))",
}


@pytest.mark.parametrize("round_", range((EXITS + len(ENDS) - 1) // len(ENDS)))
@pytest.mark.parametrize("end", ENDS)
def test_exits(path: Path, end: str, round_: int) -> None:
    index, durability = INDEX_KINDS[round_ % len(INDEX_KINDS)], ("none", "interval", "always")[round_ % 3]
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", START + ENDS[end], path, index, durability],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    with bitcask.open(path) as store:
        assert len(store) == 2000 and set(store.values()) <= {b"v" * 50, b"x" * 50}


def test_an_uncaught_exception(path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", START + "raise ZeroDivisionError", path, "btree", "none"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1 and run.stderr.endswith("ZeroDivisionError\n")
    with bitcask.open(path) as store:
        assert len(store) == 2000
