"""What a store tells of itself: plain, frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The store in figures, at one moment."""

    keys: int
    """Keys that are there."""
    files: int
    """Data files."""
    mapped_files: int
    """Data files that are read through a memory map: none with io="file", or read_only."""
    mapped_appends: bool
    """Whether appends are copied into mapped space at the moment, and not written by system calls."""
    data_bytes: int
    """Bytes of log in the data files, without preallocated space."""
    index_bytes: int
    """Bytes of memory that the index holds."""
    last_seq: int
    """Sequence number of the last commit."""
    damaged_places: int
    """Damaged places that are known, found at open."""
    damaged_bytes: int
    """Bytes in them."""
    background_merges: int
    """Merges in the background that were completed since the opening."""
    background_merge_failures: int
    """Those that failed."""
    merging_in_background: bool
    """Whether one runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A place in a file that holds no valid record where one should be."""

    path: Path
    offset: int
    length: int
    """Bytes up to the next valid record, or to the end of the file."""
    what: str
    """What is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TornTail:
    """A torn tail that opening cut off, as a power cut leaves it behind the last sync."""

    path: Path
    offset: int
    """Where the log ends now."""
    length: int
    """Bytes behind it."""
    kept_as: Path | None
    """A copy of the bytes, if valid records were among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusableHint:
    """A hint that could not be used. It only took longer."""

    path: Path
    what: str
    """Why."""


class Written(NamedTuple):
    """What became of a write."""

    seq: int
    """The commit's number. Of the removal of a missing key, which writes nothing, that of the last commit before it."""
    existed: bool
    """Whether the key was there before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What Store.refresh() came to."""

    records: int
    """Records that are shown now and were not before: puts and deletes. Where all was loaded anew, all that were read for it."""
    reloaded: bool
    """All was loaded anew, because files came or went or the writer took something back."""
    last_seq: int
    """Sequence number of the last commit that is shown."""

    @property
    def changed(self) -> bool:
        """Whether anything may be shown that was not before."""
        return self.records > 0 or self.reloaded


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenProgress:
    """How far an opening is."""

    phase: Literal["read", "finish"]
    """"read": data files and hints are read into the index. "finish": all was read."""
    bytes_done: int
    """Bytes of data files that the index has by now."""
    bytes_total: int
    """Bytes of all data files, preallocated space included."""
    records: int
    """Records read so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReport:
    """What opening found and did."""

    files: int
    """Data files found."""
    files_from_hint: int
    """Files whose index entries came from a hint, at least in part."""
    hint_records: int
    """Records read from hints."""
    index_from: int | None
    """The index was saved: it had all commits up to this one, and only what follows was read."""
    unusable_index: str | None
    """Why a saved index was not used."""
    scanned_records: int
    """Records read from data files."""
    last_seq: int
    """Sequence number of the last commit found."""
    active_file: int | None
    """The data file that new records go to."""
    damage: tuple[Damage, ...]
    """Damage. Reading a key that is hit raises CorruptedError."""
    torn: tuple[TornTail, ...]
    """Torn tails that were cut off (or, opened for reading only, left out)."""
    unusable_hints: tuple[UnusableHint, ...]
    """Hints that could not be used."""


# Shown, and pickled, by the names under which users have them.
for _cls in (Stats, Damage, TornTail, UnusableHint, Written, Refreshed, OpenProgress, OpenReport):
    _cls.__module__ = "bitcask"
