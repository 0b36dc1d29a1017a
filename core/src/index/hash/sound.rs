//! What is demanded of a saved table as a whole before its first change, so that the writer's code may rely on the module's invariants.
//!
//! Descriptors were looked at when they were fetched, and where chunks are when the table was made.

use super::segment::{GROUPS, Shape};
use super::slab::Place;
use super::state::State;
use std::sync::atomic::{AtomicBool, Ordering};

/// Segments looked at between two looks whether to stop.
const STEP: u32 = 256;

/// Whether each used block is a segment's, each entry lies where its fingerprint demands, and there are `keys`. No answer if it was told to stop.
///
/// REQUIRES: all is there.
pub(super) fn is_table(state: &State, blocks: u64, keys: u64, stop: &AtomicBool) -> bool {
    let count = state.directory.count();
    let (mut entries, mut owned) = (state.spill.len() as u64, 0);
    for i in 0..count.0 {
        if i % STEP == 0 && stop.load(Ordering::Relaxed) {
            return false;
        }
        let (segment, shape) = (state.directory.descriptor(i).get(), Shape::new(count.depth(i)));
        if segment.place == Place::NONE {
            continue;
        }
        let block = state.memory.block(segment.place, shape.units(segment.len()));
        // No other can have the block, whose owner is one.
        if block.owner() != i {
            return false;
        }
        owned += 1;
        entries += segment.len() as u64;
        for group in 0..GROUPS {
            let start = segment.start(group);
            for at in start..start + segment.count(group) {
                let (fingerprint, _) = shape.read(block, at, i, group);
                if count.address(fingerprint) != i || shape.group(fingerprint) != group {
                    return false;
                }
            }
        }
    }
    owned == blocks && entries == keys
}
