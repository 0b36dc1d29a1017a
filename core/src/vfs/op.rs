//! The names of the operations behind the seam, shared by the disk that records them and the injector that fails them.

/// One kind of operation of [`Vfs`](super::Vfs) or [`VfsFile`](super::VfsFile).
///
/// The clock, the random numbers and the process's numbers are none: nothing is to be learnt from failing them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OpKind {
    /// `open` of an existing file.
    Open,
    /// `open` with `CreateNew`; and in a simulated disk's history, the making of a lock file too.
    Create,
    /// `list`.
    List,
    /// `rename`.
    Rename,
    /// `remove`.
    Remove,
    /// `create_dir`.
    CreateDir,
    /// `sync_dir`.
    SyncDir,
    /// `entry_kind`.
    EntryKind,
    /// `canonicalize`.
    Canonicalize,
    /// `lock`.
    Lock,
    /// `read_at`.
    Read,
    /// `write_at`.
    Write,
    /// `len`.
    Len,
    /// `set_len`.
    SetLen,
    /// `allocate`.
    Allocate,
    /// `fill`. In a simulated disk's history, the write of zeros that it is.
    Fill,
    /// `sync_data`.
    SyncData,
    /// `map`, `map_private` and `window`.
    Map,
    /// No call but an event: a sync failed and the kernel took the dirty pages for clean
    /// ([`SimVfs::fail_sync_dropping_pages`](super::sim::SimVfs::fail_sync_dropping_pages)). Only in histories.
    DropPages,
    /// The same of a directory: a sync of it failed, and its changes count as written
    /// ([`SimVfs::fail_sync_dropping_entries`](super::sim::SimVfs::fail_sync_dropping_entries)). Only in histories.
    DropEntries,
}

impl OpKind {
    /// All that a caller can issue, that is all but [`OpKind::DropPages`] and [`OpKind::DropEntries`].
    pub const ALL: [OpKind; 18] = [
        OpKind::Open,
        OpKind::Create,
        OpKind::List,
        OpKind::Rename,
        OpKind::Remove,
        OpKind::CreateDir,
        OpKind::SyncDir,
        OpKind::EntryKind,
        OpKind::Canonicalize,
        OpKind::Lock,
        OpKind::Read,
        OpKind::Write,
        OpKind::Len,
        OpKind::SetLen,
        OpKind::Allocate,
        OpKind::Fill,
        OpKind::SyncData,
        OpKind::Map,
    ];

    /// Whether the operation changes the disk, or what of it is durable. A lock does: it makes its file and writes
    /// the note.
    #[must_use]
    pub fn changes_the_disk(self) -> bool {
        match self {
            OpKind::Create
            | OpKind::Rename
            | OpKind::Remove
            | OpKind::CreateDir
            | OpKind::SyncDir
            | OpKind::Lock
            | OpKind::Write
            | OpKind::SetLen
            | OpKind::Allocate
            | OpKind::Fill
            | OpKind::SyncData
            | OpKind::DropPages
            | OpKind::DropEntries => true,
            OpKind::Open
            | OpKind::List
            | OpKind::EntryKind
            | OpKind::Canonicalize
            | OpKind::Read
            | OpKind::Len
            | OpKind::Map => false,
        }
    }

    /// Its bit in a set of kinds.
    pub(super) fn bit(self) -> u32 {
        1 << self as u32
    }
}
