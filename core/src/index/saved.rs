//! Pages of an index that was saved: fetched a chunk at a time, when one of them is first asked for, and verified before anybody sees them.
//!
//! So that opening reads a few pages whatever their number, and looking at a page costs nothing once its chunk is there. Knows where
//! pages come from by [`PageSource`] alone, and what is in one by a function of the kind that they belong to.
//!
//! Invariants:
//! 1. A page that readers get has the checksum that was saved, and holds by itself what its kind demands of each page.
//! 2. What pages say of each other is believed by nobody before the kind has looked at all of it (`SavedPages::trust`); till then nobody
//!    changes a page, and readers go no way twice.
//! 3. Once something was found damaged, readers get pages of zeros for what is not there yet, and an error in place of what they made of it.
//! 4. Nothing is found damaged any more once all is trusted: a reader whose fetch failed while another's succeeded has the other's pages, or
//!    was seen by who was about to trust them. So whoever relies on that meets no error later.
//!
//! Locking: none; atomics. Chunks may be fetched by several readers at once, to the same effect.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

use super::arena::CHUNK_PAGES;
use crate::error::{Error, Result};
use crate::util::page::{PAGE_SIZE, Page, PageRun};

/// Where saved pages are.
pub trait PageSource: fmt::Debug + Send + Sync {
    /// Pages by their numbers: mapped, or read into memory.
    fn fetch(&self, first: u32, count: usize) -> Result<PageRun>;

    /// How many threads fetching all of them is worth.
    fn threads(&self) -> usize {
        1
    }

    /// Whether they are mapped: what nobody changes is no memory of this process then.
    fn is_mapped(&self) -> bool {
        false
    }

    /// The error for pages that are not what they must be.
    fn damaged(&self, what: &str) -> Error;
}

/// The saved pages of one index, numbered from 0.
#[derive(Debug)]
pub(crate) struct SavedPages {
    source: Box<dyn PageSource>,
    nonce: u64,
    sums: Vec<u32>,
    /// Their number.
    end: u32,
    /// Whether a page holds what its kind demands; asked with their number.
    sound: fn(&Page, u32) -> bool,
    fault: OnceLock<Error>,
    trusted: AtomicBool,
    /// A bit for each page that was changed, and the number of those that were mapped.
    touched: Vec<AtomicU64>,
    private: AtomicU32,
}

impl SavedPages {
    pub(crate) fn new(
        source: Box<dyn PageSource>,
        nonce: u64,
        sums: Vec<u32>,
        end: u32,
        sound: fn(&Page, u32) -> bool,
    ) -> SavedPages {
        let touched = (0..end.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let (fault, trusted, private) = (OnceLock::new(), AtomicBool::new(false), AtomicU32::new(0));
        SavedPages { source, nonce, sums, end, sound, fault, trusted, touched, private }
    }

    pub(crate) fn end(&self) -> u32 {
        self.end
    }

    /// How many threads fetching all of them is worth.
    pub(crate) fn threads(&self) -> usize {
        self.source.threads()
    }

    /// A whole chunk, its pages behind the last saved one being zeros; `None` if it is damaged or not saved.
    pub(crate) fn fetch(&self, chunk: usize) -> Option<PageRun> {
        let first = chunk * CHUNK_PAGES;
        if self.fault.get().is_some() || first >= self.end as usize {
            return None;
        }
        let count = CHUNK_PAGES.min(self.end as usize - first);
        let run = match self.source.fetch(first as u32, count) {
            Ok(run) if run.len() == count => run,
            Ok(_) => return self.fail("pages are missing"),
            Err(error) => return self.note(error),
        };
        let (mut sum, mut bytes) = (piece_sum(self.nonce, chunk as u32), [0; PAGE_SIZE]);
        for page in run.iter() {
            page.copy_to(&mut bytes);
            sum.update(&bytes);
        }
        if self.sums.get(chunk) != Some(&sum.finalize()) {
            return self.fail(&format!("the checksum of pages {first} to {} is wrong", first + count - 1));
        }
        if let Some(at) = run.iter().position(|page| !(self.sound)(page, self.end)) {
            return self.fail(&format!("page {} holds what no page may hold", first + at));
        }
        if count == CHUNK_PAGES {
            return Some(run);
        }
        let whole = PageRun::zeroed(CHUNK_PAGES);
        for (own, saved) in whole.iter().zip(run.iter()) {
            saved.copy_to(&mut bytes);
            own.copy_from_bytes(&bytes);
        }
        Some(whole)
    }

    /// Notes damage; what it was first stays.
    pub(crate) fn fail<T>(&self, what: &str) -> Option<T> {
        self.note(self.source.damaged(what))
    }

    fn note<T>(&self, error: Error) -> Option<T> {
        let _ = self.fault.set(error);
        // Before the look whether another has fetched the chunk; see `trust`.
        fence(Ordering::SeqCst);
        None
    }

    /// An error if anything was found damaged.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        match self.fault.get() {
            Some(error) if !self.is_trusted() => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// All chunks are there, and all that pages say of each other was looked at: from here on pages may be changed, and chunks given back. An error
    /// if something was found damaged before.
    pub(crate) fn trust(&self) -> Result<()> {
        // Behind the last chunk's coming. Who notes damage either is seen here or sees the chunk, and had no need to.
        fence(Ordering::SeqCst);
        self.check()?;
        self.trusted.store(true, Ordering::Release);
        Ok(())
    }

    #[inline]
    pub(crate) fn is_trusted(&self) -> bool {
        self.trusted.load(Ordering::Acquire)
    }

    /// Counts a page that is about to be changed.
    #[inline]
    pub(crate) fn touch(&self, no: u32) {
        let Some(bits) = self.touched.get(no as usize / 64) else { return };
        let bit = 1 << (no % 64);
        if bits.load(Ordering::Relaxed) & bit == 0 && bits.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            self.private.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Pages that were changed since they were mapped.
    pub(crate) fn private_pages(&self) -> u64 {
        if self.source.is_mapped() { self.private.load(Ordering::Relaxed).into() } else { 0 }
    }

    /// Bytes allocated besides pages.
    pub(crate) fn memory(&self) -> u64 {
        (self.sums.capacity() * 4 + self.touched.capacity() * 8 + size_of::<SavedPages>()) as u64
    }
}

/// The checksum of a piece of the pages, which is a chunk's, before its bytes: of pages of another arena, or at another place, it is another.
pub(crate) fn piece_sum(nonce: u64, piece: u32) -> crc32fast::Hasher {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&nonce.to_le_bytes());
    sum.update(&piece.to_le_bytes());
    sum
}
