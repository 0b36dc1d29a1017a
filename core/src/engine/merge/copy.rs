//! Copies live records from the sources into new files.
//!
//! A record is live if the index names exactly its place, at some moment of the merge: sources don't change, so that what is dead once
//! stays dead. Where the index is walked in the order of keys, that is the order of the copies; where there are few live records in many keys,
//! or no order, the sources are read and the copies are sorted in runs.

use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::index::{KeyPage, Start};
use crate::log::{Asked, Content, DataFile, Finished, Item, OutputConfig, Scanner};
use crate::types::{FileId, Location};

use super::super::store::Store;
use super::control::Pace;
use super::outputs::Outputs;
use super::sources::Source;
use super::{Account, MergeReport};

/// Keys that the index is asked for at once.
const PAGE: usize = 1024;
/// Records that are asked of memory at once, before those of the group before are read.
const GROUP: usize = 32;
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
    sources: &'a [Source],
    /// The sources, by ascending id.
    files: Vec<(FileId, &'a DataFile)>,
    outputs: Outputs<'a>,
    scratch: Vec<u8>,
}

impl<'a> Copier<'a> {
    pub(super) fn new(store: &'a Store, config: OutputConfig, sources: &'a [Source]) -> Copier<'a> {
        let mut files: Vec<_> = sources.iter().map(|source| (source.file.id(), source.file.as_ref())).collect();
        files.sort_unstable_by_key(|&(id, _)| id);
        Copier { store, sources, files, outputs: Outputs::new(store, config), scratch: Vec::new() }
    }

    /// All outputs, on stable storage.
    pub(super) fn finish(self) -> Result<Vec<(Finished, Account)>> {
        self.outputs.finish()
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
            let mut scanner = Scanner::of_sealed(file);
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
        // A processor goes on behind a record that it has to find in memory no further than some hundred steps: so it is asked for the next group at once,
        // and not for a record of it after each of this one's.
        let ask = |group: &[Live<'a>]| {
            let mut asked = [None; GROUP];
            asked.iter_mut().zip(group).for_each(|(asked, live)| *asked = live.ask());
            asked
        };
        let mut groups = live.chunks(GROUP);
        let mut next = groups.next().map(|group| (group, ask(group)));
        while let Some((group, asked)) = next {
            next = groups.next().map(|group| (group, ask(group)));
            for (live, asked) in group.iter().zip(asked) {
                let len = match asked.and_then(|asked| live.file.content_asked(asked)) {
                    Some(content) => self.write(content)?,
                    None => self.copy_slowly(live)?,
                };
                report.copied_records += 1;
                pace.wrote(len)?;
            }
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
        let (output, account) = self.outputs.for_record(len)?;
        let offset = output.len();
        output.push(&header, &body, content)?;
        if let Some(new) = Location::new(output.id(), offset, len) {
            account.put(new, len, header.seq, header.expiry);
        }
        Ok(len)
    }
}
