//! The ordered index on disk: a B+tree for key sets that memory does not hold.
//!
//! The tree (Bayer and McCreight 1972; Graefe, "Modern B-tree techniques", 2011) lies in one file of 4 KiB pages, of which as many
//! are kept in memory as a budget allows. It is a *cache of the log*: a checkpoint says up to which place of the log it goes, and
//! an opener replays the log from there. It is never believed over the log: what is damaged, foreign, cut short or ahead of the log
//! is thrown away and built anew.
//!
//! # Structure
//! Leaves hold keys and locations, inner pages separators and children. The prefix that all keys of a page share is stored once, separators
//! are cut to what separates (Bayer and Unterauer 1977), keys beyond 512 bytes lie in chains of pages of their own. A page is named by its
//! number *and* its stamp, which no other version of any page of the file has: a page that is not the one meant (a
//! write that the disk lost, a page of another tree) is found out when it is read. Leaves are not linked, for
//! a link would have to change with its target; scans keep the way down to where they are.
//!
//! # Copy on write
//! No page is ever changed. A call of `apply` makes the pages anew that it changes, from the leaves up to the root (`write`), and
//! shows the new root; readers are on the tree whose root they took, for as long as one call takes. So
//! 1. `apply` is atomic, and an error at any point of it leaves the old tree and nothing else;
//! 2. readers take no lock that anybody holds across I/O, and never wait for the writer or for each other's reading;
//! 3. the last checkpoint's tree is untouched until the next one is on stable storage.
//!
//! A page is given out again when no tree has it that a reader may be on (the last owner of an `Arc` tells) nor the last
//! checkpoint's (`space`).
//!
//! # Checkpoints
//! As in LMDB and redb two places take turns: all dirty pages are written, the file is synced, and then the root, the set of
//! pages in use and the covered place of the log are written over the checkpoint before the last one and synced. The *caller* has synced the log up
//! to that place. A cut at any point leaves one of the two checkpoints, whole. Then the older one is overwritten with zeros, for its pages
//! may be given out from here on: no damage of the newer leads back to it.
//!
//! # Memory
//! The budget counts pages in memory, clean and dirty (`cache`). Dirty pages are written out, without any sync, when they are
//! more than half of it. On top come three bits for each page of the file. `Index::reserve` makes room for a write *before* it
//! comes to the log, so that a full disk fails the write and nothing else; should the disk be full in the midst of an `apply`, whose change is in the log
//! already, pages stay in memory beyond the budget.
//!
//! A tree that is built anew is not built by inserting: the changes of the whole log are sorted in runs on disk (`sort`), and its pages are written
//! one after the other, each once (`Txn::build`).
//!
//! # Damage
//! A page is verified when it is read: checksum over file, number and contents, stamp, level, and that all its parts lie within it. Files up to 8 MiB
//! are verified whole when they are opened. In larger ones damage is found when a reader comes upon it, which gets an error; the
//! file is removed then, and rebuilt at the next opening.
//!
//! # Invariants
//! 1. Keys ascend strictly within a page and from leaf to leaf. Keys left of a separator are less, keys right of it are not.
//! 2. All leaves are at level 0, a parent is one level above its children. No leaf is empty; an inner page may have a single child, the
//!    root has at least two.
//! 3. A page is in the newest tree once, or in none; each long key belongs to one entry.
//! 4. Dirty pages are in the cache; others are in the file, and perhaps in the cache.
//! 5. A page of the last checkpoint on stable storage is not written.
//!
//! # Locking
//! 1. `writer`: one at a time, across I/O. Never by readers.
//! 2. The newest tree's root, and the shards of the cache: for moments.

mod build;
mod cache;
mod file;
mod meta;
mod page;
mod read;
mod run;
mod sort;
mod space;
mod write;
mod writer;

#[cfg(test)]
mod check;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Capabilities, Change, Covered, Direction, Index, IndexKind, KeyPage, Packing, Start, WalkPosition};
use crate::error::{Error, Result};
use crate::types::{Location, MAX_KEY_LEN};
use crate::util::lock::Mutex;
use crate::vfs::Vfs;

use cache::PAGE_COST;
use file::IndexFile;
use meta::Meta;
use page::{LEAF, PAGE_SIZE, Ptr, USABLE};
use read::{Shared, Version};
use sort::Sorter;
use write::{Op, Txn};
use writer::{Place, Writer};

/// Files with at most so many pages are verified when they are opened.
const VERIFIED_PAGES: u32 = 2048;
/// Fewest pages of a cache.
const MIN_PAGES: usize = 16;
/// Changes that a replay hands over at once.
const PACKET: usize = 16 << 10;

/// Smallest budget, in bytes.
pub const MIN_BUDGET: u64 = 1 << 20;

/// See the module.
#[derive(Debug)]
pub struct BPTree {
    shared: Shared,
    writer: Mutex<Writer>,
    /// What memory the writer takes, as it last said.
    overhead: AtomicU64,
    /// Bytes of changes in memory while a tree is built.
    sorted: usize,
}

impl BPTree {
    /// Opens the tree in `dir/name`, or begins with an empty one if there is none that can be used; says why not, if there is a file. `budget`
    /// is in bytes.
    pub fn open(vfs: Arc<dyn Vfs>, dir: PathBuf, name: &str, budget: u64) -> (BPTree, Option<String>) {
        BPTree::open_pages(Place::new(vfs, dir, name), pages_of(budget))
    }

    /// An empty tree. A file of this name is not believed and is removed.
    pub fn create(vfs: Arc<dyn Vfs>, dir: PathBuf, name: &str, budget: u64) -> BPTree {
        let place = Place::new(vfs, dir, name);
        writer::discard(place.vfs.as_ref(), &place.path);
        BPTree::empty(Some(place), pages_of(budget))
    }

    /// An empty tree without a file: for openers that may not write. All of it stays in memory.
    #[must_use]
    pub fn in_memory() -> BPTree {
        BPTree::empty(None, 4096)
    }

    fn empty(place: Option<Place>, pages: usize) -> BPTree {
        BPTree::with(Shared::new(pages, Version::default()), Writer::new(place, pages), pages)
    }

    fn with(shared: Shared, writer: Writer, pages: usize) -> BPTree {
        // The cache is empty while a tree is built.
        let sorted = pages.saturating_mul(PAGE_SIZE / 2);
        let overhead = AtomicU64::new(writer.memory());
        BPTree { shared, writer: Mutex::new(writer), overhead, sorted }
    }

    fn open_pages(place: Place, pages: usize) -> (BPTree, Option<String>) {
        let opened = IndexFile::open(place.vfs.as_ref(), &place.path)
            .and_then(|(file, meta)| BPTree::resume(place.clone(), pages, file, meta).map_err(|e| Some(e.to_string())));
        match opened {
            Ok(tree) => (tree, None),
            Err(why) => (BPTree::empty(Some(place), pages), why),
        }
    }

    fn resume(place: Place, pages: usize, file: IndexFile, meta: Meta) -> Result<BPTree> {
        let (live, durable) = file.read_map(&meta)?;
        let version = Version { root: meta.root, height: meta.height, len: meta.len };
        let shared = Shared::new(pages, version.clone());
        let damaged = file.damaged(meta.root.no(), "the tree is not what the checkpoint says");
        let _ = shared.file.set(file);
        if let Some(top) = meta.height.checked_sub(1) {
            shared.page(meta.root, top)?;
        }
        if meta.pages <= VERIFIED_PAGES && shared.count(version.root, version.height)? != meta.len {
            return Err(damaged);
        }
        let writer = Writer::resume(place, pages, meta, live, durable);
        Ok(BPTree::with(shared, writer, pages))
    }

    fn note_memory(&self, writer: &Writer) {
        self.overhead.store(writer.memory(), Ordering::Relaxed);
    }
}

fn pages_of(budget: u64) -> usize {
    usize::try_from(budget / PAGE_COST).unwrap_or(usize::MAX).clamp(MIN_PAGES, 1 << 32)
}

/// Changes in key order: their positions, the last of each key, and how many there are of it.
fn in_order<'a>(changes: &[Change<'a>]) -> (Vec<usize>, Vec<Op<'a>>, Vec<usize>) {
    let mut order: Vec<usize> = (0..changes.len()).collect();
    order.sort_by(|&a, &b| changes[a].key.cmp(changes[b].key));
    let (mut ops, mut counts): (Vec<Op<'a>>, Vec<usize>) = (Vec::with_capacity(order.len()), Vec::new());
    for &i in &order {
        let (key, new) = (changes[i].key, changes[i].new.map(Location::to_bits));
        match (ops.last_mut(), counts.last_mut()) {
            (Some(op), Some(count)) if op.key == key => {
                op.new = new;
                *count += 1;
            }
            _ => {
                ops.push(Op { key, new, old: None });
                counts.push(1);
            }
        }
    }
    (order, ops, counts)
}

impl Index for BPTree {
    fn kind(&self) -> IndexKind {
        IndexKind::BPTree
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { ordered: true, keeps_keys: true }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Location>> {
        self.shared.get(key)
    }

    fn apply(&self, changes: &mut [Change<'_>]) -> Result<()> {
        for change in changes.iter() {
            match change.key.len() {
                0 => return Err(Error::KeyEmpty),
                len if len > MAX_KEY_LEN => return Err(Error::KeyTooLarge { len }),
                _ => {}
            }
        }
        let mut writer = self.writer.lock();
        if let Writer { sorter: Some(sorter), place: Some(place), .. } = &mut *writer {
            sorter.add(place.vfs.as_ref(), &place.temp, changes)?;
            self.note_memory(&writer);
            return Ok(());
        }
        let (order, mut ops, counts) = in_order(changes);
        if ops.is_empty() {
            return Ok(());
        }
        writer.reclaim(&self.shared);
        let old = self.shared.version();
        let mut txn = Txn::new(&self.shared, &mut writer);
        let outcome = match txn.run(&old, &mut ops) {
            Ok(new) => Ok((new, txn.finish())),
            Err(error) => {
                txn.abort();
                Err(error)
            }
        };
        let is_same = outcome.as_ref().is_ok_and(|(new, _)| new.root == old.root);
        drop(old);
        let (new, let_go) = outcome?;
        if !is_same {
            writer.publish(&self.shared, new, let_go);
        }
        self.note_memory(&writer);
        drop(writer);
        let olds: Vec<Option<u64>> = ops.iter().map(|op| op.old).collect();
        let mut at = order.into_iter();
        for (old, n) in olds.into_iter().zip(counts) {
            let mut before = old.map(Location::from_bits);
            for i in at.by_ref().take(n) {
                changes[i].old = before;
                before = changes[i].new;
            }
        }
        Ok(())
    }

    fn scan(&self, start: Start<'_>, direction: Direction, max: usize, page: &mut KeyPage) -> Result<()> {
        self.shared.scan(start, direction, max, page)
    }

    fn walk(&self, position: &mut WalkPosition, max: usize, out: &mut Vec<Location>) -> Result<bool> {
        let wanted = out.len().saturating_add(max.max(1));
        // What this tree or a newer one has is not given out again meanwhile.
        let _version = self.shared.version();
        while out.len() < wanted {
            let Ok(from) = u32::try_from(position.0) else { return Ok(false) };
            let Some(no) = self.writer.lock().space.live.next(from) else {
                position.0 = WalkPosition::OVER;
                return Ok(false);
            };
            let page = self.shared.by_number(no)?;
            if page.kind() == LEAF {
                out.extend((0..page.count()).map(|i| Location::from_bits(page.payload(i))));
            }
            position.0 = u64::from(no) + 1;
        }
        Ok(true)
    }

    fn sample(&self, random: &mut dyn FnMut() -> u64) -> Result<Option<Location>> {
        self.shared.sample(random)
    }

    fn len(&self) -> u64 {
        self.shared.version().len
    }

    fn memory(&self) -> u64 {
        self.shared.cache.pages() * PAGE_COST + self.overhead.load(Ordering::Relaxed) + size_of::<BPTree>() as u64
    }

    fn is_persistent(&self) -> bool {
        true
    }

    fn covered(&self) -> Option<Covered> {
        self.writer.lock().covered()
    }

    fn is_damaged(&self) -> bool {
        self.shared.is_damaged()
    }

    fn packet(&self) -> usize {
        PACKET
    }

    fn begin_build(&self) -> bool {
        let mut writer = self.writer.lock();
        if writer.place.is_some() && self.is_empty() {
            writer.sorter = Some(Sorter::new(self.sorted));
        }
        writer.sorter.is_some()
    }

    fn end_build(&self, each: &mut dyn FnMut(Location)) -> Result<()> {
        let mut writer = self.writer.lock();
        let (Some(sorter), Some(place)) = (writer.sorter.take(), writer.place.clone()) else { return Ok(()) };
        let mut entries = sorter.sorted(place.vfs.as_ref(), &place.temp)?;
        let mut txn = Txn::new(&self.shared, &mut writer);
        match txn.build(&mut entries, each) {
            Ok(version) => {
                let let_go = txn.finish();
                writer.publish(&self.shared, version, let_go);
                self.note_memory(&writer);
                Ok(())
            }
            Err(error) => {
                txn.abort();
                Err(error)
            }
        }
    }

    fn build(&self, _: usize, _: Packing, entries: &mut dyn Iterator<Item = (&[u8], Location)>) -> Result<bool> {
        if !self.begin_build() {
            return Ok(false);
        }
        let mut packet = Vec::with_capacity(PACKET);
        loop {
            packet.extend(entries.take(PACKET).map(|(key, location)| Change { key, new: Some(location), old: None }));
            if packet.is_empty() {
                return self.end_build(&mut |_| {}).map(|()| true);
            }
            if let Err(error) = self.apply(&mut packet) {
                self.writer.lock().sorter = None;
                return Err(error);
            }
            packet.clear();
        }
    }

    fn reserve(&self, keys: &mut dyn Iterator<Item = &[u8]>) -> Result<()> {
        let mut writer = self.writer.lock();
        if self.is_damaged() {
            writer.abandon(self.damage());
        }
        writer.reclaim(&self.shared);
        writer.unpin();
        let version = self.shared.version();
        // Each change may split a leaf, and each level may split once more on the way up.
        let mut pages = 4 * usize::from(version.height) + 4;
        for key in keys {
            pages += 2 + if key.len() > page::MAX_INLINE { key.len().div_ceil(USABLE) } else { 0 };
            self.touch(&mut writer, &version, key)?;
        }
        drop(version);
        writer.make_room(&self.shared, pages)
    }

    fn checkpoint(&self, covered: &Covered) -> Result<()> {
        let mut writer = self.writer.lock();
        if self.is_damaged() {
            writer.abandon(self.damage());
            return Err(self.damage());
        }
        writer.reclaim(&self.shared);
        let outcome = writer.checkpoint(&self.shared, covered);
        self.note_memory(&writer);
        outcome
    }
}

impl BPTree {
    fn damage(&self) -> Error {
        let what = "the index file is damaged; it is rebuilt when the store is opened again";
        match self.shared.file.get() {
            Some(file) => Error::corrupted(file.path(), 0, what),
            None => Error::Internal { what: what.into() },
        }
    }

    /// Reads what a change of this key will need, so that it is there when the change can't fail any more.
    fn touch(&self, writer: &mut Writer, version: &Version, key: &[u8]) -> Result<()> {
        let mut at: Ptr = version.root;
        for level in (0..version.height).rev() {
            let page = writer.load(&self.shared, at, level)?;
            writer.pin(at, Arc::clone(&page));
            if level > 0 {
                let found = page.find(key, &self.shared)?;
                at = page.child(found.pos + usize::from(found.exact));
            }
        }
        Ok(())
    }
}
