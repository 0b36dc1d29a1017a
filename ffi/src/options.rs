//! How to open a store. Each setter checks what it alone can check; the rest is checked at open.

use std::sync::RwLock;
use std::time::Duration;

use engine::{Durability, IndexKind, IoKind, MergePolicy, OnDamage, Options, Status};

use crate::error::{Failure, bitcask_error};
use crate::guard::guard;
use crate::handles::{Handle, Lent, One, enter, free, insert};
use crate::table::Table;

/// A B+tree in memory: range and prefix scans in key order, least memory of the ordered kinds. The default.
pub const BITCASK_INDEX_BTREE: i32 = 0;
/// A hash table that keeps no keys: fewest bytes a key, fastest single reads; iteration sorts.
pub const BITCASK_INDEX_HASH: i32 = 1;
/// An adaptive radix tree in memory: in key order, fastest single reads of the ordered kinds.
pub const BITCASK_INDEX_ART: i32 = 2;
/// A skip list in memory: in key order, and readers take no lock that a writer holds while it makes a change.
pub const BITCASK_INDEX_SKIPLIST: i32 = 3;
/// A B+tree on disk with a bounded cache (bitcask_options_set_index_budget): in key order, for more keys than fit into
/// memory.
pub const BITCASK_INDEX_BPTREE: i32 = 4;

/// Data files are read through memory maps: values are lent without a copy. An I/O error of the disk under a mapped page is
/// the signal SIGBUS. The default where pointers have 64 bits.
pub const BITCASK_IO_MMAP: i32 = 0;
/// Data files are read by pread: an I/O error is an error, and nothing is mapped. The default where pointers have 32 bits.
pub const BITCASK_IO_FILE: i32 = 1;

/// Acknowledged writes are in the page cache: they survive the process, not a loss of power.
pub const BITCASK_DURABILITY_NONE: i32 = 0;
/// As NONE, and synced in the background every so often (bitcask_options_set_sync_interval). The default.
pub const BITCASK_DURABILITY_INTERVAL: i32 = 1;
/// Acknowledged writes are on stable storage. Concurrent writers share a sync.
pub const BITCASK_DURABILITY_ALWAYS: i32 = 2;

/// Opening fails if damage hides which keys it touches. The default.
pub const BITCASK_ON_DAMAGE_REFUSE: i32 = 0;
/// Opening succeeds, and all that is undamaged is served.
pub const BITCASK_ON_DAMAGE_SERVE: i32 = 1;

/// How to open a store. Owned by the caller, who frees it with bitcask_options_free; a store keeps nothing of it. For
/// one thread at a time while it is being set; then threads may share it.
#[derive(Debug)]
pub struct bitcask_options {
    _opaque: (),
}

/// The core's options hold durability, and the merge policy, as one value each; C sets their parts separately, in any order.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    options: Options,
    durability: i32,
    every: Duration,
    bytes: u64,
    pub(crate) merge: MergePolicy,
}

impl Chosen {
    fn new() -> Chosen {
        // The figures of the core's default, which can't be read from outside.
        Chosen {
            options: Options::new(),
            durability: BITCASK_DURABILITY_INTERVAL,
            every: Duration::from_millis(100),
            bytes: 16 << 20,
            merge: MergePolicy::new(),
        }
    }

    fn to_core(&self) -> Options {
        self.options.clone().merge(self.merge).durability(match self.durability {
            BITCASK_DURABILITY_NONE => Durability::None,
            BITCASK_DURABILITY_ALWAYS => Durability::Always,
            _ => Durability::Interval { every: self.every, bytes: self.bytes },
        })
    }

    pub(crate) fn update(&mut self, change: impl FnOnce(Options) -> Options) {
        self.options = change(std::mem::take(&mut self.options));
    }
}

static OPTIONS: Table<RwLock<Chosen>, One> = Table::new();

impl Handle for bitcask_options {
    type Object = RwLock<Chosen>;
    type Users = One;
    const TAG: usize = 2;
    const NAME: &'static str = "options";
    fn table() -> &'static Table<RwLock<Chosen>, One> {
        &OPTIONS
    }
}

/// Options at their defaults: a btree index, files mapped where pointers have 64 bits, a sync every 100 ms or 16 MiB, files of
/// 1 GiB, created if missing, checksums verified, damage refused. NULL only if there are no handles left.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_options_new() -> *mut bitcask_options {
    insert::<bitcask_options>(RwLock::new(Chosen::new())).unwrap_or(std::ptr::null_mut())
}

/// Frees options. Does nothing for NULL, or if they were freed before.
#[unsafe(no_mangle)]
pub extern "C" fn bitcask_options_free(options: *mut bitcask_options) {
    free(options);
}

/// The core's options of a handle; those of NULL are the defaults.
pub(crate) fn to_core(options: *const bitcask_options) -> Result<Options, Failure> {
    if options.is_null() {
        return Ok(Options::new());
    }
    let options: Lent<bitcask_options> = enter(options)?;
    let chosen = options.try_read().map_err(|_| Failure::in_use("options"))?;
    Ok(chosen.to_core())
}

/// Changes options inside of the guard.
///
/// # Safety
/// `error` is NULL or may be written.
pub(crate) unsafe fn set(
    options: *mut bitcask_options,
    error: *mut *mut bitcask_error,
    change: impl FnOnce(&mut Chosen) -> Result<(), Failure>,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let options = enter(options)?;
            change(&mut *options.try_write().map_err(|_| Failure::in_use("options"))?)?;
            Ok(Status::Ok)
        })
    }
}

/// The kind of index: BITCASK_INDEX_BTREE, _HASH, _ART, _SKIPLIST or _BPTREE. Any kind opens any directory.
///
/// Errors: BITCASK_INVALID_ARGUMENT for another number, or a kind that this release lacks; BITCASK_NULL_ARGUMENT,
/// BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_index(
    options: *mut bitcask_options,
    kind: i32,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        set(options, error, |chosen| {
            let kind = index_kind(kind).ok_or_else(|| Failure::unknown("index kind", kind))?;
            chosen.update(|options| options.index(kind));
            Ok(())
        })
    }
}

/// The core's kind of a number, if it has it.
fn index_kind(number: i32) -> Option<IndexKind> {
    match number {
        BITCASK_INDEX_BTREE => Some(IndexKind::BTree),
        BITCASK_INDEX_HASH => Some(IndexKind::Hash),
        BITCASK_INDEX_ART => Some(IndexKind::Art),
        BITCASK_INDEX_SKIPLIST => Some(IndexKind::SkipList),
        BITCASK_INDEX_BPTREE => Some(IndexKind::BPTree),
        _ => None,
    }
}

/// How data files are read: BITCASK_IO_MMAP or BITCASK_IO_FILE. Writing is the same under both, and so are the files. Where a
/// file can't be mapped it is read; bitcask_stats tells how many are mapped. A store that is opened for reading only maps
/// nothing, because a writer in another process may cut a file shorter.
///
/// Errors: BITCASK_INVALID_ARGUMENT for another number, BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_io(
    options: *mut bitcask_options,
    kind: i32,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        set(options, error, |chosen| {
            let kind = match kind {
                BITCASK_IO_MMAP => IoKind::Mmap,
                BITCASK_IO_FILE => IoKind::File,
                _ => return Err(Failure::unknown("I/O kind", kind)),
            };
            chosen.update(|options| options.io(kind));
            Ok(())
        })
    }
}

/// Most bytes of memory that an iterator may take to sort keys, where the index has no order (BITCASK_INDEX_HASH): 8 for each
/// key of the store, and for each key in the iterator's range its length and 16 more. Beyond it making the iterator is
/// BITCASK_UNSUPPORTED. 1 GiB unless it is set.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_sort_budget(
    options: *mut bitcask_options,
    bytes: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        set(options, error, |chosen| {
            chosen.update(|options| options.sort_budget(bytes));
            Ok(())
        })
    }
}

/// Bytes of memory that an index on disk (BITCASK_INDEX_BPTREE) may take for its cache; the other kinds have none. At least
/// 1048576, which is checked at open. 64 MiB unless it is set.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_index_budget(
    options: *mut bitcask_options,
    bytes: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        set(options, error, |chosen| {
            chosen.update(|options| options.index_budget(bytes));
            Ok(())
        })
    }
}

/// Bytes of log after which the index is saved, so that an opening after a crash reads little of the log: BITCASK_INDEX_BTREE and
/// BITCASK_INDEX_HASH beside writers in the file index.checkpoint, not before the log has grown by an eighth of what saving it writes, and where that
/// is 16 MiB or more in a pause of the writers, or after two seconds without one; BITCASK_INDEX_BPTREE in its own file. With each new data
/// file that is looked at too. 0 saves it at close alone. The other kinds are not saved. 64 MiB unless it is set.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_checkpoint_bytes(
    options: *mut bitcask_options,
    bytes: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        set(options, error, |chosen| {
            chosen.update(|options| options.checkpoint_bytes(bytes));
            Ok(())
        })
    }
}

/// When writes reach stable storage: BITCASK_DURABILITY_NONE, _INTERVAL or _ALWAYS. A single write may ask for more with
/// BITCASK_WRITE_SYNC.
///
/// Errors: BITCASK_INVALID_ARGUMENT for another number, BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_durability(
    options: *mut bitcask_options,
    durability: i32,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        set(options, error, |chosen| {
            if !(BITCASK_DURABILITY_NONE..=BITCASK_DURABILITY_ALWAYS).contains(&durability) {
                return Err(Failure::unknown("durability", durability));
            }
            chosen.durability = durability;
            Ok(())
        })
    }
}

/// The limits of BITCASK_DURABILITY_INTERVAL, which it does not choose: the longest time, and the most bytes of log, that
/// acknowledged writes stay unsynced. Both at least 1, which is checked at open.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_sync_interval(
    options: *mut bitcask_options,
    milliseconds: u64,
    bytes: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        set(options, error, |chosen| {
            chosen.every = Duration::from_millis(milliseconds);
            chosen.bytes = bytes;
            Ok(())
        })
    }
}

/// Length in bytes beyond which no further record goes into a data file: 4096 to 4294967296, which is checked at open. A
/// larger record gets a file of its own.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_max_file_size(
    options: *mut bitcask_options,
    bytes: u64,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        set(options, error, |chosen| {
            chosen.update(|options| options.max_file_size(bytes));
            Ok(())
        })
    }
}

/// Whether to create the directory and the store in it if missing. The parent directory must exist.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_create_if_missing(
    options: *mut bitcask_options,
    yes: bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        set(options, error, |chosen| {
            chosen.update(|options| options.create_if_missing(yes));
            Ok(())
        })
    }
}

/// Opens without a lock and without changing anything, also beside a writer in another process; shows what was there at
/// open.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_read_only(
    options: *mut bitcask_options,
    yes: bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        set(options, error, |chosen| {
            chosen.update(|options| options.read_only(yes));
            Ok(())
        })
    }
}

/// Whether every read verifies the record's checksum.
///
/// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_verify_checksums(
    options: *mut bitcask_options,
    yes: bool,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        set(options, error, |chosen| {
            chosen.update(|options| options.verify_checksums(yes));
            Ok(())
        })
    }
}

/// What open does with damage whose keys are unknown: BITCASK_ON_DAMAGE_REFUSE or BITCASK_ON_DAMAGE_SERVE.
///
/// Errors: BITCASK_INVALID_ARGUMENT for another number, BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitcask_options_set_on_damage(
    options: *mut bitcask_options,
    policy: i32,
    error: *mut *mut bitcask_error,
) -> i32 {
    // SAFETY: the caller's promise for `error`.
    unsafe {
        set(options, error, |chosen| {
            let policy = match policy {
                BITCASK_ON_DAMAGE_REFUSE => OnDamage::Refuse,
                BITCASK_ON_DAMAGE_SERVE => OnDamage::Serve,
                _ => return Err(Failure::unknown("damage policy", policy)),
            };
            chosen.update(|options| options.on_damage(policy));
            Ok(())
        })
    }
}
