//! Images of the tree, and the tree that is made of a saved one.
//!
//! An image's pages are those of the arena, its tail the long keys; of itself the tree says its root. Making one takes the lock for some
//! pages at a time, shared, and exclusively for long keys.
//!
//! A tree that was saved is read as it is, page by page as they are fetched; it is looked at as a whole, all its pages fetched, before the
//! first change (`BTree::ready`).

use super::BTree;
use super::edit::Writer;
use super::long::LongKeys;
use super::search::State;
use super::sound;
use crate::error::Result;
use crate::index::arena::{Arena, NO_PAGE, PAGE_SIZE, Pages};
use crate::index::image::{ImageHead, Imaged, OWN_LEN, SavedImage};
use crate::index::saved::SavedPages;
use crate::index::snapshot::Snapshot;
use crate::util::lock::MutexGuard;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Pages that are copied under one hold of the lock: some microseconds.
const PAGES_PER_HOLD: u32 = 16;

impl BTree {
    /// A tree of a saved image, or why it can't be one.
    pub fn resume(saved: SavedImage) -> Result<BTree, String> {
        let ImageHead { len, pages: end, own } = saved.head;
        let root = own.first_chunk().map_or(NO_PAGE, |root| u32::from_le_bytes(*root));
        let longs = LongKeys::resume(&saved.tail).ok_or("its long keys are none")?;
        if root >= end && root != NO_PAGE || (root == NO_PAGE) != (len == 0) || own[4..].iter().any(|&byte| byte != 0) {
            return Err("a field has a value that is not allowed".into());
        }
        let pages = SavedPages::new(saved.source, saved.nonce, saved.sums, end, sound::is_sound);
        let tree = BTree::new();
        {
            let mut state = tree.write();
            *state = State { pages: Pages::resume(pages), longs, ..State::new() };
            state.root.store(root, Ordering::Relaxed);
        }
        tree.writer.lock().len = len;
        tree.is_ready.store(false, Ordering::Release);
        tree.len.store(len, Ordering::Release);
        Ok(tree)
    }

    /// Looks at the whole of a tree that was saved, once; says whether that is done. Gives up, for now, when it is told to.
    ///
    /// Holds no lock that anybody else wants but who wants the same, and who has come upon damage.
    pub(super) fn trust(&self, stop: &AtomicBool) -> Result<bool> {
        let _one_at_a_time = self.trusting.lock();
        if self.is_ready.load(Ordering::Acquire) {
            return Ok(true);
        }
        let state = self.read();
        let Some(saved) = state.pages.saved() else { return Ok(true) };
        if !state.pages.fetch_all(stop) {
            if stop.load(Ordering::Relaxed) {
                return saved.check().map(|()| false);
            }
            // Whoever found it damaged has said what it is.
            let _: Option<()> = saved.fail("pages are missing");
        }
        saved.check()?;
        let arena = Arena::resume(&state.pages);
        match sound::is_tree(&state, arena.used(), self.len.load(Ordering::Relaxed), stop) {
            _ if stop.load(Ordering::Relaxed) => return saved.check().map(|()| false),
            true => {}
            false => {
                let _: Option<()> = saved.fail("its pages are no tree");
            }
        }
        saved.trust()?;
        // Whoever has the writer may be waiting for the readers to go.
        drop(state);
        self.writer.lock().arena = arena;
        self.is_ready.store(true, Ordering::Release);
        Ok(true)
    }

    /// The writer, who may change the tree from here on.
    pub(super) fn ready_writer(&self) -> Result<MutexGuard<'_, Writer>> {
        if !self.is_ready.load(Ordering::Acquire) {
            self.trust(&AtomicBool::new(false))?;
        }
        Ok(self.writer.lock())
    }

    /// Takes the place of what the tree had. REQUIRES: the other is not one that was saved.
    pub(super) fn take_over(&self, fresh: &BTree) {
        let _nobody_looks = self.trusting.lock();
        let (mut writer, mut theirs) = (self.writer.lock(), fresh.writer.lock());
        let mut state = self.write();
        *state = std::mem::replace(&mut *fresh.write(), State::new());
        *writer = std::mem::replace(&mut theirs, Writer::new());
        self.len.store(writer.len, Ordering::Release);
        self.is_ready.store(true, Ordering::Release);
    }
}

impl Imaged for BTree {
    fn begin_image(&self) -> Result<Option<ImageHead>> {
        let mut writer = self.ready_writer()?;
        if writer.snapshot.is_some() {
            return Ok(None);
        }
        let mut state = self.write();
        writer.budget.refill();
        let pages = state.pages.end();
        state.longs.begin_image();
        let mut own = [0; OWN_LEN];
        own[..4].copy_from_slice(&state.root.load(Ordering::Relaxed).to_le_bytes());
        writer.snapshot = Some(Arc::new(Snapshot::new(pages)));
        Ok(Some(ImageHead { len: writer.len, pages, own }))
    }

    fn image_pages(&self, first: u32, count: u32, out: &mut Vec<u8>) {
        let Some(snapshot) = self.writer.lock().snapshot.clone() else { return };
        snapshot.make_ready(first);
        let mut numbers = first..first.saturating_add(count).min(snapshot.end());
        while !numbers.is_empty() {
            let state = self.read();
            for no in numbers.by_ref().take(PAGES_PER_HOLD as usize) {
                snapshot.read(&state.pages, no, out);
            }
        }
    }

    fn image_tail(&self, out: &mut Vec<u8>) -> bool {
        if self.read().longs.has_empty_image() {
            // Nothing of it can change.
            out.extend_from_slice(&0_u32.to_le_bytes());
            return false;
        }
        self.write().longs.read_image(out)
    }

    fn end_image(&self) {
        // Freed when the locks are free again: it may be much.
        let _ended = {
            let mut writer = self.writer.lock();
            self.write().longs.end_image();
            writer.snapshot.take()
        };
    }

    fn look_at_all(&self, stop: &AtomicBool) -> Result<bool> {
        self.trust(stop)
    }

    fn unseen_pages(&self) -> u32 {
        if self.is_ready.load(Ordering::Acquire) { 0 } else { self.read().pages.end() }
    }

    fn image_bytes(&self) -> u64 {
        let state = self.read();
        u64::from(state.pages.end()) * PAGE_SIZE as u64 + state.longs.memory()
    }
}
