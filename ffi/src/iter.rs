//! Iterators. They read pages ahead, so that a caller in another language crosses the boundary once for many records.

use engine::{EntryPage, Iter, Status};

use crate::args::{Out, bytes};
use crate::child::{Child, with};
use crate::error::{Failure, bitcask_error};
use crate::guard::guard;
use crate::handles::{Handle, One, enter_here, free, new_handle};
use crate::iter_options::{bitcask_iter_options, to_core};
use crate::store::bitcask_db;
use crate::table::Table;

/// An iterator over the store at the moment of its making, whatever is written meanwhile; or over a snapshot, or a batch or
/// transaction laid over the store. Owned by the caller, who frees
/// it with bitcask_iter_free. For one thread at a time; it keeps nobody from writing.
#[derive(Debug)]
pub struct bitcask_iter {
    _opaque: (),
}

/// One record. The bytes belong to the iterator, or the value (bitcask_first), that it came from. Neither pointer is ever
/// NULL in an entry that a call has filled.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bitcask_entry {
    /// The key.
    pub key: *const u8,
    /// Its length in bytes.
    pub key_len: usize,
    /// The value; empty if the options say keys only.
    pub value: *const u8,
    /// Its length in bytes.
    pub value_len: usize,
}

/// What a `bitcask_iter` handle stands for.
#[derive(Debug)]
pub(crate) struct Pages {
    iter: Iter,
    page: EntryPage,
    /// The page's records as C sees them: pointers into `page`, which does not change before they are made anew.
    entries: Vec<bitcask_entry>,
    /// How many of them were given out.
    given: usize,
    /// Records that bitcask_iter_next reads ahead the next time.
    ahead: usize,
}

// SAFETY: the pointers are to memory that `page` owns or keeps mapped, which moves between threads together with them.
unsafe impl Send for Pages {}

/// What bitcask_iter_next reads ahead: few records at first, for who wants but few, and twice as many each time.
const FIRST_AHEAD: usize = 8;
const AHEAD_RECORDS: usize = 64;
const AHEAD_BYTES: usize = 32 << 10;

impl Pages {
    pub(crate) fn new(iter: Iter) -> Pages {
        Pages { iter, page: EntryPage::new(), entries: Vec::new(), given: 0, ahead: FIRST_AHEAD }
    }

    /// Forgets what was read ahead, to begin somewhere else.
    fn forget(&mut self) {
        self.entries.clear();
        self.given = 0;
        self.ahead = FIRST_AHEAD;
    }

    /// The next records, at most so many of them and after the first no more than about so many bytes: what is left of
    /// the last page, or else a new page.
    fn next(&mut self, max_records: usize, max_bytes: usize) -> Result<&[bitcask_entry], Failure> {
        if self.given == self.entries.len() {
            self.fill(max_records, max_bytes)?;
        }
        let left = &self.entries[self.given..];
        let mut bytes = 0_usize;
        let fits = |entry: &&bitcask_entry| {
            bytes = bytes.saturating_add(entry.key_len).saturating_add(entry.value_len);
            bytes <= max_bytes
        };
        let count = left.iter().take(max_records).take_while(fits).count().max(1).min(left.len());
        self.given += count;
        Ok(&left[..count])
    }

    /// The next record, of a page read ahead.
    fn next_one(&mut self) -> Result<Option<bitcask_entry>, Failure> {
        if self.given == self.entries.len() {
            self.fill(self.ahead, AHEAD_BYTES)?;
            self.ahead = (self.ahead * 2).min(AHEAD_RECORDS);
        }
        let next = self.entries.get(self.given).copied();
        self.given += usize::from(next.is_some());
        Ok(next)
    }

    fn fill(&mut self, max_records: usize, max_bytes: usize) -> Result<(), Failure> {
        self.entries.clear();
        self.given = 0;
        // At least one byte: an empty page must mean the end.
        self.iter.next_page(&mut self.page, max_records, max_bytes.max(1))?;
        self.entries.extend(self.page.iter().map(|(key, value)| bitcask_entry {
            key: key.as_ptr(),
            key_len: key.len(),
            value: value.as_ptr(),
            value_len: value.len(),
        }));
        Ok(())
    }
}

static ITERS: Table<Child<Pages>, One> = Table::new();

impl Handle for bitcask_iter {
    type Object = Child<Pages>;
    type Users = One;
    const TAG: usize = 5;
    const NAME: &'static str = "iterator";
    fn table() -> &'static Table<Child<Pages>, One> {
        &ITERS
    }
}

/// Makes an iterator over the store as it is now, before the first record of its range. options may be NULL for all
/// records; they may be freed at once afterwards.
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED; with an index without order (BITCASK_INDEX_HASH), which reads the keys from the
/// log and sorts them, also BITCASK_IO, BITCASK_CORRUPTED, and BITCASK_UNSUPPORTED beyond bitcask_options_set_sort_budget.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_iter_new(
    db: *mut bitcask_db,
    options: *const bitcask_iter_options,
    iter: *mut *mut bitcask_iter,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `iter` and `error`.
    unsafe {
        guard(error, || {
            let (place, store) = (Out::new(iter, "iter")?, enter_here(db)?);
            let pages = Pages::new(store.db.iter(&to_core(options)?)?);
            place.set(new_handle::<bitcask_iter>(Child::new(&store, pages))?);
            Ok(Status::Ok)
        })
    }
}

/// Reads the next records: at most max_records of them (at least 1), and after the first no more than about max_bytes of keys
/// and values. *entries is an array of *count records; a *count of 0 means the end. Array and bytes live until the
/// next call on the iterator, or its free.
///
/// Errors: BITCASK_CORRUPTED at a damaged record, BITCASK_CLOSED, BITCASK_FORKED, BITCASK_IO; BITCASK_INVALID_ARGUMENT
/// if max_records is 0 or another thread is using the iterator. After an error the iterator stays where it is;
/// bitcask_iter_skip_damaged passes a damaged record.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_iter_next_page(
    iter: *mut bitcask_iter,
    max_records: usize,
    max_bytes: usize,
    entries: *mut *const bitcask_entry,
    count: *mut usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `entries`, `count` and `error`.
    unsafe {
        guard(error, || {
            let (entries, count) = (Out::new(entries, "entries")?, Out::new(count, "count")?);
            if max_records == 0 {
                return Err(Failure::invalid("max_records is 0"));
            }
            with(iter, |pages: &mut Pages| {
                let page = pages.next(max_records, max_bytes)?;
                entries.set(page.as_ptr());
                count.set(page.len());
                Ok(Status::Ok)
            })
        })
    }
}

/// Reads the next record: BITCASK_OK, or BITCASK_NOT_FOUND at the end, which leaves *entry alone. The bytes live until
/// the next call on the iterator, or its free.
///
/// Errors: as bitcask_iter_next_page.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_iter_next(
    iter: *mut bitcask_iter,
    entry: *mut bitcask_entry,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `entry` and `error`.
    unsafe {
        guard(error, || {
            let place = Out::new(entry, "entry")?;
            let Some(next) = with(iter, Pages::next_one)? else { return Ok(Status::NotFound) };
            place.set(next);
            Ok(Status::Ok)
        })
    }
}

/// Goes to the first key of the range that is at or above key; in reverse at or below. key may be any bytes.
///
/// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_INVALID_ARGUMENT if another thread is using the iterator.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_iter_seek(
    iter: *mut bitcask_iter,
    key: *const u8,
    key_len: usize,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `key` and `error`.
    unsafe {
        guard(error, || {
            let key = bytes(key, key_len, "key")?;
            with(iter, |pages: &mut Pages| {
                pages.forget();
                pages.iter.seek(key);
                Ok(Status::Ok)
            })
        })
    }
}

/// Goes back to the beginning of the range; in reverse to its end.
///
/// Errors: as bitcask_iter_seek.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_iter_rewind(iter: *mut bitcask_iter, error: *mut *mut bitcask_error) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        guard(error, || {
            with(iter, |pages: &mut Pages| {
                pages.forget();
                pages.iter.rewind();
                Ok(Status::Ok)
            })
        })
    }
}

/// Passes the record at which the last call failed with BITCASK_CORRUPTED, so that iteration can go on behind it. Does nothing
/// otherwise.
///
/// Errors: as bitcask_iter_seek.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_iter_skip_damaged(iter: *mut bitcask_iter, error: *mut *mut bitcask_error) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        guard(error, || {
            with(iter, |pages: &mut Pages| {
                pages.iter.skip_damaged();
                Ok(Status::Ok)
            })
        })
    }
}

/// Frees an iterator with the records it gave. Does nothing for NULL, or if it was freed before.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_iter_free(iter: *mut bitcask_iter) {
    free(iter);
}
