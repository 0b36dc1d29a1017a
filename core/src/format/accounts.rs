//! The accounts of data files that are kept with a saved index (FORMAT 11.3). Bytes only.
//!
//! They are believed as far as no number of them can be absurd: sums don't overflow, no part is more than its whole.

use super::bytes::{Reader, Writer};
use super::covered::COVERED_LEN;
use super::varint;
use crate::types::{FileId, SeqNo, Timestamp};

/// Length of the head of a file of their own.
pub const ACCOUNTS_HEAD_LEN: usize = 152;

const MAGIC: &[u8; 8] = b"BITCASKa";
const VERSION: u16 = 1;
const CRC_AT: usize = 20;

/// What is before accounts that have a file of their own (FORMAT 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountsHead {
    /// How far in the log they go.
    pub covered: [u8; COVERED_LEN],
}

impl AccountsHead {
    /// To bytes, for these accounts.
    #[must_use]
    pub fn encode(&self, accounts: &[u8]) -> [u8; ACCOUNTS_HEAD_LEN] {
        let mut bytes = [0; ACCOUNTS_HEAD_LEN];
        Writer::new(&mut bytes)
            .put(MAGIC)
            .put(&VERSION.to_le_bytes())
            .put(&(ACCOUNTS_HEAD_LEN as u16).to_le_bytes())
            .put(&[0; 12])
            .put(&self.covered);
        let crc = head_crc(&bytes, accounts);
        bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// From a whole file's bytes, with the accounts; `None` if it is none of this release.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<(AccountsHead, &[u8])> {
        let (head, accounts) = bytes.split_first_chunk::<ACCOUNTS_HEAD_LEN>()?;
        let mut r = Reader(head);
        let is_ours = r.slice(8)? == MAGIC && r.u16()? == VERSION && usize::from(r.u16()?) == ACCOUNTS_HEAD_LEN;
        let (required, _optional, crc) = (r.u32()?, r.u32()?, r.u32()?);
        let covered = *r.slice(COVERED_LEN)?.first_chunk()?;
        (is_ours && required == 0 && crc == head_crc(head, accounts)).then_some((AccountsHead { covered }, accounts))
    }
}

/// Of head and accounts, without this field.
fn head_crc(head: &[u8; ACCOUNTS_HEAD_LEN], accounts: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head[..CRC_AT]);
    hasher.update(&head[CRC_AT + 4..]);
    hasher.update(accounts);
    hasher.finalize()
}

/// Size classes that there are.
pub const CLASSES: u8 = 64;
/// More bytes than the records of a data file can have: the last may begin just below 4 GiB and be as long.
const MAX_BYTES: u64 = 1 << 34;

/// The puts of one size class of locations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SavedClass {
    /// The class, below [`CLASSES`].
    pub class: u8,
    /// Puts; at least one.
    pub records: u64,
    /// Bytes of these with their headers.
    pub bytes: u64,
    /// Length of the shortest.
    pub shortest: u64,
    /// Length of the longest.
    pub longest: u64,
    /// Puts that the index names.
    pub live: u64,
    /// Puts that it does not name and whose length is known.
    pub dead: u64,
    /// Bytes of these.
    pub dead_bytes: u64,
}

/// What is known of one data file's records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedAccount {
    /// Its number.
    pub file: u32,
    /// Deletes.
    pub tombstones: u64,
    /// Bytes of these.
    pub tombstone_bytes: u64,
    /// Smallest and largest sequence number of puts and deletes; `None` without any.
    pub seqs: Option<(SeqNo, SeqNo)>,
    /// Puts that expire, and their bytes.
    pub expiring: (u64, u64),
    /// When the first and the last of these do.
    pub expiries: (Timestamp, Timestamp),
    /// By ascending class.
    pub classes: Vec<SavedClass>,
}

/// Appends accounts. REQUIRES: files ascend, and within each its classes.
pub fn encode(accounts: &[SavedAccount], out: &mut Vec<u8>) {
    let mut last = 0;
    for account in accounts {
        let (min, max) = account.seqs.unwrap_or_default();
        let numbers = [
            u64::from(account.file - last),
            account.tombstones,
            account.tombstone_bytes,
            min.0,
            max.0 - min.0,
            account.expiring.0,
            account.expiring.1,
            account.expiries.0.0,
            account.expiries.1.0 - account.expiries.0.0,
            account.classes.len() as u64,
        ];
        numbers.into_iter().for_each(|n| varint::put(out, n));
        for class in &account.classes {
            out.push(class.class);
            let longer = class.longest - class.shortest;
            let numbers =
                [class.records, class.bytes, class.shortest, longer, class.live, class.dead, class.dead_bytes];
            numbers.into_iter().for_each(|n| varint::put(out, n));
        }
        last = account.file;
    }
}

/// All accounts in these bytes; `None` if they are no such, or a number of them is absurd.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Vec<SavedAccount>> {
    let (mut r, mut accounts, mut last) = (Reader(bytes), Vec::new(), 0_u32);
    while !r.0.is_empty() {
        let account = account(&mut r, last)?;
        last = account.file;
        accounts.push(account);
    }
    Some(accounts)
}

fn account(r: &mut Reader<'_>, last: u32) -> Option<SavedAccount> {
    let mut number = || varint::take(r);
    let file = last.checked_add(u32::try_from(number()?).ok()?)?;
    let (tombstones, tombstone_bytes) = (number()?, number()?);
    let (min, above) = (number()?, number()?);
    let expiring = (number()?, number()?);
    let (first, later) = (number()?, number()?);
    let count = number()?;
    let expiries = (Timestamp(first), Timestamp(first.checked_add(later)?));
    let seqs = Some((SeqNo(min), SeqNo(min.checked_add(above)?))).filter(|&(_, max)| max > SeqNo::ZERO);
    let mut classes: Vec<SavedClass> = Vec::new();
    let (mut records, mut bytes) = (0, 0_u64);
    for _ in 0..count {
        let class = class(r)?;
        let ascends = classes.last().is_none_or(|before| before.class < class.class);
        (records, bytes) = (records + class.records, bytes + class.bytes);
        if !ascends || bytes > MAX_BYTES {
            return None;
        }
        classes.push(class);
    }
    let is_sound = file > last
        && file <= FileId::MAX.0
        && tombstones <= tombstone_bytes
        && tombstone_bytes <= MAX_BYTES
        && expiring.0 <= records
        && expiring.1 <= bytes
        && seqs.is_some() == (records + tombstones > 0);
    is_sound.then_some(SavedAccount { file, tombstones, tombstone_bytes, seqs, expiring, expiries, classes })
}

fn class(r: &mut Reader<'_>) -> Option<SavedClass> {
    let class = r.u8()?;
    let mut number = || varint::take(r);
    let (records, bytes, shortest) = (number()?, number()?, number()?);
    let longest = shortest.checked_add(number()?)?;
    let (live, dead, dead_bytes) = (number()?, number()?, number()?);
    let is_sound = class < CLASSES
        && bytes <= MAX_BYTES
        && (1..=bytes).contains(&records)
        && shortest > 0
        && longest <= bytes
        && can_be(records, bytes, shortest, longest)
        && live <= records
        && dead <= records - live
        && can_be(dead, dead_bytes, shortest, longest);
    is_sound.then_some(SavedClass { class, records, bytes, shortest, longest, live, dead, dead_bytes })
}

/// Whether so many records can have so many bytes.
fn can_be(records: u64, bytes: u64, shortest: u64, longest: u64) -> bool {
    let (records, bytes) = (u128::from(records), u128::from(bytes));
    (records * u128::from(shortest)..=records * u128::from(longest)).contains(&bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accounts() -> Vec<SavedAccount> {
        let class = SavedClass {
            class: 3,
            records: 9,
            bytes: 700,
            shortest: 66,
            longest: 90,
            live: 4,
            dead: 2,
            dead_bytes: 140,
        };
        let other = SavedClass { class: 63, records: 1, bytes: 5 << 30, longest: 5 << 30, shortest: 5 << 30, ..class };
        let full = SavedAccount {
            file: 7,
            tombstones: 3,
            tombstone_bytes: 100,
            seqs: Some((SeqNo(5), SeqNo(500))),
            expiring: (2, 150),
            expiries: (Timestamp(10), Timestamp(u64::MAX)),
            classes: vec![class, SavedClass { live: 0, dead: 1, dead_bytes: 5 << 30, ..other }],
        };
        vec![SavedAccount { file: 2, ..SavedAccount::default() }, full]
    }

    fn bytes_of(accounts: &[SavedAccount]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(accounts, &mut bytes);
        bytes
    }

    #[test]
    fn they_come_back_and_nothing_shorter_does() {
        let bytes = bytes_of(&accounts());
        assert_eq!(decode(&bytes), Some(accounts()));
        assert_eq!(decode(&[]), Some(Vec::new()));
        let whole = bytes_of(&accounts()[..1]).len();
        for len in (1..bytes.len()).filter(|&len| len != whole) {
            assert_eq!(decode(&bytes[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn a_file_of_their_own_comes_back_and_no_flipped_bit_does() {
        let (head, accounts) = (AccountsHead { covered: [9; COVERED_LEN] }, bytes_of(&accounts()));
        let mut bytes = head.encode(&accounts).to_vec();
        bytes.extend_from_slice(&accounts);
        assert_eq!(AccountsHead::decode(&bytes), Some((head, &accounts[..])));
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(AccountsHead::decode(&bytes), None, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for len in 0..bytes.len() {
            assert_eq!(AccountsHead::decode(&bytes[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn absurd_numbers_are_refused() {
        let refused = |change: fn(&mut SavedAccount)| {
            let mut accounts = accounts();
            change(&mut accounts[1]);
            decode(&bytes_of(&accounts)).is_none()
        };
        assert!(refused(|account| account.file = FileId::MAX.0 + 1));
        assert!(refused(|account| account.tombstones = 101));
        assert!(refused(|account| account.seqs = None));
        assert!(refused(|account| account.expiring.0 = 11));
        assert!(refused(|account| account.classes[1].class = 3));
        assert!(refused(|account| account.classes[1].class = 64));
        assert!(refused(|account| account.classes[0].live = 10));
        assert!(refused(|account| account.classes[0].dead = 6));
        assert!(refused(|account| account.classes[0].dead_bytes = 701));
        assert!(refused(|account| account.classes[0].dead = 0));
        assert!(refused(|account| account.classes[0].records = 0));
        assert!(refused(|account| account.classes[0].records = 11));
        assert!(refused(|account| account.classes[0].bytes = 811));
        let many = SavedClass { class: 4, records: 1 << 34, bytes: 1 << 34, ..SavedClass::default() };
        let of_length = |len| SavedAccount {
            classes: vec![SavedClass { shortest: len, longest: len, ..many }],
            ..accounts().remove(1)
        };
        assert!(decode(&bytes_of(&[of_length(1)])).is_some());
        assert_eq!(decode(&bytes_of(&[of_length(1 << 34)])), None, "their product is beyond all numbers");
        assert!(refused(|account| account.classes[1].bytes = u64::MAX));
        assert!(!refused(|_| {}));
    }

    proptest! {
        #[test]
        fn what_is_no_account_is_an_answer(bytes: Vec<u8>) {
            if let Some(accounts) = decode(&bytes) {
                prop_assert_eq!(bytes_of(&accounts), bytes);
            }
        }
    }
}
