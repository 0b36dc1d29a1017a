//! Random keys and values, the same in every run.

use std::path::Path;

/// Bytes of a key.
pub const KEY_LEN: usize = 24;
/// Bytes of a value.
pub const VALUE_LEN: usize = 150;

/// Keys with their values, in the order of writing, and the keys again in the order of reading.
///
/// Both orders lie in memory one after the other, so that fetching the next key costs next to nothing and what is
/// measured is the store.
#[derive(Debug)]
pub struct Pairs {
    keys: Vec<u8>,
    values: Vec<u8>,
    shuffled: Vec<u8>,
}

impl Pairs {
    /// So many pairs.
    #[must_use]
    pub fn new(count: usize) -> Pairs {
        let keys = random_bytes(1, count * KEY_LEN);
        let values = random_bytes(2, count * VALUE_LEN);
        let mut order: Vec<u32> = (0..count as u32).collect();
        let mut random = Random(3);
        for i in (1..order.len()).rev() {
            order.swap(i, (random.next() % (i as u64 + 1)) as usize);
        }
        let shuffled = order.iter().flat_map(|&i| &keys[i as usize * KEY_LEN..][..KEY_LEN]).copied().collect();
        Pairs { keys, values, shuffled }
    }

    /// Keys and values as they are written.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.keys.chunks_exact(KEY_LEN).zip(self.values.chunks_exact(VALUE_LEN))
    }

    /// All keys in another order.
    pub fn shuffled(&self) -> impl Iterator<Item = &[u8]> {
        self.shuffled.chunks_exact(KEY_LEN)
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len() / KEY_LEN
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Writes the keys in the order of reading to a file, for programs in other languages.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn save_shuffled(&self, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, &self.shuffled)
    }
}

/// Random bytes that depend on the seed only.
#[must_use]
pub fn random_bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(0xd134_2543_de82_ef95));
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014, figure 17).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
