//! What a caller may choose at open, and its validation. The facade splits [`Options`] into narrow configurations for
//! the layers below; no layer sees the whole of it.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::MergePolicy;
use crate::error::{Error, Result};
use crate::index::IndexKind;
use crate::stats::OpenProgress;
use crate::types::{Durability, IoKind, OnDamage};

/// How to open a store. Values are checked at open, not in the setters.
#[derive(Clone)]
pub struct Options {
    pub(crate) index: IndexKind,
    pub(crate) durability: Durability,
    pub(crate) max_file_size: u64,
    pub(crate) create_if_missing: bool,
    pub(crate) read_only: bool,
    pub(crate) verify_checksums: bool,
    pub(crate) on_damage: OnDamage,
    pub(crate) io: IoKind,
    pub(crate) sort_budget: u64,
    pub(crate) index_budget: u64,
    pub(crate) checkpoint_bytes: u64,
    pub(crate) merge: MergePolicy,
    pub(crate) expiry: Option<Duration>,
    pub(crate) background_merge: bool,
    pub(crate) progress: Option<Arc<ProgressCallback>>,
}

/// What is told of an opening's progress.
type ProgressCallback = dyn Fn(&OpenProgress) -> ControlFlow<()> + Send + Sync;

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("index", &self.index)
            .field("durability", &self.durability)
            .field("max_file_size", &self.max_file_size)
            .field("create_if_missing", &self.create_if_missing)
            .field("read_only", &self.read_only)
            .field("verify_checksums", &self.verify_checksums)
            .field("on_damage", &self.on_damage)
            .field("io", &self.io)
            .field("sort_budget", &self.sort_budget)
            .field("index_budget", &self.index_budget)
            .field("checkpoint_bytes", &self.checkpoint_bytes)
            .field("merge", &self.merge)
            .field("expiry", &self.expiry)
            .field("background_merge", &self.background_merge)
            .field("on_progress", &self.progress.is_some())
            .finish()
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            index: IndexKind::default(),
            durability: Durability::Interval { every: Duration::from_millis(100), bytes: 16 << 20 },
            max_file_size: Options::DEFAULT_MAX_FILE_SIZE,
            create_if_missing: true,
            read_only: false,
            verify_checksums: true,
            on_damage: OnDamage::default(),
            io: IoKind::default(),
            sort_budget: Options::DEFAULT_SORT_BUDGET,
            index_budget: Options::DEFAULT_INDEX_BUDGET,
            checkpoint_bytes: Options::DEFAULT_CHECKPOINT_BYTES,
            merge: MergePolicy::default(),
            expiry: None,
            background_merge: true,
            progress: None,
        }
    }
}

impl Options {
    /// Smallest allowed [`Options::max_file_size`], in bytes.
    pub const MIN_MAX_FILE_SIZE: u64 = 4096;
    /// Greatest allowed [`Options::max_file_size`], in bytes: records begin below 4 GiB.
    pub const MAX_MAX_FILE_SIZE: u64 = 1 << 32;
    /// 1 GiB.
    pub const DEFAULT_MAX_FILE_SIZE: u64 = 1 << 30;
    /// Smallest allowed [`Options::index_budget`], in bytes: 1 MiB.
    pub const MIN_INDEX_BUDGET: u64 = crate::index::bptree::MIN_BUDGET;
    /// 64 MiB.
    pub const DEFAULT_INDEX_BUDGET: u64 = 64 << 20;
    /// 64 MiB.
    pub const DEFAULT_CHECKPOINT_BYTES: u64 = 64 << 20;

    /// 1 GiB.
    pub const DEFAULT_SORT_BUDGET: u64 = 1 << 30;

    /// The defaults: `btree`, an interval of 100 ms or 16 MiB, files of 1 GiB, created if missing, checksums verified.
    #[must_use]
    pub fn new() -> Options {
        Options::default()
    }

    /// The kind of index. Any kind opens any directory.
    #[must_use]
    pub fn index(mut self, kind: IndexKind) -> Options {
        self.index = kind;
        self
    }

    /// Bytes of memory for the pages of an index on disk ([`IndexKind::BPTree`]), at least 1 MiB; the other kinds are in memory as a whole.
    /// An opener that only reads has no such file: its index is in memory as a whole, whatever the budget.
    #[must_use]
    pub fn index_budget(mut self, bytes: u64) -> Options {
        self.index_budget = bytes;
        self
    }

    /// Bytes of log after which the index is saved, so that an opening after a crash reads little of the log (default 64 MiB): `btree` and `hash` beside
    /// writers in the file `index.checkpoint`, not before the log has grown by an eighth of what saving it writes, and where that is 16 MiB or more in a
    /// pause of the writers, or after two seconds without one; `bptree` in its own file. With each new data file that is looked at too. 0 saves it at
    /// close alone. The other kinds are not saved.
    #[must_use]
    pub fn checkpoint_bytes(mut self, bytes: u64) -> Options {
        self.checkpoint_bytes = bytes;
        self
    }

    /// When writes reach stable storage.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Options {
        self.durability = durability;
        self
    }

    /// Length in bytes beyond which no further record goes into a data file, 4 KiB to 4 GiB. A record larger than that gets a file of its own.
    #[must_use]
    pub fn max_file_size(mut self, bytes: u64) -> Options {
        self.max_file_size = bytes;
        self
    }

    /// Whether to create the directory and the store in it if missing (default yes). The parent directory must exist.
    #[must_use]
    pub fn create_if_missing(mut self, yes: bool) -> Options {
        self.create_if_missing = yes;
        self
    }

    /// Opens without a lock and without changing anything, also beside a writer in another process and where nothing may be written;
    /// shows what was there at open, or when it was last refreshed ([`Db::refresh`](crate::Db::refresh)) (default no).
    #[must_use]
    pub fn read_only(mut self, yes: bool) -> Options {
        self.read_only = yes;
        self
    }

    /// Whether every read verifies the record's checksum (default yes).
    #[must_use]
    pub fn verify_checksums(mut self, yes: bool) -> Options {
        self.verify_checksums = yes;
        self
    }

    /// What to do with damage whose keys are unknown.
    #[must_use]
    pub fn on_damage(mut self, policy: OnDamage) -> Options {
        self.on_damage = policy;
        self
    }

    /// How data files are read: through memory maps, or by `pread`. Where a file can't be mapped it is read;
    /// [`Stats::mapped_files`](crate::Stats::mapped_files) tells. A store that is opened for reading only maps nothing, because a
    /// writer in another process may cut a file shorter.
    #[must_use]
    pub fn io(mut self, kind: IoKind) -> Options {
        self.io = kind;
        self
    }

    /// Most bytes of memory that an iterator may take to sort keys, where the index has no order (`hash`): 8 for each key of the store, and
    /// for each key in the iterator's range its length and 16 more. Beyond it making the iterator is an error.
    #[must_use]
    pub fn sort_budget(mut self, bytes: u64) -> Options {
        self.sort_budget = bytes;
        self
    }

    /// When files are worth a merge, and which; and when and how fast merges run in the background.
    #[must_use]
    pub fn merge(mut self, policy: MergePolicy) -> Options {
        self.merge = policy;
        self
    }

    /// Records count as absent so long after they were written, by the clock, unless they have an expiry of their own ([`WriteOptions::ttl`],
    /// [`Db::expire`](crate::Db::expire)). At least a millisecond. Nothing of it is stored: it holds for this opening, for all that the
    /// store has, and another one next time takes effect at once (what has been swept meanwhile stays gone).
    #[must_use]
    pub fn expiry(mut self, age: Duration) -> Options {
        self.expiry = Some(age);
        self
    }

    /// Records without an expiry of their own stay, the default.
    #[must_use]
    pub fn no_expiry(mut self) -> Options {
        self.expiry = None;
        self
    }

    /// Whether a thread of the store merges by itself what is worth it by [`Options::merge`] (default yes), if the store is opened for writing.
    /// Without, space is given back by [`Db::merge`](crate::Db::merge) alone.
    ///
    /// The thread is started when there is a second data file, and sleeps until files come or records die. No read and no write fails
    /// because of it: what its last merge came to is told by [`Db::last_background_merge`](crate::Db::last_background_merge). After a merge that
    /// failed it waits for a second, and longer each time.
    #[must_use]
    pub fn background_merge(mut self, yes: bool) -> Options {
        self.background_merge = yes;
        self
    }

    /// Has `callback` told how far an opening is: when it begins, once in 8 MiB of data files, and when all was read. It is called
    /// by the thread that opens; [`ControlFlow::Break`] stops the opening with [`Error::Cancelled`], and so does a panic, which goes on to
    /// the caller of open: nothing is locked then, and nothing was changed that an opening would not change.
    #[must_use]
    pub fn on_progress(
        mut self,
        callback: impl Fn(&OpenProgress) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Options {
        self.progress = Some(Arc::new(callback));
        self
    }

    /// Tells nobody of the progress, the default.
    #[must_use]
    pub fn no_progress(mut self) -> Options {
        self.progress = None;
        self
    }

    /// Checks all values. Open does this itself.
    pub fn validate(&self) -> Result<()> {
        if !(Self::MIN_MAX_FILE_SIZE..=Self::MAX_MAX_FILE_SIZE).contains(&self.max_file_size) {
            return Err(Error::invalid(format!(
                "max_file_size is {}; {} to {} bytes are allowed",
                self.max_file_size,
                Self::MIN_MAX_FILE_SIZE,
                Self::MAX_MAX_FILE_SIZE
            )));
        }
        if self.index_budget < Self::MIN_INDEX_BUDGET {
            return Err(Error::invalid(format!(
                "index_budget is {}; at least {} bytes are needed",
                self.index_budget,
                Self::MIN_INDEX_BUDGET
            )));
        }
        if self.expiry.is_some_and(|age| age < Duration::from_millis(1)) {
            return Err(Error::invalid("the expiry is below 1 millisecond: nothing would ever be there"));
        }
        self.merge.validate()?;
        if let Durability::Interval { every, bytes } = self.durability {
            if every < Duration::from_millis(1) {
                return Err(Error::invalid("the sync interval is below 1 millisecond; use Durability::Always"));
            }
            if bytes == 0 {
                return Err(Error::invalid("the sync interval is 0 bytes; use Durability::Always"));
            }
        }
        Ok(())
    }
}

/// Options of one write.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions {
    pub(crate) sync: bool,
    pub(crate) ttl: Option<Duration>,
    pub(crate) keep_expiry: bool,
}

impl WriteOptions {
    /// The store's own durability.
    #[must_use]
    pub fn new() -> WriteOptions {
        WriteOptions::default()
    }

    /// Return only when this write is on stable storage, whatever the store's durability.
    #[must_use]
    pub fn sync(mut self, yes: bool) -> WriteOptions {
        self.sync = yes;
        self
    }

    /// What is put counts as absent after so much time from the call on. Whole milliseconds; a part of one counts as one. No time at all
    /// ([`Duration::ZERO`]) is a delete instead. Where nothing is put it has no meaning, and is refused with
    /// [`Error::InvalidArgument`]: a delete, and the commit of a batch or transaction, whose puts have each their own
    /// ([`Batch::put_with_ttl`](crate::Batch::put_with_ttl)).
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> WriteOptions {
        self.ttl = Some(ttl);
        self
    }

    /// What is put expires when what it replaces would have, unless there is a [`ttl`](WriteOptions::ttl). For
    /// [`compare_and_swap_with`](crate::Db::compare_and_swap_with); [`update`](crate::Db::update) and
    /// [`fetch_add`](crate::Db::fetch_add) do so anyway. Writes that don't look at what they replace refuse it with
    /// [`Error::InvalidArgument`].
    #[must_use]
    pub fn keep_expiry(mut self, yes: bool) -> WriteOptions {
        self.keep_expiry = yes;
        self
    }

    /// Refuses what has no meaning for a plain put.
    pub(crate) fn check_put(&self) -> Result<()> {
        if self.keep_expiry {
            return Err(Error::invalid(
                "keep_expiry belongs to compare_and_swap; others don't look at what they replace",
            ));
        }
        Ok(())
    }

    /// Refuses what has no meaning where nothing is put.
    pub(crate) fn check_no_ttl(&self) -> Result<()> {
        self.check_put()?;
        match self.ttl {
            Some(_) => Err(Error::invalid("a ttl belongs to a put; a delete or commit has none")),
            None => Ok(()),
        }
    }
}
