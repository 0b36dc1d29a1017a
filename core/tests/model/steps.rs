//! What a history is made of, and how it is drawn.

use std::ops::Bound;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use bitcask::{Durability, IndexKind, IoKind, IterOptions, Options};

use crate::common::Map;

pub(crate) type Key = Vec<u8>;

#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub(crate) prefix: Key,
    pub(crate) start: Bound<Key>,
    pub(crate) end: Bound<Key>,
    pub(crate) reverse: bool,
    pub(crate) limit: Option<u8>,
    pub(crate) keys_only: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Put(Key, usize, bool),
    Delete(Key, bool),
    Batch(Vec<(Key, Option<usize>)>, bool),
    /// A batch with everything that batches can, and a read after each change.
    FullBatch(Vec<Act>),
    Begin,
    Within(Index, Vec<Act>),
    Commit(Index, bool),
    Abandon(Index),
    /// A batch that is filled, cleared and filled again, or never committed.
    LeaveBatch(Vec<(Key, Option<usize>)>),
    /// A bulk load: atomic or not, with a sync or not; and, if it is atomic, left or not.
    Load(Vec<(Key, usize)>, bool, bool, bool),
    Sync,
    /// Merges the files with a bit in the set, by their place among all, or all.
    Merge(u64),
    Reopen,
    Kill,
    Get(Key, usize),
    Iterate(Range, Option<Key>, Vec<(u8, u16)>),
    Hold(Range),
    /// Goes on with one that is held: a number of records, by page or not.
    Advance(Index, u8, bool),
    Seek(Index, Option<Key>),
    Release(Index),
    TakeSnapshot,
    /// Looks at a snapshot: at a key, and over a range by an iterator that is held from then on.
    LookBack(Index, Key, usize, Range),
    DropSnapshot(Index),
}

/// What is done in a batch or transaction.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Put(Key, usize),
    Delete(Key),
    DeleteRange(Bound<Key>, Bound<Key>),
    DeletePrefix(Key),
    Savepoint,
    Rollback(Index),
    Release(Index),
    Get(Key),
    GetForUpdate(Key),
    Contains(Key),
    /// Over a range, sent to a place or not, so many records or (0) all of them.
    Iterate(Range, Option<Key>, u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (key(), 0..60_usize).prop_map(|(k, l)| Act::Put(k, l)),
        4 => key().prop_map(Act::Delete),
        2 => (bound(), bound()).prop_map(|(l, h)| Act::DeleteRange(l, h)),
        1 => edge().prop_map(Act::DeletePrefix),
        2 => Just(Act::Savepoint),
        2 => any::<Index>().prop_map(Act::Rollback),
        1 => any::<Index>().prop_map(Act::Release),
        5 => key().prop_map(Act::Get),
        1 => key().prop_map(Act::GetForUpdate),
        1 => key().prop_map(Act::Contains),
        3 => (range(), prop::option::weighted(0.3, edge()), 0..5_u8).prop_map(|(r, s, n)| Act::Iterate(r, s, n)),
    ]
}

pub(crate) fn key() -> impl Strategy<Value = Key> {
    let long = |byte: u8, len: usize, last: u8| [vec![byte; len], vec![last]].concat();
    let odd =
        vec![vec![0xFF; 300], long(0xFF, 300, 0), vec![0; 40], long(0, 39, 1), vec![b'a'; 900], long(b'a', 900, b'b')];
    prop_oneof![
        6 => vec(prop::sample::select(vec![0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF, b'a']), 1..4),
        4 => (1..12_usize).prop_map(|len| b"abababababab"[..len].to_vec()),
        2 => (1..9_usize).prop_map(|len| vec![0xFF; len]),
        2 => (1..9_usize).prop_map(|len| vec![0; len]),
        1 => prop::sample::select(odd),
    ]
}

/// What need not be a key: bounds, prefixes, places to seek.
fn edge() -> impl Strategy<Value = Key> {
    prop_oneof![1 => Just(Vec::new()), 9 => key()]
}

fn bound() -> impl Strategy<Value = Bound<Key>> {
    prop_oneof![
        2 => Just(Bound::Unbounded),
        1 => edge().prop_map(Bound::Included),
        1 => edge().prop_map(Bound::Excluded),
    ]
}

pub(crate) fn range() -> impl Strategy<Value = Range> {
    let prefix = prop_oneof![2 => Just(Vec::new()), 1 => key()];
    let limit = prop_oneof![3 => Just(None), 1 => (0..12_u8).prop_map(Some)];
    (prefix, bound(), bound(), any::<bool>(), limit, prop::bool::weighted(0.2)).prop_map(
        |(prefix, start, end, reverse, limit, keys_only)| Range { prefix, start, end, reverse, limit, keys_only },
    )
}

/// Lengths of values: small, empty, and now and then more than fits into a small file.
fn len() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..60_usize, 3 => 60..700_usize, 1 => 3000..6000_usize]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let changes = || vec((key(), prop::option::weighted(0.75, len())), 0..10);
    let pages = vec((0..6_u8, 1..900_u16), 0..5);
    prop_oneof![
        24 => (key(), len(), prop::bool::weighted(0.1)).prop_map(|(k, l, s)| Step::Put(k, l, s)),
        10 => (key(), prop::bool::weighted(0.1)).prop_map(|(k, s)| Step::Delete(k, s)),
        7 => (changes(), prop::bool::weighted(0.1)).prop_map(|(c, s)| Step::Batch(c, s)),
        1 => changes().prop_map(Step::LeaveBatch),
        3 => (vec((key(), len()), 0..14), any::<bool>(), prop::bool::weighted(0.1), prop::bool::weighted(0.1))
            .prop_map(|(pairs, atomic, sync, leave)| Step::Load(pairs, atomic, sync, leave && atomic)),
        5 => vec(act(), 0..12).prop_map(Step::FullBatch),
        4 => Just(Step::Begin),
        8 => (any::<Index>(), vec(act(), 0..6)).prop_map(|(i, a)| Step::Within(i, a)),
        4 => (any::<Index>(), prop::bool::weighted(0.1)).prop_map(|(i, s)| Step::Commit(i, s)),
        1 => any::<Index>().prop_map(Step::Abandon),
        2 => Just(Step::Sync),
        3 => prop_oneof![2 => any::<u64>(), 1 => Just(u64::MAX)].prop_map(Step::Merge),
        2 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        10 => (key(), 0..80_usize).prop_map(|(k, l)| Step::Get(k, l)),
        8 => (range(), prop::option::weighted(0.3, edge()), pages).prop_map(|(r, s, p)| Step::Iterate(r, s, p)),
        5 => range().prop_map(Step::Hold),
        8 => (any::<Index>(), 1..9_u8, any::<bool>()).prop_map(|(i, n, p)| Step::Advance(i, n, p)),
        2 => (any::<Index>(), prop::option::weighted(0.7, edge())).prop_map(|(i, k)| Step::Seek(i, k)),
        1 => any::<Index>().prop_map(Step::Release),
        3 => Just(Step::TakeSnapshot),
        8 => (any::<Index>(), key(), 0..80_usize, range()).prop_map(|(i, k, l, r)| Step::LookBack(i, k, l, r)),
        2 => any::<Index>().prop_map(Step::DropSnapshot),
    ]
}

pub(crate) fn options(kind: IndexKind, io: IoKind) -> impl Strategy<Value = Options> {
    let hour = Durability::Interval { every: Duration::from_secs(3600), bytes: 1 << 40 };
    let durability = prop::sample::select(vec![Durability::None, Durability::Always, hour]);
    let size = prop::sample::select(vec![4096, 20_000, 1 << 30]);
    (durability, size, any::<bool>()).prop_map(move |(durability, size, verify)| {
        Options::new()
            .index(kind)
            .io(io)
            .durability(durability)
            .max_file_size(size)
            .verify_checksums(verify)
            .background_merge(false)
    })
}

impl Range {
    pub(crate) fn options(&self) -> IterOptions {
        IterOptions::new()
            .prefix(&self.prefix)
            .start(self.start.as_ref().map(Vec::as_slice))
            .end(self.end.as_ref().map(Vec::as_slice))
            .reverse(self.reverse)
            .keys_only(self.keys_only)
            .limit(self.limit.map_or(u64::MAX, u64::from))
    }

    /// Whether a key is in the range, and not before the place that an iterator was sent to.
    pub(crate) fn covers(&self, key: &Key, seek: Option<&Key>) -> bool {
        let above = |key: &Key| match &self.start {
            Bound::Included(start) => key >= start,
            Bound::Excluded(start) => key > start,
            Bound::Unbounded => true,
        };
        let below = |key: &Key| match &self.end {
            Bound::Included(end) => key <= end,
            Bound::Excluded(end) => key < end,
            Bound::Unbounded => true,
        };
        let from = |key: &Key| seek.is_none_or(|seek| if self.reverse { key <= seek } else { key >= seek });
        key.starts_with(&self.prefix) && above(key) && below(key) && from(key)
    }

    /// What an iterator shows of a state, from its beginning or from where it was sent.
    pub(crate) fn of(&self, state: &Map, seek: Option<&Key>) -> Vec<(Key, Vec<u8>)> {
        let inside = state.iter().filter(|(key, _)| self.covers(key, seek));
        let shown =
            |(key, value): (&Key, &Vec<u8>)| (key.clone(), if self.keys_only { Vec::new() } else { value.clone() });
        let mut all: Vec<_> = inside.map(shown).collect();
        if self.reverse {
            all.reverse();
        }
        all.truncate(self.limit.map_or(usize::MAX, usize::from));
        all
    }
}
