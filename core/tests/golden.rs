//! The golden vectors: files that a script made from docs/FORMAT.md alone. The codecs must read them as the manifest
//! says, and make the same bytes from the manifest. The manifest's form is described in the script.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use bitcask::format::header::{DATA_START, DataHeader, FileKind};
use bitcask::format::hint::{HINT_HEADER_LEN, HintBlock, HintBlockBuilder, HintEntry, HintHeader};
use bitcask::format::names::{self, FileName};
use bitcask::format::payload::{BatchCommit, BatchDigest, Seal, SyncPoint};
use bitcask::format::record::{Invalid, Placer, Record, RecordFields, RecordKind};
use bitcask::format::record::{decode_record, encode_record, peek_header};
use bitcask::{FileId, SeqNo, Timestamp};

fn golden_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn golden_file(name: &str) -> Vec<u8> {
    fs::read(golden_dir().join("v1").join(name)).unwrap()
}

/// One record as the manifest has it.
struct Told {
    offset: u64,
    fields: RecordFields,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// One data file as the manifest has it.
struct DataFile {
    len: usize,
    header: DataHeader,
    records: Vec<Told>,
}

/// One hint as the manifest has it: header numbers in the order of the line.
struct HintFile {
    len: usize,
    numbers: Vec<u64>,
}

#[derive(Default)]
struct Manifest {
    data: BTreeMap<FileId, DataFile>,
    hints: BTreeMap<FileId, HintFile>,
}

fn number(field: &str) -> u64 {
    field.parse().unwrap()
}

fn bytes(field: &str) -> Vec<u8> {
    let hex = |digits: &str| -> Vec<u8> {
        digits.as_bytes().chunks(2).map(|b| u8::from_str_radix(std::str::from_utf8(b).unwrap(), 16).unwrap()).collect()
    };
    let part = |part: &str| match part.split_once('*') {
        Some((byte, times)) => hex(byte).repeat(times.parse().unwrap()),
        None => hex(part),
    };
    if field == "-" { Vec::new() } else { field.split('+').flat_map(part).collect() }
}

fn kind(name: &str) -> RecordKind {
    let names = ["put", "delete", "batch-put", "batch-delete", "batch-commit", "sync-mark", "seal"];
    RecordKind::ALL[names.iter().position(|n| *n == name).unwrap()]
}

fn manifest() -> Manifest {
    let text = String::from_utf8(golden_file("manifest.txt")).unwrap();
    let mut all = Manifest::default();
    for line in text.lines() {
        let f: Vec<&str> = line.split(' ').collect();
        match (f[0], FileName::parse(f[1])) {
            ("data", Some(FileName::Data(id))) => {
                let header = DataHeader {
                    required: 0,
                    optional: f[5].parse().unwrap(),
                    kind: if f[3] == "log" { FileKind::Log } else { FileKind::Merged },
                    earlier_synced: f[4] == "1",
                    file_id: id,
                    store_id: number(f[6]),
                    nonce: number(f[7]),
                    created: Timestamp(number(f[8])),
                    base_seq: SeqNo(number(f[9])),
                };
                all.data.insert(id, DataFile { len: f[2].parse().unwrap(), header, records: Vec::new() });
            }
            ("record", Some(FileName::Data(id))) => {
                let expiry = (f[7] != "-").then(|| Timestamp(number(f[7])));
                let (seq, timestamp) = (SeqNo(number(f[5])), Timestamp(number(f[6])));
                let fields = RecordFields { kind: kind(f[3]), seq, timestamp, expiry, synced: f[4] == "1" };
                let told = Told { offset: number(f[2]), fields, key: bytes(f[8]), value: bytes(f[9]) };
                all.data.get_mut(&id).unwrap().records.push(told);
            }
            ("hint", Some(FileName::Hint(id))) => {
                let numbers = f[3..].iter().map(|n| number(n)).collect();
                all.hints.insert(id, HintFile { len: f[2].parse().unwrap(), numbers });
            }
            _ => panic!("{line}"),
        }
    }
    all
}

/// Every record of the file in turn, up to the first place where there is none; then what is wrong there.
fn walk(file: &[u8], placer: Placer) -> (Vec<(u64, Record<'_>)>, u64, Invalid) {
    let (mut offset, mut found) = (DATA_START, Vec::new());
    loop {
        let rest = &file[offset as usize..];
        match decode_record(rest, placer, offset) {
            Ok(record) => {
                let short = &rest[..rest.len().min(36)];
                assert_eq!(peek_header(short, placer, offset, rest.len() as u64), Ok(record.header));
                found.push((offset, record));
                offset += record.header.record_len();
            }
            Err(e) => return (found, offset, e),
        }
    }
}

/// The manifest's puts and deletes up to an offset, as a hint has them.
fn hint_entries(file: &DataFile, covered: u64) -> Vec<HintEntry<'_>> {
    let keyed = file.records.iter().filter(|r| r.fields.kind.has_key() && r.offset < covered);
    keyed
        .map(|r| HintEntry {
            kind: if r.fields.kind.is_put() { RecordKind::Put } else { RecordKind::Delete },
            offset: r.offset,
            value_len: r.value.len() as u32,
            seq: r.fields.seq,
            expiry: r.fields.expiry,
            key: &r.key,
        })
        .collect()
}

#[test]
fn the_vectors_are_what_the_script_makes() {
    let script = golden_dir().join("make_golden.py");
    match Command::new("python3").arg(&script).arg("--check").output() {
        Ok(out) => assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => panic!("python3 does not start: {e}"),
    }
}

#[test]
fn every_file_is_in_the_manifest_and_every_kind_and_form_occurs() {
    let manifest = manifest();
    let mut named: Vec<String> = manifest.data.keys().map(|id| names::data(*id)).collect();
    named.extend(manifest.hints.keys().map(|id| names::hint(*id)));
    named.push("manifest.txt".to_owned());
    named.sort();
    let there = fs::read_dir(golden_dir().join("v1")).unwrap();
    let mut there: Vec<String> = there.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    there.sort();
    assert_eq!(there, named);

    let records: Vec<&Told> = manifest.data.values().flat_map(|file| &file.records).collect();
    for kind in RecordKind::ALL {
        assert!(records.iter().any(|r| r.fields.kind == kind), "{kind:?}");
    }
    for rest in 0..4 {
        assert!(records.iter().any(|r| (r.key.len() + r.value.len()) % 4 == rest));
    }
    assert!(records.iter().any(|r| r.fields.expiry.is_some()) && records.iter().any(|r| r.fields.synced));
}

#[test]
fn data_files_read_as_the_manifest_says() {
    for (id, told) in manifest().data {
        let file = golden_file(&names::data(id));
        assert_eq!(file.len(), told.len);
        assert_eq!(DataHeader::decode_pair(&file), Ok((told.header, None)), "{id}");
        let (found, end, why) = walk(&file, Placer::new(told.header.nonce));
        assert_eq!(found.len(), told.records.len(), "{id}: {why} at {end}");
        for ((offset, record), told) in found.iter().zip(&told.records) {
            let h = record.header;
            let fields =
                RecordFields { kind: h.kind, seq: h.seq, timestamp: h.timestamp, expiry: h.expiry, synced: h.synced };
            assert_eq!((*offset, fields), (told.offset, told.fields), "{id}");
            assert_eq!((record.key, record.value), (&told.key[..], &told.value[..]), "{id} at {offset}");
        }
        let sealed = told.records.last().is_some_and(|r| r.fields.kind == RecordKind::Seal);
        let rest = &file[end as usize..];
        assert_eq!(why, if sealed { Invalid::Short } else { Invalid::ZeroKind });
        assert!(rest.iter().all(|&b| b == 0) && rest.is_empty() == sealed);
    }
}

#[test]
fn data_files_are_written_as_the_script_writes_them() {
    for (id, told) in manifest().data {
        let mut file = told.header.encode_pair().to_vec();
        let placer = Placer::new(told.header.nonce);
        for r in &told.records {
            let offset = file.len() as u64;
            assert_eq!(offset, r.offset);
            encode_record(&mut file, &r.fields, &r.key, &r.value, placer, offset).unwrap();
        }
        file.resize(told.len, 0);
        assert!(file == golden_file(&names::data(id)), "{id}");
    }
}

#[test]
fn seals_and_commits_say_what_the_records_amount_to() {
    let manifest = manifest();
    let (mut commits, mut digest) = (0, BatchDigest::new());
    for (id, told) in &manifest.data {
        let file = golden_file(&names::data(*id));
        let mut seal = Seal::default();
        for (offset, record) in walk(&file, Placer::new(told.header.nonce)).0 {
            let h = record.header;
            if h.kind.has_key() {
                seal.add(h.seq, h.timestamp);
            }
            if h.kind.in_batch() {
                digest.push(h.crc);
            }
            match h.kind {
                RecordKind::Seal => {
                    seal.length = offset;
                    assert_eq!(record.value, seal.encode());
                    assert_eq!(Seal::decode(record.value), Some(seal));
                }
                RecordKind::BatchCommit => {
                    assert_eq!(record.value, digest.commit().encode());
                    assert_eq!(BatchCommit::decode(record.value), Some(digest.commit()));
                    digest = BatchDigest::new();
                    commits += 1;
                }
                _ => {}
            }
        }
    }
    assert_eq!(commits, 2, "one within a file, one across two");
}

/// That a mark's fields are read as they are meant shows in this: places in the vectors are where a record begins, and
/// not behind the mark.
#[test]
fn marks_speak_of_places_in_the_log_before_them() {
    let manifest = manifest();
    let mut found = Vec::new();
    for (id, told) in &manifest.data {
        for r in told.records.iter().filter(|r| r.fields.kind == RecordKind::SyncMark) {
            let point = SyncPoint::decode(&r.value).unwrap();
            assert_eq!(point.encode(), r.value[..]);
            assert!(point <= SyncPoint { file: *id, offset: r.offset });
            assert!(manifest.data[&point.file].records.iter().any(|r| r.offset == point.offset));
            found.push((r.fields.synced, point.file == *id));
        }
    }
    found.sort();
    assert_eq!(found, [(false, false), (false, true), (true, false), (true, true)]);
}

#[test]
fn hints_read_as_the_manifest_says() {
    let manifest = manifest();
    assert_eq!(manifest.hints.len(), manifest.data.len());
    for (id, told) in &manifest.hints {
        let (file, data) = (golden_file(&names::hint(*id)), &manifest.data[id]);
        assert_eq!(file.len(), told.len);
        let hint = HintHeader::decode(&file).unwrap();
        assert_eq!(hint.data, data.header);
        let counts = [hint.covered, u64::from(hint.sealed), hint.entries, hint.min_seq.0, hint.max_seq.0, hint.blocks];
        let numbers = [&counts[..], &[hint.min_time.0, hint.max_time.0]].concat();
        assert_eq!(numbers, told.numbers[..], "{id}");
        let (mut rest, mut from, mut found) = (&file[HINT_HEADER_LEN..], DATA_START, Vec::new());
        for n in 0..hint.blocks {
            let block = HintBlock::decode(rest, &hint, n).unwrap();
            from = block.check(from).unwrap();
            found.extend(block.entries().map(Result::unwrap));
            rest = &rest[block.byte_len()..];
        }
        assert!(rest.is_empty());
        assert_eq!(found, hint_entries(data, hint.covered), "{id}");
    }
}

#[test]
fn hints_are_written_as_the_script_writes_them() {
    let manifest = manifest();
    for (id, told) in &manifest.hints {
        let data = &manifest.data[id];
        let (covered, sealed) = (told.numbers[0], told.numbers[1] == 1);
        let mut builder = HintBlockBuilder::new(&data.header);
        let mut blocks = Vec::new();
        for entry in hint_entries(data, covered) {
            assert!(builder.push(&entry));
            if builder.is_full() {
                blocks.extend(builder.finish());
            }
        }
        blocks.extend(builder.finish());
        let max_seq = data.records.iter().filter(|r| r.offset < covered).map(|r| r.fields.seq).max().unwrap();
        let covering = data.records.iter().filter(|r| r.fields.kind.has_key() && r.offset < covered);
        let all_times: Vec<Timestamp> = covering.map(|r| r.fields.timestamp).collect();
        let times = all_times.iter().min().zip(all_times.iter().max());
        let times = times.map_or((Timestamp(0), Timestamp(0)), |(min, max)| (*min, *max));
        let mut file = builder.header(covered, max_seq, sealed, times).encode().to_vec();
        file.extend(blocks);
        assert!(file == golden_file(&names::hint(*id)), "{id}");
    }
}
