//! Images of the table, and the table that is made of a saved one.
//!
//! An image's pages are descriptors and chunks, its tail the hash's key, what the slab knows of the chunks, and the spill; of itself the table
//! says its number of segments. Beginning one holds the lock exclusively for as long as it takes to write the tail (some ten bytes for each 32 KiB),
//! reading it shares the lock for some parts at a time.
//!
//! A table that was saved is read as it is, page by page as they are fetched; it is looked at as a whole, all its pages fetched, before the
//! first change. A lookup that found something had only verified pages to do with; one that didn't asks whether some were missing.
//!
//! The key is saved with the table because fingerprints mean nothing under another one. Whoever reads it can make keys that collide, and reads the
//! data files too.

use super::HashIndex;
use super::edit::Writer;
use super::saved::{Saved, chunks_start};
use super::snapshot::{Snapshot, head_count};
use super::sound;
use super::state::State;
use super::table::Table;
use crate::error::Result;
use crate::index::image::{ImageHead, Imaged, OWN_LEN, SavedImage};
use crate::index::saved::SavedPages;
use crate::util::lock::MutexGuard;
use crate::util::page::PAGE_SIZE;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::slab::{Slab, UNIT};

/// Parts that are copied under one hold of the lock: some microseconds.
const PARTS_PER_HOLD: usize = 16;

impl HashIndex {
    /// A table of a saved image, or why it can't be one.
    pub fn resume(saved: SavedImage) -> Result<HashIndex, String> {
        let ImageHead { len, pages: end, own } = saved.head;
        let no = || "a field has a value that is not allowed".to_owned();
        let count = head_count(&own).ok_or_else(no)?;
        let units = u64::from(end) * (PAGE_SIZE / UNIT) as u64;
        let (key, rest) = saved.tail.split_first_chunk().ok_or_else(no)?;
        let (slab, chunks, rest) = Slab::resume(rest, chunks_start(count), units).ok_or("its chunks are none")?;
        let spill = read_spill(rest).ok_or("its spill is none")?;
        let pages = SavedPages::new(saved.source, saved.nonce, saved.sums, end, |_, _| true);
        let index = HashIndex::new(*key);
        index.table.resume(Saved::new(pages, count, chunks), slab, spill, len);
        Ok(index)
    }
}

fn read_spill(bytes: &[u8]) -> Option<BTreeMap<u128, u64>> {
    let (entries, rest) = bytes.as_chunks::<24>();
    let mut spill = BTreeMap::new();
    for entry in entries {
        let (fingerprint, location) = entry.split_first_chunk()?;
        let location = u64::from_le_bytes(*location.first_chunk()?);
        if spill.insert(u128::from_le_bytes(*fingerprint), location).is_some() {
            return None;
        }
    }
    rest.is_empty().then_some(spill)
}

impl Table {
    /// Becomes a saved one. REQUIRES: it is new.
    fn resume(&self, saved: Saved, slab: Slab, spill: BTreeMap<u128, u64>, len: u64) {
        let mut writer = self.writer.lock();
        *self.write() = State::resume(Arc::new(saved), spill);
        (writer.slab, writer.len) = (slab, len);
        self.is_ready.store(false, Ordering::Release);
        self.len.store(len, Ordering::Release);
    }

    /// Looks at the whole of a table that was saved, once; says whether that is done. Gives up, for now, when it is told to.
    ///
    /// Holds no lock that anybody else wants but who wants the same, and who has come upon damage.
    fn trust(&self, stop: &AtomicBool) -> Result<bool> {
        let _one_at_a_time = self.trusting.lock();
        if self.is_ready.load(Ordering::Acquire) {
            return Ok(true);
        }
        let state = self.read();
        let Some(saved) = &state.memory.saved else { return Ok(true) };
        let is_fetched = state.fetch_all(stop);
        if stop.load(Ordering::Relaxed) {
            return saved.check().map(|()| false);
        }
        if !is_fetched {
            // Whoever found it damaged has said what it is.
            let _: Option<()> = saved.fail("pages are missing");
        }
        saved.check()?;
        match sound::is_table(&state, saved.chunks().blocks(), self.len.load(Ordering::Relaxed), stop) {
            _ if stop.load(Ordering::Relaxed) => return saved.check().map(|()| false),
            true => {}
            false => {
                let _: Option<()> = saved.fail("its segments are no table");
            }
        }
        saved.trust()?;
        self.is_ready.store(true, Ordering::Release);
        Ok(true)
    }

    /// Makes sure that the table may be changed from here on.
    #[inline]
    pub(super) fn ready(&self) -> Result<()> {
        if self.is_ready.load(Ordering::Acquire) { Ok(()) } else { self.trust(&AtomicBool::new(false)).map(|_| ()) }
    }

    /// The writer, who may change the table from here on.
    #[inline]
    pub(super) fn ready_writer(&self) -> Result<MutexGuard<'_, Writer>> {
        self.ready()?;
        Ok(self.writer.lock())
    }

    /// Takes the place of what the table had. REQUIRES: the other is of the same hash, and not one that was saved.
    pub(super) fn take_over(&self, fresh: &Table) {
        let _nobody_looks = self.trusting.lock();
        let (mut writer, mut theirs) = (self.writer.lock(), fresh.writer.lock());
        let mut state = self.write();
        *state = std::mem::replace(&mut *fresh.write(), State::new());
        *writer = std::mem::replace(&mut theirs, Writer::new());
        self.len.store(writer.len, Ordering::Release);
        self.is_ready.store(true, Ordering::Release);
    }
}

impl Imaged for HashIndex {
    fn begin_image(&self) -> Result<Option<ImageHead>> {
        let mut writer = self.table.ready_writer()?;
        let mut state = self.table.write();
        if state.memory.snapshot.is_some() {
            return Ok(None);
        }
        writer.budget.refill();
        let snapshot = Snapshot::new(&state, &writer.slab, self.key);
        let mut own = [0; OWN_LEN];
        own[..4].copy_from_slice(&state.directory.count().0.to_le_bytes());
        let head = ImageHead { len: writer.len, pages: snapshot.pages(), own };
        state.memory.snapshot = Some(Arc::new(snapshot));
        Ok(Some(head))
    }

    fn image_pages(&self, first: u32, count: u32, out: &mut Vec<u8>) {
        let Some(snapshot) = self.table.read().memory.snapshot.clone() else { return };
        let end = first.saturating_add(count).min(snapshot.pages());
        let bytes = first as usize * PAGE_SIZE..end as usize * PAGE_SIZE;
        let from = out.len();
        out.resize(from + bytes.len(), 0);
        let parts = snapshot.parts(&bytes);
        if let Some(first) = parts.first() {
            snapshot.make_ready(first);
        }
        for parts in parts.chunks(PARTS_PER_HOLD) {
            let state = self.table.read();
            for part in parts {
                snapshot.read(&state, part, bytes.start, &mut out[from..]);
            }
        }
    }

    fn image_tail(&self, out: &mut Vec<u8>) -> bool {
        if let Some(snapshot) = &self.table.read().memory.snapshot {
            out.extend(snapshot.take_tail());
        }
        false
    }

    fn end_image(&self) {
        let ended = self.table.write().memory.snapshot.take();
        // Behind the lock: it may be much.
        drop(ended);
    }

    fn look_at_all(&self, stop: &AtomicBool) -> Result<bool> {
        self.table.trust(stop)
    }

    fn unseen_pages(&self) -> u32 {
        if self.table.is_ready.load(Ordering::Acquire) {
            return 0;
        }
        self.table.read().memory.saved.as_ref().map_or(0, |saved| saved.end())
    }

    fn image_bytes(&self) -> u64 {
        let writer = self.table.writer.lock();
        (writer.slab.bytes() + self.table.read().directory.bytes()) as u64
    }
}
