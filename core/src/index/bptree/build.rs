//! A tree of entries that come in key order, made from the leaves up.
//!
//! Each level holds the entries of some pages before the full ones of them are written, so that the last two of a level can be dealt out
//! evenly. Pages go out as they become full; what the cache has of them stays within its budget.

use crate::error::Result;
use crate::types::Location;

use super::page::{LONG_HEAD, MAX_INLINE, NewKey, USABLE};
use super::read::Version;
use super::run::{Run, Separator};
use super::sort::Sorted;
use super::write::Txn;

/// A level of a tree that is being built holds so many pages' entries before some are written.
const BUILT: usize = 16;

/// What of a level of a tree that is being built is not in pages yet.
#[derive(Default)]
struct Level {
    run: Run,
    /// The separator before it.
    first: Separator,
}

impl Txn<'_> {
    /// Makes a tree of entries that come in key order, from the leaves up, and tells each.
    pub(super) fn build(&mut self, entries: &mut Sorted, each: &mut dyn FnMut(Location)) -> Result<Version> {
        let mut levels = vec![Level::default()];
        while let Some((key, payload)) = entries.next()? {
            each(Location::from_bits(payload));
            let long = if key.len() > MAX_INLINE { Some(self.make_chain(key)?) } else { None };
            let known = if long.is_some() { &key[..LONG_HEAD] } else { key };
            levels[0].run.push(NewKey { known, long }, payload);
            self.len += 1;
            let mut level = 0;
            while levels.get(level).is_some_and(|level| level.run.weight() >= BUILT * USABLE) {
                self.build_level(&mut levels, level, false)?;
                level += 1;
            }
        }
        let mut level = 0;
        loop {
            self.build_level(&mut levels, level, true)?;
            level += 1;
            match levels.get(level) {
                None => return Ok(Version::default()),
                Some(top) if top.run.len() == 1 && level + 1 == levels.len() => {
                    return Ok(Version { root: top.run.child(0), height: level as u8, len: self.len });
                }
                Some(_) => {}
            }
        }
    }

    /// Writes the pages of a level that are full, or all, and puts them into the level above.
    fn build_level(&mut self, levels: &mut Vec<Level>, level: usize, all: bool) -> Result<()> {
        let Level { run, mut first } = std::mem::take(&mut levels[level]);
        let mut parts = Vec::new();
        for range in run.deal(level as u8, false) {
            let separator = match range.start {
                0 => std::mem::take(&mut first),
                start if level == 0 => self.between(&run, start)?,
                start => run.separator(start),
            };
            parts.push((separator, range));
        }
        if !all && let Some((first, range)) = parts.pop() {
            // More may come into this one.
            let mut rest = Run::default();
            range.for_each(|i| rest.push(run.key(i), run.items[i].payload));
            levels[level] = Level { run: rest, first };
        }
        if !parts.is_empty() && levels.len() == level + 1 {
            levels.push(Level::default());
        }
        for (separator, range) in parts {
            let ptr = self.emit(run.page(level as u8, range))?;
            let long = match separator.long {
                None if separator.known.len() > MAX_INLINE => Some(self.make_chain(&separator.known)?),
                long => long,
            };
            let known = if long.is_some() { &separator.known[..LONG_HEAD] } else { &separator.known[..] };
            let above = &mut levels[level + 1];
            if above.run.len() == 0 {
                above.first = Separator { known: known.to_vec(), long };
            }
            above.run.push(NewKey { known, long }, ptr.0);
        }
        // Here, unlike in the midst of an apply, a full disk is no reason to take memory beyond the budget.
        self.writer.make_room(self.shared, 0)
    }
}
