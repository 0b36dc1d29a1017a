//! The index that others see: the delta first while there is one, and behind it the index itself.

use super::Healing;
use crate::error::Result;
use crate::index::image::{ImageHead, Imaged};
use crate::index::{
    Capabilities, Change, Covered, Direction, Index, IndexKind, KeyPage, Packing, Start, WalkPosition, check_keys,
};
use crate::types::Location;
use std::sync::atomic::{AtomicBool, Ordering};

impl Imaged for Healing {
    fn begin_image(&self) -> Result<Option<ImageHead>> {
        match self.index.imaged() {
            Some(imaged) if self.is_settled() => imaged.begin_image(),
            // It would lack what waits.
            _ => Ok(None),
        }
    }

    fn image_pages(&self, first: u32, count: u32, out: &mut Vec<u8>) {
        if let Some(imaged) = self.index.imaged() {
            imaged.image_pages(first, count, out);
        }
    }

    fn image_tail(&self, out: &mut Vec<u8>) -> bool {
        self.index.imaged().is_some_and(|imaged| imaged.image_tail(out))
    }

    fn end_image(&self) {
        if let Some(imaged) = self.index.imaged() {
            imaged.end_image();
        }
    }

    fn look_at_all(&self, stop: &AtomicBool) -> Result<bool> {
        self.settle(stop).inspect_err(|_| self.has_failed.store(true, Ordering::Release))
    }

    fn unseen_pages(&self) -> u32 {
        match self.index.imaged() {
            Some(imaged) if !self.is_settled() => imaged.unseen_pages().max(1),
            _ => 0,
        }
    }

    fn image_bytes(&self) -> u64 {
        self.index.imaged().map_or(0, Imaged::image_bytes)
    }
}

impl Index for Healing {
    fn kind(&self) -> IndexKind {
        self.index.kind()
    }

    fn capabilities(&self) -> Capabilities {
        self.index.capabilities()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Location>> {
        if self.is_settled() {
            return self.index.get(key);
        }
        if !self.is_used.load(Ordering::Acquire) {
            return self.look(|index| index.get(key));
        }
        self.look(|index| {
            // Not held meanwhile: a page may have to be read, and writers wait for who holds it. What is gone from there by then the index has.
            let beside = self.delta.read().get(key);
            beside.map_or_else(|| index.get(key), Ok)
        })
    }

    fn get_many(&self, keys: &[&[u8]], out: &mut [Option<Location>]) -> Result<()> {
        if self.is_settled() {
            return self.index.get_many(keys, out);
        }
        if !self.is_used.load(Ordering::Acquire) {
            return self.look(|index| index.get_many(keys, out));
        }
        self.look(|index| {
            // As above; but one commit may change several of them, and is to be seen as a whole. Before the index is trusted nobody changes it, so that
            // what the delta had is all that can be newer. Behind that no page has to be read.
            let beside: Vec<_> = {
                let delta = self.delta.read();
                keys.iter().map(|key| delta.get(key)).collect()
            };
            index.get_many(keys, out)?;
            let delta = self.delta.read();
            if !self.is_trusted.load(Ordering::Acquire) {
                drop(delta);
                out.iter_mut().zip(beside).for_each(|(out, beside)| *out = beside.unwrap_or(*out));
                return Ok(());
            }
            index.get_many(keys, out)?;
            for (key, out) in keys.iter().zip(out.iter_mut()) {
                *out = delta.get(key).unwrap_or(*out);
            }
            Ok(())
        })
    }

    fn apply(&self, changes: &mut [Change<'_>]) -> Result<()> {
        check_keys(changes)?;
        if !self.is_settled() && self.apply_beside(changes)? { Ok(()) } else { self.index.apply(changes) }
    }

    fn relocate(&self, changes: &mut [Change<'_>], is_old: &dyn Fn(Location) -> bool) -> Result<()> {
        debug_assert!(self.is_settled(), "`ready` was not called");
        self.index.relocate(changes, is_old)
    }

    fn scan(&self, start: Start<'_>, direction: Direction, max: usize, page: &mut KeyPage) -> Result<()> {
        if self.is_settled() {
            return self.index.scan(start, direction, max, page);
        }
        self.look(|index| self.delta.read().scan(index, start, direction, max, page))
    }

    fn walk(&self, position: &mut WalkPosition, max: usize, out: &mut Vec<Location>) -> Result<bool> {
        debug_assert!(self.is_settled(), "`ready` was not called");
        self.index.walk(position, max, out)
    }

    fn sample(&self, random: &mut dyn FnMut() -> u64) -> Result<Option<Location>> {
        if !self.is_settled() && !self.delta.read().is_same() {
            self.ready()?;
        }
        self.look(|index| index.sample(random))
    }

    fn len(&self) -> u64 {
        if self.is_settled() {
            return self.index.len();
        }
        let delta = self.delta.read();
        delta.len_with(self.index.len())
    }

    fn memory(&self) -> u64 {
        self.index.memory() + self.delta.read().memory()
    }

    fn is_persistent(&self) -> bool {
        self.index.is_persistent()
    }

    fn covered(&self) -> Option<Covered> {
        self.index.covered()
    }

    fn checkpoint(&self, covered: &Covered) -> Result<()> {
        self.index.checkpoint(covered)
    }

    fn reserve(&self, keys: &mut dyn Iterator<Item = &[u8]>) -> Result<()> {
        if self.is_settled() { Ok(()) } else { self.note(keys) }
    }

    fn imaged(&self) -> Option<&dyn Imaged> {
        self.index.imaged().map(|_| self as &dyn Imaged)
    }

    fn ready(&self) -> Result<()> {
        if self.is_settled() {
            return Ok(());
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let settled = self.look(|_| self.settle(&AtomicBool::new(false)).map(|_| ()));
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        settled
    }

    fn is_damaged(&self) -> bool {
        self.index.is_damaged()
    }

    fn build(
        &self,
        len: usize,
        packing: Packing,
        entries: &mut dyn Iterator<Item = (&[u8], Location)>,
    ) -> Result<bool> {
        debug_assert!(self.is_settled(), "`ready` was not called");
        self.index.build(len, packing, entries)
    }

    fn packet(&self) -> usize {
        self.index.packet()
    }

    fn warm(&self, key: &[u8]) {
        // Before that nothing is looked up where it is not asked for: it may be damaged.
        if self.is_settled() {
            self.index.warm(key);
        }
    }
}
