//! Figures and the report of opening, as the frozen dataclasses of `python/bitcask/_report.py`.

use bitcask::{OpenPhase, OpenProgress, OpenReport, Refreshed, Stats, Written};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

static STATS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static WRITTEN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static REFRESHED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static OPEN_PROGRESS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static OPEN_REPORT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static DAMAGE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static TORN_TAIL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static UNUSABLE_HINT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

const MODULE: &str = "bitcask._report";

/// Fills a keyword dictionary: field = value, by the fields' own names.
macro_rules! fields {
    ($py:expr, $($name:ident = $value:expr),* $(,)?) => {{
        let fields = PyDict::new($py);
        $(fields.set_item(pyo3::intern!($py, stringify!($name)), $value)?;)*
        fields
    }};
}
pub(crate) use fields;

pub(crate) fn stats<'py>(py: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyAny>> {
    let fields = fields!(
        py,
        keys = stats.keys,
        files = stats.files,
        mapped_files = stats.mapped_files,
        mapped_appends = stats.mapped_appends,
        data_bytes = stats.data_bytes,
        index_bytes = stats.index_bytes,
        last_seq = stats.last_seq,
        damaged_places = stats.damaged_places,
        damaged_bytes = stats.damaged_bytes,
        background_merges = stats.background_merges,
        background_merge_failures = stats.background_merge_failures,
        merging_in_background = stats.is_merging_in_background,
    );
    STATS.import(py, MODULE, "Stats")?.call((), Some(&fields))
}

pub(crate) fn written<'py>(py: Python<'py>, written: &Written) -> PyResult<Bound<'py, PyAny>> {
    WRITTEN.import(py, MODULE, "Written")?.call1((written.seq.0, written.existed))
}

pub(crate) fn refreshed<'py>(py: Python<'py>, refreshed: &Refreshed) -> PyResult<Bound<'py, PyAny>> {
    let fields =
        fields!(py, records = refreshed.records, reloaded = refreshed.reloaded, last_seq = refreshed.last_seq.0,);
    REFRESHED.import(py, MODULE, "Refreshed")?.call((), Some(&fields))
}

pub(crate) fn open_progress<'py>(py: Python<'py>, at: &OpenProgress) -> PyResult<Bound<'py, PyAny>> {
    let phase = match at.phase {
        OpenPhase::Finish => "finish",
        _ => "read",
    };
    let fields =
        fields!(py, phase = phase, bytes_done = at.bytes_done, bytes_total = at.bytes_total, records = at.records,);
    OPEN_PROGRESS.import(py, MODULE, "OpenProgress")?.call((), Some(&fields))
}

pub(crate) fn open_report<'py>(py: Python<'py>, report: &OpenReport) -> PyResult<Bound<'py, PyAny>> {
    let damage = tuple(py, &report.damage, |place| {
        let fields =
            fields!(py, path = place.path.as_path(), offset = place.offset, length = place.len, what = &place.what,);
        DAMAGE.import(py, MODULE, "Damage")?.call((), Some(&fields))
    })?;
    let torn = tuple(py, &report.torn, |tail| {
        let fields = fields!(
            py,
            path = tail.path.as_path(),
            offset = tail.offset,
            length = tail.len,
            kept_as = tail.kept_as.as_deref(),
        );
        TORN_TAIL.import(py, MODULE, "TornTail")?.call((), Some(&fields))
    })?;
    let unusable_hints = tuple(py, &report.unusable_hints, |(path, what)| {
        UNUSABLE_HINT
            .import(py, MODULE, "UnusableHint")?
            .call((), Some(&fields!(py, path = path.as_path(), what = what)))
    })?;
    let fields = fields!(
        py,
        files = report.files,
        files_from_hint = report.files_from_hint,
        hint_records = report.hint_records,
        index_from = report.index_from.map(|seq| seq.0),
        unusable_index = report.unusable_index.as_deref(),
        scanned_records = report.scanned_records,
        last_seq = report.last_seq.0,
        active_file = report.active_file.map(|id| id.0),
        damage = damage,
        torn = torn,
        unusable_hints = unusable_hints,
    );
    OPEN_REPORT.import(py, MODULE, "OpenReport")?.call((), Some(&fields))
}

fn tuple<'py, T>(
    py: Python<'py>,
    items: &[T],
    convert: impl Fn(&T) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, items.iter().map(convert).collect::<PyResult<Vec<_>>>()?)
}
