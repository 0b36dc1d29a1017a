//! Keys made to be awkward: for order, for prefixes, for pages, for hashes.

use std::collections::HashMap;

use bitcask::MAX_KEY_LEN;

use crate::common::Rng;
use crate::subject::Key;

/// Number of families.
pub(crate) const FAMILIES: u8 = 12;

/// Key `n` of a family.
pub(crate) fn key(family: u8, n: u32) -> Key {
    let number = format!("{n:010}");
    let scrambled = n.wrapping_mul(0x9e37_79b1).to_be_bytes();
    match family % FAMILIES {
        0 => format!("user:{number}:profile").into_bytes(),
        1 => scrambled.repeat(6),
        // Each a prefix of the next.
        2 => b"ab".iter().copied().cycle().take(1 + n as usize % 900).collect(),
        3 => vec![0; 1 + n as usize % 300],
        4 => vec![0xff; 1 + n as usize % 300],
        // Zeros, ones and the like, in lengths from one: prefixes of each other and one from the next.
        5 => (0..=n % 7).map(|i| [0, 1, 0xfe, 0xff][((n / 7) >> (2 * i)) as usize % 4]).collect(),
        // Shared prefixes of a part of a page, and of more than one.
        6 => [&[b'p'; 300][..], &scrambled].concat(),
        7 => [&[b'q'; 5000][..], &scrambled[..2]].concat(),
        // The last bytes alone are different.
        8 => [&[0xee; 40][..], &(n as u16).to_be_bytes()].concat(),
        9 => (u32::MAX - n).to_be_bytes().to_vec(),
        // Around lengths where encodings change.
        10 => {
            let len = [1, 2, 3, 7, 8, 9, 127, 128, 254, 255, 256, 257, 511, 512, 513][n as usize % 15];
            let mut key = vec![(n / 15) as u8; len];
            key[len - 1] = (n / 30) as u8;
            key
        }
        _ => number.into_bytes(),
    }
}

/// Keys of the greatest length and a little less, different in the first byte, in the middle, or in the last.
pub(crate) fn longest(n: u32) -> Key {
    let mut key = vec![b'k'; MAX_KEY_LEN - n as usize % 3];
    let place = [0, key.len() / 2, key.len() - 1][n as usize / 3 % 3];
    key[place] = (n / 9) as u8;
    key
}

/// Number `n` of a sequence in which few numbers below `most` come often and the others seldom (Zipf's law).
pub(crate) fn zipfian(random: u64, most: u32) -> u32 {
    let uniform = (random >> 11) as f64 / (1_u64 << 53) as f64;
    (f64::from(most).powf(uniform) - 1.0) as u32
}

/// Keys of which all have the same hash, for hashes without a key: those that tables take by default.
pub(crate) fn colliding() -> Vec<(&'static str, Vec<Key>)> {
    let fnv = |state: u32, block: &[u8]| block.iter().fold(state, |h, b| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193));
    let fnv_low =
        |state: u32, block: &[u8]| block.iter().fold(state, |h, b| (h ^ u32::from(*b)).wrapping_mul(0x0000_01b3));
    let java = |state: u32, block: &[u8]| block.iter().fold(state, |h, b| h.wrapping_mul(31).wrapping_add((*b).into()));
    vec![
        ("FNV-1a of 32 bits", multicollision(0x811c_9dc5, fnv)),
        ("FNV-1a of 64 bits, the lower half", multicollision(0x8422_2325, fnv_low)),
        ("polynomial of 31", multicollision(0, java)),
        ("CRC-32", multicollision(!0, crc32)),
        ("multiply and rotate", multiplicative()),
    ]
}

/// 2^11 keys with one hash by Joux's construction (CRYPTO 2004): eleven times two blocks that lead from one state to the
/// same next one, each found by a birthday search, in all combinations.
fn multicollision(mut state: u32, step: impl Fn(u32, &[u8]) -> u32) -> Vec<Key> {
    let mut keys = vec![Key::new()];
    for stage in 0..11_u64 {
        let (mut seen, mut random) = (HashMap::new(), Rng(stage));
        let (next, one, other) = loop {
            let block = random.next().to_be_bytes();
            let next = step(state, &block);
            if let Some(other) = seen.insert(next, block) {
                break (next, block, other);
            }
        };
        assert_eq!((next, one != other), (step(state, &other), true));
        state = next;
        keys = keys.iter().flat_map(|key| [[&key[..], &one].concat(), [&key[..], &other].concat()]).collect();
    }
    keys
}

fn crc32(state: u32, block: &[u8]) -> u32 {
    block.iter().fold(state, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

/// A hash that takes in a word by `(rotate(state) ^ word) * odd` can be turned round: the second word is computed so that the
/// state becomes what it is for all.
fn multiplicative() -> Vec<Key> {
    let step = |state: u64, word: u64| (state.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let pair = |first: u64| {
        let second = step(0, first).rotate_left(5) ^ 0x0123_4567_89ab_cdef;
        assert_eq!(step(step(0, first), second), step(0, 0x0123_4567_89ab_cdef));
        [first.to_ne_bytes(), second.to_ne_bytes()].concat()
    };
    (0..2000).map(pair).collect()
}
