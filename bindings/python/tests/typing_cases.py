"""What type checkers have to accept, infer and refuse. Checked by mypy and pyright, and not run.

An ignored error that is none is itself an error for both.
"""

from collections.abc import Iterator, Mapping, MutableMapping, Set
from pathlib import Path

from typing_extensions import assert_type

import bitcask


def mapping(store: bitcask.Store) -> None:
    generic: MutableMapping[bytes, bytes] = store
    generic[b"k"] = b"v"
    assert_type(store[b"k"], bytes)
    assert_type(store[bytearray(b"k")], bytes)
    store[memoryview(b"k")] = bytearray(b"v")
    assert_type(store.get(b"k"), bytes | None)
    assert_type(store.get(b"k", 7), bytes | int)
    assert_type(store.multi_get([b"k", bytearray(b"l")]), list[bytes | None])
    assert_type(store.multi_get(memoryview(b"k") for _ in range(3)), list[bytes | None])
    assert_type(store.multi_get(store), list[bytes | None])
    assert_type(store.value_size(b"k"), int | None)
    assert_type(store.pop(b"k"), bytes)
    assert_type(store.pop(b"k", None), bytes | None)
    assert_type(store.popitem(), tuple[bytes, bytes])
    assert_type(store.setdefault(b"k", b"v"), bytes)
    assert_type(store.delete(b"k", sync=True), bool)
    assert_type(list(store), list[bytes])
    assert_type(dict(store), dict[bytes, bytes])
    store.update({b"k": b"v"})
    store.update({b"k": bytearray(b"v")}.items())
    store.update((bytearray(b"k"), memoryview(b"v")) for _ in range(3))
    store.update(store)


def views_and_scans(store: bitcask.Store) -> None:
    keys: Set[bytes] = store.keys()
    items: Set[tuple[bytes, bytes]] = store.items()
    assert_type(store.keys() & keys, set[bytes])
    assert_type(list(store.values()), list[bytes])
    assert_type(list(reversed(store.items())), list[tuple[bytes, bytes]])
    assert (b"k", b"v") in items
    scan: Iterator[tuple[bytes, bytes]] = store.range(b"a", prefix=b"x", end_inclusive=True, limit=3)
    assert_type(next(scan), tuple[bytes, bytes])
    assert_type(next(store.prefix(b"a")), tuple[bytes, bytes])
    assert_type(next(store.range_keys()), bytes)
    store.range().seek(b"k")
    assert_type(store.first(), tuple[bytes, bytes] | None)
    assert_type(store.last(), tuple[bytes, bytes] | None)
    assert_type(store.random_key(), bytes | None)
    assert_type(store.count(b"a", prefix=b"x", end_inclusive=True, limit=3), int)


def always(value: bytes | None) -> bytes:
    return value or b""


def sometimes(value: bytes | None) -> bytearray | None:
    return None if value is None else bytearray(value)


def snapshots_and_transactions(store: bitcask.Store) -> None:
    with store.snapshot() as snapshot:
        frozen: Mapping[bytes, bytes] = snapshot
        assert_type(snapshot[b"k"], bytes)
        assert_type(snapshot.get(b"k", 7), bytes | int)
        assert_type(snapshot.keys() & frozen.keys(), set[bytes])
        assert_type(next(snapshot.range()), tuple[bytes, bytes])
    with store.transaction(sync=True) as transaction:
        assert_type(transaction.get(b"k"), bytes | None)
        transaction[bytearray(b"k")] = memoryview(b"v")
        with transaction.savepoint():
            transaction.delete_range(b"a", end_inclusive=True)
        assert_type(transaction.commit(), int)
    assert_type(store.transact(lambda t: len(t[b"k"])), int)
    assert_type(store.modify(b"k", always), bytes)
    assert_type(store.modify(b"k", sometimes), bytes | None)
    store.modify(b"k", lambda value: (value or b"") + b"more")
    assert_type(store.compare_and_swap(b"k", None, bytearray(b"v")), bool)
    assert_type(store.fetch_add(b"n", -1), int)
    with store.bulk_load(atomic=False) as load:
        load.update({b"k": bytearray(b"v")})
        load.update((bytearray(b"k"), b"v") for _ in range(3))


async def awaited(store: bitcask.Store, batch: bitcask.Batch) -> None:
    assert_type(await store.put_async(b"k", b"v"), bitcask.Written)
    assert_type((await store.delete_async(b"k", sync=True)).existed, bool)
    assert_type(await batch.commit_async(), int)
    assert_type(store.put(b"k", b"v"), int)
    assert_type(store.wait_durable(store.last_seq, 0.5), bool)


def merges(store: bitcask.Store) -> None:
    assert_type(store.merge(files=[1], progress=print).removed_files, tuple[int, ...])
    assert_type(store.merge_needed(), bitcask.MergeNeed | None)
    assert_type(store.file_stats(), list[bitcask.FileStats])
    bitcask.open(".", merge_policy=bitcask.MergePolicy(window=(1, 5)), progress=lambda at: at.records < 7).close()


def the_rest(path: Path) -> None:
    bitcask.open(path, index="skiplist").close()
    bitcask.open(path, index="art", io="mmap").close()
    bitcask.open(path, index="bptree", index_budget=1 << 26, sort_budget=0).close()
    with bitcask.open(path, index="hash", io="file", durability="always") as store:
        assert_type(store, bitcask.Store)
        with store.batch() as batch:
            assert_type(batch, bitcask.Batch)
            batch[b"k"] = b"v"
        assert_type(store.stats().keys, int)
        assert_type(store.stats().mapped_files, int)
        assert_type(store.open_report().damage, tuple[bitcask.Damage, ...])
        assert_type(store.path, Path)
    try:
        bitcask.open(b"bytes")
    except bitcask.LockedError as error:
        assert_type(error.pid, int | None)
    except OSError as error:
        assert not isinstance(error, bitcask.IoError) or error.offset == 7


def mistakes(store: bitcask.Store, batch: bitcask.Batch) -> None:
    store["text"]  # type: ignore[index]  # pyright: ignore
    store[b"k"] = "text"  # type: ignore[assignment]  # pyright: ignore
    store.update(k=b"v")  # type: ignore[call-overload]  # pyright: ignore
    store.update({"k": b"v"})  # type: ignore[type-var]  # pyright: ignore
    store.setdefault(b"k")  # type: ignore[call-arg]  # pyright: ignore
    store.range("a")  # type: ignore[arg-type]  # pyright: ignore
    batch[b"k"] = None  # type: ignore[assignment]  # pyright: ignore
    store.multi_get(["text"])  # type: ignore[list-item]  # pyright: ignore
    store.multi_get(7)  # type: ignore[arg-type]  # pyright: ignore
    store.count("a")  # type: ignore[arg-type]  # pyright: ignore
    store.snapshot()[b"k"] = b"v"  # type: ignore[index]  # pyright: ignore
    store.transaction()["k"]  # type: ignore[index]  # pyright: ignore
    store.modify(b"k", lambda value: "text")  # type: ignore[arg-type,return-value]  # pyright: ignore
    store.bulk_load().put("k", b"v")  # type: ignore[arg-type]  # pyright: ignore
    bitcask.open(".", progress=7)  # type: ignore[arg-type]  # pyright: ignore
    bitcask.open(".", index="tree")  # type: ignore[arg-type]  # pyright: ignore
    bitcask.open(".", io="pread")  # type: ignore[arg-type]  # pyright: ignore
