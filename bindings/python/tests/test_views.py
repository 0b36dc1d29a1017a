"""keys(), values() and items() are live views with the semantics of a dict's, and no hidden O(n)."""

from __future__ import annotations

from collections.abc import ItemsView, KeysView, Set, ValuesView
from pathlib import Path
from typing import Any

import pytest
from conftest import Open

import bitcask

ABC = {b"a": b"1", b"b": b"2", b"c": b"3"}


@pytest.fixture
def abc(store: bitcask.Store) -> bitcask.Store:
    store.update(ABC)
    return store


def test_they_are_views(abc: bitcask.Store) -> None:
    assert isinstance(abc.keys(), KeysView) and isinstance(abc.values(), ValuesView)
    assert isinstance(abc.items(), ItemsView)
    for view in (abc.keys(), abc.values(), abc.items()):
        assert view.mapping is abc and len(view) == 3 and "Store" in repr(view)
        assert list(reversed(view)) == list(view)[::-1]
    keys = abc.keys()
    abc[b"d"] = b"4"
    assert len(keys) == 4 and b"d" in keys


def test_contains(abc: bitcask.Store) -> None:
    assert b"a" in abc.keys() and b"x" not in abc.keys()
    assert (b"a", b"1") in abc.items() and (b"a", b"2") not in abc.items() and (b"x", b"1") not in abc.items()
    assert b"2" in abc.values() and b"x" not in abc.values()
    strangers: list[Any] = ["a", 1, None, b"", b"x" * 70_000, (b"a",), (b"a", b"1", b"2"), [b"a", b"1"], ("a", b"1")]
    for stranger in strangers:
        assert stranger not in abc.keys() and stranger not in abc.items() and stranger not in abc.values()


@pytest.mark.parametrize("other", [set(), {b"a"}, {b"a", b"x"}, set(ABC), {*ABC, b"x"}, {"a", 1, None, b""}])
def test_set_operations_of_keys(abc: bitcask.Store, other: set[Any]) -> None:
    mine, reference = abc.keys(), ABC.keys()
    check_set_operations(mine, reference, other)


@pytest.mark.parametrize(
    "other", [set(), {(b"a", b"1")}, {(b"a", b"2"), (b"x", b"1")}, set(ABC.items()), {1, "a", (b"a",), ("a", b"1")}]
)
def test_set_operations_of_items(abc: bitcask.Store, other: set[Any]) -> None:
    check_set_operations(abc.items(), ABC.items(), other)


def check_set_operations(mine: Set[Any], reference: Set[Any], other: set[Any]) -> None:
    assert mine & other == reference & other == other & mine
    assert mine | other == reference | other == other | mine
    assert mine - other == reference - other
    assert other - mine == other - reference
    assert mine ^ other == reference ^ other == other ^ mine
    assert mine.isdisjoint(other) == reference.isdisjoint(other)
    assert (mine == other) == (reference == other) and (mine != other) == (reference != other)
    assert (mine <= other, mine < other) == (reference <= other, reference < other)
    assert (mine >= other, mine > other) == (reference >= other, reference > other)
    assert mine == reference and reference == mine


def test_set_operations_between_stores(abc: bitcask.Store, open_store: Open, tmp_path: Path) -> None:
    other = open_store(tmp_path / "other")
    other.update({b"b": b"2", b"c": b"x", b"d": b"4", b"e": b"5"})
    assert abc.keys() & other.keys() == {b"b", b"c"} == other.keys() & abc.keys()
    assert abc.items() & other.items() == {(b"b", b"2")}
    assert other.keys() - abc.keys() == {b"d", b"e"}
    assert abc.keys() != other.keys()


def test_set_operations_take_any_iterable(abc: bitcask.Store) -> None:
    assert abc.keys() & [b"a", b"x", b"a"] == {b"a"}
    assert abc.keys().isdisjoint(iter([b"x", "a"]))


def test_set_views_are_not_hashable(abc: bitcask.Store) -> None:
    with pytest.raises(TypeError):
        hash(abc.keys())
