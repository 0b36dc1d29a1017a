"""An embedded key-value store on the Bitcask model.

    import bitcask

    with bitcask.open("users") as store:
        store[b"user:1"] = b"Ada"
        with store.batch() as batch:            # all of it or nothing, after any crash
            batch[b"user:2"] = b"Grace"
            del batch[b"user:1"]
        for key, value in store.prefix(b"user:"):
            print(key, value)

A Store is a collections.abc.MutableMapping of bytes to bytes, in key order, and thread-safe.
"""

from collections.abc import Mapping as _Mapping
from collections.abc import MutableMapping as _MutableMapping

from bitcask._bitcask import (
    MAX_KEY_LEN,
    MAX_VALUE_LEN,
    Batch,
    BulkLoad,
    Savepoint,
    Scan,
    Snapshot,
    Store,
    Transaction,
    __version__,
    open,
)
from bitcask._errors import (
    BatchFinishedError,
    CancelledError,
    ClosedError,
    ConflictError,
    CorruptedError,
    DiskFullError,
    Error,
    ForeignFileError,
    ForkedError,
    InternalError,
    InvalidArgumentError,
    IoError,
    KeyEmptyError,
    KeyTooLargeError,
    LockedError,
    NoStoreError,
    ReadOnlyError,
    StaleError,
    TransactionFinishedError,
    UnsupportedError,
    UnsupportedFeatureError,
    UnsupportedVersionError,
    ValueTooLargeError,
    WritesStoppedError,
)
from bitcask._merge import BackgroundMerge, FileStats, MergeNeed, MergePolicy, MergeProgress, MergeReport
from bitcask._report import Damage, OpenProgress, OpenReport, Refreshed, Stats, TornTail, UnusableHint, Written
from bitcask._views import StoreItemsView, StoreKeysView, StoreValuesView

_MutableMapping.register(Store)  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]
_Mapping.register(Snapshot)  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]

__all__ = [
    "MAX_KEY_LEN",
    "MAX_VALUE_LEN",
    "BackgroundMerge",
    "Batch",
    "BatchFinishedError",
    "BulkLoad",
    "CancelledError",
    "ClosedError",
    "ConflictError",
    "CorruptedError",
    "Damage",
    "DiskFullError",
    "Error",
    "FileStats",
    "ForeignFileError",
    "ForkedError",
    "InternalError",
    "InvalidArgumentError",
    "IoError",
    "KeyEmptyError",
    "KeyTooLargeError",
    "LockedError",
    "MergeNeed",
    "MergePolicy",
    "MergeProgress",
    "MergeReport",
    "NoStoreError",
    "OpenProgress",
    "OpenReport",
    "ReadOnlyError",
    "Refreshed",
    "Savepoint",
    "Scan",
    "Snapshot",
    "StaleError",
    "Stats",
    "Store",
    "StoreItemsView",
    "StoreKeysView",
    "StoreValuesView",
    "TornTail",
    "Transaction",
    "TransactionFinishedError",
    "UnsupportedError",
    "UnsupportedFeatureError",
    "UnsupportedVersionError",
    "UnusableHint",
    "ValueTooLargeError",
    "WritesStoppedError",
    "Written",
    "__version__",
    "open",
]
