//! `bitcask.open`: options from Python's keywords.

use std::path::PathBuf;

use bitcask::{Db, Durability, IndexKind, IoKind, OnDamage, Options, Status};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::call::detached;
use crate::convert::seconds;
use crate::errors::of_status;
use crate::expiry::Ttl;
use crate::progress::{Progress, callable};
use crate::store::Store;
use crate::{merge, report};

/// The index kinds by name, in the order in which all languages list them.
const KINDS: &[(&str, IndexKind)] = &[
    ("btree", IndexKind::BTree),
    ("hash", IndexKind::Hash),
    ("art", IndexKind::Art),
    ("skiplist", IndexKind::SkipList),
    ("bptree", IndexKind::BPTree),
];

/// open(path, *, index="btree", io="mmap", durability="interval", ...)
/// --
///
/// Open the store in a directory, creating it if it is missing, and recover what is there.
///
/// The parent directory has to exist. A store is open for writing in one place at a time: a second
/// open raises LockedError, with the holder's process id where it is known.
///
/// index: "btree" (keys in order, the default); "hash" (fewest bytes of memory for each key, fastest reads;
///     iteration sorts on demand); "art" (in order, fastest ordered reads of random keys); "skiplist" (in order,
///     readers never wait for a writer); "bptree" (in order, on disk, for keys that memory does not hold). Any kind
///     opens any directory.
/// io: how data files are read. "mmap" (the default on 64-bit machines): through memory maps; "file": by pread,
///     where an error of the disk is an exception and not a signal.
/// sort_budget: most bytes of memory that an iterator over a "hash" index may take to sort keys; beyond it
///     making the iterator raises UnsupportedError.
/// index_budget: bytes of memory that a "bptree" index may take for its cache, at least 1 MiB.
/// checkpoint_bytes: bytes of log after which the index is saved, so that an opening after a crash reads little of it; 0
///     saves it at close alone. "btree", "hash" and "bptree" are saved, the others never.
/// merge_policy: a MergePolicy that says when files are worth a merge, and which.
/// expiry: a timedelta or a number of seconds after which records count as absent, by when they were written, unless they have
///     an expiry of their own. Holds for this opening; nothing of it is stored.
/// background_merge: whether a thread of the store merges by itself what is worth it, in the window and at the rate of the
///     merge_policy. What came of it is told by Store.last_background_merge().
/// progress: is called with an OpenProgress when the opening begins, once in 8 MiB of data files, and when all was
///     read. If it returns False the opening is given up with CancelledError; if it raises, with that exception.
/// durability: when a write is on stable storage. "none": in the page cache, survives the death of the
///     process; "interval": also synced every sync_interval seconds or sync_bytes bytes, whichever comes
///     first; "always": before the call returns.
/// max_file_size: bytes beyond which a data file gets no further record, 4096 to 2**32.
/// create: whether to create a store that is missing.
/// read_only: no lock, no change to any file; shows what was there at open, or at the last Store.refresh().
/// verify_checksums: whether each read checks its record.
/// on_damage: what to do about damage that hides which keys it touches. "refuse": raise CorruptedError;
///     "serve": serve all that is whole, and list the rest in Store.open_report().
#[pyfunction]
#[pyo3(signature = (
    path, *, index="btree", io=None, durability="interval", sync_interval=0.1, sync_bytes=16_777_216,
    max_file_size=1_073_741_824, create=true, read_only=false, verify_checksums=true, on_damage="refuse",
    sort_budget=1_073_741_824, index_budget=67_108_864, checkpoint_bytes=67_108_864, merge_policy=None,
    progress=None, expiry=None, background_merge=true,
))]
#[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
pub(crate) fn open(
    py: Python<'_>,
    path: &Bound<'_, PyAny>,
    index: &str,
    io: Option<&str>,
    durability: &str,
    sync_interval: f64,
    sync_bytes: u64,
    max_file_size: u64,
    create: bool,
    read_only: bool,
    verify_checksums: bool,
    on_damage: &str,
    sort_budget: u64,
    index_budget: u64,
    checkpoint_bytes: u64,
    merge_policy: Option<Bound<'_, PyAny>>,
    progress: Option<Bound<'_, PyAny>>,
    expiry: Option<Ttl>,
    background_merge: bool,
) -> PyResult<Store> {
    let path = directory(path)?;
    let mut options = Options::new()
        .index(kind(py, index)?)
        .io(match io {
            None => IoKind::default(),
            Some("mmap") => IoKind::Mmap,
            Some("file") => IoKind::File,
            Some(io) => return Err(unknown(py, "io", io, "\"mmap\" or \"file\"")),
        })
        .durability(match durability {
            "none" => Durability::None,
            "interval" => {
                Durability::Interval { every: seconds(py, "sync_interval", sync_interval)?, bytes: sync_bytes }
            }
            "always" => Durability::Always,
            _ => return Err(unknown(py, "durability", durability, "\"none\", \"interval\" or \"always\"")),
        })
        .max_file_size(max_file_size)
        .create_if_missing(create)
        .read_only(read_only)
        .verify_checksums(verify_checksums)
        .on_damage(match on_damage {
            "refuse" => OnDamage::Refuse,
            "serve" => OnDamage::Serve,
            _ => return Err(unknown(py, "on_damage", on_damage, "\"refuse\" or \"serve\"")),
        })
        .sort_budget(sort_budget)
        .index_budget(index_budget)
        .checkpoint_bytes(checkpoint_bytes)
        .background_merge(background_merge);
    if let Some(policy) = merge_policy {
        options = options.merge(merge::policy(&policy)?);
    }
    if let Some(Ttl(age)) = expiry {
        options = options.expiry(age);
    }
    let progress = progress.map(|callback| callable(callback).map(Progress::new)).transpose()?;
    if let Some(progress) = progress.clone() {
        options = options.on_progress(move |at| progress.tell(|py| report::open_progress(py, at)));
    }
    let opened = detached(py, || Db::open(&path, &options).map(Store::new));
    Progress::outcome(progress.as_ref(), opened)
}

/// Names of the index kinds that this build has: what the tests run under.
#[pyfunction]
pub(crate) fn _index_kinds() -> Vec<&'static str> {
    KINDS.iter().map(|&(name, _)| name).collect()
}

fn kind(py: Python<'_>, index: &str) -> PyResult<IndexKind> {
    let found = KINDS.iter().find(|&&(name, _)| name == index);
    found.map(|&(_, kind)| kind).ok_or_else(|| {
        let allowed: Vec<_> = KINDS.iter().map(|(name, _)| format!("{name:?}")).collect();
        unknown(py, "index", index, &allowed.join(" or "))
    })
}

/// str, bytes or os.PathLike, as the os module takes them.
fn directory(path: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
    let decoded: PathBuf = path.py().import("os")?.call_method1("fsdecode", (path,))?.extract()?;
    if decoded.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(PyValueError::new_err("embedded null byte in the path"));
    }
    Ok(decoded)
}

fn unknown(py: Python<'_>, option: &str, given: &str, allowed: &str) -> PyErr {
    of_status(py, Status::InvalidArgument, &format!("{option} is {given:?}; it can be {allowed}"))
}
