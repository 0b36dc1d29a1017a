//! Catching up: a reader takes what a writer in another process appended since.
//!
//! 1. Is the last record that was read still there? Then nothing was taken back ([`Seen`]).
//! 2. Is there anything behind it, or, behind a seal, a next file? If not, that was all.
//! 3. Are the files that this state knows still there, and no others but later ones of the log? A merge, which removes files and adds others,
//!    changes no key; all the same the state is loaded anew, so that space is given back. Files are looked for by listing when there
//!    is something new, and else one of them each time, by turns, so that this costs the same whatever their number.
//! 4. The log is read from there on by the rules of recovery, and each commit goes into the index as in a writer: announced to history,
//!    applied as a whole, made visible.
//!
//! What does not pass as a record is the end for now: the writer is in the midst of it, or was when it died. It is damage if the log
//! says that it goes on behind it (FORMAT 5).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::format::header::{DATA_START, FileKind};
use crate::format::payload::Seal;
use crate::format::record::MAX_HEADER_LEN;
use crate::index::Change;
use crate::log::{DataFile, LogPosition, Seen, Unusable};
use crate::types::{FileId, SeqNo};
use crate::vfs::{OpenMode, read_full_at};

use super::accounts::Counted;
use super::recovery::{self, Live, LogEndFound, Progress, ReplayConfig, Replayed, Start, Survey};
use super::store::Store;

/// How far in the log a reader is.
#[derive(Debug)]
pub(super) struct Tail {
    seen: Arc<Seen>,
    /// The log file that it ends in and where, or `None` if there is none yet.
    end: Option<End>,
    /// The file whose name is looked for next.
    turn: usize,
}

#[derive(Clone, Debug)]
struct End {
    file: Arc<DataFile>,
    offset: u64,
    /// Nothing can follow in this file.
    sealed: bool,
}

/// What catching up came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CaughtUp {
    /// So many records more.
    To { records: u64 },
    /// The files are others than this state was made from.
    NotPossible,
}

impl Tail {
    /// Of a state that was just read. Files that lie behind the end of the log are left out of it: they are not part of the log yet.
    pub(super) fn new(survey: &mut Survey, replayed: &Replayed) -> Tail {
        let seen = Arc::new(Seen::default());
        seen.raise(replayed.applied);
        seen.set_last(replayed.last.clone());
        let end = replayed.end.as_ref().and_then(|found| End::new(&survey.files, found));
        if let Some(end) = &end {
            survey.files.retain(|file| !is_behind(file, end.file.id()));
        }
        for file in &survey.files {
            file.read_beside(&seen);
        }
        Tail { seen, end, turn: 0 }
    }
}

impl End {
    fn new(files: &[Arc<DataFile>], found: &LogEndFound) -> Option<End> {
        let file = files.iter().find(|file| file.id() == found.position.file)?;
        Some(End { file: Arc::clone(file), offset: found.position.offset, sealed: found.sealed && !found.torn })
    }

    /// Whether there is nothing behind it, from one read. Records begin with a checksum of which some bits are set, or their other fields have
    /// some; all zeros is none.
    fn is_last(&self) -> Result<bool> {
        let mut bytes = [0; MAX_HEADER_LEN];
        let got = read_full_at(self.file.file().as_ref(), &mut bytes, self.offset)
            .map_err(|e| self.file.io_error("read", self.offset, e))?;
        Ok(bytes.iter().take(got).all(|&byte| byte == 0))
    }
}

fn is_behind(file: &DataFile, last: FileId) -> bool {
    file.header().kind == FileKind::Log && file.id() > last
}

impl Store {
    /// Takes what was appended since. After an error the state is one that the log had, and another call may go on.
    pub(super) fn catch_up(&self) -> Result<CaughtUp> {
        self.check_usable()?;
        let Some(tail) = &self.tail else { return Ok(CaughtUp::To { records: 0 }) };
        let mut tail = tail.lock();
        let Some(end) = tail.end.clone() else { return Ok(CaughtUp::NotPossible) };
        if let Some(last) = tail.seen.last() {
            last.check()?;
        }
        if !end.sealed && end.is_last()? {
            return Ok(if self.next_is_there(&mut tail)? {
                CaughtUp::To { records: 0 }
            } else {
                CaughtUp::NotPossible
            });
        }
        let Some(new) = self.new_files(&end)? else { return Ok(CaughtUp::NotPossible) };
        if end.sealed && new.is_empty() {
            return Ok(CaughtUp::To { records: 0 });
        }
        self.read_on(&mut tail, &end, new)
    }

    /// Whether the name of one of the files, another one each time, leads to that file.
    fn next_is_there(&self, tail: &mut Tail) -> Result<bool> {
        let files = self.files.load();
        let files = files.all();
        tail.turn = (tail.turn + 1) % files.len().max(1);
        match files.get(tail.turn) {
            Some(file) => self.is_there(file),
            None => Ok(false),
        }
    }

    /// Whether a file's name leads to that file.
    fn is_there(&self, file: &DataFile) -> Result<bool> {
        match DataFile::open(self.vfs.as_ref(), self.path(), file.id(), OpenMode::Read, 0) {
            Ok((found, _)) => Ok(found.header().nonce == file.header().nonce),
            Err(Unusable::Bad(Error::Io { op: "open", source, .. }))
                if source.kind() != std::io::ErrorKind::NotFound =>
            {
                Err(Error::Io { op: "open", path: file.path().to_owned(), offset: None, source })
            }
            Err(_) => Ok(false),
        }
    }

    /// The log files behind the one that the log ends in, or `None` if other files came or went.
    fn new_files(&self, end: &End) -> Result<Option<Vec<Arc<DataFile>>>> {
        let listed = recovery::data_files(self.vfs.as_ref(), self.path())?;
        let known = self.files.load();
        if known.all().iter().any(|file| listed.binary_search(&file.id()).is_err()) {
            return Ok(None);
        }
        let mut new = Vec::new();
        let last = listed.last().copied();
        for id in listed {
            if let Some(file) = known.get(id) {
                // One of the log behind the end: a call that failed got so far. A number behind the end may be used again by a writer that was
                // opened anew, when a merge took away what had it.
                let is_behind = id > end.file.id();
                if is_behind && (file.header().kind == FileKind::Log || !self.is_there(file)?) {
                    return Ok(None);
                }
                continue;
            }
            let file = match DataFile::open(self.vfs.as_ref(), self.path(), id, OpenMode::Read, 0) {
                Ok((file, _)) => file,
                // It is being created, if it is the last and still there. One that is gone was merged since the listing, with what was acknowledged
                // in it, or was taken away again.
                Err(error) if Some(id) == last && id > end.file.id() && !error.is_absence() => break,
                Err(_) => return Ok(None),
            };
            let header = file.header();
            if id < end.file.id() || header.kind != FileKind::Log || header.store_id != end.file.header().store_id {
                return Ok(None);
            }
            new.push(Arc::new(file));
        }
        Ok(Some(new))
    }

    fn read_on(&self, tail: &mut Tail, end: &End, new: Vec<Arc<DataFile>>) -> Result<CaughtUp> {
        let len = end.file.file().len().map_err(|e| end.file.io_error("stat", end.offset, e))?;
        let mut position = LogPosition { file: end.file.id(), offset: end.offset };
        let mut files = vec![Arc::clone(&end.file)];
        if let Some(first) = new.first().filter(|_| end.sealed) {
            position = LogPosition { file: first.id(), offset: DATA_START };
            files.clear();
        }
        files.extend(new);
        let survey = Survey { files, ..Survey::default() };
        let publisher = Publisher {
            store: self,
            seen: &tail.seen,
            files: &survey.files,
            records: AtomicU64::new(0),
            counts_anew: AtomicBool::new(false),
        };
        let before = self.visible();
        let start = Start { position, seq: before, seal: Seal::default(), witness: 0, expires: false };
        let config = ReplayConfig {
            vfs: &self.vfs,
            dir: self.path(),
            on_damage: self.config.on_damage,
            collect_hints: false,
            start: Some(start),
            beside: true,
            last: tail.seen.last(),
            live: Some(&publisher),
            until: SeqNo(u64::MAX),
            owed: SeqNo::ZERO,
            ledger: None,
            expires: self.expiry.records_flag(),
            progress: Progress::new(None),
        };
        end.file.set_end(len.max(end.offset));
        let outcome = recovery::replay(&survey, self.index.as_ref(), config);
        if publisher.counts_anew.load(Ordering::Relaxed) {
            self.accounts.forget();
        }
        let records = publisher.records.load(Ordering::Relaxed);
        let found = match outcome {
            Ok(replayed) if replayed.report.damage.is_empty() => replayed,
            outcome => {
                if self.visible() != before {
                    // Somewhere between two places that are known.
                    tail.end = None;
                }
                return outcome.map(|_| CaughtUp::NotPossible);
            }
        };
        tail.seen.set_last(found.last.clone());
        if let Some(reached) = found.end.as_ref().and_then(|found| End::new(&survey.files, found)) {
            reached.file.set_end(reached.offset);
            let passed = survey.files.iter().filter(|file| file.id() <= reached.file.id());
            self.show(passed.cloned().collect(), &tail.seen);
            tail.end = Some(reached);
        }
        Ok(CaughtUp::To { records })
    }

    /// Adds files to the table that are not there yet.
    fn show(&self, files: Vec<Arc<DataFile>>, seen: &Arc<Seen>) {
        let table = self.files.load();
        let new: Vec<_> = files.into_iter().filter(|file| table.get(file.id()).is_none()).collect();
        drop(table);
        new.iter().for_each(|file| file.read_beside(seen));
        if !new.is_empty() {
            self.files.add(new);
        }
    }
}

impl Store {
    /// Makes one commit's changes as a writer does: history is told, the index changed, the commit becomes visible.
    ///
    /// REQUIRES: the gate is held for writing.
    fn put_commit(&self, changes: &mut [Change<'_>], records: &[Counted], seq: SeqNo) -> Result<()> {
        if self.history.is_needed() {
            for change in changes.iter() {
                self.history.announce(seq, change.key, self.index.get(change.key)?);
            }
        }
        self.index.apply(changes)?;
        self.accounts.with(|ledger| {
            for (change, record) in changes.iter().zip(records) {
                ledger.count(change.new, record);
                ledger.moved(change.old, change.new);
            }
        });
        self.visible.store(seq.0, Ordering::Release);
        Ok(())
    }
}

/// Puts commits into the index under the eyes of readers.
#[derive(Debug)]
struct Publisher<'a> {
    store: &'a Store,
    seen: &'a Arc<Seen>,
    files: &'a [Arc<DataFile>],
    /// Changes that were made.
    records: AtomicU64,
    /// Some of them were counted twice.
    counts_anew: AtomicBool,
}

impl Live for Publisher<'_> {
    fn publish(&self, changes: &mut [Change<'_>], records: &[Counted]) -> Result<()> {
        let store = self.store;
        let Some(last) = records.last().map(|record| record.seq) else { return Ok(()) };
        // Files and numbers before the places that need them.
        let needed =
            |file: &&Arc<DataFile>| changes.iter().any(|change| change.new.is_some_and(|new| new.file() == file.id()));
        store.show(self.files.iter().filter(needed).cloned().collect(), self.seen);
        self.seen.raise(last);
        // What is damaged of a saved index is to be found now, and not under the gate.
        store.index.ready()?;
        let _gate = store.gate.write();
        let mut rest = changes;
        for commit in records.chunk_by(|a, b| a.seq == b.seq) {
            let (changes, others) = rest.split_at_mut(commit.len());
            rest = others;
            if let Some(seq) = commit.first().map(|record| record.seq) {
                self.records.fetch_add(changes.len() as u64, Ordering::Relaxed);
                store.put_commit(changes, commit, seq)?;
            }
        }
        Ok(())
    }

    fn counts_anew(&self) {
        self.counts_anew.store(true, Ordering::Relaxed);
    }
}
