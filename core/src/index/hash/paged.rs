//! A vector in pages of [`PAGE`] elements: it grows and shrinks at its end without ever copying more than a page.
//!
//! Knows nothing of what it holds. The first page alone grows by eighths, so that small tables stay small.

/// Elements a page; a power of two.
const PAGE: usize = 512;

/// The vector. Positions are `u32`: the numbers by which the table's parts name each other.
#[derive(Debug)]
pub(super) struct Paged<T> {
    /// All full but the last, which is never empty.
    pages: Vec<Vec<T>>,
}

impl<T> Paged<T> {
    pub(super) fn new() -> Paged<T> {
        Paged { pages: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.pages.last().map_or(0, |last| (self.pages.len() - 1) * PAGE + last.len())
    }

    /// REQUIRES: `i < len`.
    #[inline]
    pub(super) fn get(&self, i: u32) -> &T {
        &self.pages[i as usize / PAGE][i as usize % PAGE]
    }

    /// REQUIRES: `i < len`.
    #[inline]
    pub(super) fn get_mut(&mut self, i: u32) -> &mut T {
        &mut self.pages[i as usize / PAGE][i as usize % PAGE]
    }

    pub(super) fn push(&mut self, value: T) {
        match self.pages.as_mut_slice() {
            [only] if only.len() < PAGE => {
                if only.len() == only.capacity() {
                    only.reserve_exact((only.len() / 8).max(2).min(PAGE - only.len()));
                }
                only.push(value);
            }
            [_, .., last] if last.len() < PAGE => last.push(value),
            pages => {
                let mut page = Vec::with_capacity(if pages.is_empty() { 1 } else { PAGE });
                page.push(value);
                self.pages.push(page);
            }
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let last = self.pages.last_mut()?;
        let value = last.pop();
        if last.is_empty() {
            self.pages.pop();
            if self.pages.capacity() > 4 * (self.pages.len() + 1) {
                self.pages.shrink_to(2 * self.pages.len());
            }
        }
        if let [only] = self.pages.as_mut_slice()
            && only.capacity() > only.len() + only.len() / 4 + 4
        {
            only.shrink_to(only.len() + only.len() / 8);
        }
        value
    }

    /// Bytes allocated, without what the elements own themselves.
    pub(super) fn memory(&self) -> usize {
        let (first, rest) = match self.pages.as_slice() {
            [] => (0, 0),
            [first, rest @ ..] => (first.capacity(), rest.len() * PAGE),
        };
        (first + rest) * size_of::<T>() + self.pages.capacity() * size_of::<Vec<T>>()
    }
}
