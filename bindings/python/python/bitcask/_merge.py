"""Merges: the policy that says when files are worth one, and what is told of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePolicy:
    """When files are worth a merge, and which: one file beyond a trigger starts it, all files beyond a threshold join it.

    The words and defaults are those of Riak's Bitcask. Shares are by bytes of a file's records, in percent.
    """

    frag_merge_trigger: int = 60
    """Dead share from which on a file starts a merge. Above 100: never."""
    dead_bytes_merge_trigger: int = 512 << 20
    """Dead bytes from which on a file starts a merge."""
    frag_threshold: int = 40
    """Dead share from which on a file joins a merge."""
    dead_bytes_threshold: int = 128 << 20
    """Dead bytes from which on a file joins a merge."""
    small_file_threshold: int = 10 << 20
    """Files shorter than this join a merge. 0: none."""
    bytes_per_second: int = 0
    """Merges in the background read and write at most so many bytes a second together. 0: without limit."""
    window: tuple[int, int] | None = None
    """The first and the last hour of the day (UTC, 0 to 23) in which merges run in the background: (22, 4) is from 22:00 to 4:59. None: any hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStats:
    """A data file in figures, at one moment, exact but for damage of the file."""

    id: int
    """Its number."""
    merged: bool
    """It was written by a merge, and not as part of the log."""
    active: bool
    """The log ends in it. False for all files of a store that is opened read_only."""
    damaged: bool
    """Opening found damage in it. No merge takes it."""
    created: float
    """When it was created, in seconds since the epoch."""
    bytes: int
    """Its length without reserved space."""
    live_records: int
    """Puts that are the newest of their key. What has expired counts until it is swept."""
    live_bytes: int
    """Bytes of these with their headers."""
    dead_records: int
    """Puts that are not."""
    dead_bytes: int
    """Bytes of these."""
    expired_records: int
    """Of the live ones those that have expired, by the clock that decides expiry. No sweep has deleted them yet."""
    expired_bytes: int
    """Bytes of these."""
    tombstones: int
    """Deletes."""
    tombstone_bytes: int
    """Bytes of these."""
    min_seq: int
    """Smallest sequence number of its puts and deletes; 0 without any."""
    max_seq: int
    """Largest sequence number of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeNeed:
    """Why a merge would be worth its while."""

    reason: str
    """What started it, in words."""
    files: tuple[int, ...]
    """The data files that it would take."""
    reclaimable_bytes: int
    """Bytes that would be given back, about."""
    in_window: bool
    """Whether the hour is one at which merges should run, by MergePolicy.window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeProgress:
    """How far a merge is."""

    bytes_total: int
    """Bytes of the data files that are merged."""
    bytes_read: int
    """Bytes that were read; files are read more than once."""
    bytes_written: int
    """Bytes that were written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeReport:
    """What a merge did."""

    removed_files: tuple[int, ...]
    """Data files that were merged and are gone."""
    removed_bytes: int
    """Their length together."""
    created_files: tuple[int, ...]
    """Data files that were made of them."""
    created_bytes: int
    """Their length together."""
    skipped_files: tuple[tuple[int, str], ...]
    """Data files that were to be merged and were not, with the reason."""
    copied_records: int
    """Live records that were copied."""
    installed_records: int
    """Of these, records that were still the newest of their key when all were copied."""
    dropped_records: int
    """Overwritten and deleted records that are gone."""
    copied_tombstones: int
    """Deletes that were copied, because something older may be left that they hide."""
    dropped_tombstones: int
    """Deletes that are gone."""
    bytes_read: int
    """Bytes read."""
    bytes_written: int
    """Bytes written."""
    swept_keys: int
    """Keys that had expired and were deleted before anything was merged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundMerge:
    """What a merge in the background came to."""

    ended: float
    """When it ended, in seconds since the epoch."""
    report: MergeReport | None
    """What it did; None if it failed."""
    error: Exception | None
    """Why it failed. All is as it was then, but for files that were done already."""


# Shown, and pickled, by the names under which users have them.
for _cls in (MergePolicy, BackgroundMerge, FileStats, MergeNeed, MergeProgress, MergeReport):
    _cls.__module__ = "bitcask"
