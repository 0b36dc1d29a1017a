"""Bytes-like in, bytes out, copied before a call returns."""

from __future__ import annotations

import array
import ctypes
import mmap
from collections.abc import Callable
from typing import Any

import pytest

import bitcask


class Sub(bytes):
    pass


MAKERS: list[Callable[[bytes], Any]] = [
    bytes,
    Sub,
    bytearray,
    memoryview,
    lambda b: memoryview(bytearray(b)),
    lambda b: memoryview(b"x" + b + b"x")[1:-1],
    lambda b: memoryview(bytes(x for byte in b for x in (byte, 0)))[::2],
    lambda b: array.array("B", b),
    lambda b: (ctypes.c_ubyte * len(b))(*b),
]


@pytest.mark.parametrize("make", MAKERS)
def test_any_buffer_as_key_and_value(store: bitcask.Store, make: Callable[[bytes], Any]) -> None:
    key, value = make(b"key\x00\xff"), make(b"value\x00\xff")
    store[key] = value
    got = store[key]
    assert got == b"value\x00\xff" and type(got) is bytes
    assert [(type(k), type(v)) for k, v in store.items()] == [(bytes, bytes)]
    assert key in store and store.get(key) == got and store.setdefault(key, value) == got
    assert list(store.range(key, key, end_inclusive=True)) == [(b"key\x00\xff", got)]
    assert list(store.prefix(key)) == [(b"key\x00\xff", got)]
    assert store.multi_get([key, make(b"other"), key]) == [got, None, got] and store.value_size(key) == len(got)
    assert store.count(key, key, end_inclusive=True) == store.count(prefix=key) == 1
    store.update([(key, value)])
    with store.batch() as batch:
        batch.put(key, value)
        batch.delete(make(b"other"))
    assert store.pop(key) == got
    store.put(key, value)
    assert store.delete(key) is True
    with pytest.raises(KeyError):
        store[key]


def test_elements_of_several_bytes_count_as_their_bytes(store: bitcask.Store) -> None:
    store[array.array("I", [1, 2])] = array.array("d", [1.5])
    assert dict(store) == {array.array("I", [1, 2]).tobytes(): array.array("d", [1.5]).tobytes()}


def test_memory_maps(store: bitcask.Store) -> None:
    with mmap.mmap(-1, 4096) as mapped:
        mapped[:3] = b"abc"
        store[b"k"] = mapped
    assert store[b"k"] == b"abc" + bytes(4093)


def test_buffers_can_be_reused_at_once(store: bitcask.Store) -> None:
    key, value, expected = bytearray(b"a"), bytearray(b"1"), {}
    with store.batch() as batch:
        for i in range(3):
            store[key] = value
            batch[b"b" + key] = value
            expected[bytes(key)] = expected[b"b" + key] = bytes(value)
            key[0] += 1
            value[0] += 1
            key.append(i)  # Fails with BufferError while a buffer is exported.
    assert dict(store) == expected and len(expected) == 6


@pytest.mark.parametrize("stranger", ["text", 7, None, 1.5, [1, 2], object(), bytes])
def test_strangers_are_type_errors(store: bitcask.Store, stranger: Any) -> None:
    message = r"str; encode it" if isinstance(stranger, str) else "bytes-like"
    batch = store.batch()
    calls: list[Callable[[], Any]] = [
        lambda: store[stranger],
        lambda: store.get(stranger),
        lambda: stranger in store,
        lambda: store.put(stranger, b"v"),
        lambda: store.put(b"k", stranger),
        lambda: store.__setitem__(stranger, b"v"),
        lambda: store.__setitem__(b"k", stranger),
        lambda: store.__delitem__(stranger),
        lambda: store.delete(stranger),
        lambda: store.pop(stranger, None),
        lambda: store.multi_get([b"k", stranger]),
        lambda: store.multi_get((stranger,)),
        lambda: store.multi_get(x for x in [stranger]),
        lambda: store.value_size(stranger),
        lambda: store.setdefault(stranger, b"v"),
        lambda: store.setdefault(b"k", stranger),
        lambda: store.update([(stranger, b"v")]),
        lambda: store.update({b"k": stranger}),
        lambda: store.prefix(stranger),
        lambda: batch.put(stranger, b"v"),
        lambda: batch.put(b"k", stranger),
        lambda: batch.delete(stranger),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=message):
            call()
    assert len(store) == 0 and len(batch) == 0


@pytest.mark.parametrize("size", [0, 1, 255, 256, 1000, 1024, 1025, 4096, 65_536, 1 << 20, (1 << 20) + 1, 5_000_001])
def test_values_of_every_size(store: bitcask.Store, size: int) -> None:
    value = bytes(i % 251 for i in range(min(size, 1000))) * (size // 1000 + 1)
    value = value[:size]
    store[b"k"] = value
    assert store[b"k"] == value and store.get(b"k") == value and list(store.values()) == [value]
    assert store.multi_get([b"k"]) == [value] and store.value_size(b"k") == size
    assert store.first() == store.last() == (b"k", value)
    assert store.pop(b"k") == value


@pytest.mark.parametrize("size", [1, 2, 255, 256, 1000, 4096, 65_535])
def test_keys_of_every_size(store: bitcask.Store, size: int) -> None:
    key = bytes(i % 251 for i in range(size))
    store[key] = b"v"
    assert store[key] == b"v" and list(store) == [key] and key in store.keys()
    del store[key]
    assert len(store) == 0


def test_limits(store: bitcask.Store) -> None:
    assert (bitcask.MAX_KEY_LEN, bitcask.MAX_VALUE_LEN) == (65_535, 2**32 - 1)
    with pytest.raises(bitcask.KeyTooLargeError, match="65536"):
        store[bytes(65_536)] = b"v"
    with pytest.raises(bitcask.KeyEmptyError):
        store[b""] = b"v"
    with pytest.raises(bitcask.KeyEmptyError):
        store[bytearray()]
    try:
        huge = bytes(2**32)  # Zero pages that nobody touches.
    except MemoryError:
        pytest.skip("not enough memory for a value beyond the limit")
    with pytest.raises(bitcask.ValueTooLargeError, match="4294967296"):
        store[b"k"] = huge
    assert len(store) == 0
