//! Merges: options from Python's keywords, and what is told of them as the dataclasses of `python/bitcask/_merge.py`.

use bitcask::{
    BackgroundMerge, Db, FileId, FileStats, MergeNeed, MergeOptions, MergePolicy, MergeProgress, MergeReport,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::call::detached;
use crate::errors::to_python;
use crate::progress::{Progress, callable};
use crate::report::fields;

static BACKGROUND: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static FILE_STATS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static NEED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static PROGRESS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static REPORT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

const MODULE: &str = "bitcask._merge";

/// The policy that a `MergePolicy` says.
pub(crate) fn policy(given: &Bound<'_, PyAny>) -> PyResult<MergePolicy> {
    let percent = |name: &str| given.getattr(name)?.extract::<u8>();
    let bytes = |name: &str| given.getattr(name)?.extract::<u64>();
    Ok(MergePolicy::new()
        .frag_merge_trigger(percent("frag_merge_trigger")?)
        .dead_bytes_merge_trigger(bytes("dead_bytes_merge_trigger")?)
        .frag_threshold(percent("frag_threshold")?)
        .dead_bytes_threshold(bytes("dead_bytes_threshold")?)
        .small_file_threshold(bytes("small_file_threshold")?)
        .bytes_per_second(bytes("bytes_per_second")?)
        .window(given.getattr("window")?.extract()?))
}

pub(crate) fn merge<'py>(
    db: &Db,
    py: Python<'py>,
    files: Option<Vec<u32>>,
    everything: bool,
    bytes_per_second: u64,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut options = MergeOptions::new().everything(everything).bytes_per_second(bytes_per_second);
    if let Some(files) = files {
        options = options.files(&files.into_iter().map(FileId).collect::<Vec<_>>());
    }
    let progress = progress.map(|callback| callable(callback).map(Progress::new)).transpose()?;
    if let Some(progress) = progress.clone() {
        options = options.progress(move |at| progress.tell(|py| told(py, at)));
    }
    let merged = detached(py, || db.merge(&options));
    report(py, &Progress::outcome(progress.as_ref(), merged)?)
}

pub(crate) fn needed<'py>(py: Python<'py>, need: Option<&MergeNeed>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(need) = need else { return Ok(None) };
    let fields = fields!(
        py,
        reason = &need.reason,
        files = ids(py, &need.files)?,
        reclaimable_bytes = need.reclaimable_bytes,
        in_window = need.is_in_window,
    );
    NEED.import(py, MODULE, "MergeNeed")?.call((), Some(&fields)).map(Some)
}

pub(crate) fn file_stats<'py>(py: Python<'py>, files: &[FileStats]) -> PyResult<Bound<'py, PyList>> {
    let one = |file: &FileStats| {
        let fields = fields!(
            py,
            id = file.id.0,
            merged = file.is_merged,
            active = file.is_active,
            damaged = file.is_damaged,
            created = file.created.0 as f64 / 1000.0,
            bytes = file.bytes,
            live_records = file.live_records,
            live_bytes = file.live_bytes,
            dead_records = file.dead_records,
            dead_bytes = file.dead_bytes,
            expired_records = file.expired_records,
            expired_bytes = file.expired_bytes,
            tombstones = file.tombstones,
            tombstone_bytes = file.tombstone_bytes,
            min_seq = file.min_seq.0,
            max_seq = file.max_seq.0,
        );
        FILE_STATS.import(py, MODULE, "FileStats")?.call((), Some(&fields))
    };
    PyList::new(py, files.iter().map(one).collect::<PyResult<Vec<_>>>()?)
}

fn told<'py>(py: Python<'py>, at: &MergeProgress) -> PyResult<Bound<'py, PyAny>> {
    let fields =
        fields!(py, bytes_total = at.bytes_total, bytes_read = at.bytes_read, bytes_written = at.bytes_written,);
    PROGRESS.import(py, MODULE, "MergeProgress")?.call((), Some(&fields))
}

fn report<'py>(py: Python<'py>, report: &MergeReport) -> PyResult<Bound<'py, PyAny>> {
    let fields = fields!(
        py,
        removed_files = ids(py, &report.removed_files)?,
        removed_bytes = report.removed_bytes,
        created_files = ids(py, &report.created_files)?,
        created_bytes = report.created_bytes,
        skipped_files = PyTuple::new(py, report.skipped_files.iter().map(|(id, why)| (id.0, why)))?,
        copied_records = report.copied_records,
        installed_records = report.installed_records,
        dropped_records = report.dropped_records,
        copied_tombstones = report.copied_tombstones,
        dropped_tombstones = report.dropped_tombstones,
        bytes_read = report.bytes_read,
        bytes_written = report.bytes_written,
        swept_keys = report.swept_keys,
    );
    REPORT.import(py, MODULE, "MergeReport")?.call((), Some(&fields))
}

pub(crate) fn background<'py>(py: Python<'py>, last: Option<&BackgroundMerge>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(last) = last else { return Ok(None) };
    let (done, error) = match &last.outcome {
        Ok(done) => (Some(report(py, done)?), None),
        Err(error) => (None, Some(to_python(py, error))),
    };
    let fields = fields!(py, ended = last.ended.0 as f64 / 1000.0, report = done, error = error);
    BACKGROUND.import(py, MODULE, "BackgroundMerge")?.call((), Some(&fields)).map(Some)
}

fn ids<'py>(py: Python<'py>, files: &[FileId]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, files.iter().map(|id| id.0))
}
