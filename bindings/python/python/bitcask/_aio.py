"""Writes for asyncio: what Store.put_async(), delete_async() and Batch.commit_async() are made of.

A write is queued in the store, and its outcome comes back to the event loop that asked: into the loop's mailbox, whose
socket the loop listens to. The thread of the store that tells outcomes never runs Python code, so neither a closed loop
nor the interpreter's end can hang or crash it; outcomes that nobody waits for any more are dropped.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from bitcask._bitcask import _Mailbox
from bitcask._report import Written

if TYPE_CHECKING:
    from datetime import timedelta

    from typing_extensions import Buffer

    from bitcask._bitcask import Batch, Store


class _Delivery:
    """The outcomes on their way to one event loop. Used in the loop's thread alone."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._mailbox = _Mailbox()
        self._waiting: dict[int, tuple[asyncio.Future[Any], bool]] = {}
        self._ticket = 0
        loop.add_reader(self._mailbox.fileno(), self._deliver)

    def expect(
        self, loop: asyncio.AbstractEventLoop, queue: Callable[[_Mailbox, int], None], number_only: bool
    ) -> asyncio.Future[Any]:
        """Queue a write, and give the future of its outcome."""
        self._ticket += 1
        queue(self._mailbox, self._ticket)
        future = loop.create_future()
        self._waiting[self._ticket] = (future, number_only)
        return future

    def _deliver(self) -> None:
        for arrived in self._mailbox.take():
            future, number_only = self._waiting.pop(arrived[0])
            if future.done():  # Cancelled. The write was made all the same.
                continue
            match arrived:
                case (_, seq, existed):
                    future.set_result(seq if number_only else Written(seq, existed))
                case (_, error):
                    future.set_exception(error)


# Kept alive by the loop that listens to it, until that is closed: then nobody can be waiting any more.
_deliveries: WeakKeyDictionary[asyncio.AbstractEventLoop, ref[_Delivery]] = WeakKeyDictionary()
_lock = threading.Lock()


def _later(queue: Callable[[_Mailbox, int], None], number_only: bool) -> asyncio.Future[Any]:
    loop = asyncio.get_running_loop()
    with _lock:
        known = _deliveries.get(loop)
    delivery = known() if known is not None else None
    if delivery is None:
        delivery = _Delivery(loop)
        with _lock:
            _deliveries[loop] = ref(delivery)
    return delivery.expect(loop, queue, number_only)


def put(store: Store, key: Buffer, value: Buffer, sync: bool, ttl: timedelta | float | None) -> asyncio.Future[Written]:
    return _later(lambda mailbox, ticket: store._put_later(mailbox, ticket, key, value, sync, ttl), False)


def delete(store: Store, key: Buffer, sync: bool) -> asyncio.Future[Written]:
    return _later(lambda mailbox, ticket: store._delete_later(mailbox, ticket, key, sync), False)


def commit(batch: Batch, sync: bool) -> asyncio.Future[int]:
    return _later(lambda mailbox, ticket: batch._commit_later(mailbox, ticket, sync), True)


def _renew_lock() -> None:
    """In a forked child another thread of the parent's may have had it."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)
