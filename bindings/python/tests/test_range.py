"""range() and its relatives, against a sorted list."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from conftest import Open

import bitcask

KEYS = sorted([b"a", b"aa", b"ab", b"b", b"b\x00", b"b\xff", b"b\xff\xff", b"c", b"\xff", b"\xff\xff", b"\x00"])
BOUNDS = [None, b"", b"a", b"ab", b"b", b"b\xff", b"bb", b"\xff", b"\xff\xff\xff"]


@pytest.fixture
def filled(store: bitcask.Store) -> bitcask.Store:
    store.update({key: b"v" + key for key in KEYS})
    return store


def expected(
    start: bytes | None = None,
    end: bytes | None = None,
    prefix: bytes | None = None,
    start_inclusive: bool = True,
    end_inclusive: bool = False,
    reverse: bool = False,
    limit: int | None = None,
) -> list[bytes]:
    keys = [key for key in KEYS if key.startswith(prefix or b"")]
    if start is not None:
        keys = [key for key in keys if key > start or (start_inclusive and key == start)]
    if end is not None:
        keys = [key for key in keys if key < end or (end_inclusive and key == end)]
    return (keys[::-1] if reverse else keys)[:limit]


def test_every_combination_of_bounds(filled: bitcask.Store) -> None:
    flags = [False, True]
    for start, end, low, high, reverse in itertools.product(BOUNDS, BOUNDS, flags, flags, flags):
        options: dict[str, Any] = {"start_inclusive": low, "end_inclusive": high, "reverse": reverse}
        want = expected(start, end, **options)
        assert list(filled.range_keys(start, end, **options)) == want, (start, end, options)
        assert list(filled.range(start, end, **options)) == [(key, b"v" + key) for key in want]
        assert filled.count(start, end, **options) == len(want)


def test_prefixes_and_limits(filled: bitcask.Store) -> None:
    for prefix, reverse, limit in itertools.product(BOUNDS, [False, True], [None, 0, 1, 3, 100]):
        options: dict[str, Any] = {"prefix": prefix, "reverse": reverse, "limit": limit}
        assert list(filled.range_keys(**options)) == expected(**options)
        assert filled.count(**options) == len(expected(**options))
        assert filled.count(b"ab", b"c", **options) == len(expected(b"ab", b"c", **options))
        assert list(filled.range_keys(b"ab", b"c", **options)) == expected(b"ab", b"c", **options)
        if prefix is not None:
            want = [(key, b"v" + key) for key in expected(**options)]
            assert list(filled.prefix(prefix, reverse=reverse, limit=limit)) == want


def test_many_pages(store: bitcask.Store) -> None:
    pairs = {b"%06d" % i: b"%d" % i * (i % 50) for i in range(10_000)}
    store.update(pairs)
    assert list(store.items()) == list(pairs.items())
    assert list(store.range(reverse=True)) == list(pairs.items())[::-1]
    assert list(store.values()) == list(pairs.values())
    assert len(list(store.range(b"001000", limit=5000))) == 5000


def test_large_values_come_in_small_pages(store: bitcask.Store) -> None:
    pairs = {b"%d" % i: bytes([i]) * 300_000 for i in range(9)}
    store.update(pairs)
    assert dict(store.items()) == pairs


def test_an_iterator_shows_one_moment(filled: bitcask.Store) -> None:
    scan, values = filled.range(), filled.range(reverse=True)
    first = next(scan)
    filled.clear()
    filled[b"new"] = b"1"
    assert [first, *scan] == [(key, b"v" + key) for key in KEYS]
    assert list(values) == [(key, b"v" + key) for key in KEYS[::-1]]
    assert list(filled) == [b"new"]


def test_exhausted_stays_exhausted(store: bitcask.Store) -> None:
    scan = iter(store)
    assert list(scan) == []
    store[b"a"] = b"1"
    assert list(scan) == [] and next(scan, None) is None
    assert iter(scan) is scan
    assert bitcask.Scan[bytes].__origin__ is bitcask.Scan  # type: ignore[attr-defined]


def test_seek(filled: bitcask.Store) -> None:
    scan = filled.range_keys()
    assert [next(scan), next(scan)] == KEYS[:2]
    scan.seek(b"bb")
    assert next(scan) == b"b\xff"
    scan.seek(b"")
    assert list(scan) == KEYS
    scan.seek(b"c")
    assert list(scan) == [b"c", b"\xff", b"\xff\xff"], "also after the end"
    scan.rewind()
    assert list(scan) == KEYS
    back = filled.range_keys(reverse=True)
    back.seek(b"bb")
    assert next(back) == b"b\x00"
    back.skip_damaged()
    assert next(back) == b"b"


def test_iterators_outlive_the_variable(open_store: Open, path: Any) -> None:
    with bitcask.open(path) as store:
        store.update({b"%d" % i: b"v" for i in range(100)})
    assert len(list(bitcask.open(path).items())) == 100
    assert len(list(bitcask.open(path))) == 100, "closed when the iterator went"


def test_after_close_iterators_say_so(filled: bitcask.Store) -> None:
    fresh, begun = filled.range(), filled.range()
    next(begun)
    filled.close()
    for scan in (fresh, begun):
        with pytest.raises(bitcask.ClosedError):
            next(scan)
        with pytest.raises(bitcask.ClosedError):
            scan.seek(b"a")


def test_wrong_arguments(store: bitcask.Store) -> None:
    with pytest.raises(TypeError, match="encode"):
        store.range("a")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        store.range(b"a", b"b", b"c")  # type: ignore[call-arg]
    with pytest.raises(bitcask.InvalidArgumentError, match="limit"):
        store.range(limit=-1)
    with pytest.raises(bitcask.InvalidArgumentError, match="limit"):
        store.range(limit=-(2**70))
    with pytest.raises(TypeError, match="limit"):
        store.range(limit="1")  # type: ignore[arg-type]
    assert list(store.range(limit=2**70)) == [] and store.count(limit=2**70) == 0
    with pytest.raises(bitcask.InvalidArgumentError, match="limit"):
        store.count(limit=-1)
    with pytest.raises(TypeError, match="encode"):
        store.count("a")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        store.count(b"a", b"b", b"c")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        store.prefix()  # type: ignore[call-arg]
