//! What a caller may choose of merges: when they are worth their while, and how one runs.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::stats::MergeProgress;
use crate::types::FileId;

/// When files are worth a merge, and which are: one file beyond a trigger starts a merge, all files beyond a threshold join it. The words and
/// defaults are those of Riak's Bitcask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergePolicy {
    pub(crate) frag_merge_trigger: u8,
    pub(crate) dead_bytes_merge_trigger: u64,
    pub(crate) frag_threshold: u8,
    pub(crate) dead_bytes_threshold: u64,
    pub(crate) small_file_threshold: u64,
    pub(crate) window: Option<(u8, u8)>,
    pub(crate) bytes_per_second: u64,
}

impl Default for MergePolicy {
    fn default() -> MergePolicy {
        MergePolicy {
            frag_merge_trigger: 60,
            dead_bytes_merge_trigger: 512 << 20,
            frag_threshold: 40,
            dead_bytes_threshold: 128 << 20,
            small_file_threshold: 10 << 20,
            window: None,
            bytes_per_second: 0,
        }
    }
}

impl MergePolicy {
    /// The defaults.
    #[must_use]
    pub fn new() -> MergePolicy {
        MergePolicy::default()
    }

    /// Share of a file's records, by bytes and in percent, from which on it starts a merge if they are dead (default 60). Above 100 never.
    #[must_use]
    pub fn frag_merge_trigger(mut self, percent: u8) -> MergePolicy {
        self.frag_merge_trigger = percent;
        self
    }

    /// Dead bytes of a file from which on it starts a merge (default 512 MiB).
    #[must_use]
    pub fn dead_bytes_merge_trigger(mut self, bytes: u64) -> MergePolicy {
        self.dead_bytes_merge_trigger = bytes;
        self
    }

    /// Dead share in percent from which on a file joins a merge (default 40).
    #[must_use]
    pub fn frag_threshold(mut self, percent: u8) -> MergePolicy {
        self.frag_threshold = percent;
        self
    }

    /// Dead bytes from which on a file joins a merge (default 128 MiB).
    #[must_use]
    pub fn dead_bytes_threshold(mut self, bytes: u64) -> MergePolicy {
        self.dead_bytes_threshold = bytes;
        self
    }

    /// Files shorter than this join a merge (default 10 MiB); 0 for none.
    #[must_use]
    pub fn small_file_threshold(mut self, bytes: u64) -> MergePolicy {
        self.small_file_threshold = bytes;
        self
    }

    /// The first and the last hour of the day (UTC, 0 to 23) in which merges run in the background; over midnight if the last is the smaller one: from 22
    /// to 4 is from 22:00 to 4:59. `None`, the default, is always. A merge under way at the end of the window gives up what it has not completed. Merges by
    /// hand run at any time.
    #[must_use]
    pub fn window(mut self, hours: Option<(u8, u8)>) -> MergePolicy {
        self.window = hours;
        self
    }

    /// Merges in the background read and write at most so many bytes a second together; 0, the default, is without limit. Of merges by hand
    /// [`MergeOptions::bytes_per_second`] says it.
    #[must_use]
    pub fn bytes_per_second(mut self, bytes: u64) -> MergePolicy {
        self.bytes_per_second = bytes;
        self
    }

    pub(crate) fn validate(&self) -> Result<()> {
        match self.window {
            Some((from, to)) if from > 23 || to > 23 => {
                Err(Error::invalid(format!("the merge window is from {from} to {to}; hours are 0 to 23")))
            }
            _ => Ok(()),
        }
    }
}

/// Is told how far a merge is, and whether to go on.
type Progress = Arc<dyn Fn(&MergeProgress) -> ControlFlow<()> + Send + Sync>;

/// Options of one merge.
#[derive(Clone, Default)]
pub struct MergeOptions {
    pub(crate) files: Option<Vec<FileId>>,
    pub(crate) everything: bool,
    pub(crate) bytes_per_second: u64,
    pub(crate) progress: Option<Progress>,
}

impl fmt::Debug for MergeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MergeOptions { files, everything, bytes_per_second, progress } = self;
        f.debug_struct("MergeOptions")
            .field("files", files)
            .field("everything", everything)
            .field("bytes_per_second", bytes_per_second)
            .field("progress", &progress.is_some())
            .finish()
    }
}

impl MergeOptions {
    /// Merges what the store's [`MergePolicy`] finds worth it, as fast as it goes.
    #[must_use]
    pub fn new() -> MergeOptions {
        MergeOptions::default()
    }

    /// Merges these data files and no others. If the log ends in one of them, it goes on in a new one.
    #[must_use]
    pub fn files(mut self, files: &[FileId]) -> MergeOptions {
        self.files = Some(files.to_vec());
        self
    }

    /// Merges all data files. The log goes on in a new one. Needs as much free space as the live records take.
    #[must_use]
    pub fn everything(mut self, yes: bool) -> MergeOptions {
        self.everything = yes;
        self
    }

    /// Reads and writes at most so many bytes a second together; 0, the default, is without limit.
    #[must_use]
    pub fn bytes_per_second(mut self, bytes: u64) -> MergeOptions {
        self.bytes_per_second = bytes;
        self
    }

    /// Is called now and then, in the thread that merges, also while the merge is paused or slowed down. `Break` stops the merge with [`Error::Cancelled`]: what was not done stays for the next one.
    /// The store may be read and written in it; another merge or a close would wait for this one, and fail with [`Error::InvalidArgument`].
    #[must_use]
    pub fn progress(
        mut self,
        callback: impl Fn(&MergeProgress) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> MergeOptions {
        self.progress = Some(Arc::new(callback));
        self
    }

    /// Tells nobody of the progress, the default.
    #[must_use]
    pub fn no_progress(mut self) -> MergeOptions {
        self.progress = None;
        self
    }
}
