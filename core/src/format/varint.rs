//! LEB128 and zigzag, strictly: a number has one encoding.

use crate::format::bytes::Reader;

pub(in crate::format) fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// `None` at the end of the bytes, above 64 bits, and if a shorter form exists.
pub(in crate::format) fn take(r: &mut Reader<'_>) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let byte = r.u8()?;
        let bits = u64::from(byte & 0x7F);
        if shift == 63 && bits > 1 {
            return None;
        }
        n |= bits << shift;
        if byte & 0x80 == 0 {
            return (byte != 0 || shift == 0).then_some(n);
        }
    }
    None
}

/// The difference of two numbers modulo 2^64, small in either direction as a small number.
pub(in crate::format) fn zigzag(difference: u64) -> u64 {
    let d = difference as i64;
    ((d << 1) ^ (d >> 63)) as u64
}

pub(in crate::format) fn unzigzag(z: u64) -> u64 {
    (z >> 1) ^ (z & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn take_all(bytes: &[u8]) -> Option<u64> {
        let mut r = Reader(bytes);
        take(&mut r).filter(|_| r.0.is_empty())
    }

    #[test]
    fn only_the_shortest_form_counts() {
        assert_eq!(take_all(&[0]), Some(0));
        assert_eq!(take_all(&[0x7F]), Some(127));
        assert_eq!(take_all(&[0x80, 1]), Some(128));
        assert_eq!(take_all(&[0x80, 0]), None);
        assert_eq!(take_all(&[0xFF, 0x80, 0]), None);
        assert_eq!(take_all(&[]), None);
        assert_eq!(take_all(&[0x80]), None);
        let max = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1];
        assert_eq!(take_all(&max), Some(u64::MAX));
        for last in [0, 2, 3, 0x7F, 0x80, 0x81] {
            let mut over = max.to_vec();
            over[9] = last;
            over.push(0);
            assert_eq!(take(&mut Reader(&over)), None, "{last:x}");
        }
    }

    #[test]
    fn zigzag_is_that_of_the_format() {
        for (d, z) in [(0, 0), (-1, 1), (1, 2), (-2, 3), (i64::MAX, u64::MAX - 1), (i64::MIN, u64::MAX)] {
            assert_eq!(zigzag(d as u64), z);
        }
    }

    proptest! {
        #[test]
        fn round_trip(n: u64, shift in 0u32..64, m: u64) {
            let n = n >> shift;
            let mut out = Vec::new();
            put(&mut out, n);
            prop_assert!(out.len() <= 10);
            prop_assert_eq!(take_all(&out), Some(n));
            prop_assert_eq!(unzigzag(zigzag(n)), n);
            prop_assert_eq!(m.wrapping_add(unzigzag(zigzag(n.wrapping_sub(m)))), n);
        }

        #[test]
        fn what_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut r = Reader(&bytes);
            if let Some(n) = take(&mut r) {
                let mut out = Vec::new();
                put(&mut out, n);
                prop_assert_eq!(&out[..], &bytes[..bytes.len() - r.0.len()]);
            }
        }
    }
}
