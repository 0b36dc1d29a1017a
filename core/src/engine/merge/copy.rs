//! Copies what is to stay from the sources into new files: live records, and deletes that still hide something.
//!
//! A record is live if the index names exactly its place, at some moment of the merge: sources don't change, so that what is dead once
//! stays dead. Where the index is walked in the order of keys, that is the order of the copies; where there are few live records in many keys,
//! or no order, the sources are read and the copies are sorted in runs.

use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::format::header::DATA_START;
use crate::index::{KeyPage, Start};
use crate::log::{Asked, Content, DataFile, Finished, Item, Output, OutputConfig, Scanner};
use crate::types::{FileId, Location, SeqNo, Timestamp};

use super::super::store::Store;
use super::control::Pace;
use super::sources::Source;
use super::{Account, MergeReport};

/// Keys that the index is asked for at once.
const PAGE: usize = 1024;
/// Records that are asked of memory before the one that is read.
const AHEAD: usize = 16;
/// Memory of a run that is sorted.
const RUN_BYTES: usize = 32 << 20;
/// The index is walked if at least one in so many of its keys is to be copied.
const WALK_SHARE: u64 = 8;

/// A record that is to be copied.
#[derive(Clone, Copy, Debug)]
struct Live<'a> {
    location: Location,
    file: &'a DataFile,
}

impl<'a> Live<'a> {
    fn ask(&self) -> Option<Asked<'a>> {
        self.file.ask_for(self.location)
    }
}

/// Outputs, and what they were made of.
pub(super) struct Copier<'a> {
    store: &'a Store,
    config: OutputConfig,
    sources: &'a [Source],
    /// The sources, by ascending id.
    files: Vec<(FileId, &'a DataFile)>,
    current: Option<(Output, Account)>,
    finished: Vec<(Finished, Account)>,
    scratch: Vec<u8>,
}

impl<'a> Copier<'a> {
    pub(super) fn new(store: &'a Store, sources: &'a [Source]) -> Copier<'a> {
        let mut files: Vec<_> = sources.iter().map(|source| (source.file.id(), source.file.as_ref())).collect();
        files.sort_unstable_by_key(|&(id, _)| id);
        let config = store.output_config();
        Copier { store, config, sources, files, current: None, finished: Vec::new(), scratch: Vec::new() }
    }

    /// All outputs, on stable storage.
    pub(super) fn finish(mut self) -> Result<Vec<(Finished, Account)>> {
        self.close()?;
        Ok(self.finished)
    }

    fn close(&mut self) -> Result<()> {
        if let Some((output, account)) = self.current.take() {
            self.finished.push((output.finish()?, account));
        }
        Ok(())
    }

    /// The output that a record of this length goes to.
    fn output(&mut self, len: u64) -> Result<&mut (Output, Account)> {
        if self.current.as_ref().is_some_and(|(output, _)| !output.has_room(len)) {
            self.close()?;
        }
        if self.current.is_none() {
            let id = match &self.store.log {
                Some(log) => log.lock().take_id()?,
                None => return Err(Error::ReadOnly),
            };
            self.current = Some((Output::create(self.config.clone(), id)?, Account::default()));
        }
        self.current.as_mut().ok_or_else(|| Error::Internal { what: "an output that was made is not there".into() })
    }

    /// Copies the live records of all sources.
    pub(super) fn copy_live(&mut self, pace: &mut Pace<'_>, report: &mut MergeReport) -> Result<()> {
        let live: u64 = self.sources.iter().map(|source| self.store.totals_of(source.file.id()).live_records).sum();
        let is_ordered = self.store.index.capabilities().ordered;
        if is_ordered && live.saturating_mul(WALK_SHARE) >= self.store.index.len() {
            self.walk_index(pace, report)
        } else {
            self.read_sources(is_ordered, pace, report)
        }
    }

    fn walk_index(&mut self, pace: &mut Pace<'_>, report: &mut MergeReport) -> Result<()> {
        let mut live = Vec::new();
        self.store.for_each_page(Start::Edge, PAGE, |page| {
            live.clear();
            live.extend((0..page.len()).filter_map(|i| page.get(i).and_then(|(_, location)| self.live(location))));
            pace.check()?;
            self.copy_all(&live, pace, report)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    fn read_sources(&mut self, sort: bool, pace: &mut Pace<'_>, report: &mut MergeReport) -> Result<()> {
        let (mut page, mut run) = (KeyPage::new(), KeyPage::new());
        for source in self.sources {
            let file = &source.file;
            let mut scanner = Scanner::new(file, DATA_START, SeqNo::ZERO);
            loop {
                let item = scanner.next()?;
                if let Item::Record { offset, header } = &item {
                    pace.read(header.record_len())?;
                    if header.kind.is_put()
                        && let Some(location) = Location::new(file.id(), *offset, header.record_len())
                    {
                        page.push(scanner.key(), &[], location);
                    }
                }
                let is_over = matches!(item, Item::End { .. });
                if page.len() >= PAGE || is_over {
                    self.keep_live(&mut page, &mut run)?;
                }
                if run.key_bytes() + run.len() * 24 >= RUN_BYTES {
                    self.copy_run(&mut run, sort, pace, report)?;
                }
                if is_over {
                    break;
                }
            }
        }
        self.copy_run(&mut run, sort, pace, report)
    }

    /// Moves the records that the index names from a page to the run.
    fn keep_live(&self, page: &mut KeyPage, run: &mut KeyPage) -> Result<()> {
        let entries: Vec<_> = (0..page.len()).filter_map(|i| page.get(i)).collect();
        for chunk in entries.chunks(64) {
            let keys: Vec<&[u8]> = chunk.iter().map(|&(key, _)| key).collect();
            let mut found = vec![None; keys.len()];
            self.store.index.get_many(&keys, &mut found)?;
            for (&(key, location), found) in chunk.iter().zip(found) {
                if found == Some(location) {
                    run.push(key, &[], location);
                }
            }
        }
        page.clear();
        Ok(())
    }

    fn copy_run(&mut self, run: &mut KeyPage, sort: bool, pace: &mut Pace<'_>, report: &mut MergeReport) -> Result<()> {
        let mut entries: Vec<_> = (0..run.len()).filter_map(|i| run.get(i)).collect();
        if sort {
            entries.sort_unstable();
        }
        let live: Vec<_> = entries.into_iter().filter_map(|(_, location)| self.live(location)).collect();
        self.copy_all(&live, pace, report)?;
        run.clear();
        Ok(())
    }

    /// Copies records in this order.
    fn copy_all(&mut self, live: &[Live<'a>], pace: &mut Pace<'_>, report: &mut MergeReport) -> Result<()> {
        let mut asked = [None; AHEAD];
        for i in 0..live.len() + AHEAD {
            // What was asked for so many records ago, in whose place the next one goes.
            let asked = std::mem::replace(&mut asked[i % AHEAD], live.get(i).and_then(Live::ask));
            let Some(live) = i.checked_sub(AHEAD).and_then(|i| live.get(i)) else { continue };
            let len = match asked.and_then(|asked| live.file.content_asked(asked)) {
                Some(content) => self.write(content)?,
                None => self.copy_slowly(live)?,
            };
            report.copied_records += 1;
            pace.wrote(len)?;
        }
        Ok(())
    }

    /// A place with its file, if that is a source.
    #[inline]
    fn live(&self, location: Location) -> Option<Live<'a>> {
        let at = self.files.binary_search_by_key(&location.file(), |&(id, _)| id).ok()?;
        self.files.get(at).map(|&(_, file)| Live { location, file })
    }

    /// A record that is read by calls, or damaged.
    fn copy_slowly(&mut self, &Live { location, file }: &Live<'_>) -> Result<u64> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let view = file.view(location, false, &mut scratch)?;
        let content = file
            .content(&view)
            .map_err(|why| Error::corrupted(file.path(), location.offset(), format!("while it is merged: {why}")))?;
        let written = self.write(content);
        self.scratch = scratch;
        written
    }

    fn write(&mut self, (header, body, content): Content<'_>) -> Result<u64> {
        let len = header.record_len();
        let (output, account) = self.output(len)?;
        let offset = output.len();
        output.push(&header, &body, content)?;
        if let Some(new) = Location::new(output.id(), offset, len) {
            account.put(new, len, header.seq, header.expiry);
        }
        Ok(len)
    }

    /// Copies the deletes that still hide something.
    pub(super) fn copy_deletes(&mut self, pace: &mut Pace<'_>, report: &mut MergeReport) -> Result<()> {
        let mut run = Deletes::default();
        for source in self.sources {
            if source.tombstones == 0 || source.seqs.max < source.hides_nothing_below {
                report.dropped_tombstones += source.tombstones;
                continue;
            }
            let mut scanner = Scanner::new(&source.file, DATA_START, SeqNo::ZERO);
            loop {
                let header = match scanner.next()? {
                    Item::Record { header, .. } => header,
                    Item::Damage { .. } => continue,
                    Item::End { .. } => break,
                };
                pace.read(header.record_len())?;
                if !header.kind.is_delete() {
                    continue;
                }
                // A key that is there again hides what is older by itself.
                if header.seq < source.hides_nothing_below || self.store.index.get(scanner.key())?.is_some() {
                    report.dropped_tombstones += 1;
                    continue;
                }
                run.push(scanner.key(), header.seq, header.timestamp);
                if run.bytes >= RUN_BYTES {
                    self.copy_deletes_of(&mut run, pace, report)?;
                }
            }
        }
        self.copy_deletes_of(&mut run, pace, report)
    }

    /// Of each key the newest delete: it hides the others too.
    fn copy_deletes_of(&mut self, run: &mut Deletes, pace: &mut Pace<'_>, report: &mut MergeReport) -> Result<()> {
        let mut deletes = std::mem::take(run).deletes;
        deletes.sort_unstable_by(|a, b| (&a.0, b.1).cmp(&(&b.0, a.1)));
        let all = deletes.len() as u64;
        deletes.dedup_by(|later, kept| later.0 == kept.0);
        report.copied_tombstones += deletes.len() as u64;
        report.dropped_tombstones += all - deletes.len() as u64;
        for (key, seq, timestamp) in deletes {
            let len = crate::format::record::record_len(key.len() as u16, 0, false);
            let (output, account) = self.output(len)?;
            output.push_delete(&key, seq, timestamp)?;
            account.delete(len, seq);
            pace.wrote(len)?;
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Deletes {
    deletes: Vec<(Box<[u8]>, SeqNo, Timestamp)>,
    bytes: usize,
}

impl Deletes {
    fn push(&mut self, key: &[u8], seq: SeqNo, timestamp: Timestamp) {
        self.bytes += key.len() + 64;
        self.deletes.push((key.into(), seq, timestamp));
    }
}
