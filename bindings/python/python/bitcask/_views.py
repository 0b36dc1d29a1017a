"""The views that keys(), values() and items() give, of a store or snapshot: live, ordered, with O(1) len and one look-up for `in`.

Set operations come from collections.abc. Those that look for the members of another set in the store (`&`,
`isdisjoint`, `>=`, `==`) cost one look-up for each of the other's members; those whose result holds the store's keys
(`|`, `-`, `^`) read all of them, as they must.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Set, ValuesView
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from bitcask._bitcask import Snapshot, Store

_T = TypeVar("_T")


def _is_key(value: object) -> bool:
    """Whether the store could have it as a key. Anything else is no error in a set operation, just no member."""
    return isinstance(value, bytes) and 0 < len(value) <= 0xFFFF


class StoreKeysView(KeysView[bytes]):
    """The keys of a store or snapshot: a live, ordered set."""

    __slots__ = ()
    _mapping: Store | Snapshot

    @property
    def mapping(self) -> Store | Snapshot:
        """The store, or the snapshot of it."""
        return self._mapping

    def __contains__(self, key: object) -> bool:
        return _is_key(key) and key in self._mapping

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._mapping)

    def __reversed__(self) -> Iterator[bytes]:
        return reversed(self._mapping)

    def __and__(self, other: Iterable[Any]) -> set[bytes]:
        # Reads the shorter of the two.
        if isinstance(other, Set) and len(self) < len(other):
            return {key for key in self if key in other}
        return {key for key in other if key in self}

    def __rand__(self, other: Iterable[_T]) -> set[_T]:
        return {key for key in other if key in self}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._mapping!r})"


class StoreItemsView(ItemsView[bytes, bytes]):
    """The pairs of a store or snapshot: a live, ordered set."""

    __slots__ = ()
    _mapping: Store | Snapshot

    @property
    def mapping(self) -> Store | Snapshot:
        """The store, or the snapshot of it."""
        return self._mapping

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, tuple):
            return False
        match cast("tuple[object, ...]", item):
            case (bytes(key), value) if _is_key(key):
                mine = self._mapping.get(key)
                return mine is not None and mine == value
            case _:
                return False

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return self._mapping.range()

    def __reversed__(self) -> Iterator[tuple[bytes, bytes]]:
        return self._mapping.range(reverse=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._mapping!r})"


class StoreValuesView(ValuesView[bytes]):
    """The values of a store or snapshot, in key order: a live collection. `in` reads them until it finds one."""

    __slots__ = ()
    _mapping: Store | Snapshot

    @property
    def mapping(self) -> Store | Snapshot:
        """The store, or the snapshot of it."""
        return self._mapping

    def __contains__(self, value: object) -> bool:
        return any(value == mine for mine in self)

    def __iter__(self) -> Iterator[bytes]:
        return self._mapping._values()

    def __reversed__(self) -> Iterator[bytes]:
        return self._mapping._values(reverse=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._mapping!r})"


# Shown, and pickled, by the names under which users have them.
for _cls in (StoreKeysView, StoreItemsView, StoreValuesView):
    _cls.__module__ = "bitcask"
