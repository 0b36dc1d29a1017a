//! Iterators over keys, values or pairs, filled a page at a time while detached.

use std::ops::Bound as Limit;
use std::sync::Mutex;

use bitcask::{EntryPage, Iter, IterOptions};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyType};

use crate::call::{detached, detached_locked};
use crate::convert::{Count, Input, bytes};
use crate::errors::to_python;
use crate::no_pickle;
use crate::source::Source;
use crate::store::Store;

/// Records of the first page: what a short range needs and little more.
const FIRST_PAGE: usize = 16;
/// Records of the later pages.
const LAST_PAGE: usize = 512;
/// Bytes of keys and values in a page, about.
const PAGE_BYTES: usize = 256 << 10;

/// What a scan gives to its caller.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Yields {
    Keys,
    Values,
    Items,
}

/// The arguments of `range`.
pub(crate) struct Range<'a> {
    pub(crate) start: Option<&'a [u8]>,
    pub(crate) end: Option<&'a [u8]>,
    pub(crate) prefix: Option<&'a [u8]>,
    pub(crate) start_inclusive: bool,
    pub(crate) end_inclusive: bool,
    pub(crate) reverse: bool,
    pub(crate) limit: Option<Count>,
}

impl Default for Range<'_> {
    fn default() -> Self {
        Range {
            start: None,
            end: None,
            prefix: None,
            start_inclusive: true,
            end_inclusive: false,
            reverse: false,
            limit: None,
        }
    }
}

impl<'a> Range<'a> {
    /// The bounds as the core takes them.
    pub(crate) fn bounds(&self) -> (Limit<&'a [u8]>, Limit<&'a [u8]>) {
        let bound = |key, inclusive| match (key, inclusive) {
            (None, _) => Limit::Unbounded,
            (Some(key), true) => Limit::Included(key),
            (Some(key), false) => Limit::Excluded(key),
        };
        (bound(self.start, self.start_inclusive), bound(self.end, self.end_inclusive))
    }

    pub(crate) fn options(&self) -> IterOptions {
        let (start, end) = self.bounds();
        let mut options =
            IterOptions::new().start(start).end(end).prefix(self.prefix.unwrap_or_default()).reverse(self.reverse);
        if let Some(Count(limit)) = self.limit {
            options = options.limit(limit);
        }
        options
    }
}

/// An iterator over one moment of a store, made by Store.range() and its like.
///
/// It can be shared between threads; each record goes to one of them. After the store is closed it raises ClosedError.
#[pyclass(module = "bitcask", frozen)]
pub(crate) struct Scan {
    store: Py<Store>,
    yields: Yields,
    state: Mutex<State>,
}

struct State {
    records: Iter,
    page: EntryPage,
    /// The next record of the page.
    at: usize,
    /// Records to ask for next time.
    ask: usize,
    /// Records to ask for at most.
    most: usize,
    /// Whether the last page was the last.
    ended: bool,
}

impl State {
    fn new(records: Iter, most: usize) -> State {
        State { records, page: EntryPage::new(), at: 0, ask: FIRST_PAGE.min(most), most, ended: false }
    }

    /// Reads the next page if this one is used up.
    fn fill(&mut self) -> bitcask::Result<()> {
        if self.at < self.page.len() || self.ended {
            return Ok(());
        }
        self.at = 0;
        self.records.next_page(&mut self.page, self.ask, PAGE_BYTES)?;
        self.ask = (self.ask * 4).min(self.most);
        self.ended = self.page.is_empty();
        Ok(())
    }

    /// Goes where the key says, or to the beginning.
    fn go(&mut self, key: Option<&[u8]>) {
        match key {
            Some(key) => self.records.seek(key),
            None => self.records.rewind(),
        }
        self.page = EntryPage::new();
        self.at = 0;
        self.ask = FIRST_PAGE.min(self.most);
        self.ended = false;
    }
}

enum Next<'py> {
    One(Bound<'py, PyBytes>),
    Two(Bound<'py, PyBytes>, Bound<'py, PyBytes>),
    End,
    Wait,
}

impl Scan {
    /// Over a store, or a snapshot of it.
    pub(crate) fn new(
        store: Bound<'_, Store>,
        source: &impl Source,
        yields: Yields,
        range: &Range<'_>,
    ) -> PyResult<Scan> {
        let options = range.options().keys_only(yields == Yields::Keys);
        let records = detached(store.py(), || source.iter(&options))?;
        Ok(Scan { store: store.unbind(), yields, state: Mutex::new(State::new(records, LAST_PAGE)) })
    }

    /// Over what a batch would leave.
    pub(crate) fn by_pages(store: Py<Store>, records: Iter, yields: Yields) -> Scan {
        Scan { store, yields, state: Mutex::new(State::new(records, LAST_PAGE)) }
    }

    /// Over what a transaction sees: never ahead of its user, because the commit rests on what the iterator has been through.
    pub(crate) fn one_by_one(store: Py<Store>, records: Iter, yields: Yields) -> Scan {
        Scan { store, yields, state: Mutex::new(State::new(records, 1)) }
    }

    /// Moves without reading.
    fn turn(&self, py: Python<'_>, to: impl FnOnce(&mut State) + Send) -> PyResult<()> {
        let store = self.store.get();
        let moved = |state: &mut State| {
            to(state);
            Ok(())
        };
        detached_locked(py, &self.state, || store.alive(), moved)
    }

    /// The next record as Python has it, if it can be had without waiting.
    #[inline]
    fn at_hand<'py>(&self, py: Python<'py>) -> PyResult<Next<'py>> {
        let Ok(mut state) = self.state.try_lock() else { return Ok(Next::Wait) };
        let Some((key, value)) = state.page.get(state.at) else {
            return Ok(if state.ended { Next::End } else { Next::Wait });
        };
        // Under the lock only bytes are made: making a tuple may run the garbage collector, and that anybody's code.
        let given = match self.yields {
            Yields::Keys => Next::One(bytes(py, key)?),
            Yields::Values => Next::One(bytes(py, value)?),
            Yields::Items => Next::Two(bytes(py, key)?, bytes(py, value)?),
        };
        state.at += 1;
        Ok(given)
    }
}

#[pymethods]
impl Scan {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let store = self.store.get();
        store.check().map_err(|error| to_python(py, &error))?;
        loop {
            match self.at_hand(py)? {
                Next::One(bytes) => return Ok(Some(bytes.into_any())),
                Next::Two(key, value) => return Ok(Some((key, value).into_pyobject(py)?.into_any())),
                Next::End => return Ok(None),
                Next::Wait => detached_locked(py, &self.state, || store.alive(), State::fill)?,
            }
        }
    }

    /// Go to the first key of the range at or above key; in reverse, at or below. A limit counts from here.
    #[pyo3(signature = (key, /))]
    fn seek(&self, py: Python<'_>, key: Input<'_, '_>) -> PyResult<()> {
        let key = &*key;
        self.turn(py, |state| state.go(Some(key)))
    }

    /// Go back to the beginning of the range (in reverse, to its end).
    fn rewind(&self, py: Python<'_>) -> PyResult<()> {
        self.turn(py, |state| state.go(None))
    }

    /// After a CorruptedError: go on behind the damaged record.
    fn skip_damaged(&self, py: Python<'_>) -> PyResult<()> {
        self.turn(py, |state| state.records.skip_damaged())
    }

    /// Scan[bytes], for annotations.
    #[classmethod]
    fn __class_getitem__<'py>(cls: &Bound<'py, PyType>, item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        cls.py().import("types")?.getattr("GenericAlias")?.call1((cls, item))
    }

    fn __reduce_ex__(&self, _protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(no_pickle("Scan", "make another from the store"))
    }
}
