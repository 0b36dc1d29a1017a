//! An index with the ordered map that says what must be in it.

use std::collections::BTreeMap;
use std::ops::Bound;

use bitcask::Location;
use bitcask::index::{Change, Direction, Index, KeyPage, Packing, Start, WalkPosition};

pub(crate) type Key = Vec<u8>;
pub(crate) type Entry = (Key, Location);

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) index: Box<dyn Index>,
    pub(crate) model: BTreeMap<Key, Location>,
    clock: u64,
}

impl Subject {
    pub(crate) fn new(name: &'static str, index: Box<dyn Index>) -> Subject {
        Subject { name, index, model: BTreeMap::new(), clock: 0 }
    }

    /// One call with these changes, each a put if it says so. What they found is compared.
    pub(crate) fn apply(&mut self, changes: &[(&[u8], bool)]) {
        let mut made: Vec<Change<'_>> = Vec::new();
        for &(key, put) in changes {
            self.clock += 1;
            made.push(Change { key, new: put.then(|| location(self.clock)), old: None });
        }
        // Of some that come and of some that don't.
        changes.iter().filter(|(key, _)| key.len().is_multiple_of(2)).for_each(|(key, _)| self.index.warm(key));
        self.index.apply(&mut made).unwrap_or_else(|e| panic!("{}: apply: {e}", self.name));
        for change in made {
            let old = match change.new {
                Some(location) => self.model.insert(change.key.to_vec(), location),
                None => self.model.remove(change.key),
            };
            assert_eq!(change.old, old, "{}: where {} was before", self.name, show(change.key));
        }
        assert_eq!(self.index.len(), self.model.len() as u64, "{}: len", self.name);
        assert_eq!(self.index.is_empty(), self.model.is_empty(), "{}: is_empty", self.name);
    }

    /// New places for keys, of those that are there at a place for which `is_old` holds. What they found is compared.
    pub(crate) fn relocate(&mut self, keys: &[Key], is_old: &dyn Fn(Location) -> bool) {
        let first = self.clock + 1;
        self.clock += keys.len() as u64;
        // What was there before such a call is none of its business.
        let old = Some(location(0));
        let changes = keys.iter().zip(first..).map(|(key, n)| Change { key, new: Some(location(n)), old });
        let mut changes: Vec<_> = changes.collect();
        self.index.relocate(&mut changes, is_old).unwrap_or_else(|e| panic!("{}: relocate: {e}", self.name));
        for change in changes {
            let expected = self.model.get(change.key).copied().filter(|&old| is_old(old));
            assert_eq!(change.old, expected, "{}: where {} was before", self.name, show(change.key));
            if let (Some(_), Some(new)) = (expected, change.new) {
                self.model.insert(change.key.to_vec(), new);
            }
        }
        assert_eq!(self.index.len(), self.model.len() as u64, "{}: len", self.name);
    }

    /// Puts keys, none of which is there, all at once if its kind can, else by changes.
    pub(crate) fn build(&mut self, keys: &[Key]) {
        let first = self.clock + 1;
        self.clock += keys.len() as u64;
        let entries = || keys.iter().zip(first..).map(|(key, n)| (&key[..], location(n)));
        // Either says only what is expected.
        let packing = if keys.len().is_multiple_of(2) { Packing::Tight } else { Packing::Roomy };
        let built = self.index.build(keys.len(), packing, &mut entries());
        let built = built.unwrap_or_else(|e| panic!("{}: build: {e}", self.name));
        if !built {
            let mut puts: Vec<_> = entries().map(|(key, new)| Change { key, new: Some(new), old: None }).collect();
            self.index.apply(&mut puts).unwrap_or_else(|e| panic!("{}: apply: {e}", self.name));
        }
        self.model.extend(entries().map(|(key, location)| (key.to_vec(), location)));
        assert_eq!(self.index.len(), self.model.len() as u64, "{}: len", self.name);
    }

    pub(crate) fn put(&mut self, key: &[u8]) {
        self.apply(&[(key, true)]);
    }

    pub(crate) fn delete(&mut self, key: &[u8]) {
        self.apply(&[(key, false)]);
    }

    pub(crate) fn get(&self, key: &[u8]) {
        let got = self.index.get(key).unwrap_or_else(|e| panic!("{}: get: {e}", self.name));
        assert_eq!(got, self.model.get(key).copied(), "{}: get {}", self.name, show(key));
    }

    /// One scan, compared.
    pub(crate) fn scan(&self, start: Start<'_>, direction: Direction, max: usize) {
        if !self.index.capabilities().ordered {
            return;
        }
        let got = scan(&*self.index, start, direction, max);
        let same = self.expected(start, direction).take(max).eq(got.iter().map(|(k, l)| (k, l)));
        let from = match start {
            Start::Edge => "the edge".into(),
            Start::At(key) | Start::After(key) => format!("{} ({})", show(key), &format!("{start:?}")[..5]),
        };
        assert!(same, "{}: scan {direction:?} of {max} from {from} gave {}", self.name, got.len());
    }

    fn expected(&self, start: Start<'_>, direction: Direction) -> Box<dyn Iterator<Item = (&Key, &Location)> + '_> {
        let bound = match start {
            Start::Edge => Bound::Unbounded,
            Start::At(key) => Bound::Included(key),
            Start::After(key) => Bound::Excluded(key),
        };
        match direction {
            Direction::Forward => Box::new(self.model.range::<[u8], _>((bound, Bound::Unbounded))),
            Direction::Reverse => Box::new(self.model.range::<[u8], _>((Bound::Unbounded, bound)).rev()),
        }
    }

    /// Everything that can be asked of the contents as a whole: all keys by get, page-wise scans both ways, the walk, and
    /// memory within reason.
    pub(crate) fn check(&self) {
        self.model.keys().for_each(|key| self.get(key));
        self.check_order(64);
        let mut walked = Vec::new();
        let mut position = WalkPosition::default();
        while self.index.walk(&mut position, 50, &mut walked).expect("walk") {}
        assert!(!self.index.walk(&mut position, 50, &mut walked).expect("walk"), "a walk that is over stays over");
        walked.sort_unstable();
        let mut wanted: Vec<Location> = self.model.values().copied().collect();
        wanted.sort_unstable();
        assert!(walked == wanted, "{}: walk gave {} of {}", self.name, walked.len(), wanted.len());
        let bytes: u64 = self.model.keys().map(|key| key.len() as u64 + 64).sum();
        let most = 4 * bytes + (4 << 20);
        assert!(self.index.memory() <= most, "{}: memory {}", self.name, self.index.memory());
    }

    /// All entries in order, both ways, in pages of this size.
    pub(crate) fn check_order(&self, page: usize) {
        if !self.index.capabilities().ordered {
            return;
        }
        for direction in [Direction::Forward, Direction::Reverse] {
            let got = scan_all(&*self.index, direction, page);
            let same = self.expected(Start::Edge, direction).eq(got.iter().map(|(k, l)| (k, l)));
            assert!(same, "{}: scans {direction:?} gave {} of {}", self.name, got.len(), self.model.len());
        }
    }
}

/// Location number `n`; the numbers are scattered over all bits.
pub(crate) fn location(n: u64) -> Location {
    Location::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// One scan.
pub(crate) fn scan(index: &dyn Index, start: Start<'_>, direction: Direction, max: usize) -> Vec<Entry> {
    let mut page = KeyPage::new();
    // What is in the page before stays there.
    page.push(b"be", b"fore", location(1));
    index.scan(start, direction, max, &mut page).expect("scan");
    let mut all = (0..page.len()).map(|i| page.get(i).expect("an entry")).map(|(k, l)| (k.to_vec(), l));
    assert_eq!(all.next(), Some((b"before".to_vec(), location(1))));
    all.collect()
}

/// All entries, in pages of this size.
pub(crate) fn scan_all(index: &dyn Index, direction: Direction, size: usize) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let start = all.last().map_or(Start::Edge, |(key, _)| Start::After(key));
        let page = scan(index, start, direction, size);
        assert!(page.len() <= size);
        let last = page.len() < size;
        all.extend(page);
        if last {
            return all;
        }
    }
}

pub(crate) fn show(key: &[u8]) -> String {
    format!("{:?}... ({} bytes)", &key[..key.len().min(40)], key.len())
}
