//! The order of their keys for the changes of a large call, so that neighbours in the index are changed one after the other: their pages
//! are in the processor's cache then.

use super::Change;
use crate::util::prefetch::{prefetch, prefetch_all};

/// With fewer changes than this sorting gains nothing.
const WORTH_SORTING: usize = 64;
/// So many changes before its turn a key is asked for.
const AHEAD: usize = 4;

/// Positions of the changes in the order of their keys, changes of the same key in the order of the call. `None` if they are in that order
/// already, or too few to care.
pub(crate) fn by_key(changes: &[Change<'_>]) -> Option<Vec<u32>> {
    by_key_of(changes, |change| change.key)
}

/// The same of anything that has a key.
pub(crate) fn by_key_of<'a, T>(items: &'a [T], key_of: impl Fn(&'a T) -> &'a [u8]) -> Option<Vec<u32>> {
    let n = u32::try_from(items.len()).ok()?;
    if items.len() < WORTH_SORTING || items.is_sorted_by(|a, b| key_of(a) <= key_of(b)) {
        return None;
    }
    let key = |i: u32| key_of(&items[i as usize]);
    let shared = items.iter().fold(key(0).len(), |shared, item| shared_len(&key(0)[..shared], key_of(item)));
    // Most comparisons are of the first eight bytes in which keys may differ; those lie with what is moved.
    let mut order: Vec<(u64, u32)> = (0..n).map(|i| (head(key(i), shared), i)).collect();
    order.sort_unstable_by(|a, b| {
        let rest = |i: u32| &key(i)[shared..];
        a.0.cmp(&b.0).then_with(|| rest(a.1).cmp(rest(b.1))).then(a.1.cmp(&b.1))
    });
    Some(order.into_iter().map(|(_, i)| i).collect())
}

/// Asks for what comes after the `at`-th in the order: a change and its key lie anywhere, and the key is asked for when the change is there.
#[inline]
pub(crate) fn ask_ahead(changes: &[Change<'_>], order: &[u32], at: usize) {
    let change = |at: usize| order.get(at).and_then(|&i| changes.get(i as usize));
    if let Some(change) = change(at + 2 * AHEAD) {
        prefetch(change);
    }
    if let Some(change) = change(at + AHEAD) {
        prefetch_all(change.key);
    }
}

/// Calls `make` for each change in an order that [`by_key`] gave.
pub(crate) fn for_each<'c, 'k>(
    changes: &'c mut [Change<'k>],
    order: Option<&[u32]>,
    mut make: impl FnMut(&mut Change<'k>),
) {
    match order {
        None => changes.iter_mut().for_each(make),
        Some(order) => {
            for (at, &i) in order.iter().enumerate() {
                ask_ahead(changes, order, at);
                if let Some(change) = changes.get_mut(i as usize) {
                    make(change);
                }
            }
        }
    }
}

/// How many bytes two keys begin with in common.
pub(crate) fn shared_len(a: &[u8], b: &[u8]) -> usize {
    let len = a.len().min(b.len());
    let ((a, a_rest), (b, b_rest)) = (a[..len].as_chunks::<8>(), b[..len].as_chunks::<8>());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        let differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differ != 0 {
            return i * 8 + differ.trailing_zeros() as usize / 8;
        }
    }
    len - a_rest.len() + a_rest.iter().zip(b_rest).take_while(|(a, b)| a == b).count()
}

/// The eight bytes behind the first `skip`, as a number that is ordered as they are.
pub(crate) fn head(key: &[u8], skip: usize) -> u64 {
    let rest = key.get(skip..).unwrap_or_default();
    if let Some(bytes) = rest.first_chunk::<8>() {
        return u64::from_be_bytes(*bytes);
    }
    let mut bytes = [0; 8];
    bytes[..rest.len()].copy_from_slice(rest);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_two_keys_share_ends_where_they_differ() {
        let key: Vec<u8> = (0..40_u8).collect();
        for len in 0..key.len() {
            assert_eq!((shared_len(&key, &key[..len]), shared_len(&key[..len], &key)), (len, len));
            for at in 0..len {
                let mut other = key[..len].to_vec();
                other[at] ^= 0x80;
                assert_eq!((shared_len(&key, &other), shared_len(&other, &key)), (at, at), "of {len}");
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_what_a_stable_sort_gives(keys in proptest::collection::vec("(pre)?[\u{0}ab]{1,11}", 0..300)) {
            let mut changes: Vec<_> = keys.iter().map(|k| Change { key: k.as_bytes(), new: None, old: None }).collect();
            let order = by_key(&changes);
            prop_assert!(order.is_some() || keys.len() < WORTH_SORTING || keys.is_sorted());
            let mut seen = Vec::new();
            for_each(&mut changes, order.as_deref(), |change| seen.push(change.key.as_ptr()));
            let mut wanted: Vec<_> = keys.iter().collect();
            if order.is_some() {
                wanted.sort();
            }
            prop_assert_eq!(seen, wanted.iter().map(|key| key.as_ptr()).collect::<Vec<_>>());
        }
    }
}
