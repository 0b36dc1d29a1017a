//! SipHash-1-3-128 (Aumasson & Bernstein, "SipHash: a fast short-input PRF", 2012; the 128-bit output as in their reference code) of a
//! whole key at once.
//!
//! A lookup waits for memory once, and the fewer instructions there are from one wait to the next, the more of the next
//! lookup the processor does meanwhile. The published crate hashes by stream, in two calls that save the state between
//! them; here it is half the instructions. The tests hold the two against each other.

/// The state that a secret key begins with.
pub(crate) struct Sip([u64; 4]);

impl Sip {
    pub(crate) fn new(key: [u8; 16]) -> Sip {
        let number = u128::from_le_bytes(key);
        let (k0, k1) = (number as u64, (number >> 64) as u64);
        Sip([
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ])
    }

    /// The 128 bits for a string of bytes.
    #[inline]
    pub(crate) fn hash(&self, bytes: &[u8]) -> u128 {
        let mut v = self.0;
        let (words, rest) = bytes.as_chunks::<8>();
        for &word in words {
            absorb(&mut v, u64::from_le_bytes(word));
        }
        absorb(&mut v, (bytes.len() as u64) << 56 | last(bytes, rest));
        v[2] ^= 0xee;
        let low = finish(&mut v);
        v[1] ^= 0xdd;
        u128::from(low) | u128::from(finish(&mut v)) << 64
    }
}

/// The up to 7 bytes behind the last whole word, as a number.
#[inline(always)]
fn last(bytes: &[u8], rest: &[u8]) -> u64 {
    if rest.is_empty() {
        return 0;
    }
    match bytes.last_chunk::<8>() {
        // The last 8 bytes, of which those before the rest are shifted out.
        Some(&end) => u64::from_le_bytes(end) >> (64 - 8 * rest.len()),
        None => rest.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)),
    }
}

#[inline(always)]
fn absorb(v: &mut [u64; 4], word: u64) {
    v[3] ^= word;
    round(v);
    v[0] ^= word;
}

#[inline(always)]
fn finish(v: &mut [u64; 4]) -> u64 {
    round(v);
    round(v);
    round(v);
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

#[inline(always)]
fn round(v: &mut [u64; 4]) {
    let [mut a, mut b, mut c, mut d] = *v;
    a = a.wrapping_add(b);
    c = c.wrapping_add(d);
    b = b.rotate_left(13) ^ a;
    d = d.rotate_left(16) ^ c;
    a = a.rotate_left(32);
    c = c.wrapping_add(b);
    a = a.wrapping_add(d);
    b = b.rotate_left(17) ^ c;
    d = d.rotate_left(21) ^ a;
    c = c.rotate_left(32);
    *v = [a, b, c, d];
}

#[cfg(test)]
mod tests {
    use super::*;
    use siphasher::sip128::SipHasher13;

    #[test]
    fn it_is_the_published_function() {
        let bytes: Vec<u8> = (0..=255).cycle().map(|b: u8| b.wrapping_mul(167)).take(1000).collect();
        for key in [[0; 16], [0xff; 16], *b"0123456789abcdef"] {
            let (ours, theirs) = (Sip::new(key), SipHasher13::new_with_key(&key));
            for len in (0..300).chain([999, 1000]) {
                assert_eq!(ours.hash(&bytes[..len]), theirs.hash(&bytes[..len]).as_u128(), "{len} bytes");
            }
        }
    }
}
