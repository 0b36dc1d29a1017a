"""Runs the conformance cases of tests/conformance/, whose language its README defines.

This file knows that language and this package, and no case. Each case is a test under each index kind and I/O kind.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import itertools
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from conftest import INDEX_KINDS as KINDS
from conftest import figures_hold

import bitcask

CASES = Path(__file__).parents[3] / "tests" / "conformance"
IO_KINDS = ("mmap", "file")
POLICY = {field.name for field in dataclasses.fields(bitcask.MergePolicy)} - {"window"}


@dataclass
class Operation:
    line: int
    name: str
    object: str | None
    arguments: list[str]
    options: dict[str, str]
    expected: list[str]


@dataclass
class Case:
    file: str
    name: str
    options: list[str]
    operations: list[Operation] = field(default_factory=list[Operation])


def read_cases(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*.case")):
        case: Case | None = None
        for number, line in enumerate(path.read_text("ascii").splitlines(), 1):
            if not line or line.startswith("#"):
                continue
            words = line.split(" ")
            if words[0] == "case":
                if case:
                    yield case
                case = Case(path.name, words[1], words[2:])
                continue
            assert case, f"{path.name}:{number}: an operation before the first case"
            arrow = words.index("->") if "->" in words else len(words)
            name, _, target = words[0].partition("@")
            arguments = [word for word in words[1:arrow] if "=" not in word]
            options = dict(word.split("=", 1) for word in words[1:arrow] if "=" in word)
            results = words[arrow + 1 :]
            expected = [word for word in results if not re.match("(rust|c|cpp|python|go)=", word)]
            for word in results:
                if word.startswith("python="):
                    expected = [word.removeprefix("python=")]
            case.operations.append(Operation(number, name, target or None, arguments, options, expected))
        if case:
            yield case


@functools.lru_cache(maxsize=64)
def generated(seed: int, length: int) -> bytes:
    x, made = seed, bytearray()
    for _ in range(min(length, 65_521)):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        made.append(x >> 56)
    return bytes(made) * (length // 65_521) + bytes(made)[: length % 65_521] if length > 65_521 else bytes(made)


def parse(token: str) -> bytes:
    """Bytes, as a token writes them."""
    if token == "-":
        return b""
    parts: list[bytes] = []
    for part in token.split("+"):
        if match := re.fullmatch(r"rep:([0-9a-f]{2})\*(\d+)", part):
            parts.append(bytes.fromhex(match[1]) * int(match[2]))
        elif match := re.fullmatch(r"gen:(\d+)\*(\d+)", part):
            parts.append(generated(int(match[1]), int(match[2])))
        else:
            assert re.fullmatch("([0-9a-f]{2})+", part), f"no bytes: {token}"
            parts.append(bytes.fromhex(part))
    return b"".join(parts)


# What an operation gives: a status or word, a number, bytes, or a list of keys or pairs.
Result = str | int | bytes | list[Any]
NUMBERS = {"len", "stat", "count", "filled", "flip", "batch_len"}
NUMBERS |= {"value_size", "multi_filled", "count_range", "random_key"}
NUMBERS |= {"batch_byte_len", "txn_len", "fetch_add", "file_stat", "sweep", "fetch_add_ttl", "opened"}
BYTES = {"get", "get_into", "held", "batch_get", "txn_get", "txn_get_for_update", "update_append", "update_delete"}
RECORDS = {"iter", "iter_next", "batch_iter", "txn_iter"}
PAIR = {"first", "last"}
for _kind in (NUMBERS, BYTES, RECORDS, PAIR):
    _kind |= {f"snapshot_{name}" for name in _kind}


def wanted(operation: Operation) -> Result:
    """The expected result, as a value of Python."""
    assert operation.expected, "no result"
    first = operation.expected[0]
    if operation.name.removeprefix("snapshot_") == "multi_get" and (first == "NOT_FOUND" or not re.fullmatch("[A-Z_]+", first)):
        values = [] if operation.expected == ["none"] else operation.expected
        return [None if token == "NOT_FOUND" else parse(token) for token in values]
    if re.fullmatch("[A-Z_]+", first):
        return " ".join(operation.expected)
    if operation.name not in RECORDS:
        assert len(operation.expected) == 1, "too many results"
    if operation.name in NUMBERS:
        return int(first)
    if operation.name in BYTES:
        return parse(first)
    if operation.name in PAIR:
        key, equals, value = first.partition("=")
        assert equals, "no pair"
        return [(parse(key), parse(value))]
    if operation.name in RECORDS:
        if operation.expected == ["none"]:
            return []
        pairs = [token.partition("=") for token in operation.expected]
        return [(parse(key), parse(value)) if equals else parse(key) for key, equals, value in pairs]
    return first


T = TypeVar("T")


class Objects(dict[str, T]):
    """Objects by name. One that is not there is the case's mistake, and not a key that was not found."""

    def __missing__(self, name: str) -> T:
        raise AssertionError(f"no object {name}")


class Loop:
    """An event loop in which queued writes are awaited: it runs whenever something is asked of it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        async def awaiting() -> T:
            return await work()

        return self.loop.run_until_complete(awaiting())


class Watch:
    """A callback of an opening that checks what it is told."""

    def __init__(self) -> None:
        self.told: list[bitcask.OpenProgress] = []

    def __call__(self, progress: bitcask.OpenProgress) -> None:
        self.told.append(progress)

    def check(self) -> None:
        assert self.told, "the callback was never called"
        for before, after in itertools.pairwise(self.told):
            assert before.bytes_done <= after.bytes_done and before.records <= after.records, "progress fell"
        assert all(progress.bytes_done <= progress.bytes_total for progress in self.told), "more done than there is"


Source = bitcask.Store | bitcask.Snapshot
Writes = bitcask.Batch | bitcask.Transaction


class Runner:
    def __init__(self, root: Path, kind: str, io: str, reuse: bool) -> None:
        self.root, self.kind, self.io, self.reuse = root, kind, io, reuse
        self.stores = Objects[bitcask.Store]()
        self.opened = Objects[dict[str, str]]()
        self.batches = Objects[bitcask.Batch]()
        self.scans = Objects[bitcask.Scan[Any]]()
        self.values = Objects[bytes]()
        self.loads = Objects[bitcask.BulkLoad]()
        self.snapshots = Objects[bitcask.Snapshot]()
        self.transactions = Objects[bitcask.Transaction]()
        self.savepoints = Objects[bitcask.Savepoint]()
        self.numbers = Objects[int]()
        self.queued = Objects["asyncio.Future[Any]"]()
        self.deletes = set[str]()
        self.loop = Loop()
        self.lent: list[bytearray] = []

    def run(self, operation: Operation) -> Result:
        try:
            return getattr(self, f"do_{operation.name}")(operation)  # type: ignore[no-any-return]
        except bitcask.Error as error:
            return error.status
        except KeyError:
            return "NOT_FOUND"

    def finish(self) -> None:
        for future in self.queued.values():
            self.await_outcome(future)
        self.loop.loop.close()
        objects: list[Objects[Any]] = [self.scans, self.transactions, self.snapshots, self.batches, self.loads]
        for kind in [*objects, self.queued, self.savepoints, self.values]:
            kind.clear()
        for store in self.stores.values():
            store.close()

    def lend(self, contents: bytes) -> Any:
        """The bytes, in a buffer of ours that is overwritten after the call if the case says so."""
        if not self.reuse:
            return contents
        self.lent.append(bytearray(contents))
        return self.lent[-1]

    def after(self, result: Any) -> Any:
        for buffer in self.lent:
            buffer[:] = b"\xaa" * len(buffer)
        self.lent.clear()
        return result

    def store(self, operation: Operation) -> bitcask.Store:
        return self.stores[operation.options.get("of") or operation.object or "db"]

    def batch(self, operation: Operation) -> bitcask.Batch:
        return self.batches[operation.object or "b"]

    def directory(self, options: dict[str, str]) -> Path:
        return self.root / options.get("dir", "store")

    def open_with(self, name: str, options: dict[str, str]) -> str:
        given: dict[str, Any] = {"index": self.kind, "io": self.io, "background_merge": False}
        policy, watch = dict[str, Any](), Watch()
        for option, value in options.items():
            match option:
                case "dir":
                    pass
                case "index":
                    given["index"] = KINDS[(KINDS.index(self.kind) + 1) % len(KINDS)] if value == "next" else value
                case "io":
                    given["io"] = value
                case "durability":
                    given["durability"] = value
                case "interval_ms":
                    given |= {"durability": "interval", "sync_interval": int(value) / 1000}
                case "interval_bytes":
                    given["sync_bytes"] = int(value)
                case "max_file_size" | "sort_budget" | "index_budget" | "checkpoint_bytes":
                    given[option] = int(value)
                case "create" | "read_only":
                    given[option] = {"yes": True, "no": False}[value]
                case "verify":
                    given["verify_checksums"] = {"yes": True, "no": False}[value]
                case "on_damage":
                    given["on_damage"] = value
                case "expiry_ms":
                    given["expiry"] = int(value) / 1000
                case "progress":
                    given["progress"] = {"watch": watch, "cancel": lambda progress: False}[value]
                case _ if option in POLICY:
                    policy[option] = int(value)
                case _:
                    raise AssertionError(f"unknown store option {option}")
        if policy:
            given["merge_policy"] = bitcask.MergePolicy(**policy)
        self.stores[name] = bitcask.open(self.directory(options), **given)
        if options.get("progress") == "watch":
            watch.check()
        self.opened[name] = {option: value for option, value in options.items() if option != "progress"}
        return "OK"

    def do_open(self, operation: Operation) -> str:
        return self.open_with(operation.object or "db", operation.options)

    def do_reopen(self, operation: Operation) -> str:
        name = operation.object or "db"
        self.stores[name].close()
        return self.open_with(name, self.opened[name] | operation.options)

    def do_close(self, operation: Operation) -> str:
        self.store(operation).close()
        return "OK"

    def do_put(self, operation: Operation, sync: bool = False) -> str:
        key, value = map(parse, operation.arguments)
        if sync:
            self.store(operation).put(self.lend(key), self.lend(value), sync=True)
        else:
            self.store(operation)[self.lend(key)] = self.lend(value)
        self.after(None)
        return "OK"

    def do_put_sync(self, operation: Operation) -> str:
        return self.do_put(operation, sync=True)

    def do_get(self, operation: Operation) -> bytes:
        (key,) = map(parse, operation.arguments)
        value = self.store(operation)[self.lend(key)]
        return self.after(value)  # type: ignore[no-any-return]

    def do_get_into(self, operation: Operation) -> Result:
        key, capacity = operation.arguments
        value = self.store(operation)[self.lend(parse(key))]
        self.after(None)
        return value if len(value) <= int(capacity) else f"BUFFER_TOO_SMALL {len(value)}"

    def do_value_size(self, operation: Operation) -> Result:
        (key,) = map(parse, operation.arguments)
        size = self.after(self.store(operation).value_size(self.lend(key)))
        return "NOT_FOUND" if size is None else size

    def do_multi_get(self, operation: Operation) -> list[bytes | None]:
        """By each kind of iterable, which must agree."""
        keys, multi_get = [*map(parse, operation.arguments)], self.store(operation).multi_get
        forms: list[Callable[[Iterable[Any]], Iterable[Any]]] = [list, tuple, iter, dict.fromkeys, lambda keys: keys]
        if self.reuse or len(set(keys)) < len(keys):
            forms.remove(dict.fromkeys)  # Whose keys have to be immutable, and different.
        answers = [self.after(multi_get(form(self.lend(key) for key in keys))) for form in forms]
        assert all(answer == answers[0] for answer in answers), "multi_get depends on the kind of iterable"
        return answers[0]  # type: ignore[no-any-return]

    def do_multi_filled(self, operation: Operation) -> int:
        pairs = [*self.pairs(operation)]
        values = self.after(self.store(operation).multi_get([self.lend(key) for key, _ in pairs]))
        return sum(got == value for got, (_, value) in zip(values, pairs, strict=True))

    def do_first(self, operation: Operation) -> Result:
        pair = self.store(operation).first()
        return "NOT_FOUND" if pair is None else [pair]

    def do_last(self, operation: Operation) -> Result:
        pair = self.store(operation).last()
        return "NOT_FOUND" if pair is None else [pair]

    def do_random_key(self, operation: Operation) -> Result:
        store, seen = self.store(operation), set[bytes]()
        for _ in range(int(operation.arguments[0])):
            key = store.random_key()
            if key is None:
                return "NOT_FOUND"
            assert key in store, "a random key that is none"
            seen.add(key)
        return len(seen)

    def do_contains(self, operation: Operation) -> str:
        (key,) = map(parse, operation.arguments)
        return "yes" if self.after(self.lend(key) in self.store(operation)) else "no"

    def do_delete(self, operation: Operation, sync: bool = False) -> str:
        (key,) = map(parse, operation.arguments)
        return "yes" if self.after(self.store(operation).delete(self.lend(key), sync=sync)) else "no"

    def do_delete_sync(self, operation: Operation) -> str:
        return self.do_delete(operation, sync=True)

    def do_len(self, operation: Operation) -> int:
        return len(self.store(operation))

    def do_sync(self, operation: Operation) -> str:
        self.store(operation).sync()
        return "OK"

    def do_stat(self, operation: Operation) -> int:
        return getattr(self.store(operation).stats(), operation.arguments[0])  # type: ignore[no-any-return]

    def do_opened(self, operation: Operation) -> int:
        told = getattr(self.store(operation).open_report(), operation.arguments[0])
        return told if isinstance(told, int) else len(told)

    def do_hold(self, operation: Operation) -> str:
        self.values[operation.object or "v"] = self.store(
            Operation(0, "", operation.options.get("of"), [], {}, [])
        )[self.lend(parse(operation.arguments[0]))]
        self.after(None)
        return "OK"

    def do_held(self, operation: Operation) -> bytes:
        return self.values[operation.object or "v"]

    def do_release(self, operation: Operation) -> str:
        del self.values[operation.object or "v"]
        return "OK"

    def range(self, options: dict[str, str]) -> tuple[dict[str, Any], bool]:
        """The arguments of range() and its like, and whether keys alone are wanted."""
        given: dict[str, Any] = {}
        keys_only = False
        for option, value in options.items():
            match option:
                case "of" | "snapshot" | "batch" | "txn":
                    pass
                case "prefix":
                    given["prefix"] = self.lend(parse(value))
                case "ge" | "gt":
                    given |= {"start": self.lend(parse(value)), "start_inclusive": option == "ge"}
                case "le" | "lt":
                    given |= {"end": self.lend(parse(value)), "end_inclusive": option == "le"}
                case "limit":
                    given["limit"] = int(value)
                case "reverse":
                    given["reverse"] = {"yes": True, "no": False}[value]
                case "keys_only":
                    keys_only = {"yes": True, "no": False}[value]
                case _:
                    raise AssertionError(f"unknown iterator option {option}")
        return given, keys_only

    def scan(self, store: Source | Writes, options: dict[str, str]) -> bitcask.Scan[Any]:
        given, keys_only = self.range(options)
        scan: bitcask.Scan[Any] = store.range_keys(**given) if keys_only else store.range(**given)
        return self.after(scan)  # type: ignore[no-any-return]

    def do_iter(self, operation: Operation) -> list[Any]:
        return list(self.scan(self.store(operation), operation.options))

    def do_count_range(self, operation: Operation) -> int:
        given, _ = self.range(operation.options)
        return self.after(self.store(operation).count(**given))  # type: ignore[no-any-return]

    def do_count(self, operation: Operation) -> int:
        records = self.do_iter(operation)
        keys = [record if isinstance(record, bytes) else record[0] for record in records]
        reverse = operation.options.get("reverse") == "yes"
        assert all((a > b) if reverse else (a < b) for a, b in itertools.pairwise(keys)), "out of order"
        return len(keys)

    def pairs(self, operation: Operation) -> Iterator[tuple[bytes, bytes]]:
        count, prefix, length = int(operation.arguments[0]), parse(operation.arguments[1]), int(operation.arguments[2])
        for i in range(count):
            yield prefix + i.to_bytes(4, "big"), generated(i, length)

    def do_fill(self, operation: Operation) -> str:
        for key, value in self.pairs(operation):
            self.store(operation)[self.lend(key)] = self.lend(value)
            self.after(None)
        return "OK"

    def do_filled(self, operation: Operation) -> int:
        return sum(self.store(operation).get(key) == value for key, value in self.pairs(operation))

    def do_flip(self, operation: Operation) -> int:
        sought, found = parse(operation.arguments[0]), 0
        assert len(sought) >= 8
        for number in range(1, 65):
            file = self.directory(operation.options) / f"{number}.data"
            if not file.exists():
                continue
            contents = file.read_bytes()
            with file.open("r+b") as opened:
                at = contents.find(sought)
                while at >= 0:
                    found += 1
                    opened.seek(at)
                    opened.write(bytes([contents[at] ^ 1]))
                    at = contents.find(sought, at + 1)
        return found

    def do_batch_new(self, operation: Operation) -> str:
        store = self.stores[operation.options.get("of", "db")]
        self.batches[operation.object or "b"] = store.batch()
        return "OK"

    def do_batch_put(self, operation: Operation) -> str:
        key, value = map(parse, operation.arguments)
        self.batch(operation).put(self.lend(key), self.lend(value))
        self.after(None)
        return "OK"

    def do_batch_delete(self, operation: Operation) -> str:
        (key,) = map(parse, operation.arguments)
        self.batch(operation).delete(self.lend(key))
        self.after(None)
        return "OK"

    def do_batch_clear(self, operation: Operation) -> str:
        self.batch(operation).clear()
        return "OK"

    def do_batch_fill(self, operation: Operation) -> str:
        for key, value in self.pairs(operation):
            self.batch(operation)[self.lend(key)] = self.lend(value)
            self.after(None)
        return "OK"

    def do_batch_len(self, operation: Operation) -> int:
        return len(self.batch(operation))

    def do_batch_commit(self, operation: Operation) -> str:
        self.batch(operation).commit()
        return "OK"

    def do_batch_commit_sync(self, operation: Operation) -> str:
        self.batch(operation).commit(sync=True)
        return "OK"

    def do_batch_free(self, operation: Operation) -> str:
        del self.batches[operation.object or "b"]
        return "OK"

    def do_iter_open(self, operation: Operation) -> str:
        store: Source | Writes
        match operation.options:
            case {"snapshot": name}:
                store = self.snapshots[name]
            case {"batch": name}:
                store = self.batches[name]
            case {"txn": name}:
                store = self.transactions[name]
            case options:
                store = self.stores[options.get("of", "db")]
        self.scans[operation.object or "it"] = self.scan(store, operation.options)
        return "OK"

    def do_iter_next(self, operation: Operation) -> list[Any]:
        return list(itertools.islice(self.scans[operation.object or "it"], int(operation.arguments[0])))

    def do_iter_seek(self, operation: Operation) -> str:
        (key,) = map(parse, operation.arguments)
        self.scans[operation.object or "it"].seek(self.lend(key))
        self.after(None)
        return "OK"

    def do_iter_skip_damaged(self, operation: Operation) -> str:
        self.scans[operation.object or "it"].skip_damaged()
        return "OK"

    def do_iter_rewind(self, operation: Operation) -> str:
        self.scans[operation.object or "it"].rewind()
        return "OK"

    def do_iter_free(self, operation: Operation) -> str:
        del self.scans[operation.object or "it"]
        return "OK"

    # Numbers of commits.

    def keep(self, operation: Operation, number: int) -> None:
        if "as" in operation.options:
            self.numbers[operation.options["as"]] = number

    def do_put_seq(self, operation: Operation) -> str:
        """By both calls that tell the number, in turn."""
        key, value = map(parse, operation.arguments)
        store, sync = self.store(operation), operation.options.get("sync") == "yes"
        if len(key) % 2:
            number = store.put(self.lend(key), self.lend(value), sync=sync)
        else:
            number = store.put_seq(self.lend(key), self.lend(value), sync=sync).seq
        self.keep(operation, self.after(number))
        return "OK"

    def do_delete_seq(self, operation: Operation) -> str:
        (key,) = map(parse, operation.arguments)
        written = self.store(operation).delete_seq(self.lend(key), sync=operation.options.get("sync") == "yes")
        self.keep(operation, self.after(written).seq)
        return "yes" if written.existed else "no"

    def do_batch_commit_seq(self, operation: Operation) -> str:
        self.keep(operation, self.batch(operation).commit(sync=operation.options.get("sync") == "yes"))
        return "OK"

    def do_last_seq(self, operation: Operation) -> str:
        self.keep(operation, self.store(operation).last_seq)
        return "OK"

    def do_durable_seq(self, operation: Operation) -> str:
        self.keep(operation, self.store(operation).durable_seq)
        return "OK"

    def do_compare(self, operation: Operation) -> str:
        left, right = (self.numbers[name] for name in operation.arguments)
        return "less" if left < right else "more" if left > right else "same"

    def do_wait_durable(self, operation: Operation) -> str:
        number = self.numbers[operation.arguments[0]] + int(operation.options.get("plus", "0"))
        limit = operation.options.get("timeout_ms")
        store = self.store(operation)
        return "yes" if store.wait_durable(number, None if limit is None else int(limit) / 1000) else "no"

    # Queued writes.

    def queue(self, operation: Operation, write: Callable[[], Awaitable[Any]]) -> str:
        name = operation.object or "w"
        self.deletes.discard(name)
        future = self.loop.loop.create_future()

        async def begin() -> None:
            # A call that fails at once is an outcome too. The future that the call gives is awaited later.
            try:
                self.queued[name] = asyncio.ensure_future(write())
            except bitcask.Error as error:
                future.set_exception(error)
                self.queued[name] = future

        self.loop.run(begin)
        return "OK"

    def do_async_put(self, operation: Operation) -> str:
        key, value = map(parse, operation.arguments)
        store, sync = self.stores[operation.options.get("of", "db")], operation.options.get("sync") == "yes"
        self.queue(operation, lambda: self.after(store.put_async(self.lend(key), self.lend(value), sync=sync)))
        return "OK"

    def do_async_delete(self, operation: Operation) -> str:
        (key,) = map(parse, operation.arguments)
        store, sync = self.stores[operation.options.get("of", "db")], operation.options.get("sync") == "yes"
        self.queue(operation, lambda: self.after(store.delete_async(self.lend(key), sync=sync)))
        self.deletes.add(operation.object or "w")
        return "OK"

    def do_async_commit(self, operation: Operation) -> str:
        batch, sync = self.batches[operation.options.get("of", "b")], operation.options.get("sync") == "yes"
        return self.queue(operation, lambda: batch.commit_async(sync=sync))

    def await_outcome(self, future: asyncio.Future[Any]) -> Any:
        try:
            return self.loop.run(lambda: future)
        except bitcask.Error as error:
            return error

    def do_outcome(self, operation: Operation) -> str:
        name = operation.object or "w"
        outcome = self.await_outcome(self.queued[name])
        if isinstance(outcome, bitcask.Error):
            raise outcome
        self.keep(operation, outcome if isinstance(outcome, int) else outcome.seq)
        return "OK" if name not in self.deletes else "yes" if outcome.existed else "no"

    def do_refresh(self, operation: Operation) -> str:
        return "yes" if self.store(operation).refresh().changed else "no"

    # Batches and transactions.

    def transaction(self, operation: Operation) -> bitcask.Transaction:
        return self.transactions[operation.object or "t"]

    def looked_up(self, operation: Operation, get: Callable[[Any], bytes | None]) -> Result:
        (key,) = map(parse, operation.arguments)
        value = self.after(get(self.lend(key)))
        return "NOT_FOUND" if value is None else value

    def delete_range(self, writes: Writes, operation: Operation) -> str:
        assert operation.options.keys() <= {"ge", "lt"}, "unknown option of a range to delete"
        given, _ = self.range(operation.options)
        writes.delete_range(**given)
        self.after(None)
        return "OK"

    def delete_prefix(self, writes: Writes, operation: Operation) -> str:
        writes.delete_prefix(self.lend(parse(operation.arguments[0])))
        self.after(None)
        return "OK"

    def savepoint(self, writes: Writes, operation: Operation) -> str:
        self.savepoints[operation.options["as"]] = writes.savepoint()
        return "OK"

    def do_batch_get(self, operation: Operation) -> Result:
        return self.looked_up(operation, self.batch(operation).get)

    def do_batch_iter(self, operation: Operation) -> list[Any]:
        return list(self.scan(self.batch(operation), operation.options))

    def do_batch_delete_range(self, operation: Operation) -> str:
        return self.delete_range(self.batch(operation), operation)

    def do_batch_delete_prefix(self, operation: Operation) -> str:
        return self.delete_prefix(self.batch(operation), operation)

    def do_batch_byte_len(self, operation: Operation) -> int:
        return self.batch(operation).byte_len

    def do_batch_savepoint(self, operation: Operation) -> str:
        return self.savepoint(self.batch(operation), operation)

    def do_batch_rollback_to(self, operation: Operation) -> str:
        self.savepoints[operation.arguments[0]].rollback()
        return "OK"

    def do_batch_release(self, operation: Operation) -> str:
        self.savepoints[operation.arguments[0]].release()
        return "OK"

    def do_txn_new(self, operation: Operation) -> str:
        self.transactions[operation.object or "t"] = self.stores[operation.options.get("of", "db")].transaction()
        return "OK"

    def do_txn_get(self, operation: Operation) -> Result:
        """By subscription, which must agree with get."""
        transaction, (key,) = self.transaction(operation), map(parse, operation.arguments)
        value = self.looked_up(operation, transaction.get)
        assert self.after(transaction.get(self.lend(key), "NOT_FOUND")) == value
        return self.after(transaction[self.lend(key)])  # type: ignore[no-any-return]

    def do_txn_get_for_update(self, operation: Operation) -> Result:
        return self.looked_up(operation, self.transaction(operation).get_for_update)

    def do_txn_contains(self, operation: Operation) -> str:
        (key,) = map(parse, operation.arguments)
        return "yes" if self.after(self.lend(key) in self.transaction(operation)) else "no"

    def do_txn_iter(self, operation: Operation) -> list[Any]:
        return list(self.scan(self.transaction(operation), operation.options))

    def do_txn_put(self, operation: Operation) -> str:
        key, value = map(parse, operation.arguments)
        self.transaction(operation)[self.lend(key)] = self.lend(value)
        self.after(None)
        return "OK"

    def do_txn_delete(self, operation: Operation) -> str:
        (key,) = map(parse, operation.arguments)
        del self.transaction(operation)[self.lend(key)]
        self.after(None)
        return "OK"

    def do_txn_delete_range(self, operation: Operation) -> str:
        return self.delete_range(self.transaction(operation), operation)

    def do_txn_delete_prefix(self, operation: Operation) -> str:
        return self.delete_prefix(self.transaction(operation), operation)

    def do_txn_savepoint(self, operation: Operation) -> str:
        return self.savepoint(self.transaction(operation), operation)

    do_txn_rollback_to, do_txn_release = do_batch_rollback_to, do_batch_release

    def do_txn_len(self, operation: Operation) -> int:
        return self.transaction(operation).writes

    def do_txn_seq(self, operation: Operation) -> str:
        self.keep(operation, self.transaction(operation).seq)
        return "OK"

    def do_txn_commit(self, operation: Operation) -> str:
        self.keep(operation, self.transaction(operation).commit(sync=operation.options.get("sync") == "yes"))
        return "OK"

    def do_txn_rollback(self, operation: Operation) -> str:
        """Of one that is over it does nothing in Python, as a second close: an open store is asked first whether it is over."""
        transaction = self.transaction(operation)
        with contextlib.suppress(bitcask.ClosedError):
            assert transaction.seq >= 0
        transaction.rollback()
        return "OK"

    def do_txn_free(self, operation: Operation) -> str:
        del self.transactions[operation.object or "t"]
        return "OK"

    # Changes of one key.

    def do_compare_and_swap(self, operation: Operation) -> str:
        key, *values = operation.arguments
        old, new = (None if value == "none" else self.lend(parse(value)) for value in values)
        swapped = self.store(operation).compare_and_swap(self.lend(parse(key)), old, new)
        return "yes" if self.after(swapped) else "no"

    def do_put_if_absent(self, operation: Operation) -> str:
        key, value = map(parse, operation.arguments)
        return "yes" if self.after(self.store(operation).put_if_absent(self.lend(key), self.lend(value))) else "no"

    def do_fetch_add(self, operation: Operation) -> int:
        key, delta = operation.arguments
        return self.after(self.store(operation).fetch_add(self.lend(parse(key)), int(delta)))  # type: ignore[no-any-return]

    def do_update_append(self, operation: Operation) -> Result:
        key, more = map(parse, operation.arguments)
        new = self.store(operation).modify(self.lend(key), lambda value: self.lend((value or b"") + more))
        return self.after(new)  # type: ignore[no-any-return]

    def do_update_delete(self, operation: Operation) -> Result:
        (key,) = map(parse, operation.arguments)
        new = self.after(self.store(operation).modify(self.lend(key), lambda value: None))
        return "NOT_FOUND" if new is None else new

    # Bulk loads.

    def do_bulk_new(self, operation: Operation) -> str:
        options = {name: operation.options[name] == "yes" for name in ("atomic", "sync") if name in operation.options}
        self.loads[operation.object or "l"] = self.stores[operation.options.get("of", "db")].bulk_load(**options)
        return "OK"

    def do_bulk_put(self, operation: Operation) -> str:
        key, value = map(parse, operation.arguments)
        self.loads[operation.object or "l"][self.lend(key)] = self.lend(value)
        self.after(None)
        return "OK"

    def do_bulk_fill(self, operation: Operation) -> str:
        load = self.loads[operation.object or "l"]
        for key, value in self.pairs(operation):
            load.put(self.lend(key), self.lend(value))
            self.after(None)
        return "OK"

    def do_bulk_finish(self, operation: Operation) -> str:
        self.loads[operation.object or "l"].finish()
        return "OK"

    def do_bulk_free(self, operation: Operation) -> str:
        self.loads.pop(operation.object or "l").abandon()
        return "OK"

    # Snapshots.

    def snapshot(self, operation: Operation) -> bitcask.Snapshot:
        return self.snapshots[operation.object or "s"]

    def do_snapshot_new(self, operation: Operation) -> str:
        self.snapshots[operation.object or "s"] = self.stores[operation.options.get("of", "db")].snapshot()
        return "OK"

    def do_snapshot_seq(self, operation: Operation) -> str:
        self.keep(operation, self.snapshot(operation).seq)
        return "OK"

    def do_snapshot_free(self, operation: Operation) -> str:
        self.snapshots.pop(operation.object or "s").close()
        return "OK"

    def do_snapshot(self, operation: Operation) -> Result:
        """What reads a store reads a snapshot."""
        reads = getattr(self, "do_" + operation.name.removeprefix("snapshot_"))
        name, snapshot = operation.object or "s", self.snapshot(operation)
        shadowed = {key: self.stores[key] for key in {name} & self.stores.keys()}
        self.stores[name] = snapshot  # type: ignore[assignment]
        try:
            return reads(dataclasses.replace(operation, object=name))  # type: ignore[no-any-return]
        finally:
            del self.stores[name]
            self.stores.update(shadowed)

    do_snapshot_get = do_snapshot_get_into = do_snapshot_value_size = do_snapshot_multi_get = do_snapshot
    do_snapshot_multi_filled = do_snapshot_first = do_snapshot_last = do_snapshot_count_range = do_snapshot
    do_snapshot_contains = do_snapshot_len = do_snapshot_iter = do_snapshot_count = do_snapshot_filled = do_snapshot

    # Expiry.

    def expiring(self, operation: Operation) -> Any:
        match operation.name.partition("_")[0]:
            case "batch":
                return self.batch(operation)
            case "txn":
                return self.transaction(operation)
            case "bulk":
                return self.loads[operation.object or "l"]
            case _:
                return self.store(operation)

    def do_put_ttl(self, operation: Operation) -> str:
        """By a timedelta and by seconds, in turn."""
        key, value = map(parse, operation.arguments[:2])
        ttl = timedelta(milliseconds=int(operation.arguments[2]))
        self.expiring(operation).put(self.lend(key), self.lend(value), ttl=ttl if len(key) % 2 else ttl.total_seconds())
        self.after(None)
        return "OK"

    def do_put_if_absent_ttl(self, operation: Operation) -> str:
        key, value = map(parse, operation.arguments[:2])
        ttl = int(operation.arguments[2]) / 1000
        return "yes" if self.after(self.store(operation).put_if_absent(self.lend(key), self.lend(value), ttl=ttl)) else "no"

    def do_compare_and_swap_ttl(self, operation: Operation) -> str:
        key, *values = operation.arguments[:3]
        ttl = timedelta(milliseconds=int(operation.arguments[3]))
        old, new = (None if value == "none" else self.lend(parse(value)) for value in values)
        swapped = self.store(operation).compare_and_swap(self.lend(parse(key)), old, new, ttl=ttl)
        return "yes" if self.after(swapped) else "no"

    def do_fetch_add_ttl(self, operation: Operation) -> int:
        key, delta, ttl = operation.arguments
        store = self.store(operation)
        return self.after(store.fetch_add(self.lend(parse(key)), int(delta), ttl=int(ttl) / 1000))  # type: ignore[no-any-return]

    def do_expire(self, operation: Operation) -> str:
        ttl = timedelta(milliseconds=int(operation.arguments[1]))
        key = self.lend(parse(operation.arguments[0]))
        return "yes" if self.after(self.expiring(operation).expire(key, ttl)) else "no"

    def do_persist(self, operation: Operation) -> str:
        return "yes" if self.after(self.expiring(operation).persist(self.lend(parse(operation.arguments[0])))) else "no"

    def do_ttl(self, operation: Operation) -> str:
        given = timedelta(milliseconds=int(operation.arguments[1]))
        left = self.after(self.expiring(operation).ttl(self.lend(parse(operation.arguments[0]))))
        if left is None:
            return "forever"
        return "yes" if abs(left - given) < timedelta(minutes=10) else "no"

    do_batch_put_ttl = do_txn_put_ttl = do_bulk_put_ttl = do_put_ttl
    do_batch_expire = do_txn_expire = do_expire
    do_batch_persist = do_txn_persist = do_persist
    do_batch_ttl = do_txn_ttl = do_ttl

    def do_sweep(self, operation: Operation) -> int:
        return self.store(operation).sweep_expired()

    def do_await_gone(self, operation: Operation) -> str:
        key = parse(operation.arguments[0])
        while key in self.store(operation):
            time.sleep(0.001)
        return "OK"

    # Merges.

    def do_merge(self, operation: Operation) -> str:
        given: dict[str, Any] = {}
        for option, value in operation.options.items():
            match option:
                case "files":
                    given["files"] = [int(number) for number in value.split(",")]
                case "everything":
                    given["everything"] = value == "yes"
                case "bytes_per_second":
                    given["bytes_per_second"] = int(value)
                case "progress":
                    given["progress"] = {"watch": lambda progress: None, "cancel": lambda progress: False}[value]
                case _:
                    raise AssertionError(f"unknown merge option {option}")
        return "yes" if self.store(operation).merge(**given).removed_files else "no"

    def do_merge_needed(self, operation: Operation) -> str:
        return "no" if self.store(operation).merge_needed() is None else "yes"

    def do_merge_pause(self, operation: Operation) -> str:
        self.store(operation).pause_merge()
        return "OK"

    def do_merge_resume(self, operation: Operation) -> str:
        self.store(operation).resume_merge()
        return "OK"

    def do_file_stat(self, operation: Operation) -> int:
        return sum(int(getattr(file, operation.arguments[0])) for file in self.store(operation).file_stats())

    def do_file_recount(self, operation: Operation) -> str:
        return "same" if figures_hold(self.store(operation)) else "different"


def runs(folder: Path) -> pytest.MarkDecorator:
    """Each case of the folder, under each index kind and each I/O kind that it is for."""

    def wanted(case: Case, kind: str, io: str) -> bool:
        options = dict(option.split("=") for option in case.options if "=" in option)
        ordered = "ordered" not in case.options or kind != "hash"
        return options.get("index", kind) == kind and options.get("io", io) == io and ordered

    these = [run for run in itertools.product(read_cases(folder), KINDS, IO_KINDS) if wanted(*run)]
    names = [f"{case.name}-{kind}-{io}" for case, kind, io in these]
    return pytest.mark.parametrize(("case", "kind", "io"), these, ids=names)


def test_the_generator() -> None:
    assert generated(1, 8).hex() == "6c82a562cb808d10"
    assert generated(3, 65_521 + 10)[-10:] == generated(3, 10)
    names = [case.name for case in read_cases(CASES)]
    assert len(set(names)) == len(names) > 0


@runs(CASES)
def test_case(case: Case, kind: str, io: str, tmp_path: Path) -> None:
    known = {f"index={kind}", f"io={io}", "ordered", "large", "reuse"}
    assert set(case.options) <= known, "unknown case option"
    runner = Runner(tmp_path, kind, io, "reuse" in case.options)
    try:
        for operation in case.operations:
            expected, got = wanted(operation), runner.run(operation)
            if got != expected or type(got) is not type(expected):
                where = f"{case.file}:{operation.line}: {case.name} [{kind} {io}]: {operation.name}"
                raise AssertionError(f"{where}: got {got!r:.200}, expected {expected!r:.200}")
    finally:
        runner.finish()


@runs(CASES / "wrong")
def test_a_wrong_case_fails(case: Case, kind: str, io: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, AttributeError, ValueError)):
        test_case(case, kind, io, tmp_path)
