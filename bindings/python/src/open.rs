//! `bitcask.open`: options from Python's keywords.

use std::path::PathBuf;
use std::time::Duration;

use bitcask::{Db, Durability, IndexKind, OnDamage, Options, Status};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::call::detached;
use crate::errors::of_status;
use crate::store::Store;

/// open(path, *, index="btree", durability="interval", ...)
/// --
///
/// Open the store in a directory, creating it if it is missing, and recover what is there.
///
/// The parent directory has to exist. A store is open for writing in one place at a time: a second
/// open raises LockedError, with the holder's process id where it is known.
///
/// index: "btree" (keys in order, the default) or "hash" (fewest bytes of memory for each key, fastest
///     reads; iteration sorts on demand). Any kind opens any directory.
/// durability: when a write is on stable storage. "none": in the page cache, survives the death of the
///     process; "interval": also synced every sync_interval seconds or sync_bytes bytes, whichever comes
///     first; "always": before the call returns.
/// max_file_size: bytes beyond which a data file gets no further record, 4096 to 2**32.
/// create: whether to create a store that is missing.
/// read_only: no lock, no change to any file; shows what was there at open.
/// verify_checksums: whether each read checks its record.
/// on_damage: what to do about damage that hides which keys it touches. "refuse": raise CorruptedError;
///     "serve": serve all that is whole, and list the rest in Store.open_report().
#[pyfunction]
#[pyo3(signature = (
    path, *, index="btree", durability="interval", sync_interval=0.1, sync_bytes=16_777_216,
    max_file_size=1_073_741_824, create=true, read_only=false, verify_checksums=true, on_damage="refuse",
))]
#[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
pub(crate) fn open(
    py: Python<'_>,
    path: &Bound<'_, PyAny>,
    index: &str,
    durability: &str,
    sync_interval: f64,
    sync_bytes: u64,
    max_file_size: u64,
    create: bool,
    read_only: bool,
    verify_checksums: bool,
    on_damage: &str,
) -> PyResult<Store> {
    let path = directory(path)?;
    let options = Options::new()
        .index(match index {
            "btree" => IndexKind::BTree,
            "hash" => IndexKind::Hash,
            _ => return Err(unknown(py, "index", index, "\"btree\" or \"hash\"")),
        })
        .durability(match durability {
            "none" => Durability::None,
            "interval" => Durability::Interval { every: seconds(py, sync_interval)?, bytes: sync_bytes },
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
        });
    let db = detached(py, || Db::open(&path, &options))?;
    Ok(Store::new(db))
}

/// str, bytes or os.PathLike, as the os module takes them.
fn directory(path: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
    let decoded: PathBuf = path.py().import("os")?.call_method1("fsdecode", (path,))?.extract()?;
    if decoded.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(PyValueError::new_err("embedded null byte in the path"));
    }
    Ok(decoded)
}

fn seconds(py: Python<'_>, interval: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(interval)
        .map_err(|error| of_status(py, Status::InvalidArgument, &format!("sync_interval is {interval}: {error}")))
}

fn unknown(py: Python<'_>, option: &str, given: &str, allowed: &str) -> PyErr {
    of_status(py, Status::InvalidArgument, &format!("{option} is {given:?}; it can be {allowed}"))
}
