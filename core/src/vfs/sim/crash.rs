//! The disks that a power cut can leave behind.
//!
//! Model: what was synced is there. Of what was not, each page or sector and each directory entry may or may not have
//! got there on its own, but:
//! 1. a unit of data (a page or a sector) holds some earlier version of itself, never a later write without an earlier one
//!    to the same unit ([`CrashChoice::DropOne`] is harsher and knows no units);
//! 2. the length of a file is one that it had at some moment since it was last synced, so data may be missing below it
//!    (zeros) or be cut off by it;
//! 3. one directory change is atomic, a rename too.

use std::collections::BTreeSet;

use super::history::{Cursor, Op};
use super::image::{Image, Ino};
use super::mix;

/// What survives of the operations that no sync has covered. See the module's head for the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CrashChoice {
    /// Nothing.
    LoseUnsynced,
    /// Everything but the pages, and the changes of directories, that a failed sync gave up.
    KeepAll,
    /// Everything but the k-th unsynced operation, from 0 ([`SimVfs::unsynced_ops`](super::SimVfs::unsynced_ops)).
    DropOne(usize),
    /// Everything, but the k-th unsynced operation, if a write, has only made its place in the file: it reads as the bytes
    /// before it, or as zeros. What a file system does that journals lengths and not data.
    ZeroOne(usize),
    /// Everything, but of the last operation, if it is a write, only this many bytes.
    CutLastWrite(usize),
    /// A random version of each unit of this many bytes, of each file's length, and a random subset of directory changes.
    Pages {
        /// Where the randomness comes from.
        seed: u64,
        /// Bytes that reach the disk together: 4096 for pages, 512 for sectors. 0 counts as 1.
        unit: u32,
    },
    /// Everything, but of the changed units, in the order of their files' creation and their offsets, only those whose bit
    /// is set; those beyond the 64th are kept ([`SimVfs::unsynced_pages`](super::SimVfs::unsynced_pages)).
    PageMask {
        /// Bytes that reach the disk together. 0 counts as 1.
        unit: u32,
        /// Bit i stands for the i-th unit.
        mask: u64,
    },
    /// All data and lengths, but of the directory changes only those whose bit is set; those beyond the 64th are kept
    /// ([`SimVfs::unsynced_entries`](super::SimVfs::unsynced_entries)).
    Entries(u64),
}

/// The disk that is left of a history's prefix.
pub(super) fn build(cursor: &Cursor, ops: &[Op], choice: &CrashChoice) -> Image {
    let mut image = cursor.durable.clone();
    let pending = cursor.pending.iter().map(|i| (*i, &ops[*i]));
    match *choice {
        CrashChoice::LoseUnsynced => {}
        CrashChoice::KeepAll => pending.for_each(|(_, op)| image.apply(op)),
        CrashChoice::DropOne(k) => {
            pending.enumerate().filter(|(i, _)| *i != k).for_each(|(_, (_, op))| image.apply(op));
        }
        CrashChoice::ZeroOne(k) => {
            for (i, (_, op)) in pending.enumerate() {
                match op {
                    Op::Write { ino, offset, bytes } if i == k => {
                        if let Some(content) = image.content_mut(*ino) {
                            content.grow(*offset + bytes.len() as u64);
                        }
                    }
                    _ => image.apply(op),
                }
            }
        }
        CrashChoice::CutLastWrite(keep) => {
            for (index, op) in pending {
                match op {
                    Op::Write { ino, offset, bytes } if index + 1 == cursor.at => {
                        if let Some(content) = image.content_mut(*ino)
                            && keep > 0
                        {
                            content.write(*offset, &bytes[..keep.min(bytes.len())]);
                        }
                    }
                    _ => image.apply(op),
                }
            }
        }
        CrashChoice::Entries(mask) => {
            let mut entries = 0;
            for (_, op) in pending {
                let mut keep = true;
                if op.entry_of().is_some() {
                    keep = bit(mask, entries);
                    entries += 1;
                }
                if keep {
                    image.apply(op);
                }
            }
        }
        CrashChoice::Pages { seed, unit } => {
            // A quarter nothing, half everything, a quarter something between: the ends are where recovery errs.
            let version = |what: u64, versions: usize| {
                let h = mix(seed ^ mix(what));
                match h % 4 {
                    0 => 0,
                    1 | 2 => versions,
                    _ => ((h >> 2) % (versions as u64 + 1)) as usize,
                }
            };
            let keep_unit = |ino: Ino, unit: u64, n: usize| version((u64::from(ino) << 40) ^ unit, n);
            data(&mut image, cursor, ops, unit, |ino, n| version(!u64::from(ino), n), keep_unit);
            for (i, op) in pending.filter(|(_, op)| op.entry_of().is_some()) {
                if mix(seed ^ mix(i as u64 | 1 << 63)) & 1 == 1 {
                    image.apply(op);
                }
            }
        }
        CrashChoice::PageMask { unit, mask } => {
            let changed = changed_units(cursor, ops, unit);
            let keep_unit = |ino: Ino, unit: u64, n: usize| {
                let index = changed.iter().position(|at| *at == (ino, unit));
                if index.is_none_or(|i| bit(mask, i)) { n } else { 0 }
            };
            data(&mut image, cursor, ops, unit, |_, n| n, keep_unit);
            pending.filter(|(_, op)| op.entry_of().is_some()).for_each(|(_, op)| image.apply(op));
        }
    }
    image.sweep();
    image
}

fn bit(mask: u64, index: usize) -> bool {
    index >= 64 || mask >> index & 1 == 1
}

/// The units that pending writes touch, with their files.
pub(super) fn changed_units(cursor: &Cursor, ops: &[Op], unit: u32) -> Vec<(Ino, u64)> {
    let mut changed = BTreeSet::new();
    for op in cursor.pending.iter().map(|i| &ops[*i]) {
        if let Op::Write { ino, offset, bytes } = op {
            changed.extend(pieces(*offset, bytes, unit).map(|(number, _, _)| (*ino, number)));
        }
    }
    changed.into_iter().collect()
}

/// A write's parts by the units that they lie in: unit, offset, bytes.
fn pieces(offset: u64, bytes: &[u8], unit: u32) -> impl Iterator<Item = (u64, u64, &[u8])> {
    let unit = u64::from(unit.max(1));
    let mut done = 0;
    std::iter::from_fn(move || {
        let rest = &bytes[done..];
        let at = offset + done as u64;
        let room = usize::try_from(unit - at % unit).unwrap_or(usize::MAX);
        let piece = &rest[..rest.len().min(room)];
        done += piece.len();
        (!piece.is_empty()).then_some((at / unit, at, piece))
    })
}

/// Applies some version of each file's pending data: of its `n` pending operations the first `length(ino, n)` have
/// decided its length, and the first `version(ino, unit, n)` have left their bytes in a unit.
fn data(
    image: &mut Image,
    cursor: &Cursor,
    ops: &[Op],
    unit: u32,
    length: impl Fn(Ino, usize) -> usize,
    version: impl Fn(Ino, u64, usize) -> usize,
) {
    let of_files = || cursor.pending.iter().map(|i| &ops[*i]).filter_map(|op| Some((op.data_of()?, op)));
    let files: BTreeSet<Ino> = of_files().map(|(ino, _)| ino).collect();
    for ino in files {
        let pending: Vec<&Op> = of_files().filter(|(i, _)| *i == ino).map(|(_, op)| op).collect();
        let Some(content) = image.content_mut(ino) else { continue };
        let lengths = length(ino, pending.len());
        for (j, op) in pending.iter().enumerate() {
            match op {
                Op::Write { offset, bytes, .. } => {
                    for (number, at, piece) in pieces(*offset, bytes, unit) {
                        if j < version(ino, number, pending.len()) {
                            content.put(at, piece);
                        }
                    }
                    if j < lengths {
                        content.grow(*offset + bytes.len() as u64);
                    }
                }
                Op::SetLen { len, .. } if j < lengths => content.set_len(*len),
                Op::Allocate { end, .. } if j < lengths => content.grow(*end),
                _ => {}
            }
        }
        content.clip();
    }
}
