//! Round trips, and that nothing but the written bytes at the written place is a record.

use proptest::prelude::*;

use super::*;
use crate::types::{SeqNo, Timestamp};

fn fields(kind: RecordKind) -> RecordFields {
    RecordFields { kind, seq: SeqNo(7), timestamp: Timestamp(1_700_000_000_123), expiry: None, synced: false }
}

/// Key and value of a length that the kind allows.
fn body_of(kind: RecordKind) -> (&'static [u8], &'static [u8]) {
    match kind {
        RecordKind::Put | RecordKind::BatchPut => (b"key", b"value"),
        RecordKind::Delete | RecordKind::BatchDelete => (b"key", b""),
        RecordKind::BatchCommit => (b"", &[0; COMMIT_LEN]),
        RecordKind::SyncMark => (b"", &[2; SYNC_POINT_LEN]),
        RecordKind::Seal => (b"", &[1; SEAL_LEN]),
    }
}

fn encoded(fields: &RecordFields, key: &[u8], value: &[u8], placer: Placer, offset: u64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_record(&mut out, fields, key, value, placer, offset).unwrap();
    out
}

/// One record of every kind with every combination of flags that it may have.
fn samples(placer: Placer, offset: u64) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for kind in RecordKind::ALL {
        let (key, value) = body_of(kind);
        for synced in [false, true] {
            let expiries: &[_] = if kind.is_put() { &[None, Some(Timestamp(9_999_999_999_999))] } else { &[None] };
            for &expiry in expiries {
                all.push(encoded(&RecordFields { synced, expiry, ..fields(kind) }, key, value, placer, offset));
            }
        }
    }
    all
}

#[test]
fn every_kind_comes_back_and_encodes_to_the_same_bytes() {
    let placer = Placer::new(42);
    for bytes in samples(placer, 128) {
        let Record { header, key, value } = decode_record(&bytes, placer, 128).unwrap();
        assert_eq!((key, value), body_of(header.kind));
        assert_eq!(header.record_len(), bytes.len() as u64);
        let RecordHeader { kind, seq, timestamp, expiry, synced, .. } = header;
        let again = RecordFields { kind, seq, timestamp, expiry, synced };
        assert_eq!(encoded(&again, key, value, placer, 128), bytes);
        assert_eq!(header.value_range().end.next_multiple_of(4), header.record_len());
    }
}

#[test]
fn the_checksums_are_those_of_the_definition() {
    let (nonce, offset) = (0x0102_0304_0506_0708, 640);
    let fields = RecordFields { expiry: Some(Timestamp(5)), ..fields(RecordKind::Put) };
    let bytes = encoded(&fields, b"k", b"vw", Placer::new(nonce), offset);
    let placed = [&nonce.to_le_bytes()[..], &offset.to_le_bytes(), &bytes[6..36]].concat();
    let h = crc32fast::hash(&placed);
    assert_eq!(bytes[4..6], (h as u16).to_le_bytes());
    let crc = crc32fast::hash(&[b"kvw\0", &h.to_le_bytes()[..]].concat());
    assert_eq!(bytes[..4], crc.to_le_bytes());
}

#[test]
fn every_single_bit_flip_is_detected() {
    let placer = Placer::new(42);
    for bytes in samples(placer, 4096) {
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // More bytes follow, as in a file, so that a longer length is not caught by the end alone.
            bad.resize(bytes.len() + 300, 0xA5);
            assert!(decode_record(&bad, placer, 4096).is_err(), "bit {bit} of {bytes:x?}");
        }
    }
}

#[test]
fn a_flipped_length_is_caught_by_the_header_alone() {
    let placer = Placer::new(42);
    for bytes in samples(placer, 4096) {
        for bit in 8 * 8..14 * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let err = peek_header(&bad, placer, 4096, 1 << 34).unwrap_err();
            assert!(matches!(err, Invalid::BadCheck | Invalid::BadLengths), "bit {bit}: {err}");
        }
    }
}

#[test]
fn a_record_is_valid_at_its_place_in_its_file_only() {
    let placer = Placer::new(42);
    for bytes in samples(placer, 4096) {
        for offset in [4092, 4100, 128, 4097, 4096 + (1 << 32)] {
            assert!(decode_record(&bytes, placer, offset).is_err(), "at {offset}");
        }
        for bit in 0..64 {
            assert!(decode_record(&bytes, Placer::new(42 ^ (1 << bit)), 4096).is_err());
        }
    }
}

/// What the long way says of a put with something behind it.
fn brief_of(bytes: &[u8], placer: Placer, offset: u64, verify: bool) -> Option<Brief> {
    let header = peek_header(bytes, placer, offset, bytes.len() as u64).ok()?;
    if verify {
        verify_body(&header, bytes).ok()?;
    }
    header.kind.is_put().then(|| Brief::from(&header))
}

#[test]
fn the_short_way_to_puts_says_what_the_long_way_says() {
    let placer = Placer::new(42);
    let mut puts = 0;
    let agree = |bytes: &[u8], offset: u64, verify: bool, what: &str| {
        let found = check_put(bytes, placer, offset, verify);
        assert_eq!(found, brief_of(bytes, placer, offset, verify), "{what} at {offset} ({verify}): {bytes:x?}");
        let whole = found.and_then(|_| peek_header(bytes, placer, offset, bytes.len() as u64).ok());
        assert!(!verify || check_whole_put(bytes, placer, offset) == whole, "{what} at {offset}: {bytes:x?}");
        if let Some(header) = whole.filter(|_| verify) {
            assert_eq!(Ok(header.body()), verify_body(&header, bytes), "{what} at {offset}: {bytes:x?}");
        }
        found.is_some()
    };
    let lengths =
        (0..70).map(|len| encoded(&fields(RecordKind::Put), b"some key", &vec![len; len.into()], placer, 4096));
    for bytes in samples(placer, 4096).into_iter().chain(lengths) {
        for verify in [false, true] {
            puts += usize::from(agree(&bytes, 4096, verify, "as it is"));
            for offset in [4092, 4100, 4097, 4096 + (1 << 32)] {
                assert!(!agree(&bytes, offset, verify, "elsewhere"));
            }
            for len in 0..bytes.len() {
                assert!(!agree(&bytes[..len], 4096, verify, "cut off"));
            }
            for bit in 0..bytes.len() * 8 {
                let mut bad = bytes.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                bad.resize(bytes.len() + 300, 0xA5);
                assert!(!(agree(&bad, 4096, verify, "with a bit flipped") && verify));
            }
        }
    }
    assert_eq!(puts, 2 * (8 + 70), "puts of both sorts with each combination of flags, and of each length");
}

#[test]
fn padding_that_the_checksum_covers_must_be_zero_on_the_short_way_too() {
    let placer = Placer::new(42);
    let mut bytes = encoded(&fields(RecordKind::Put), b"k", b"vw", placer, 128);
    let h = placer.hash(128, &bytes[HASHED_FROM..HEADER_LEN]);
    *bytes.last_mut().unwrap() = 1;
    let crc = finish_crc(crc32fast::hash(&bytes[HEADER_LEN..]), h);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(decode_record(&bytes, placer, 128), Err(Invalid::BadPadding));
    assert_eq!(check_put(&bytes, placer, 128, true), None);
    assert!(check_put(&bytes, placer, 128, false).is_some());
}

#[test]
fn every_truncation_is_an_error() {
    let placer = Placer::new(42);
    for bytes in samples(placer, 128) {
        for len in 0..bytes.len() {
            let cut = &bytes[..len];
            let err = decode_record(cut, placer, 128).unwrap_err();
            let header_len = if bytes[7] & FLAG_EXPIRY != 0 { 36 } else { 28 };
            let expected = if len < header_len { Invalid::Short } else { Invalid::Truncated };
            assert_eq!(err, expected, "{len} of {}", bytes.len());
        }
    }
}

#[test]
fn the_end_of_the_file_counts_and_not_the_buffer() {
    let placer = Placer::new(42);
    let bytes = encoded(&fields(RecordKind::Put), b"key", &[7; 1000], placer, 128);
    let len = bytes.len() as u64;
    let header = peek_header(&bytes[..36], placer, 128, len).unwrap();
    assert_eq!(header.record_len(), len);
    assert_eq!(peek_header(&bytes[..36], placer, 128, len - 1), Err(Invalid::Truncated));
    assert_eq!(peek_header(&bytes, placer, 128, 27), Err(Invalid::Short));
    assert_eq!(verify_body(&header, &bytes[..36]), Err(Invalid::Truncated));
    assert_eq!(verify_body(&header, &bytes), Ok(Body::new(b"key", &[7; 1000]).unwrap()));
}

#[test]
fn zeros_are_never_a_record() {
    for nonce in [0, 1, u64::MAX] {
        assert_eq!(decode_record(&[0; 64], Placer::new(nonce), 0), Err(Invalid::ZeroKind));
    }
}

/// A header that is what `change` makes of a good one, with both checksums right.
fn forged(key_len: u16, value_len: u32, change: impl Fn(&mut [u8])) -> Vec<u8> {
    let placer = Placer::new(42);
    let mut bytes = vec![0; 36];
    bytes[6] = 1;
    bytes[8..10].copy_from_slice(&key_len.to_le_bytes());
    bytes[10..14].copy_from_slice(&value_len.to_le_bytes());
    change(&mut bytes);
    let len = if bytes[7] & FLAG_EXPIRY != 0 { 36 } else { 28 };
    let h = placer.hash(128, &bytes[6..len]);
    bytes[4..6].copy_from_slice(&(h as u16).to_le_bytes());
    bytes
}

#[test]
fn what_the_format_does_not_allow_is_invalid_even_with_right_checksums() {
    let peek = |bytes: &[u8]| peek_header(bytes, Placer::new(42), 128, u64::MAX).map(|h| h.record_len());
    assert_eq!(peek(&forged(1, 0, |_| {})), Ok(32));
    assert_eq!(
        peek(&forged(u16::MAX, u32::MAX, |b| b[7] = 1)),
        Ok((36 + 65_535 + 0xFFFF_FFFF_u64).next_multiple_of(4))
    );
    assert_eq!(peek(&forged(0, 0, |_| {})), Err(Invalid::BadLengths));
    for kind in 8..=255 {
        assert_eq!(peek(&forged(1, 0, |b| b[6] = kind)), Err(Invalid::BadKind));
    }
    for bit in 2..8 {
        assert_eq!(peek(&forged(1, 0, |b| b[7] = 1 << bit)), Err(Invalid::BadFlags), "COMPRESSED too");
    }
    for kind in RecordKind::ALL {
        let (key, value) = body_of(kind);
        let (key_len, value_len) = (key.len() as u16, value.len() as u32);
        let set = |b: &mut [u8]| b[6] = kind as u8;
        assert!(peek(&forged(key_len, value_len, set)).is_ok());
        assert_eq!(peek(&forged(3 - key_len, value_len, set)), Err(Invalid::BadLengths));
        if !kind.is_put() {
            assert_eq!(peek(&forged(key_len, value_len + 1, set)), Err(Invalid::BadLengths));
            assert_eq!(peek(&forged(key_len, u32::MAX, set)), Err(Invalid::BadLengths));
            if value_len != 0 {
                assert_eq!(peek(&forged(key_len, value_len - 1, set)), Err(Invalid::BadLengths));
                assert_eq!(peek(&forged(key_len, 0, set)), Err(Invalid::BadLengths));
            }
            let expiring = |b: &mut [u8]| (b[6], b[7]) = (kind as u8, 1);
            assert_eq!(peek(&forged(key_len, value_len, expiring)), Err(Invalid::BadFlags));
        }
    }
}

#[test]
fn nothing_with_a_key_begins_beyond_4_gib_but_marks_may() {
    let placer = Placer::new(42);
    for kind in RecordKind::ALL {
        let (key, value) = body_of(kind);
        let bytes = encoded(&fields(kind), key, value, placer, 1 << 32);
        let got = decode_record(&bytes, placer, 1 << 32).map(|r| r.header.kind);
        assert_eq!(got, if kind.has_key() { Err(Invalid::BadPlace) } else { Ok(kind) });
    }
}

#[test]
fn padding_must_be_zero_even_if_the_crc_says_otherwise() {
    let placer = Placer::new(42);
    let mut bytes = encoded(&fields(RecordKind::Put), b"k", b"", placer, 128);
    let header = peek_header(&bytes, placer, 128, 32).unwrap();
    bytes[31] = 1;
    assert_eq!(verify_body(&header, &bytes), Err(Invalid::BadCrc));
    let crc = finish_crc(crc32fast::hash(&bytes[28..]), header.h);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(decode_record(&bytes, placer, 128), Err(Invalid::BadPadding));
}

#[test]
fn a_later_time_than_48_bits_hold_is_stored_as_the_greatest() {
    let placer = Placer::new(42);
    for late in [Timestamp::MAX.0, Timestamp::MAX.0 + 1, Timestamp::MAX.0 + 5, u64::MAX] {
        let late = RecordFields { timestamp: Timestamp(late), ..fields(RecordKind::SyncMark) };
        let bytes = encoded(&late, b"", body_of(RecordKind::SyncMark).1, placer, 128);
        assert_eq!(decode_record(&bytes, placer, 128).unwrap().header.timestamp, Timestamp::MAX);
    }
}

#[test]
fn the_longest_key_fits_and_one_more_does_not() {
    let placer = Placer::new(42);
    let key = vec![0xFF; 65_536];
    assert_eq!(Body::new(&key, b""), None);
    let bytes = encoded(&fields(RecordKind::Put), &key[1..], b"", placer, 128);
    assert_eq!(decode_record(&bytes, placer, 128).unwrap().key.len(), 65_535);
}

fn any_record() -> impl Strategy<Value = (RecordFields, Vec<u8>, Vec<u8>)> {
    let bytes = |range| proptest::collection::vec(any::<u8>(), range);
    let time = any::<Option<u64>>();
    (0usize..7, any::<u64>(), 0..=Timestamp::MAX.0, time, any::<bool>(), bytes(1..40), bytes(0..200)).prop_map(
        |(kind, seq, timestamp, expiry, synced, key, value)| {
            let kind = RecordKind::ALL[kind];
            let expiry = expiry.filter(|_| kind.is_put()).map(Timestamp);
            let fields = RecordFields { kind, seq: SeqNo(seq), timestamp: Timestamp(timestamp), expiry, synced };
            let (no_key, fixed_value) = body_of(kind);
            let key = if kind.has_key() { key } else { no_key.to_vec() };
            let value = if kind.is_put() { value } else { fixed_value.to_vec() };
            (fields, key, value)
        },
    )
}

proptest! {
    #[test]
    fn round_trip((fields, key, value) in any_record(), nonce: u64, place in 0..1u64 << 30) {
        let (placer, offset) = (Placer::new(nonce), place * 4);
        let mut bytes = encoded(&fields, &key, &value, placer, offset);
        let record_len = bytes.len() as u64;
        bytes.extend_from_slice(b"what follows");
        let got = decode_record(&bytes, placer, offset).unwrap();
        prop_assert_eq!((got.key, got.value), (&key[..], &value[..]));
        let h = got.header;
        prop_assert_eq!((h.kind, h.seq, h.timestamp), (fields.kind, fields.seq, fields.timestamp));
        prop_assert_eq!((h.expiry, h.synced, h.record_len()), (fields.expiry, fields.synced, record_len));
    }

    #[test]
    fn pieces_give_the_same_verdict((fields, key, value) in any_record(), cuts in proptest::collection::vec(1usize..50, 1..9),
                                    flip in proptest::option::of(any::<prop::sample::Index>())) {
        let placer = Placer::new(1);
        let mut bytes = encoded(&fields, &key, &value, placer, 128);
        let header = peek_header(&bytes, placer, 128, bytes.len() as u64).unwrap();
        let body_len = bytes.len() - header.header_len();
        if let (Some(flip), true) = (flip, body_len > 0) {
            bytes[header.header_len() + flip.index(body_len)] ^= 0x10;
        }
        let mut rest = &bytes[header.header_len()..];
        let mut hasher = BodyHasher::new(&header);
        for cut in cuts.iter().cycle() {
            prop_assert_eq!(hasher.missing(), rest.len() as u64);
            if rest.is_empty() { break; }
            prop_assert_eq!(hasher.clone().finish(), Err(Invalid::Truncated));
            let (piece, tail) = rest.split_at((*cut).min(rest.len()));
            hasher.update(piece);
            rest = tail;
        }
        prop_assert_eq!(hasher.finish(), verify_body(&header, &bytes));
    }

    #[test]
    fn random_bytes_neither_panic_nor_pass(bytes in proptest::collection::vec(any::<u8>(), 0..200), nonce: u64, offset: u64, remaining: u64) {
        let placer = Placer::new(nonce);
        prop_assert!(decode_record(&bytes, placer, offset).is_err());
        if let Ok(header) = peek_header(&bytes, placer, offset, remaining) {
            prop_assert!(header.record_len() <= remaining);
            let _ = verify_body(&header, &bytes);
        }
    }

    #[test]
    fn random_fields_never_panic(kind in 0u8..9, flags in 0u8..8, key_len: u16, value_len: u32, tail in proptest::collection::vec(any::<u8>(), 0..100)) {
        let mut bytes = forged(key_len, value_len, |b| (b[6], b[7]) = (kind, flags));
        bytes.extend_from_slice(&tail);
        prop_assert!(decode_record(&bytes, Placer::new(42), 128).is_err());
    }
}
