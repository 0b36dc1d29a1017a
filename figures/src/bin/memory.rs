//! Memory, counted by the allocator: of an open store a key, and while opening.
//!
//! `cargo run --release -p bitcask-figures --bin memory -- [--keys N] [NAME...]`
//!
//! Everything that the open store allocated counts: index, table of files, buffers; mapped files do not. Next to it stands what
//! the store says of its index itself.
#![allow(unsafe_code)] // A global allocator is an unsafe trait.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::LazyCell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bitcask::Db;
use bitcask_figures::{Figures, KINDS, Kind, Outcome, Pairs, fresh_dir, write_all};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator with its arguments unchanged. `realloc` is the trait's own, which calls these
// and so counts old and new bytes as held at once, as they are when they move.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(LIVE.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(LIVE.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> Outcome {
    let figures = Figures::from_args("memory")?;
    let pairs = LazyCell::new(|| Pairs::new(figures.keys()));
    KINDS.iter().try_for_each(|kind| measure(&figures, &pairs, kind))
}

fn measure(figures: &Figures, pairs: &LazyCell<Pairs, impl FnOnce() -> Pairs>, kind: &Kind) -> Outcome {
    let names = [
        "{}_bytes_per_key",
        "{}_index_bytes_told_per_key",
        "{}_bytes_per_key_opened",
        "{}_peak_bytes_per_key_writing",
        "open*_peak_ratio",
    ];
    if !figures.want_any(kind, &names) {
        return Ok(());
    }
    // Made before anything is counted.
    let pairs: &Pairs = pairs;
    let per_key = |bytes: usize| bytes as f64 / pairs.len() as f64;
    let dir = fresh_dir("memory")?;

    let before = restart();
    let db = Db::open(&dir, &kind.options().max_file_size(32 << 20))?;
    write_all(&db, pairs)?;
    figures.tell(&kind.of(names[0]), per_key(LIVE.load(Relaxed) - before), "bytes");
    figures.tell(&kind.of(names[1]), per_key(db.stats()?.index_bytes as usize), "bytes");
    figures.tell(&kind.of(names[3]), per_key(PEAK.load(Relaxed) - before), "bytes");
    db.close()?;
    drop(db);
    // Opened from hints: of a saved index next to nothing is memory of this process.
    let _ = std::fs::remove_file(dir.join("index.checkpoint"));

    let before = restart();
    let db = Db::open(&dir, &kind.options().max_file_size(32 << 20))?;
    let peak = PEAK.load(Relaxed) - before;
    if db.open_report().scanned_records != 0 || db.len()? != pairs.len() as u64 {
        return Err(format!("opened otherwise than meant: {:?}", db.open_report()).into());
    }
    figures.tell(&kind.of(names[2]), per_key(LIVE.load(Relaxed) - before), "bytes");
    figures.tell(&kind.of(names[4]), peak as f64 / db.stats()?.index_bytes as f64, "times");
    db.close()?;
    Ok(std::fs::remove_dir_all(&dir)?)
}

/// The bytes held now; the peak counts from here.
fn restart() -> usize {
    let live = LIVE.load(Relaxed);
    PEAK.store(live, Relaxed);
    live
}
