//! Verifies a whole table against the module's invariants.

use super::edit::{MEAN, Writer};
use super::segment::{GROUPS, Shape};
use super::slab::{Place, UNIT};
use super::state::State;
use std::collections::BTreeSet;

/// Panics with what is wrong.
pub(super) fn check(state: &State, writer: &Writer) {
    let (mut len, mut blocks) = (state.spill.len(), 0);
    let count = state.directory.count();
    for i in 0..state.directory.capacity() {
        let (descriptor, shape) = (state.directory.descriptor(i), Shape::new(count.depth(i.min(count.0 - 1))));
        let segment = descriptor.get();
        assert!(descriptor.lock(), "segment {i} is locked at rest");
        descriptor.unlock();
        assert_eq!(segment.place == Place::NONE, segment.len() == 0);
        if segment.place == Place::NONE {
            continue;
        }
        assert!(i < count.0, "a segment behind the last");
        let block = state.memory.block(segment.place, shape.units(segment.len()));
        assert_eq!(block.owner(), i);
        assert_eq!(block.0.len() * 8, shape.units(segment.len()) * UNIT);
        let mut seen = BTreeSet::new();
        for group in 0..GROUPS {
            for at in segment.start(group)..segment.start(group) + segment.count(group) {
                let (fingerprint, location) = shape.read(block, at, i, group);
                assert_eq!(count.address(fingerprint), i);
                assert_eq!(shape.group(fingerprint), group);
                assert!(seen.insert(fingerprint) && !state.spill.contains_key(&fingerprint));
                assert_eq!(state.get(fingerprint), Some(location));
            }
        }
        len += segment.len();
        blocks += 1;
    }
    assert_eq!(len as u64, writer.len);
    assert_eq!(writer.slab.check(&state.memory), blocks);
    let segments = u64::from(count.0);
    assert!(segments == 1 || writer.len <= MEAN * segments && writer.len >= MEAN * 7 / 8 * (segments - 1));
}
