"""The stores, each by the fastest way that its documentation has for an ordinary program, without syncs of single writes.

What is compared is what a program would write: `put` and `get` are the store's own bound methods wherever it has fitting ones, so
that nothing of ours is between the loop and the store.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import cast

Pair = tuple[bytes, bytes]
Get = Callable[[bytes], bytes | None]
GetMany = Callable[[Sequence[bytes]], Iterable[bytes | None]]
Range = Callable[[bytes, int], Iterable[Pair]]

CACHE = 1 << 30
"""Bytes of cache for those that have one of their own: as much as all pairs take, as the others have in the kernel's."""
MAP = 64 << 30
"""Bytes of address space for those that map a file of a fixed size."""


class Store(ABC):
    """An open store. What has `reading` in its name gives a function that is valid within, in one transaction where there are any."""

    put: Callable[[bytes, bytes], object]
    """One write by itself, not synced."""
    get: Get
    """One read by itself."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def sync(self) -> None:
        """Brings to the disk what was written, so that it is not written while reads are measured."""

    @contextmanager
    def reading(self) -> Iterator[Get]:
        """For many reads by one thread."""
        yield self.get

    @contextmanager
    def reading_many(self) -> Iterator[GetMany]:
        with self.reading() as get:
            yield lambda keys: [get(key) for key in keys]

    def ranging(self) -> AbstractContextManager[Range]:
        raise NotImplementedError

    @abstractmethod
    def items(self) -> AbstractContextManager[Iterator[Pair]]:
        """All pairs."""

    def compact(self) -> Store:
        """What the store has for giving space back, and the store to go on with."""
        return self

    @abstractmethod
    def close(self) -> None: ...


class Bitcask(Store):
    def __init__(self, directory: Path, index: str) -> None:
        super().__init__(directory)
        self.store = importlib.import_module("bitcask").open(directory, index=index, durability="none")
        self.put, self.get, self.sync = self.store.put, self.store.get, self.store.sync  # type: ignore[method-assign]

    @contextmanager
    def reading_many(self) -> Iterator[GetMany]:
        yield self.store.multi_get

    @contextmanager
    def ranging(self) -> Iterator[Range]:
        span = self.store.range
        yield lambda key, limit: list(span(key, limit=limit))

    @contextmanager
    def items(self) -> Iterator[Iterator[Pair]]:
        yield iter(self.store.items())

    def compact(self) -> Store:
        self.store.merge(everything=True)
        return self

    def close(self) -> None:
        self.store.close()


class GnuDbm(Store):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        directory.mkdir(exist_ok=True)
        # "f": no sync after each write.
        self.store = importlib.import_module("dbm.gnu").open(str(directory / "gnu.db"), "cf")
        self.put, self.get = self.store.__setitem__, self.store.get
        self.sync = self.store.sync  # type: ignore[method-assign]

    @contextmanager
    def items(self) -> Iterator[Iterator[Pair]]:
        def walk() -> Iterator[Pair]:
            store = self.store
            key = store.firstkey()
            while key is not None:
                yield key, store[key]
                key = store.nextkey(key)

        yield walk()

    def compact(self) -> Store:
        self.store.reorganize()
        return self

    def close(self) -> None:
        self.store.close()


class Lmdb(Store):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.lmdb = importlib.import_module("lmdb")
        self.env = env = self.lmdb.open(str(directory), map_size=MAP, sync=False, metasync=False, writemap=True, map_async=True)
        begin = env.begin

        def put(key: bytes, value: bytes) -> None:
            with begin(write=True) as transaction:
                transaction.put(key, value)

        def get(key: bytes) -> bytes | None:
            with begin() as transaction:
                return cast("bytes | None", transaction.get(key))

        self.put, self.get = put, get

    def sync(self) -> None:
        self.env.sync(True)

    @contextmanager
    def reading(self) -> Iterator[Get]:
        with self.env.begin() as transaction:
            yield transaction.get

    @contextmanager
    def reading_many(self) -> Iterator[GetMany]:
        with self.env.begin() as transaction, transaction.cursor() as cursor:
            # Pairs of those that are there.
            yield lambda keys: [value for _, value in cursor.getmulti(keys)]

    @contextmanager
    def ranging(self) -> Iterator[Range]:
        with self.env.begin() as transaction, transaction.cursor() as cursor:

            def span(key: bytes, limit: int) -> list[Pair]:
                return list(islice(cursor.iternext(), limit)) if cursor.set_range(key) else []

            yield span

    @contextmanager
    def items(self) -> Iterator[Iterator[Pair]]:
        with self.env.begin() as transaction, transaction.cursor() as cursor:
            yield cursor.iternext()

    def compact(self) -> Store:
        other = self.directory.with_name("compacted")
        other.mkdir()
        self.env.copy(str(other), compact=True)
        self.close()
        return Lmdb(other)

    def close(self) -> None:
        self.env.sync(True)
        self.env.close()


class Plyvel(Store):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.store = importlib.import_module("plyvel").DB(
            str(directory),
            create_if_missing=True,
            write_buffer_size=64 << 20,
            lru_cache_size=CACHE,
            bloom_filter_bits=10,
            compression=None,
        )
        self.put, self.get = self.store.put, self.store.get

    @contextmanager
    def ranging(self) -> Iterator[Range]:
        with self.store.iterator() as iterator:

            def span(key: bytes, limit: int) -> list[Pair]:
                iterator.seek(key)
                return list(islice(iterator, limit))

            yield span

    @contextmanager
    def items(self) -> Iterator[Iterator[Pair]]:
        with self.store.iterator() as iterator:
            yield iterator

    def compact(self) -> Store:
        self.store.compact_range()
        return self

    def close(self) -> None:
        self.store.close()


class RocksDict(Store):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        rocksdict = importlib.import_module("rocksdict")
        # Raw: bytes to bytes, without the tag of a type.
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_write_buffer_size(64 << 20)
        options.set_compression_type(rocksdict.DBCompressionType.none())
        table = rocksdict.BlockBasedOptions()
        table.set_block_cache(rocksdict.Cache(CACHE))
        table.set_bloom_filter(10.0, False)
        options.set_block_based_table_factory(table)
        self.store = rocksdict.Rdict(str(directory), options)
        self.put, self.get = self.store.put, self.store.get

    def sync(self) -> None:
        self.store.flush_wal(True)

    @contextmanager
    def reading_many(self) -> Iterator[GetMany]:
        yield self.store.get  # which takes a list too

    @contextmanager
    def ranging(self) -> Iterator[Range]:
        items = self.store.items
        yield lambda key, limit: list(islice(items(from_key=key), limit))

    @contextmanager
    def items(self) -> Iterator[Iterator[Pair]]:
        yield iter(self.store.items())

    def compact(self) -> Store:
        self.store.compact_range(None, None)
        return self

    def close(self) -> None:
        self.store.close()


class SemiDbm(Store):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.store = importlib.import_module("semidbm").open(str(directory), "c")
        self.put, self.get = self.store.__setitem__, self.store.__getitem__
        self.sync = self.store.sync  # type: ignore[method-assign]

    @contextmanager
    def items(self) -> Iterator[Iterator[Pair]]:
        store = self.store
        yield ((key, store[key]) for key in store.keys())

    def compact(self) -> Store:
        self.store.compact()
        return self

    def close(self) -> None:
        self.store.close()


class Sqlite(Store):
    GET = "SELECT v FROM kv WHERE k = ?"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        directory.mkdir(exist_ok=True)
        self.store = self.connect()
        self.store.execute("CREATE TABLE IF NOT EXISTS kv (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID")
        execute = self.store.execute

        def put(key: bytes, value: bytes) -> None:
            execute("INSERT OR REPLACE INTO kv VALUES (?, ?)", (key, value))

        self.put, self.get = put, self.getter(self.store)

    def connect(self) -> sqlite3.Connection:
        # No transaction but those that are asked for; the log of SQLite's faster mode, its cache and its file mapped.
        store = sqlite3.connect(self.directory / "sqlite.db", isolation_level=None, check_same_thread=False)
        store.execute("PRAGMA journal_mode = WAL").fetchall()
        for pragma in ("synchronous = OFF", f"cache_size = -{CACHE >> 10}", f"mmap_size = {MAP}"):
            store.execute(f"PRAGMA {pragma}").fetchall()
        return store

    def getter(self, store: sqlite3.Connection) -> Get:
        execute, query = store.execute, self.GET

        def get(key: bytes) -> bytes | None:
            row = execute(query, (key,)).fetchone()
            return row[0] if row else None

        return get

    def sync(self) -> None:
        self.store.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextmanager
    def connected(self) -> Iterator[sqlite3.Connection]:
        """A connection of the thread's own, in a transaction."""
        store = self.connect()
        try:
            store.execute("BEGIN")
            yield store
            store.execute("COMMIT")
        finally:
            store.close()

    @contextmanager
    def reading(self) -> Iterator[Get]:
        with self.connected() as store:
            yield self.getter(store)

    @contextmanager
    def ranging(self) -> Iterator[Range]:
        with self.connected() as store:
            execute = store.execute
            query = "SELECT k, v FROM kv WHERE k >= ? ORDER BY k LIMIT ?"
            yield lambda key, limit: execute(query, (key, limit)).fetchall()

    @contextmanager
    def items(self) -> Iterator[Iterator[Pair]]:
        with self.connected() as store:
            yield store.execute("SELECT k, v FROM kv ORDER BY k")

    def compact(self) -> Store:
        self.store.execute("VACUUM")
        self.sync()
        return self

    def close(self) -> None:
        self.store.close()


@dataclass(frozen=True)
class Known:
    """A store that can be measured. `version` raises ImportError where Python doesn't have it."""

    id: str
    name: str
    open: Callable[[Path], Store]
    version: Callable[[], str]
    ours: bool = False
    ordered: bool = True
    threads: bool = True
    """They may read at the same time."""


def package(name: str, by: str = "") -> Callable[[], str]:
    def version() -> str:
        importlib.import_module(name)
        return by + importlib.metadata.version(name)

    return version


def lmdb_version() -> str:
    version = ".".join(map(str, importlib.import_module("lmdb").version()))
    return f"{version} {package('lmdb', 'by py-lmdb ')()}"


def gnu_version() -> str:
    importlib.import_module("dbm.gnu")
    return "of the system"


KNOWN = [
    Known("bitcask:btree", "bitcask btree", lambda path: Bitcask(path, "btree"), package("bitcask"), ours=True),
    Known("bitcask:hash", "bitcask hash", lambda path: Bitcask(path, "hash"), package("bitcask"), ours=True, ordered=False),
    Known("dbm.gnu", "dbm.gnu", GnuDbm, gnu_version, ordered=False),
    Known("lmdb", "LMDB", Lmdb, lmdb_version),
    # Each of its reads moves the file's one position, and is none by itself.
    Known("semidbm", "semidbm", SemiDbm, package("semidbm"), ordered=False, threads=False),
    Known("plyvel", "LevelDB", Plyvel, package("plyvel", "by plyvel ")),
    Known("rocksdict", "RocksDB", RocksDict, package("rocksdict", "by rocksdict ")),
    Known("sqlite", "SQLite", Sqlite, lambda: sqlite3.sqlite_version),
]
