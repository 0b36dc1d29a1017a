//! What every kind of index must do, run on each kind.
//!
//! A kind is added by one line of [`KINDS`]. What a kind can't do by its own word ([`Capabilities`]) isn't asked of it.
//! `BITCASK_MODEL_CASES=n` sets the number of random histories a kind, `PROPTEST_RNG_SEED` repeats a run, `BITCASK_LONG=n` makes
//! all of it about n times as large. What is peculiar to a kind is tested beside its code.
//!
//! [`Capabilities`]: bitcask::index::Capabilities

mod common;

#[path = "index_conformance/allocator.rs"]
mod allocator;
#[path = "index_conformance/beside.rs"]
mod beside;
#[path = "index_conformance/cases.rs"]
mod cases;
#[path = "index_conformance/histories.rs"]
mod histories;
#[path = "index_conformance/keys.rs"]
mod keys;
#[path = "index_conformance/subject.rs"]
mod subject;

use bitcask::index::Index;
use bitcask::index::art::Art;
use bitcask::index::bptree::BPTree;
use bitcask::index::btree::BTree;
use bitcask::index::hash::HashIndex;
use bitcask::index::skiplist::SkipList;

type NewIndex = fn() -> Box<dyn Index>;

/// The kinds by name, with a constructor of an empty index.
const KINDS: &[(&str, NewIndex)] = &[
    ("btree", || Box::new(BTree::new())),
    ("hash", || Box::new(HashIndex::new(*b"conformance test"))),
    ("art", || Box::new(Art::new())),
    ("bptree", || Box::new(BPTree::in_memory())),
    ("skiplist", || Box::new(SkipList::new(0x5eed))),
];

/// An empty index of each kind.
fn each_kind(mut test: impl FnMut(&'static str, NewIndex)) {
    for (name, new) in KINDS {
        test(name, *new);
    }
}
