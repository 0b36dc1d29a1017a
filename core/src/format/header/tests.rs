//! Round trips, damaged copies, and what each refusal is told by.

use proptest::prelude::*;

use super::*;

fn sample() -> DataHeader {
    DataHeader {
        required: 0,
        optional: 0,
        kind: FileKind::Log,
        earlier_synced: true,
        file_id: FileId(3),
        store_id: 0x1122_3344_5566_7788,
        nonce: 0x99AA_BBCC_DDEE_FF00,
        created: Timestamp(1_700_000_000_000),
        base_seq: SeqNo(41),
    }
}

/// A pair of copies with one byte changed and the checksum made right again.
fn forged(at: usize, byte: u8) -> Vec<u8> {
    let mut copy = sample().encode();
    copy[at] = byte;
    copy[28..32].fill(0);
    let crc = crc32fast::hash(&copy);
    copy[28..32].copy_from_slice(&crc.to_le_bytes());
    copy.repeat(2)
}

#[test]
fn the_fields_are_where_the_format_says() {
    let copy = sample().encode();
    assert_eq!(&copy[..28], b"BITCASKd\x01\0\x40\0\0\0\0\0\0\0\0\0\x01\x01\0\0\x03\0\0\0");
    assert_eq!(copy[32..40], 0x1122_3344_5566_7788_u64.to_le_bytes());
    assert_eq!(copy[40..48], 0x99AA_BBCC_DDEE_FF00_u64.to_le_bytes());
    assert_eq!(copy[48..56], 1_700_000_000_000_u64.to_le_bytes());
    assert_eq!(copy[56..], 41_u64.to_le_bytes());
    assert_eq!(DataHeader::decode(&copy), Ok(sample()));
}

#[test]
fn one_damaged_copy_is_reported_and_the_other_one_used() {
    let good = sample().encode_pair();
    assert_eq!(DataHeader::decode_pair(&good), Ok((sample(), None)));
    for bit in 0..128 * 8 {
        let mut bad = good;
        bad[bit / 8] ^= 1 << (bit % 8);
        let damage = if bit < 64 * 8 { CopyDamage::First } else { CopyDamage::Second };
        assert_eq!(DataHeader::decode_pair(&bad), Ok((sample(), Some(damage))), "bit {bit}");
        assert_eq!(damage.offset(), if bit < 64 * 8 { 0 } else { 64 });
    }
}

#[test]
fn two_damaged_copies_are_no_header() {
    let good = sample().encode_pair();
    for bit in 0..64 * 8 {
        let mut bad = good;
        for at in [bit / 8, 64 + bit / 8] {
            bad[at] ^= 1 << (bit % 8);
        }
        assert_eq!(DataHeader::decode_pair(&bad), Err(HeaderError::NotAHeader), "bit {bit}");
    }
    assert_eq!(DataHeader::decode_pair(&[0; 128]), Err(HeaderError::NotAHeader));
    assert_eq!(DataHeader::decode(&[0; 64]), Err(HeaderError::NotAHeader));
}

#[test]
fn every_truncation_is_no_header() {
    let good = sample().encode_pair();
    for len in 0..128 {
        assert_eq!(DataHeader::decode_pair(&good[..len]), Err(HeaderError::NotAHeader), "{len}");
    }
}

#[test]
fn copies_that_differ_are_reported_and_the_first_counts() {
    let second = DataHeader { base_seq: SeqNo(42), ..sample() };
    let both = [sample().encode(), second.encode()].concat();
    assert_eq!(DataHeader::decode_pair(&both), Ok((sample(), Some(CopyDamage::Differ))));
}

#[test]
fn unknown_versions_and_features_are_named() {
    let err = |at, byte| DataHeader::decode_pair(&forged(at, byte)).unwrap_err();
    assert_eq!(err(8, 2), HeaderError::Version(2));
    assert_eq!(err(9, 0xFF), HeaderError::Version(0xFF01));
    assert_eq!(err(12, 1), HeaderError::Feature("compression".to_owned()));
    assert_eq!(err(12, 3), HeaderError::Feature("compression".to_owned()));
    assert_eq!(err(12, 2), HeaderError::Feature("bit 1".to_owned()));
    assert_eq!(err(15, 0x80), HeaderError::Feature("bit 31".to_owned()));
    let (header, _) = DataHeader::decode_pair(&forged(19, 0x80)).unwrap();
    assert_eq!(header.optional, 1 << 31, "unknown optional features are kept");
}

#[test]
fn fields_that_the_format_does_not_allow_are_named() {
    let bad = |field| Err(HeaderError::BadField(field));
    for (at, byte, field) in [
        (10, 65, "header length"),
        (11, 1, "header length"),
        (20, 0, "kind"),
        (20, 3, "kind"),
        (21, 2, "flags"),
        (21, 0x81, "flags"),
        (22, 1, "reserved"),
        (23, 1, "reserved"),
        (24, 0, "file id"),
        (27, 0x10, "file id"),
    ] {
        assert_eq!(DataHeader::decode_pair(&forged(at, byte)), bad(field), "{at} {byte}");
    }
    let last = DataHeader { file_id: FileId::MAX, ..sample() };
    assert_eq!(DataHeader::decode(&last.encode()), Ok(last));
}

proptest! {
    #[test]
    fn round_trip(optional: u32, merged: bool, earlier_synced: bool, id in 1..=FileId::MAX.0, store_id: u64, nonce: u64, created: u64, seq: u64) {
        let (kind, base_seq) = (if merged { FileKind::Merged } else { FileKind::Log }, SeqNo(seq));
        let header = DataHeader {
            required: 0, optional, kind, earlier_synced, file_id: FileId(id), store_id, nonce,
            created: Timestamp(created), base_seq,
        };
        prop_assert_eq!(DataHeader::decode_pair(&header.encode_pair()), Ok((header, None)));
    }

    #[test]
    fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), magic: bool) {
        if magic && bytes.len() >= 8 {
            bytes[..8].copy_from_slice(b"BITCASKd");
        }
        prop_assert_eq!(DataHeader::decode_pair(&bytes), Err(HeaderError::NotAHeader));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(at in 0usize..64, byte: u8) {
        let pair = forged(at, byte);
        if let Ok((header, damage)) = DataHeader::decode_pair(&pair) {
            prop_assert_eq!(damage, None);
            prop_assert_eq!(&header.encode_pair()[..], &pair[..]);
        }
    }
}
