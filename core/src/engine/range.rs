//! Ranges of keys in the direction of a walk: bounds, prefixes, and what history lays over a page of an index.

use std::cmp::Ordering;
use std::ops::Bound;

use crate::index::KeyPage;
use crate::types::Location;

/// Both bounds of a range.
pub(super) type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Keys that changed since a snapshot, with where they were.
pub(super) type Changes = Vec<(Vec<u8>, Option<Location>)>;

/// Whether a key has not passed a bound on its far side.
pub(super) fn within(key: &[u8], far: &Bound<Vec<u8>>, reverse: bool) -> bool {
    match far {
        Bound::Unbounded => true,
        Bound::Included(bound) => {
            if reverse {
                key >= bound
            } else {
                key <= bound
            }
        }
        Bound::Excluded(bound) => {
            if reverse {
                key > bound
            } else {
                key < bound
            }
        }
    }
}

/// The bound or the key, whichever comes later in the direction of the walk.
pub(super) fn nearer<'a>(near: Bound<&'a [u8]>, key: &'a [u8], reverse: bool) -> Bound<&'a [u8]> {
    let bound_wins = match near {
        Bound::Unbounded => false,
        Bound::Included(bound) | Bound::Excluded(bound) => {
            if reverse {
                bound <= key
            } else {
                bound >= key
            }
        }
    };
    if bound_wins { near } else { Bound::Included(key) }
}

/// A prefix and bounds as one range.
pub(crate) fn range(prefix: &[u8], mut low: Bound<Vec<u8>>, mut high: Bound<Vec<u8>>) -> Bounds {
    if !prefix.is_empty() {
        low = nearer(as_slice(&low), prefix, false).map(<[u8]>::to_vec);
        if let Some(next) = successor(prefix) {
            let closer = match &high {
                Bound::Unbounded => false,
                Bound::Included(bound) | Bound::Excluded(bound) => *bound < next,
            };
            if !closer {
                high = Bound::Excluded(next);
            }
        }
    }
    (low, high)
}

/// The least key that is above all keys with this prefix; `None` if the prefix is all 0xFF.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xFF)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

pub(super) fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

/// Lays the changes over the raw page, both in the cursor's direction, up to the far bound.
pub(super) fn merge(
    raw: &KeyPage,
    changed: &[(Vec<u8>, Option<Location>)],
    far: &Bound<Vec<u8>>,
    reverse: bool,
    out: &mut KeyPage,
) {
    let mut changed = changed.iter().peekable();
    let mut at = 0;
    loop {
        let stored = raw.get(at).filter(|(key, _)| within(key, far, reverse));
        let order = match (stored, changed.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((key, _)), Some((other, _))) if reverse => other[..].cmp(key),
            (Some((key, _)), Some((other, _))) => key.cmp(other),
        };
        if order == Ordering::Less {
            if let Some((key, location)) = stored {
                out.push(key, &[], location);
            }
        } else if let Some((key, Some(location))) = changed.next() {
            out.push(key, &[], *location);
        }
        // An equal key: the change is what the snapshot sees.
        if order != Ordering::Greater {
            at += 1;
        }
    }
}
