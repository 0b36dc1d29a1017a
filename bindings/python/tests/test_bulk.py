"""Bulk loads: all of it or nothing, or piece by piece; finished once."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Open
from test_threads import together

import bitcask


def test_finished_at_the_end_of_the_block(store: bitcask.Store, path: Path) -> None:
    store[b"00001"] = b"before"
    pairs = {b"%05d" % i: b"%d" % i * 20 for i in range(3000)}
    with store.bulk_load(sync=True) as load:
        load.update(list(pairs.items())[:1000])
        load.update({key: bytearray(pairs[key]) for key in list(pairs)[1000:2000]})
        for key in list(pairs)[2000:]:
            load[bytearray(key)] = memoryview(pairs[key])
        load.put(b"big", bytes(3 << 20))
        load.update([(b"big", b"x"), (b"big", b"y" * (2 << 20)), (b"small", b"z")])
        assert dict(store) == {b"00001": b"before"}, "nothing yet"
    assert dict(store) == pairs | {b"big": b"y" * (2 << 20), b"small": b"z"}
    assert "finished" in repr(load)
    store.close()
    with bitcask.open(path, create=False) as again:
        assert len(again) == 3002


def test_an_exception_abandons(store: bitcask.Store) -> None:
    with pytest.raises(ZeroDivisionError), store.bulk_load() as load:
        load[b"a"] = b"1"
        raise ZeroDivisionError
    assert len(store) == 0 and "abandoned" in repr(load)
    for call in (load.finish, lambda: load.put(b"a", b"1"), lambda: load.update([(b"a", b"1")])):
        with pytest.raises(bitcask.BatchFinishedError, match="abandoned"):
            call()
    load.abandon()


def test_finished_once(store: bitcask.Store) -> None:
    load = store.bulk_load(atomic=False)
    load[b"a"] = b"1"
    load.finish()
    for call in (load.finish, lambda: load.put(b"a", b"2")):
        with pytest.raises(bitcask.BatchFinishedError, match="finished"):
            call()
    with load:
        pass
    load.abandon()
    assert dict(store) == {b"a": b"1"}
    with pytest.raises(TypeError, match="BulkLoad"):
        pickle.dumps(load)


def test_errors_leave_the_load_usable(store: bitcask.Store) -> None:
    wrong: list[tuple[type[Exception], Callable[[bitcask.BulkLoad], object]]] = [
        (bitcask.KeyEmptyError, lambda load: load.put(b"", b"1")),
        (bitcask.KeyTooLargeError, lambda load: load.update([(b"k" * 65536, b"1")])),
        (TypeError, lambda load: load.update({"text": b"1"})),  # type: ignore[type-var]
        (TypeError, lambda load: load.update(7)),  # type: ignore[call-overload]
        (ValueError, lambda load: load.update([(b"1", b"2", b"3")])),  # type: ignore[list-item]
        (ZeroDivisionError, lambda load: load.update((b"%d" % (1 // i), b"v") for i in (1, 0))),
    ]
    with store.bulk_load() as load:
        for error, call in wrong:
            with pytest.raises(error):
                call(load)
        load[b"a"] = b"1"
    assert store[b"a"] == b"1"


def test_a_dict_that_another_thread_changes(store: bitcask.Store) -> None:
    pairs = {b"%d" % i: bytes(5000) for i in range(1000)}

    class Changing(dict[bytes, bytes]):
        def items(self) -> Any:
            for i, pair in enumerate(list(super().items())):
                if i == 500:
                    pairs[b"more"] = b"1"
                yield pair

    with store.bulk_load() as load:
        load.update(Changing(pairs))
        with pytest.raises(RuntimeError, match="changed size"):
            load.update((key, pairs.pop(key)) for key in pairs)
    assert len(store) == 1000


def test_shared_and_closed(store: bitcask.Store, open_store: Open) -> None:
    load = store.bulk_load()
    together(lambda me: load.update((b"%d-%d" % (me, i), b"v") for i in range(500)))
    store[b"beside"] = b"1"
    load.finish()
    assert len(store) == 2001
    open_load = store.bulk_load()
    open_load[b"never"] = b"1"
    store.close()
    with pytest.raises(bitcask.ClosedError):
        open_load.finish()
    with pytest.raises(bitcask.ClosedError):
        store.bulk_load()
    reader = open_store(read_only=True)
    assert len(reader) == 2001
    with pytest.raises(bitcask.ReadOnlyError):
        reader.bulk_load()
