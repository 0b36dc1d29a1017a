//! The pairs of redb's comparison: 24 random bytes with 150 random bytes, one sequence from one seed.
//!
//! Keys to be read are drawn before the clock starts and lie in memory in the order of use, so that the generator isn't
//! measured. A value is checked by its length and its first eight bytes, and those are summed up, which no compiler can
//! leave out; the sums of all stores must agree.

/// Bytes of a key.
pub const KEY_LEN: usize = 24;
/// Bytes of a value.
pub const VALUE_LEN: usize = 150;

const SEED: u64 = 3;

/// A key.
pub type Key = [u8; KEY_LEN];
/// A value.
pub type Value = [u8; VALUE_LEN];

/// The sequence.
#[derive(Clone, Debug)]
pub struct Pairs {
    random: fastrand::Rng,
}

impl Default for Pairs {
    fn default() -> Pairs {
        Pairs { random: fastrand::Rng::with_seed(SEED) }
    }
}

impl Pairs {
    /// The next pair.
    pub fn pair(&mut self) -> (Key, Value) {
        let (mut key, mut value) = ([0; KEY_LEN], [0; VALUE_LEN]);
        self.random.fill(&mut key);
        self.random.fill(&mut value);
        (key, value)
    }

    /// The next value alone.
    pub fn value(&mut self) -> Value {
        let mut value = [0; VALUE_LEN];
        self.random.fill(&mut value);
        value
    }

    /// So many of the next pairs.
    pub fn take(&mut self, count: u64) -> Vec<(Key, Value)> {
        (0..count).map(|_| self.pair()).collect()
    }
}

/// A key to read, and how its value begins.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// The key.
    pub key: Key,
    /// See [`head`].
    pub head: u64,
}

/// The first so many pairs of the sequence, to be read.
#[must_use]
pub fn probes(count: u64) -> Vec<Probe> {
    let mut pairs = Pairs::default();
    let probe = |(key, value): (Key, Value)| Probe { key, head: head(&value) };
    (0..count).map(|_| probe(pairs.pair())).collect()
}

/// The first eight bytes of a value as a number, 0 if it has not the length of a value of ours.
#[must_use]
pub fn head(value: &[u8]) -> u64 {
    match value.first_chunk() {
        Some(first) if value.len() == VALUE_LEN => u64::from_le_bytes(*first),
        _ => 0,
    }
}
