//! Round trips, damage, and blocks with right checksums that lie.

use proptest::prelude::*;

use super::*;
use crate::format::header::FileKind;
use crate::format::record::RecordKind;
use crate::types::{FileId, Timestamp};

const TIMES: (Timestamp, Timestamp) = (Timestamp(50), Timestamp(60));

fn data_header() -> DataHeader {
    DataHeader {
        required: 0,
        optional: 0,
        kind: FileKind::Log,
        earlier_synced: false,
        file_id: FileId(3),
        store_id: 11,
        nonce: 22,
        created: Timestamp(33),
        base_seq: SeqNo(44),
    }
}

fn put(offset: u64, seq: u64, key: &[u8]) -> HintEntry<'_> {
    HintEntry { kind: RecordKind::Put, offset, value_len: 5, seq: SeqNo(seq), expiry: None, key }
}

/// Puts, deletes, gaps, expiries, sequence numbers in both directions.
fn sample_entries() -> Vec<HintEntry<'static>> {
    let first = put(128, 45, b"first");
    let second = HintEntry { expiry: Some(Timestamp(1 << 50)), ..put(first.end(), 46, b"second") };
    let third = HintEntry { kind: RecordKind::Delete, value_len: 0, ..put(second.end() + 400, 3, b"3") };
    let fourth = HintEntry { value_len: 100_000, ..put(third.end(), u64::MAX, &[7; 300]) };
    vec![first, second, third, fourth]
}

/// A hint with one block of these entries, covering just them.
fn built(entries: &[HintEntry<'_>]) -> (HintHeader, Vec<u8>) {
    let mut builder = HintBlockBuilder::new(&data_header());
    let mut covered = 128;
    for entry in entries {
        assert!(builder.push(entry), "{entry:?}");
        covered = entry.end();
    }
    let block = builder.finish();
    (builder.header(covered, SeqNo::ZERO, false, TIMES), block)
}

fn read_all(hint: &HintHeader, block: &[u8]) -> Result<Vec<(RecordKind, u64, u64)>, HintError> {
    let block = HintBlock::decode(block, hint, 0)?;
    block.check(128)?;
    block.entries().map(|e| e.map(|e| (e.kind, e.offset, e.seq.0))).collect()
}

#[test]
fn entries_come_back() {
    let entries = sample_entries();
    let (hint, block) = built(&entries);
    assert_eq!((hint.entries, hint.blocks, hint.min_seq, hint.max_seq), (4, 1, SeqNo(3), SeqNo(u64::MAX)));
    let read = HintBlock::decode(&block, &hint, 0).unwrap();
    assert_eq!(read.entries().map(Result::unwrap).collect::<Vec<_>>(), entries);
    assert_eq!((read.byte_len(), read.count()), (block.len(), 4));
    assert_eq!(read.check(128), Ok(hint.covered));
    assert_eq!(read.check(132), Err(HintError::BadEntry("place")));
}

#[test]
fn the_bytes_are_those_of_the_definition() {
    let (_, block) =
        built(&[put(128, 45, b"ab"), HintEntry { kind: RecordKind::Delete, value_len: 0, ..put(204, 44, b"c") }]);
    let rest = [
        &20u32.to_le_bytes()[..],
        &2u32.to_le_bytes(),
        &128u64.to_le_bytes(),
        &45u64.to_le_bytes(),
        &[1, 2, 5, 0],
        b"ab", // 28 + 2 + 5 and a byte of padding end at 164
        &[0x12, 10, 1, 1],
        b"c",
    ]
    .concat();
    let rest = [&11u32.to_le_bytes()[..], &rest[4..]].concat();
    assert_eq!(block[4..], rest);
    let crc = crc32fast::hash(&[&22u64.to_le_bytes()[..], &[0; 4], &rest].concat());
    assert_eq!(block[..4], crc.to_le_bytes());
}

#[test]
fn the_header_is_that_of_the_definition() {
    let (hint, _) = built(&sample_entries()[..2]);
    let bytes = hint.encode();
    let numbers = [hint.covered, 2, 45, 46, 1, 0, 50, 60].map(u64::to_le_bytes);
    assert_eq!(bytes[..12], *b"BITCASKh\x01\0\x50\0");
    assert_eq!(bytes[16..80], *numbers.as_flattened());
    assert_eq!(bytes[80..], hint.data.encode());
    let crc = crc32fast::hash(&[&bytes[..12], &[0; 4], &bytes[16..]].concat());
    assert_eq!(bytes[12..16], crc.to_le_bytes());
}

#[test]
fn errors_are_said_in_short() {
    for (error, said) in [
        (HintError::Version(2), "unknown version 2 of the hint format"),
        (HintError::DataHeader(HeaderError::NotAHeader), "copy of the data file's header: no intact data file header"),
        (HintError::BadField("flags"), "flags in a hint that is not allowed"),
        (HintError::BadEntry("place"), "place of a hint entry that is not allowed"),
    ] {
        assert_eq!(error.to_string(), said);
    }
}

/// The entries of all blocks.
fn decoded<'a>(hint: &HintHeader, mut bytes: &'a [u8]) -> Vec<HintEntry<'a>> {
    let (mut from, mut all) = (128, Vec::new());
    for number in 0..hint.blocks {
        let block = HintBlock::decode(bytes, hint, number).unwrap();
        from = block.check(from).unwrap();
        all.extend(block.entries().map(Result::unwrap));
        bytes = &bytes[block.byte_len()..];
    }
    assert!(bytes.is_empty());
    assert_eq!(all.len() as u64, hint.entries);
    all
}

/// The blocks of these entries, appended.
fn push_all(builder: &mut HintBlockBuilder, entries: &[HintEntry<'_>], out: &mut Vec<u8>) {
    for entry in entries {
        assert!(builder.push(entry), "{entry:?}");
        if builder.is_full() {
            out.extend(builder.finish());
        }
    }
    out.extend(builder.finish());
}

#[test]
fn a_hint_that_is_gone_on_with_says_what_one_made_at_once_says() {
    let key = [9; 30_000];
    let mut entries = sample_entries();
    for n in 0..8 {
        let last = entries[entries.len() - 1].end();
        entries.push(put(last + 4 * (n % 3), 500 - n, &key));
    }
    let covered = entries[entries.len() - 1].end();
    let (mut builder, mut whole) = (HintBlockBuilder::new(&data_header()), Vec::new());
    push_all(&mut builder, &entries, &mut whole);
    let at_once = builder.header(covered, SeqNo(1), true, TIMES);
    for cut in 0..=entries.len() {
        let (mut older, mut bytes) = (HintBlockBuilder::new(&data_header()), Vec::new());
        push_all(&mut older, &entries[..cut], &mut bytes);
        let end = entries[..cut].last().map_or(128, HintEntry::end);
        let older = HintHeader::decode(&older.header(end, SeqNo::ZERO, false, TIMES).encode()).unwrap();
        let mut newer = HintBlockBuilder::resume(&older, end);
        assert!(newer.is_empty() && newer.finish().is_empty());
        push_all(&mut newer, &entries[cut..], &mut bytes);
        let hint = newer.header(covered, SeqNo::ZERO, true, TIMES);
        assert_eq!(HintHeader { blocks: at_once.blocks, ..hint }, at_once, "{cut}");
        assert_eq!(decoded(&hint, &bytes), decoded(&at_once, &whole), "{cut}");
    }
}

#[test]
fn a_resumed_hint_begins_behind_the_old_one() {
    let entries = sample_entries();
    let (older, _) = built(&entries);
    let end = older.covered;
    let mut builder = HintBlockBuilder::resume(&older, end);
    assert!(!builder.push(&put(end - 4, 99, b"k")));
    assert!(builder.push(&put(end, 99, b"k")));
    // With nothing new it is the old hint.
    let same = HintBlockBuilder::resume(&older, end).header(end, SeqNo::ZERO, false, TIMES);
    assert_eq!(same, older);
}

#[test]
fn every_single_bit_flip_is_detected() {
    let (hint, block) = built(&sample_entries());
    let header = hint.encode();
    assert_eq!(HintHeader::decode(&header), Ok(hint));
    for bit in 0..header.len() * 8 {
        let mut bad = header;
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(HintHeader::decode(&bad), Err(HintError::NotAHint), "bit {bit}");
    }
    for bit in 0..block.len() * 8 {
        let mut bad = block.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        bad.resize(block.len() + 70_000, 0);
        assert!(HintBlock::decode(&bad, &hint, 0).is_err(), "bit {bit}");
    }
}

#[test]
fn a_block_belongs_to_one_place_of_one_hint() {
    let (hint, block) = built(&sample_entries());
    assert_eq!(HintBlock::decode(&block, &hint, 1).err(), Some(HintError::BadCrc));
    let other = HintHeader { data: DataHeader { nonce: 23, ..hint.data }, ..hint };
    assert_eq!(HintBlock::decode(&block, &other, 0).err(), Some(HintError::BadCrc));
}

#[test]
fn every_truncation_is_an_error() {
    let (hint, block) = built(&sample_entries());
    for len in 0..HINT_HEADER_LEN {
        assert_eq!(HintHeader::decode(&hint.encode()[..len]), Err(HintError::NotAHint));
    }
    for len in 0..block.len() {
        assert_eq!(HintBlock::decode(&block[..len], &hint, 0).err(), Some(HintError::Truncated), "{len}");
    }
}

#[test]
fn blocks_close_at_64_kib_and_never_exceed_the_limit() {
    let mut builder = HintBlockBuilder::new(&data_header());
    let key = [9; 65_535];
    let (mut offset, mut blocks, mut from) = (128, Vec::new(), 128);
    for n in 0..41_u64 {
        let key = &key[..if n % 2 == 0 { 65_490 } else { 65_535 }];
        let entry = put(offset, n, key);
        assert!(builder.push(&entry));
        offset = entry.end();
        if builder.is_full() {
            blocks.push(builder.finish());
        }
    }
    blocks.push(builder.finish());
    assert!(builder.is_empty() && builder.finish().is_empty());
    let hint = builder.header(offset, SeqNo(99), true, TIMES);
    assert_eq!((hint.entries, hint.blocks, hint.max_seq), (41, blocks.len() as u64, SeqNo(99)));
    let mut count = 0;
    for (number, bytes) in blocks.iter().enumerate() {
        assert!(bytes.len() <= MAX_BLOCK_LEN);
        assert_eq!(block_len(bytes), Ok(bytes.len()));
        let block = HintBlock::decode(bytes, &hint, number as u64).unwrap();
        from = block.check(from).unwrap();
        count += block.count();
    }
    assert_eq!((count, from), (41, offset));
}

#[test]
fn a_block_is_full_with_the_byte_that_reaches_64_kib() {
    for (key_len, full) in [(65_529, false), (65_530, true)] {
        let mut builder = HintBlockBuilder::new(&data_header());
        // Tag, three bytes of key length, value length and seq come before the key.
        assert!(builder.push(&put(128, 1, &vec![1; key_len])));
        assert_eq!(builder.is_full(), full);
        assert_eq!(builder.finish().len(), BLOCK_HEADER_LEN + 6 + key_len);
        assert!(!builder.is_full());
    }
}

#[test]
fn the_builder_refuses_what_no_reader_would_take() {
    let mut builder = HintBlockBuilder::new(&data_header());
    let good = put(128, 1, b"k");
    assert!(builder.push(&good));
    let next = good.end();
    let delete = HintEntry { kind: RecordKind::Delete, value_len: 0, ..put(next, 2, b"k") };
    for bad in [
        put(next - 4, 2, b"k"),
        put(next + 2, 2, b"k"),
        put(1 << 32, 2, b"k"),
        put(next, 2, b""),
        put(next, 2, &[0; 65_536]),
        HintEntry { value_len: 1, ..delete },
        HintEntry { expiry: Some(Timestamp(1)), ..delete },
        HintEntry { kind: RecordKind::Seal, ..good },
        HintEntry { kind: RecordKind::BatchCommit, ..put(next, 2, b"k") },
    ] {
        assert!(!builder.push(&bad), "{bad:?}");
    }
    assert!(builder.push(&delete));
    let block = builder.finish();
    assert!(!builder.push(&good), "behind the end of the block before");
    assert!(builder.is_empty());
    let hint = builder.header(delete.end(), SeqNo::ZERO, false, TIMES);
    assert_eq!(read_all(&hint, &block).unwrap().len(), 2);
}

/// A block with a right checksum around any entries.
fn forged(count: u32, position: u64, seq: u64, entries: &[u8]) -> Vec<u8> {
    let len = entries.len() as u32;
    let rest =
        [&len.to_le_bytes()[..], &count.to_le_bytes(), &position.to_le_bytes(), &seq.to_le_bytes(), entries].concat();
    let crc = crc32fast::hash(&[&22u64.to_le_bytes()[..], &[0; 4], &rest].concat());
    [&crc.to_le_bytes()[..], &rest].concat()
}

fn covering(covered: u64) -> HintHeader {
    HintHeader { covered, ..built(&sample_entries()).0 }
}

#[test]
fn a_block_that_lies_is_refused() {
    let hint = covering(1 << 20);
    let read = |count, position, entries: &[u8]| read_all(&hint, &forged(count, position, 1, entries)).err();
    let bad = |what| Some(HintError::BadEntry(what));
    let good = [1, 1, 5, 0, b'k'];
    assert_eq!(read(1, 128, &good), None);
    assert_eq!(read(1, 124, &good), bad("place"));
    assert_eq!(read(1, 0, &good), bad("place"));
    assert_eq!(read(1, 129, &good), Some(HintError::BadField("position")));
    assert_eq!(read(1, 1 << 20, &good), bad("place"));
    assert_eq!(read(1, u64::MAX - 3, &good), bad("place"));
    assert_eq!(read(0, 128, &good), Some(HintError::BadField("number of entries")));
    assert_eq!(read(2, 128, &good), bad("tag"));
    assert_eq!(read(1, 128, &[&good[..], &good].concat()), bad("number of entries"));
    assert_eq!(read(1, 128, &[]), Some(HintError::BadField("length of the block")));
    for tag in (0..=255).filter(|tag| ![1, 2, 9].contains(tag)) {
        assert_eq!(read(1, 128, &[tag, 1, 5, 0, b'k']), bad("tag"), "{tag}");
    }
    assert_eq!(read(1, 128, &[2, 1, 0, b'k']), None);
    assert_eq!(read(1, 128, &[1, 0, 5, 0]), bad("key length"));
    assert_eq!(read(1, 128, &[1, 0x81, 0, 5, 0, b'k']), bad("key length"));
    assert_eq!(read(1, 128, &[1, 0x80, 0x80, 4, 5, 0, b'k']), bad("key length"));
    assert_eq!(read(1, 128, &[1, 1, 0x80, 0x80, 0x80, 0x80, 0x10, 0, b'k']), bad("value length"));
    assert_eq!(read(1, 128, &[1, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, b'k']), bad("place"));
    assert_eq!(read(1, 128, &[1, 2, 5, 0, b'k']), bad("key"));
    assert_eq!(read(1, 128, &[9, 1, 5, 0, 0x80, 0, b'k']), bad("expiry"));
    assert_eq!(read(1, 128, &[1, 1, 5, 0x80, 0, b'k']), bad("seq"));
    let with_gap = |gap: &[u8]| [&good, &[0x11][..], gap, &good[1..]].concat();
    assert_eq!(read(2, 128, &with_gap(&[1])), None);
    assert_eq!(read(2, 128, &with_gap(&[0])), bad("gap"));
    assert_eq!(read(2, 128, &with_gap(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1])), bad("gap"));
    assert_eq!(read(2, 128, &with_gap(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x3F])), bad("gap"));
    assert_eq!(read(2, 128, &with_gap(&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F])), bad("place"));
}

#[test]
fn nothing_begins_at_4_gib_even_if_it_is_covered() {
    let good = [1, 1, 5, 0, b'k'];
    let read = |position| read_all(&covering(u64::MAX), &forged(1, position, 1, &good));
    assert!(read((1 << 32) - 4).is_ok());
    assert_eq!(read(1 << 32), Err(HintError::BadEntry("place")));
}

#[test]
fn a_block_that_says_it_is_huge_is_refused_before_it_is_read() {
    for len in [0, MAX_BLOCK_LEN as u32, u32::MAX] {
        let bytes = [&[0; 4][..], &len.to_le_bytes(), &[0; 20]].concat();
        assert_eq!(block_len(&bytes), Err(HintError::BadField("length of the block")));
    }
}

#[test]
fn header_fields_that_the_format_does_not_allow_are_named() {
    let good = built(&sample_entries()[..1]).0;
    let bad = |header: HintHeader| HintHeader::decode(&header.encode()).unwrap_err();
    assert_eq!(bad(HintHeader { covered: 124, ..good }), HintError::BadField("covered"));
    assert_eq!(bad(HintHeader { covered: 202, ..good }), HintError::BadField("covered"));
    assert_eq!(bad(HintHeader { blocks: 0, ..good }), HintError::BadField("number of blocks"));
    assert_eq!(bad(HintHeader { blocks: 2, ..good }), HintError::BadField("number of blocks"));
    assert_eq!(bad(HintHeader { min_seq: SeqNo(46), ..good }), HintError::BadField("smallest sequence number"));
    assert_eq!(bad(HintHeader { min_time: Timestamp(61), ..good }), HintError::BadField("timestamps"));
    let forge = |at: usize, byte| {
        let mut bytes = good.encode();
        bytes[at] = byte;
        bytes[12..16].fill(0);
        let crc = crc32fast::hash(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        HintHeader::decode(&bytes).unwrap_err()
    };
    assert_eq!(forge(8, 2), HintError::Version(2));
    assert_eq!(forge(10, 64), HintError::BadField("header length"));
    assert_eq!(forge(56, 2), HintError::BadField("flags"));
    assert_eq!(forge(60, 1), HintError::BadField("reserved"));
    assert_eq!(forge(80 + 24, 4), HintError::DataHeader(HeaderError::NotAHeader));
    let empty = HintBlockBuilder::new(&data_header()).header(128, SeqNo(7), true, TIMES);
    assert_eq!((empty.min_time, empty.max_time), (Timestamp(0), Timestamp(0)));
    assert_eq!(HintHeader::decode(&empty.encode()), Ok(empty));
    assert_eq!(bad(HintHeader { max_time: Timestamp(1), ..empty }), HintError::BadField("timestamps"));
}

/// Is it a put, gap, value length, seq, expiry, key.
type Parts = (bool, u64, u32, u64, Option<u64>, Vec<u8>);

fn any_entries() -> impl Strategy<Value = Vec<Parts>> {
    let key = proptest::collection::vec(any::<u8>(), 1..300);
    let seq = prop_oneof![any::<u64>(), 0..100u64];
    proptest::collection::vec((any::<bool>(), 0..100u64, 0..1_000_000u32, seq, any::<Option<u64>>(), key), 1..20)
}

proptest! {
    #[test]
    fn round_trip(parts in any_entries(), gaps: bool) {
        let mut offset = 128;
        let mut entries = Vec::new();
        for (is_put, gap, value_len, seq, expiry, key) in &parts {
            offset += if gaps { gap * 4 } else { 0 };
            let kind = if *is_put { RecordKind::Put } else { RecordKind::Delete };
            let (value_len, expiry) = if *is_put { (*value_len, expiry.map(Timestamp)) } else { (0, None) };
            let entry = HintEntry { kind, offset, value_len, seq: SeqNo(*seq), expiry, key };
            offset = entry.end();
            entries.push(entry);
        }
        let (hint, block) = built(&entries);
        prop_assert_eq!(HintHeader::decode(&hint.encode()), Ok(hint));
        let read = HintBlock::decode(&block, &hint, 0).unwrap();
        prop_assert_eq!(read.entries().collect::<Result<Vec<_>, _>>(), Ok(entries));
        prop_assert_eq!(read.check(128), Ok(hint.covered));
        let short = HintHeader { covered: hint.covered - 4, ..hint };
        prop_assert!(HintBlock::decode(&block, &short, 0).unwrap().check(128).is_err());
    }

    /// With a right checksum, so that the entries are reached. What is taken encodes to the same bytes.
    #[test]
    fn random_entries_never_panic(count in 0u32..6, position in prop_oneof![Just(128), any::<u64>()], seq: u64, covered: u64,
                                  entries in proptest::collection::vec(prop_oneof![0u8..20, any::<u8>()], 0..60)) {
        let bytes = forged(count, position, seq, &entries);
        let hint = covering(covered);
        if let Ok(block) = HintBlock::decode(&bytes, &hint, 0) {
            let mut all = block.entries();
            let failed = all.by_ref().find(Result::is_err).is_some();
            prop_assert!(all.next().is_none(), "an error is the last item");
            if block.check(0).is_ok() {
                prop_assert!(!failed);
                let entries: Vec<_> = block.entries().map(Result::unwrap).collect();
                if entries[0].seq.0 == seq {
                    prop_assert_eq!(built(&entries).1, bytes);
                }
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(HintHeader::decode(&bytes).is_err());
        prop_assert!(HintBlock::decode(&bytes, &covering(1 << 20), 0).is_err());
    }
}
