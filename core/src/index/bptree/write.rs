//! One call of `apply`: a new tree beside the old one.
//!
//! Changes come in key order and each page is made anew at most once, from the leaves up. A page that stays one page under
//! the same separator only gets a new number in its parent; else its parts are dealt out again (`run`). Pages of the old
//! tree are never touched; an error leaves nothing behind but pages that are given back ([`Txn::abort`]).
//!
//! A page that removals left with little is handed up unwritten, and its parent joins it with a neighbour.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::index::order::shared_len;

use super::page::{CHAIN, Cell, LONG_HEAD, Long, Longs, MAX_INLINE, NewKey, Page, Ptr, USABLE, compare_long};
use super::read::{Shared, Version};
use super::run::{Run, Separator, separator_len};
use super::writer::Writer;

/// A page with less in it than this is joined with a neighbour, if removals made it so.
const UNDERFULL: usize = USABLE * 2 / 5;
/// What joined pages may take. More would be split again by the next few inserts.
const JOINED: usize = USABLE * 7 / 8;

/// The last change of a key in a call.
#[derive(Debug)]
pub(super) struct Op<'a> {
    pub(super) key: &'a [u8],
    pub(super) new: Option<u64>,
    /// Out: what the tree had.
    pub(super) old: Option<u64>,
}

/// What became of a page.
enum Done {
    /// Nothing changed.
    Same,
    /// It is this now, with the same separator.
    Kept(Ptr),
    /// It is these now. The first has the page's own separator.
    Parts { parts: Vec<(Separator, Part)>, packed: bool },
}

enum Part {
    Page(Ptr),
    /// Has little in it, and is not written yet.
    Open(Run),
}

/// A tree that is being made.
pub(super) struct Txn<'a> {
    pub(super) shared: &'a Shared,
    pub(super) writer: &'a mut Writer,
    made: Vec<u32>,
    /// Pages of the old tree that the new one does not have.
    let_go: Vec<u32>,
    /// Keys of the new tree.
    pub(super) len: u64,
}

impl<'a> Txn<'a> {
    pub(super) fn new(shared: &'a Shared, writer: &'a mut Writer) -> Txn<'a> {
        Txn { shared, writer, made: Vec::new(), let_go: Vec::new(), len: 0 }
    }

    /// Makes the new tree.
    ///
    /// REQUIRES: ascending keys, each once.
    pub(super) fn run(&mut self, old: &Version, ops: &mut [Op<'_>]) -> Result<Version> {
        self.len = old.len;
        let (done, level) = match old.height.checked_sub(1) {
            Some(level) => (self.node(old.root, level, ops)?, level),
            None => {
                let run = self.merge(&Run::default(), ops)?.0;
                let parts = self.write_run(0, run, Separator::default(), true)?;
                (Done::Parts { parts, packed: true }, 0)
            }
        };
        let (root, height) = match done {
            Done::Same => (old.root, old.height),
            Done::Kept(root) => (root, old.height),
            Done::Parts { parts, packed } => self.root(parts, level, packed)?,
        };
        let (root, height) = self.lower(root, height)?;
        Ok(Version { root, height, len: self.len })
    }

    /// Gives the pages of an unfinished tree back.
    pub(super) fn abort(self) {
        for no in self.made {
            self.writer.forget(self.shared, no);
            self.writer.space.untake(no);
        }
    }

    /// What the new tree has no use for.
    pub(super) fn finish(self) -> Vec<u32> {
        for &no in &self.let_go {
            self.writer.space.hold(no);
        }
        self.let_go
    }

    /// Puts levels above the parts of the root until there is one.
    fn root(&mut self, mut parts: Vec<(Separator, Part)>, mut level: u8, packed: bool) -> Result<(Ptr, u8)> {
        loop {
            if parts.len() < 2 {
                return match parts.pop().map(|(_, part)| part) {
                    None => Ok((Ptr::NONE, 0)),
                    Some(Part::Page(ptr)) => Ok((ptr, level + 1)),
                    // A root with one child is none.
                    Some(Part::Open(run)) if level > 0 && run.len() == 1 => Ok((run.child(0), level)),
                    Some(Part::Open(run)) => Ok((self.emit(run.page(level, 0..run.len()))?, level + 1)),
                };
            }
            let run = self.children(parts)?;
            level += 1;
            parts = self.write_run(level, run, Separator::default(), packed)?;
        }
    }

    /// Takes roots with a single child away.
    fn lower(&mut self, mut root: Ptr, mut height: u8) -> Result<(Ptr, u8)> {
        while height > 1 {
            let page = self.load(root, height - 1)?;
            if page.count() > 0 {
                break;
            }
            self.let_go(root);
            root = page.first();
            height -= 1;
        }
        Ok((root, height))
    }

    fn node(&mut self, ptr: Ptr, level: u8, ops: &mut [Op<'_>]) -> Result<Done> {
        if level == 0 { self.leaf(ptr, ops) } else { self.inner(ptr, level, ops) }
    }

    fn leaf(&mut self, ptr: Ptr, ops: &mut [Op<'_>]) -> Result<Done> {
        let old = self.load(ptr, 0)?;
        let mut new: Option<Box<Page>> = None;
        let mut shrunk = false;
        let mut rest = ops.len();
        for (i, op) in ops.iter_mut().enumerate() {
            let page = new.as_deref().unwrap_or(&old);
            let found = page.find(op.key, self.shared)?;
            op.old = found.exact.then(|| page.payload(found.pos));
            match (op.old, op.new) {
                (None, None) => {}
                (Some(old), Some(payload)) if old == payload => {}
                (Some(_), Some(payload)) => own(&mut new, &old).set_payload(found.pos, payload),
                (Some(_), None) => {
                    if let Cell::Long(_, long) = page.cell(found.pos) {
                        self.let_go_chain(long)?;
                    }
                    own(&mut new, &old).remove(found.pos);
                    self.len -= 1;
                    shrunk = true;
                }
                (None, Some(payload)) => {
                    let key = NewKey { known: op.key, long: None };
                    if op.key.len() > MAX_INLINE || !own(&mut new, &old).insert(found.pos, key, payload) {
                        // What of the page is done stays done.
                        rest = i;
                        break;
                    }
                    self.len += 1;
                }
            }
        }
        let page = new.as_deref().unwrap_or(&old);
        if rest < ops.len() {
            let mut run = Run::default();
            run.take_all(page, &Separator::default());
            let (run, packed) = self.merge(&run, &mut ops[rest..])?;
            self.let_go(ptr);
            let parts = self.write_run(0, run, Separator::default(), packed)?;
            return Ok(Done::Parts { parts, packed });
        }
        let Some(page) = new else { return Ok(Done::Same) };
        self.let_go(ptr);
        if !shrunk || page.used() >= UNDERFULL {
            return Ok(Done::Kept(self.emit(*page)?));
        }
        let mut parts = Vec::new();
        if page.count() > 0 {
            let mut run = Run::default();
            run.take_all(&page, &Separator::default());
            parts.push((Separator::default(), Part::Open(run)));
        }
        Ok(Done::Parts { parts, packed: false })
    }

    fn inner(&mut self, ptr: Ptr, level: u8, ops: &mut [Op<'_>]) -> Result<Done> {
        let old = self.load(ptr, level)?;
        let mut dones: Vec<(usize, Done)> = Vec::new();
        let mut rest = ops;
        while let Some(first) = rest.first() {
            let found = old.find(first.key, self.shared)?;
            let child = found.pos + usize::from(found.exact);
            // All that are below the separator behind the child go with it.
            let mut n = rest.len();
            if child < old.count() && n > 1 {
                let bound = old.key(child, self.shared)?;
                n = rest.partition_point(|op| *op.key < *bound);
            }
            let (group, others) = std::mem::take(&mut rest).split_at_mut(n);
            let done = self.node(old.child(child), level - 1, group)?;
            dones.push((child, done));
            rest = others;
        }
        if dones.iter().all(|(_, done)| matches!(done, Done::Same)) {
            return Ok(Done::Same);
        }
        self.let_go(ptr);
        if dones.iter().all(|(_, done)| !matches!(done, Done::Parts { .. })) {
            let mut page = Page::clone(&old);
            for (child, done) in dones {
                if let Done::Kept(ptr) = done {
                    page.set_child(child, ptr);
                }
            }
            return Ok(Done::Kept(self.emit(page)?));
        }
        let last = old.count();
        let packed = dones.iter().all(|(child, done)| match done {
            Done::Parts { packed, .. } => *packed && *child == last,
            _ => true,
        });
        let before = old.count();
        let parts = self.replace(&old, level, dones)?;
        let shrunk = parts.len() <= before;
        let run = self.children(parts)?;
        if run.len() == 0 {
            return Ok(Done::Parts { parts: Vec::new(), packed: false });
        }
        if shrunk && run.size(level, 0..run.len()) < UNDERFULL {
            let parts = vec![(Separator::default(), Part::Open(run))];
            return Ok(Done::Parts { parts, packed: false });
        }
        let parts = self.write_run(level, run, Separator::default(), packed)?;
        Ok(Done::Parts { parts, packed })
    }

    /// The children of a page with those that changed replaced by what they are now, none of them unwritten.
    fn replace(&mut self, old: &Page, level: u8, dones: Vec<(usize, Done)>) -> Result<Vec<(Separator, Part)>> {
        let mut run = Run::default();
        run.take_all(old, &Separator::default());
        let mut now: Vec<(Separator, Part)> = Vec::with_capacity(run.len() + 8);
        let mut dones = dones.into_iter().peekable();
        for i in 0..run.len() {
            let own = run.separator(i);
            match dones.next_if(|(child, _)| *child == i).map(|(_, done)| done) {
                None | Some(Done::Same) => now.push((own, Part::Page(run.child(i)))),
                Some(Done::Kept(ptr)) => now.push((own, Part::Page(ptr))),
                Some(Done::Parts { parts, .. }) => {
                    if parts.is_empty() {
                        self.drop_separator(&own)?;
                    }
                    let mut own = Some(own);
                    now.extend(parts.into_iter().map(|(separator, part)| (own.take().unwrap_or(separator), part)));
                }
            }
        }
        // The first child's separator is nobody's here: it is the one of the page.
        if let Some((first, _)) = now.first_mut() {
            let first = std::mem::take(first);
            self.drop_separator(&first)?;
        }
        let mut i = 0;
        while i < now.len() {
            if matches!(now[i].1, Part::Open(_)) {
                i = self.join(&mut now, i, level - 1)?;
            } else {
                i += 1;
            }
        }
        Ok(now)
    }

    /// Joins an unwritten child with a neighbour, and writes the two, as one page or dealt out evenly. Gives the position
    /// behind them.
    fn join(&mut self, parts: &mut Vec<(Separator, Part)>, at: usize, level: u8) -> Result<usize> {
        let left = at.saturating_sub(1);
        let partner = if at > 0 { left } else { at + 1 };
        let other = match parts.get(partner) {
            Some((_, Part::Page(ptr))) => {
                let ptr = *ptr;
                // The only page that is read for tidiness: without it the tree is right too.
                self.load(ptr, level).ok().map(|page| {
                    let mut run = Run::default();
                    run.take_all(&page, &Separator::default());
                    (Some(ptr), run)
                })
            }
            Some((_, Part::Open(_))) => match std::mem::replace(&mut parts[partner].1, Part::Page(Ptr::NONE)) {
                Part::Open(run) => Some((None, run)),
                Part::Page(_) => None,
            },
            None => None,
        };
        let Part::Open(own) = std::mem::replace(&mut parts[at].1, Part::Page(Ptr::NONE)) else { return Ok(at + 1) };
        let Some((ptr, other)) = other else {
            let page = own.page(level, 0..own.len());
            parts[at].1 = Part::Page(self.emit(page)?);
            return Ok(at + 1);
        };
        let (low, high) = if partner < at { (other, own) } else { (own, other) };
        let low_at = at.min(partner);
        let (between, _) = parts.remove(low_at + 1);
        let mut run = Run::default();
        run.append(level, &low, &Separator::default());
        run.append(level, &high, &between);
        if let Some(ptr) = ptr {
            self.let_go(ptr);
        }
        if level == 0 {
            // Between children it went down into the run.
            self.drop_separator(&between)?;
        }
        let separator = std::mem::take(&mut parts[low_at].0);
        let is_one = run.size(level, 0..run.len()) <= JOINED;
        let ranges = if is_one { run.deal(level, true) } else { halves(&run, level) };
        let new = self.write_ranges(level, &run, ranges, separator)?;
        let n = new.len();
        parts.splice(low_at..=low_at, new);
        Ok(low_at + n)
    }

    /// A run of written children.
    fn children(&mut self, parts: Vec<(Separator, Part)>) -> Result<Run> {
        let mut run = Run::default();
        for (i, (separator, part)) in parts.into_iter().enumerate() {
            let ptr = match part {
                Part::Page(ptr) => ptr,
                Part::Open(_) => return Err(Error::Internal { what: "an index page was not written".into() }),
            };
            let long = match separator.long {
                None if i > 0 && separator.known.len() > MAX_INLINE => Some(self.make_chain(&separator.known)?),
                long => long,
            };
            let known = if long.is_some() { &separator.known[..LONG_HEAD] } else { &separator.known[..] };
            run.push(NewKey { known, long }, ptr.0);
        }
        Ok(run)
    }

    /// Deals a run out to pages and writes them.
    fn write_run(&mut self, level: u8, run: Run, separator: Separator, packed: bool) -> Result<Vec<(Separator, Part)>> {
        let ranges = run.deal(level, packed);
        self.write_ranges(level, &run, ranges, separator)
    }

    fn write_ranges(
        &mut self,
        level: u8,
        run: &Run,
        ranges: Vec<Range<usize>>,
        separator: Separator,
    ) -> Result<Vec<(Separator, Part)>> {
        let mut parts = Vec::with_capacity(ranges.len());
        let mut separator = Some(separator);
        for range in ranges {
            let before = match separator.take() {
                Some(separator) => separator,
                None if level > 0 => run.separator(range.start),
                None => self.between(run, range.start)?,
            };
            let ptr = self.emit(run.page(level, range))?;
            parts.push((before, Part::Page(ptr)));
        }
        Ok(parts)
    }

    /// A separator between a leaf entry and the one before it.
    pub(super) fn between(&self, run: &Run, at: usize) -> Result<Separator> {
        let (left, right) = (run.key(at - 1), run.key(at));
        // Known bytes decide unless both are long and begin alike.
        let shared = shared_len(left.known, right.known);
        let differ = shared < left.known.len() || left.long.is_none();
        if differ && shared < right.known.len() {
            return Ok(Separator { known: right.known[..=shared].to_vec(), long: None });
        }
        let (left, right) = (self.whole(left)?, self.whole(right)?);
        Ok(Separator { known: right[..separator_len(&left, &right)].to_vec(), long: None })
    }

    fn whole(&self, key: NewKey<'_>) -> Result<Vec<u8>> {
        key.long.map_or_else(|| Ok(key.known.to_vec()), |long| self.shared.long(long))
    }

    /// A leaf's entries with changes made to them; and whether all that is new lies behind all that was there.
    fn merge(&mut self, old: &Run, ops: &mut [Op<'_>]) -> Result<(Run, bool)> {
        let mut run = Run::default();
        let (mut i, mut packed) = (0, true);
        for op in ops {
            op.old = None;
            while i < old.len() {
                let key = old.key(i);
                let order = match key.long {
                    None => op.key.cmp(key.known),
                    Some(long) => compare_long(op.key, key.known, long, self.shared)?,
                };
                if order == Ordering::Less {
                    break;
                }
                if order == Ordering::Equal {
                    op.old = Some(old.items[i].payload);
                } else {
                    run.push(key, old.items[i].payload);
                }
                i += 1;
                if order == Ordering::Equal {
                    match (op.new, key.long) {
                        (Some(payload), _) => run.push(key, payload),
                        (None, Some(long)) => self.let_go_chain(long)?,
                        (None, None) => {}
                    }
                    break;
                }
            }
            match (op.old, op.new) {
                (None, Some(payload)) => {
                    packed &= i == old.len();
                    let long = if op.key.len() > MAX_INLINE { Some(self.make_chain(op.key)?) } else { None };
                    let known = if long.is_some() { &op.key[..LONG_HEAD] } else { op.key };
                    run.push(NewKey { known, long }, payload);
                    self.len += 1;
                }
                (Some(_), None) => self.len -= 1,
                _ => {}
            }
        }
        for at in i..old.len() {
            run.push(old.key(at), old.items[at].payload);
        }
        Ok((run, packed))
    }

    /// Writes a long key into pages of its own.
    pub(super) fn make_chain(&mut self, key: &[u8]) -> Result<Long> {
        let mut next = Ptr::NONE;
        for part in key.chunks(USABLE).rev() {
            next = self.emit(Page::carrier(CHAIN, part, next))?;
        }
        Ok(Long { len: key.len() as u16, chain: next })
    }

    fn let_go_chain(&mut self, long: Long) -> Result<()> {
        for (ptr, _) in self.shared.chain(long)? {
            self.let_go(ptr);
        }
        Ok(())
    }

    fn drop_separator(&mut self, separator: &Separator) -> Result<()> {
        separator.long.map_or(Ok(()), |long| self.let_go_chain(long))
    }

    fn let_go(&mut self, ptr: Ptr) {
        self.let_go.push(ptr.no());
    }

    fn load(&self, ptr: Ptr, level: u8) -> Result<Arc<Page>> {
        self.writer.load(self.shared, ptr, level)
    }

    pub(super) fn emit(&mut self, page: Page) -> Result<Ptr> {
        let ptr = self.writer.emit(self.shared, page)?;
        self.made.push(ptr.no());
        Ok(ptr)
    }
}

/// The page's copy to change.
fn own<'p>(new: &'p mut Option<Box<Page>>, old: &Page) -> &'p mut Page {
    new.get_or_insert_with(|| Box::new(old.clone()))
}

/// Two ranges of about the same size that fit in a page each.
fn halves(run: &Run, level: u8) -> Vec<Range<usize>> {
    let n = run.len();
    let fits = |cut: usize| run.size(level, 0..cut) <= USABLE && run.size(level, cut..n) <= USABLE;
    let half = run.size(level, 0..n) / 2;
    let middle = (1..n).find(|&cut| run.size(level, 0..cut) >= half).unwrap_or(n / 2);
    if middle > 0 && middle < n && fits(middle) { vec![0..middle, middle..n] } else { run.deal(level, false) }
}
