//! Many keys with one call. Their values come in an object that is used again, so that nothing is allocated for a value, and
//! in the long run nothing at all.

use std::sync::Mutex;

use engine::{Error, Status, ValuePage};

use crate::args::{Out, array, bytes};
use crate::child::lock;
use crate::error::{Failure, bitcask_error};
use crate::guard::guard;
use crate::handles::{Handle, One, enter, enter_here, free, insert};
use crate::store::bitcask_db;
use crate::table::Table;

/// Memory for what bitcask_multi_get and bitcask_multi_get_packed find, to be used for any number of calls, on any stores.
/// Owned by the caller, who frees it with bitcask_values_free; until then it keeps the memory of its largest call. It belongs
/// to no store and outlives them all. For one thread at a time.
#[derive(Debug)]
pub struct bitcask_values {
    _opaque: (),
}

/// What one of many keys came to. The bytes belong to the bitcask_values.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bitcask_lookup {
    /// The value; never NULL if the key is there, also of an empty value. NULL if it is not there.
    pub data: *const u8,
    /// Its length in bytes; 0 if the key is not there.
    pub len: usize,
    /// BITCASK_OK, or BITCASK_NOT_FOUND if the key is not there.
    pub status: i32,
}

/// Most keys of one bitcask_multi_get or bitcask_multi_get_packed.
pub const BITCASK_MAX_MULTI_GET: u32 = 1073741824;

/// What a `bitcask_values` handle stands for.
#[derive(Debug, Default)]
pub(crate) struct Values {
    page: ValuePage,
    /// The page's values as C sees them: pointers into `page`, which does not change before they are made anew.
    lookups: Vec<bitcask_lookup>,
    /// The keys of a call under way. Empty between calls: only its memory is kept.
    keys: Vec<&'static [u8]>,
}

// SAFETY: the pointers are to memory that `page` owns, which moves between threads together with them.
unsafe impl Send for Values {}

impl Values {
    /// Replaces what the last call found.
    fn find<'a>(
        &mut self,
        read: impl FnOnce(&[&[u8]], &mut ValuePage) -> Result<(), Error>,
        keys: impl Iterator<Item = Result<&'a [u8], Failure>>,
    ) -> Result<&[bitcask_lookup], Failure> {
        self.lookups.clear();
        let mut borrowed: Vec<&'a [u8]> = std::mem::take(&mut self.keys);
        let outcome = self.check(keys, &mut borrowed).and_then(|()| Ok(read(&borrowed, &mut self.page)?));
        self.keys = emptied(borrowed);
        outcome?;
        self.lookups.extend(self.page.iter().map(|value| match value {
            Some(value) => bitcask_lookup { data: value.as_ptr(), len: value.len(), status: Status::Ok as i32 },
            None => bitcask_lookup { data: std::ptr::null(), len: 0, status: Status::NotFound as i32 },
        }));
        Ok(&self.lookups)
    }

    /// Collects the keys, none of which may lie where the values are about to be written.
    fn check<'a>(
        &self,
        keys: impl Iterator<Item = Result<&'a [u8], Failure>>,
        borrowed: &mut Vec<&'a [u8]>,
    ) -> Result<(), Failure> {
        let mine = self.page.bytes().as_ptr_range();
        for key in keys {
            let key = key?;
            let range = key.as_ptr_range();
            if range.start < mine.end && mine.start < range.end {
                return Err(Failure::invalid("a key lies in the bytes of the same values object"));
            }
            borrowed.push(key);
        }
        Ok(())
    }
}

/// The memory of a vector, without what was borrowed in it. (Collecting a vector's own iterator reuses its memory.)
fn emptied(mut keys: Vec<&[u8]>) -> Vec<&'static [u8]> {
    keys.clear();
    keys.into_iter().map(|_| -> &'static [u8] { &[] }).collect()
}

static VALUES: Table<Mutex<Values>, One> = Table::new();

impl Handle for bitcask_values {
    type Object = Mutex<Values>;
    type Users = One;
    const TAG: usize = 8;
    const NAME: &'static str = "values";
    fn table() -> &'static Table<Mutex<Values>, One> {
        &VALUES
    }
}

/// The part that all forms of the call share.
pub(crate) fn find<'a>(
    read: impl FnOnce(&[&[u8]], &mut ValuePage) -> Result<(), Error>,
    values: *const bitcask_values,
    lookups: Out<*const bitcask_lookup>,
    keys: impl Iterator<Item = Result<&'a [u8], Failure>>,
) -> Result<Status, Failure> {
    let values = enter(values)?;
    let mut values = lock(&values, bitcask_values::NAME)?;
    lookups.set(values.find(read, keys)?.as_ptr());
    Ok(Status::Ok)
}

/// Makes an object for the values of many keys. NULL only if there are no handles left.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_values_new() -> *mut bitcask_values {
    insert::<bitcask_values>(Mutex::default()).unwrap_or(std::ptr::null_mut())
}

/// Frees an object with the values in it. Does nothing for NULL, or if it was freed before.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_values_free(values: *mut bitcask_values) {
    free(values);
}

/// Reads the values of count keys as of one moment, of which keys has the addresses and key_lens the lengths. A key may be
/// given twice. *lookups is an array of count outcomes in the order of the keys; array and bytes live until the next call
/// that is given the same values object, or its free. The records are read in the order of the log, which is faster than
/// one by one.
///
/// Keys that are not there are BITCASK_NOT_FOUND in their lookups and no failure of the call. keys and key_lens may be NULL if
/// count is 0; a key may be NULL if its length is 0, which is BITCASK_KEY_EMPTY. No key may lie in the bytes that the
/// values object gave before.
///
/// Errors: BITCASK_INVALID_ARGUMENT if count is above BITCASK_MAX_MULTI_GET or another thread is using the values object; else
/// as bitcask_get, of the first key that fails. After an error *lookups is as it was, and what the values object gave
/// before is gone all the same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_multi_get(
    db: *mut bitcask_db,
    keys: *const *const u8,
    key_lens: *const usize,
    count: usize,
    values: *mut bitcask_values,
    lookups: *mut *const bitcask_lookup,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `keys` and what is in it, `key_lens`, `lookups` and `error`.
    unsafe {
        guard(error, || {
            let lookups = Out::new(lookups, "lookups")?;
            let (keys, lens) = (array(keys, count, "keys")?, array(key_lens, count, "key_lens")?);
            let (store, keys) = (enter_here(db)?, keys.iter().zip(lens).map(|(&key, &len)| bytes(key, len, "key")));
            find(|keys, page| store.db.multi_get_into(keys, page), values, lookups, keys)
        })
    }
}

/// As bitcask_multi_get, with the keys one behind the other in one buffer of keys_len bytes: for callers that can't hand
/// out an array of pointers, or have the keys like this. The lengths must add up to keys_len.
///
/// Errors: as bitcask_multi_get; BITCASK_INVALID_ARGUMENT if the lengths don't add up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_multi_get_packed(
    db: *mut bitcask_db,
    keys: *const u8,
    keys_len: usize,
    key_lens: *const usize,
    count: usize,
    values: *mut bitcask_values,
    lookups: *mut *const bitcask_lookup,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promises for `keys`, `key_lens`, `lookups` and `error`.
    unsafe {
        guard(error, || {
            let lookups = Out::new(lookups, "lookups")?;
            let keys = packed(keys, keys_len, array(key_lens, count, "key_lens")?)?;
            let store = enter_here(db)?;
            find(|keys, page| store.db.multi_get_into(keys, page), values, lookups, keys)
        })
    }
}

/// Keys that lie one behind the other.
///
/// # Safety
/// As [`bytes`], for the keys together.
pub(crate) unsafe fn packed<'a>(
    keys: *const u8,
    keys_len: usize,
    lens: &'a [usize],
) -> Result<impl Iterator<Item = Result<&'a [u8], Failure>>, Failure> {
    let sum = lens.iter().try_fold(0_usize, |sum, len| sum.checked_add(*len));
    if sum != Some(keys_len) {
        return Err(Failure::invalid(format!("the keys' lengths don't add up to keys_len, {keys_len} bytes")));
    }
    // SAFETY: the caller's promise.
    let mut rest: &'a [u8] = unsafe { bytes(keys, keys_len, "keys")? };
    Ok(lens.iter().map(move |len| {
        let (key, behind) = rest.split_at(*len);
        rest = behind;
        Ok(key)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_memory_is_used_again() {
        let mut keys: Vec<&[u8]> = Vec::with_capacity(1000);
        keys.push(b"key");
        let (place, capacity) = (keys.as_ptr().addr(), keys.capacity());
        let kept = emptied(keys);
        assert!(kept.is_empty());
        assert_eq!((kept.as_ptr().addr(), kept.capacity()), (place, capacity));
    }
}
