//! The three sets of keys: random, structured with a common prefix and suffix, and URLs.
//!
//! Keys lie side by side in the order of use, so that fetching the next one isn't measured: once in the order of inserting,
//! once in another, random one for reading.

/// A set of keys.
#[derive(Debug)]
pub struct Set {
    /// Its name.
    pub name: &'static str,
    /// Makes key number `i`. All keys of a set have one length and are different.
    make: fn(u64, &mut fastrand::Rng) -> Vec<u8>,
}

/// All of them.
pub const SETS: [Set; 3] = [
    Set { name: "random 24 B", make: random },
    Set { name: "user:0000000042:profile", make: profile },
    Set { name: "URLs of 37 B", make: url },
];

fn random(_: u64, random: &mut fastrand::Rng) -> Vec<u8> {
    let mut key = vec![0; 24];
    random.fill(&mut key);
    key
}

fn profile(i: u64, _: &mut fastrand::Rng) -> Vec<u8> {
    format!("user:{i:010}:profile").into_bytes()
}

fn url(i: u64, random: &mut fastrand::Rng) -> Vec<u8> {
    const HOSTS: [&str; 8] =
        ["a.org", "blog.io", "wiki.net", "maps.dev", "news.test", "shop.test", "docs.info", "photos.eu"];
    const PARTS: [&str; 6] = ["item", "p", "user", "q", "img", "post"];
    let start = format!("https://www.{}/{}/", HOSTS[random.usize(0..8)], PARTS[random.usize(0..6)]);
    // At least 3 + 7 digits are left: a random part, and the number, by which keys are different.
    let width = 37 - start.len() - 3;
    format!("{start}{:03x}{i:0width$}", random.u16(0..4096)).into_bytes()
}

/// Keys in two orders. The location of a key is its number in the order of inserting, from 1.
pub(super) struct Keys {
    len: usize,
    inserts: Vec<u8>,
    gets: Vec<u8>,
}

impl Keys {
    pub(super) fn new(set: &Set, count: u64) -> Keys {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut keys: Vec<Vec<u8>> = (0..count).map(|i| (set.make)(i, &mut rng)).collect();
        let len = keys[0].len();
        rng.shuffle(&mut keys);
        let inserts = keys.concat();
        rng.shuffle(&mut keys);
        Keys { len, inserts, gets: keys.concat() }
    }

    pub(super) fn len(&self) -> usize {
        self.inserts.len() / self.len
    }

    /// Keys with their locations, in the order of inserting.
    pub(super) fn inserts(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.inserts.chunks_exact(self.len).zip(1..)
    }

    /// Keys in the order of reading.
    pub(super) fn gets(&self) -> impl Iterator<Item = &[u8]> {
        self.gets.chunks_exact(self.len)
    }

    /// The sum of all locations.
    pub(super) fn sum(&self) -> u64 {
        let n = self.len() as u64;
        n * (n + 1) / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_different_and_of_one_length() {
        for set in &SETS {
            let keys = Keys::new(set, 20_000);
            let different: std::collections::HashSet<_> = keys.gets().collect();
            assert_eq!(different.len(), 20_000, "{}", set.name);
            assert_eq!(keys.inserts().map(|(_, location)| location).sum::<u64>(), keys.sum());
        }
        assert_eq!(Keys::new(&SETS[2], 2).len, 37);
    }
}
