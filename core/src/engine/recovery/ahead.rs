//! Reads hints ahead of the thread that puts them into the index: one thread a file reads, checks, decodes and sorts, and hands over packets.
//!
//! The packets of a file are taken in its order, and the files in the order of the log, by one thread; so what comes of it depends on the
//! bytes alone and not on which thread was faster. Memory: the threads are as many as [`Vfs::open_threads`] says, at most
//! [`MAX_THREADS`], each with a few packets.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::format::hint::{HintEntry, HintHeader};
use crate::log::{DataFile, HintReader};
use crate::types::{FileId, Location, SeqNo};
use crate::vfs::Vfs;

use super::super::accounts::Account;
use super::hints::hinted;

/// More threads than this gain nothing: the index is filled by one.
const MAX_THREADS: usize = 4;
/// Packets of a file that wait to be taken.
const WAITING: usize = 2;
/// A packet is handed over when it has so many entries, or so many bytes of keys.
const ENTRIES: usize = 16 << 10;
const KEY_BYTES: usize = 1 << 20;

/// What a file's thread says: first whether there is a hint, then packets, then how it ended.
pub(super) enum Said {
    /// There is no hint.
    Nothing,
    /// There is one, with this header.
    Begins(Box<HintHeader>),
    Packet(Packet),
    /// It was read to its end.
    Ends(Box<HintReader>),
    /// Why it can't be used, from here on.
    Unusable(String),
}

/// Entries of a hint, in the order of their keys if the index gains by it; entries of one key in the order of the file.
pub(super) struct Packet {
    keys: Vec<u8>,
    changes: Vec<(Range<usize>, Option<Location>)>,
    pub(super) max_seq: SeqNo,
    /// Whose they are, and what they are to its account.
    pub(super) file: FileId,
    pub(super) account: Account,
    /// One of them has an expiry.
    pub(super) expires: bool,
    /// Up to where in the data file these and all before them speak.
    pub(super) reached: u64,
}

impl Packet {
    fn new(file: FileId) -> Packet {
        let (keys, changes, account) = (Vec::new(), Vec::new(), Account::default());
        Packet { keys, changes, max_seq: SeqNo::ZERO, file, account, expires: false, reached: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Option<Location>)> {
        self.changes.iter().map(|(key, new)| (self.keys.get(key.clone()).unwrap_or_default(), *new))
    }

    fn push(&mut self, entry: &HintEntry<'_>) {
        let start = self.keys.len();
        self.keys.extend_from_slice(entry.key);
        self.changes.push((start..self.keys.len(), hinted(self.file, entry)));
        self.account.hinted(self.file, entry);
        self.max_seq = self.max_seq.max(entry.seq);
        self.expires |= entry.expiry.is_some();
    }

    fn sort(&mut self) {
        let keys = &self.keys;
        let key = |range: &Range<usize>| keys.get(range.clone()).unwrap_or_default();
        // Later entries have later keys' bytes, which puts entries of one key in their order.
        self.changes.sort_unstable_by(|a, b| key(&a.0).cmp(key(&b.0)).then(a.0.start.cmp(&b.0.start)));
    }
}

/// The threads, and the files that they are to read.
pub(super) struct Ahead {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    sorts: bool,
    threads: usize,
    files: VecDeque<Arc<DataFile>>,
    running: VecDeque<(FileId, Receiver<Said>, JoinHandle<()>)>,
}

impl Ahead {
    /// Reads the hints of these files, in their order, if that is worth several threads.
    pub(super) fn new(
        vfs: &Arc<dyn Vfs>,
        dir: PathBuf,
        files: impl Iterator<Item = Arc<DataFile>>,
        sorts: bool,
    ) -> Option<Ahead> {
        let files: VecDeque<_> = files.collect();
        let threads = vfs.open_threads(files.iter().map(|file| file.end()).sum()).min(MAX_THREADS);
        // One of them is the one that fills the index.
        (threads > 1).then(|| Ahead {
            vfs: Arc::clone(vfs),
            dir,
            sorts,
            threads: threads - 1,
            files,
            running: VecDeque::new(),
        })
    }

    /// What is said of a file's hint. `None` if there is no thread for it: who asks reads it.
    pub(super) fn take(&mut self, id: FileId) -> Option<Hearing> {
        self.start();
        let (of, said, thread) = self.running.pop_front()?;
        if of != id {
            // Not in their order; what was read ahead is read again.
            self.running.push_front((of, said, thread));
            return None;
        }
        Some(Hearing { said: Some(said), thread: Some(thread) })
    }

    /// Has as many threads at work as there may be.
    fn start(&mut self) {
        while self.running.len() < self.threads
            && let Some(file) = self.files.front()
        {
            let (say, said) = sync_channel(WAITING);
            let (vfs, dir, of, sorts) = (Arc::clone(&self.vfs), self.dir.clone(), Arc::clone(file), self.sorts);
            let read = move || {
                // Nobody listens any more where opening was stopped.
                let _ = read(vfs.as_ref(), &dir, &of, sorts, &say);
            };
            let Ok(thread) = std::thread::Builder::new().name("bitcask-open".into()).spawn(read) else {
                // No threads to be had: the hints that are left are read by who asks.
                self.files.clear();
                return;
            };
            self.running.push_back((file.id(), said, thread));
            self.files.pop_front();
        }
    }
}

/// What one file's thread says.
pub(super) struct Hearing {
    said: Option<Receiver<Said>>,
    thread: Option<JoinHandle<()>>,
}

impl Hearing {
    /// The next that it says; `None` if it ended without its last word.
    pub(super) fn next(&mut self) -> Option<Said> {
        self.said.as_ref()?.recv().ok()
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        // Who is not heard any more ends.
        self.said = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Nobody listens any more.
struct NotHeard;

fn read(vfs: &dyn Vfs, dir: &Path, file: &DataFile, sorts: bool, to: &SyncSender<Said>) -> Result<(), NotHeard> {
    let say = |said| to.send(said).map_err(|_| NotHeard);
    let mut reader = match HintReader::open(vfs, dir, file) {
        Ok(Some(reader)) => reader,
        Ok(None) => return say(Said::Nothing),
        Err(reason) => return say(Said::Unusable(reason)),
    };
    say(Said::Begins(Box::new(*reader.header())))?;
    let hand_over = |mut packet: Packet| {
        if sorts {
            packet.sort();
        }
        say(Said::Packet(packet))
    };
    let mut packet = Packet::new(file.id());
    loop {
        let block = match reader.next_block() {
            Ok(Some(block)) => block,
            Ok(None) => break,
            Err(reason) => {
                // What it told so far is true.
                hand_over(packet)?;
                return say(Said::Unusable(reason));
            }
        };
        for entry in block.entries().map_while(Result::ok) {
            packet.push(&entry);
        }
        packet.reached = reader.reached();
        if packet.len() >= ENTRIES || packet.keys.len() >= KEY_BYTES {
            hand_over(std::mem::replace(&mut packet, Packet::new(file.id())))?;
        }
    }
    hand_over(packet)?;
    say(Said::Ends(Box::new(reader)))
}

impl Drop for Ahead {
    fn drop(&mut self) {
        for (_, said, thread) in self.running.drain(..) {
            drop(said);
            let _ = thread.join();
        }
    }
}
