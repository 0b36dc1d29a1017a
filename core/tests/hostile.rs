//! Directories that no writer of this format made. Whatever is in them, opening gives a store or an error: no panic, no hang,
//! no stranger's file touched, and no more memory or work than the bytes that are there are worth (P5).

mod common;

use std::sync::atomic::{AtomicU64, Ordering};

use bitcask::format::header::FileKind;
use bitcask::format::hint::{HintBlockBuilder, HintEntry};
use bitcask::format::payload::{BatchCommit, Seal, SyncPoint};
use bitcask::format::record::RecordKind;
use bitcask::vfs::EntryKind;
use bitcask::vfs::fault::{Fault, FaultVfs, Filter};
use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::SimVfs;
use bitcask::{Db, Error, FileId, IterOptions, OnDamage, SeqNo, Timestamp, WriteOptions};

use common::craft::Craft;
use common::damage::data_files;
use common::{Map, Rng, at, dump, index, open, quiet};

fn disk_with(files: &[(&str, &[u8])]) -> SimVfs {
    let disk = SimVfs::new(1);
    files.iter().for_each(|(name, bytes)| disk.plant(&at(name), bytes));
    disk
}

/// Uses an open store in every way; any outcome but a panic will do.
fn use_it(db: &Db) {
    for reverse in [false, true] {
        if let Ok(mut iter) = db.iter(&IterOptions::new().reverse(reverse)) {
            // Each damaged record is one step, so this ends.
            for _ in 0..10_000 {
                match iter.next() {
                    None => break,
                    Some(Ok((key, _))) => assert!(!key.is_empty()),
                    Some(Err(_)) => iter.skip_damaged(),
                }
            }
        }
    }
    let _ = (db.get(b"k"), db.get_into(b"k", &mut [0; 3]), db.contains(b"k"), db.stats(), db.sync());
    let _ = (db.put(b"k", b"v"), db.delete(b"k"), db.put(b"k", &[1; 5000]));
    let mut batch = db.batch();
    for n in 0..5u8 {
        let _ = batch.put(&[n, 1], &[n; 1500]);
    }
    let _ = batch.commit_with(WriteOptions::new().sync(true));
}

/// Opens a disk in all ways and uses what opens; gives the outcome of opening a writer with `Refuse`.
fn survive(disk: &SimVfs) -> Result<Map, Error> {
    for (n, on_damage) in [OnDamage::Serve, OnDamage::Refuse, OnDamage::Serve].into_iter().enumerate() {
        for read_only in [true, false] {
            let copy = disk.copy();
            for _ in 0..3 {
                let options = quiet().index(index(n)).on_damage(on_damage).read_only(read_only);
                if let Ok(db) = open(copy.clone(), &options) {
                    use_it(&db);
                    // What it wrote it reads, also the next time, where writing worked at all.
                    if !read_only && db.put(b"probe", b"is there").is_ok() {
                        let found = db.get(b"probe").expect("what was just written is read");
                        assert_eq!(found.as_deref(), Some(&b"is there"[..]));
                    }
                }
            }
        }
    }
    let db = open(disk.copy(), &quiet())?;
    dump(&db)
}

/// One crafted file alone in a directory.
fn survive_file(craft: Craft) -> Result<Map, Error> {
    survive(&disk_with(&[(&format!("{}.data", craft.header.file_id), &craft.bytes)]))
}

fn map(pairs: &[(&str, &str)]) -> Map {
    pairs.iter().map(|(k, v)| (k.as_bytes().to_vec(), v.as_bytes().to_vec())).collect()
}

/// A file with two good records, to put things behind.
fn good(id: u32) -> Craft {
    Craft::new(id).put(u64::from(id) * 10, b"a", b"1").put(u64::from(id) * 10 + 1, b"b", b"2")
}

fn with_seal(craft: Craft, seq: u64) -> Craft {
    let value = Seal { count: 2, length: craft.bytes.len() as u64, ..Seal::default() }.encode();
    craft.record(RecordKind::Seal, seq, &[], &value)
}

macro_rules! declared_lengths {
    ($($name:ident: $len:expr;)*) => { $(
        /// A record header that is right in itself and declares a value of this length, which is not there.
        #[test]
        fn $name() {
            let found = survive_file(good(1).declared(RecordKind::Put, 12, 3, $len));
            assert_eq!(found.expect("it is a torn tail"), map(&[("a", "1"), ("b", "2")]));
            let found = survive_file(good(1).declared(RecordKind::Put, 12, 3, $len).raw(&[7; 300]));
            assert_eq!(found.expect("it is a torn tail"), map(&[("a", "1"), ("b", "2")]));
        }
    )* };
}

declared_lengths! {
    declared_length_1: 1;
    declared_length_2_to_31_less_1: (1 << 31) - 1;
    declared_length_2_to_31: 1 << 31;
    declared_length_max_less_3: u32::MAX - 3;
    declared_length_max_less_1: u32::MAX - 1;
    declared_length_max: u32::MAX;
}

#[test]
fn declared_length_0_is_a_record_with_an_empty_value() {
    let found = survive_file(Craft::new(1).put(1, b"k", b"")).expect("it opens");
    assert_eq!(found, map(&[("k", "")]));
}

#[test]
fn declared_key_of_65535_bytes_that_are_not_there() {
    let found = survive_file(good(1).declared(RecordKind::Put, 12, u16::MAX, u32::MAX)).expect("a torn tail");
    assert_eq!(found.len(), 2);
}

#[test]
fn a_key_of_65535_bytes_that_is_there() {
    let key = vec![b'x'; 65_535];
    let found = survive_file(Craft::new(1).put(1, &key, b"v")).expect("it opens");
    assert_eq!(found.get(&key).map(Vec::as_slice), Some(&b"v"[..]));
}

#[test]
fn a_length_that_ends_in_the_middle_of_another_record() {
    let lie = good(1).declared(RecordKind::Put, 12, 1, 40);
    let found = survive_file(lie.clone().put(13, b"c", b"3").put(14, b"d", b"4")).expect("a torn tail");
    assert_eq!(found.len(), 2);
    // Where it is known to have been synced it is damage, and costs itself only.
    let marked = lie.put(13, b"c", b"3").put(14, b"d", b"4");
    let point = SyncPoint { file: FileId(1), offset: marked.bytes.len() as u64 };
    let marked = marked.record(RecordKind::SyncMark, 14, &[], &point.encode());
    let disk = disk_with(&[("1.data", &marked.bytes)]);
    assert!(matches!(survive(&disk), Err(Error::Corrupted { .. })));
    let db = open(disk, &quiet().on_damage(OnDamage::Serve)).expect("it serves");
    assert_eq!(dump(&db).expect("it reads").len(), 4);
}

#[test]
fn unknown_versions_are_named() {
    for version in [0u16, 2, 255, u16::MAX] {
        let craft = good(1).header_bytes(8, &version.to_le_bytes());
        match survive_file(craft) {
            Err(Error::UnsupportedVersion { version: found, .. }) => assert_eq!(found, version),
            other => panic!("{version}: {other:?}"),
        }
    }
}

#[test]
fn unknown_required_features_are_named() {
    for (bits, name) in [(1u32, "compression"), (1 << 7, "7"), (1 << 31, "31"), (u32::MAX, "compression")] {
        match survive_file(good(1).header_bytes(12, &bits.to_le_bytes())) {
            Err(Error::UnsupportedFeature { feature, .. }) => assert!(feature.contains(name), "{bits:#x}: {feature}"),
            other => panic!("{bits:#x}: {other:?}"),
        }
    }
}

#[test]
fn unknown_optional_features_are_no_matter() {
    let found = survive_file(good(1).header_bytes(16, &[0xFF; 4])).expect("it opens");
    assert_eq!(found.len(), 2);
}

#[test]
fn header_fields_that_are_not_allowed_are_refused() {
    let fields: [(usize, &[u8]); 8] =
        [(10, &[63, 0]), (10, &[0, 0]), (20, &[0]), (20, &[3]), (21, &[2]), (22, &[1]), (24, &[9]), (24, &[0; 4])];
    for (at, bytes) in fields {
        let found = survive_file(good(1).header_bytes(at, bytes));
        assert!(matches!(found, Err(Error::Corrupted { .. })), "{at}: {found:?}");
    }
}

#[test]
fn the_greatest_numbers_everywhere_in_the_header() {
    let found = survive_file(good(1).header_bytes(32, &[0xFF; 32]));
    // The base number says that all its records are out of order; what remains is up to it.
    assert!(found.is_err() || found.is_ok_and(|found| found.len() <= 2));
}

#[test]
fn empty_data_files() {
    let (one, two, three) = (with_seal(good(1), 11).bytes, with_seal(good(2), 21).bytes, good(3).bytes);
    let found = survive(&disk_with(&[("1.data", &one), ("2.data", &two), ("3.data", b"")]));
    assert_eq!(found.expect("the last one's creation was cut short").len(), 2);
    let found = survive(&disk_with(&[("1.data", &one), ("2.data", b""), ("3.data", &three)]));
    assert!(matches!(found, Err(Error::Corrupted { .. })), "{found:?}");
    let found = survive(&disk_with(&[("1.data", b""), ("2.data", &two), ("3.data", &three)]));
    assert!(matches!(found, Err(Error::Corrupted { .. })), "{found:?}");
    assert_eq!(survive(&disk_with(&[("1.data", b"")])).expect("a new store"), Map::new());
}

#[test]
fn data_files_of_zeros() {
    for len in [1, 127, 128, 129, 70_000] {
        let zeros = vec![0; len];
        let alone = survive(&disk_with(&[("1.data", &zeros)]));
        // Headers are on stable storage before there is more of a file: a longer one has lost them.
        match len {
            ..=128 => assert_eq!(alone.expect("a creation cut short"), Map::new()),
            _ => assert!(matches!(alone, Err(Error::Corrupted { .. })), "{alone:?}"),
        }
        let found = survive(&disk_with(&[("1.data", &zeros), ("2.data", &good(2).bytes)]));
        assert!(matches!(found, Err(Error::Corrupted { .. })), "{found:?}");
    }
}

#[test]
fn headers_only() {
    let (one, two) = (with_seal(good(1), 11), good(2));
    let found = survive(&disk_with(&[("1.data", &one.bytes), ("2.data", &two.bytes[..128])]));
    assert_eq!(found.expect("it opens").len(), 2);
    let found = survive(&disk_with(&[("1.data", &one.bytes[..128]), ("2.data", &two.bytes)]));
    assert!(matches!(found, Err(Error::Corrupted { .. })), "the first lost its records and its seal: {found:?}");
    assert_eq!(survive(&disk_with(&[("1.data", &one.bytes[..128])])).expect("it opens"), Map::new());
}

#[test]
fn headers_cut_short() {
    for len in [1, 8, 63, 64, 65, 127] {
        let found = survive(&disk_with(&[("1.data", &good(1).bytes[..len])]));
        assert_eq!(found.expect("a creation cut short"), Map::new(), "{len}");
    }
}

#[test]
fn names_that_are_nearly_ours() {
    let names = [
        "01.data",
        "+1.data",
        "-1.data",
        " 1.data",
        "1.data ",
        "1.data.bak",
        "1.DATA",
        "1.Data",
        "0.data",
        "1data",
        ".data",
        "1.",
        "1",
        "１.data",
        "1.data\n",
        "1_000.data",
        "0x1.data",
        "1e3.data",
        "1.hint.bak",
        "01.hint",
        "1.torn-01",
        "1.torn-",
        "1.torn-18446744073709551616",
        "4294967297.data",
        "99999999999999999999999.data",
        "LOCK2",
        "lock",
        ".tmp",
    ];
    let disk = disk_with(&[("1.data", &good(1).bytes)]);
    for name in names {
        disk.plant(&at(name), b"somebody else's");
    }
    assert_eq!(survive(&disk).expect("it opens").len(), 2);
    let db = open(disk.clone(), &quiet()).expect("it opens");
    use_it(&db);
    drop(db);
    for name in names {
        assert_eq!(disk.bytes(&at(name)).expect(name), b"somebody else's", "{name}");
    }
}

#[test]
fn unfinished_work_is_removed_and_only_files() {
    let disk = disk_with(&[("1.data", &good(1).bytes), ("1.data.tmp", b"x"), ("anything.tmp", b"y")]);
    disk.plant_kind(&at("2.hint.tmp"), EntryKind::Directory);
    disk.plant_kind(&at("3.hint.tmp"), EntryKind::Other);
    assert_eq!(survive(&disk).expect("it opens").len(), 2);
    open(disk.clone(), &quiet()).expect("it opens");
    assert!(disk.bytes(&at("1.data.tmp")).is_err());
    assert!(disk.bytes(&at("anything.tmp")).is_ok(), "another program's");
    assert!(disk.tree().iter().any(|(path, _)| path.ends_with("2.hint.tmp")));
}

#[test]
fn ids_at_the_limit() {
    let last = FileId::MAX.0;
    let name = format!("{last}.data");
    let disk = disk_with(&[(&name, &good(last).bytes)]);
    assert_eq!(survive(&disk).expect("it opens").len(), 2);
    let db = open(disk.clone(), &quiet()).expect("it opens");
    let failed = (0..100u8).find_map(|n| db.put(&[n], &[n; 100]).err()).expect("there is no next file");
    assert!(matches!(failed, Error::Unsupported { .. }), "{failed}");
    assert!(db.get(&[0]).expect("it reads").is_some(), "it can still be read");
    drop(db);
    assert!(open(disk, &quiet()).expect("it opens again").get(&[0]).expect("it reads").is_some());
}

#[test]
fn ids_beyond_the_limit_are_strangers() {
    let disk = disk_with(&[("268435456.data", b"x"), ("4294967295.data", b"x"), ("4294967295.hint", b"x")]);
    assert_eq!(survive(&disk).expect("a new store"), Map::new());
}

#[test]
fn stray_hints_and_torn_files_at_the_limit() {
    let stray = [("268435455.hint", &b"x"[..]), ("268435455.torn-18446744073709551615", b"y"), ("7.hint", b"z")];
    for n in 0..3 {
        let _ = survive(&disk_with(&stray[n..=n]));
        let file = good(1);
        assert_eq!(survive(&disk_with(&[("1.data", &file.bytes), stray[n]])).expect("it opens").len(), 2);
    }
}

#[test]
fn a_file_of_another_store() {
    let mut foreign = good(2);
    foreign = foreign.header_bytes(32, &[9; 8]);
    let found = survive(&disk_with(&[("1.data", &with_seal(good(1), 11).bytes), ("2.data", &foreign.bytes)]));
    assert!(matches!(found, Err(Error::ForeignFile { .. })), "{found:?}");
}

#[test]
fn a_renamed_or_copied_data_file() {
    let one = with_seal(good(1), 11);
    for name in ["2.data", "5.data"] {
        let found = survive(&disk_with(&[("1.data", &one.bytes), (name, &one.bytes)]));
        assert!(matches!(found, Err(Error::Corrupted { .. })), "{found:?}");
        let found = survive(&disk_with(&[(name, &one.bytes)]));
        assert!(matches!(found, Err(Error::Corrupted { .. })), "{found:?}");
    }
}

#[test]
fn two_headers_that_differ() {
    let (a, b) = (good(1), good(1).header_bytes(48, &[1]));
    let mut mixed = a.bytes.clone();
    mixed[64..128].copy_from_slice(&b.bytes[64..128]);
    let db = open(disk_with(&[("1.data", &mixed)]), &quiet().on_damage(OnDamage::Serve)).expect("it opens");
    assert_eq!((dump(&db).expect("it reads").len(), db.open_report().damage.len()), (2, 1));
}

/// Headers with a right check and lengths as long as the file allows, one behind the other: who follows each hashes the square
/// of the file. The work is counted in bytes read.
#[test]
fn headers_that_would_be_followed_for_ever() {
    let mut craft = good(1);
    let len = 2 << 20;
    let mut seq = 12;
    while craft.bytes.len() + 64 < len {
        let left = (len - craft.bytes.len() - 64) as u32;
        craft = craft.declared(RecordKind::Put, seq, 1, left);
        seq += 1;
    }
    let point = SyncPoint { file: FileId(1), offset: len as u64 };
    craft.bytes.resize(len, 1);
    let craft = craft.record(RecordKind::SyncMark, seq, &[], &point.encode());
    let disk = disk_with(&[("1.data", &craft.bytes)]);
    for on_damage in [OnDamage::Refuse, OnDamage::Serve] {
        let vfs = FaultVfs::over_sim(&disk.copy());
        drop(open(vfs.clone(), &quiet().on_damage(on_damage)));
        let reads = vfs.count(Fault::Error(5), &Filter::any().kinds(&[OpKind::Read]));
        // The square is 75,000 records of 1 MiB on average, in reads of 256 KiB.
        assert!(reads < 6_000, "{reads} reads for a file of {} bytes", craft.bytes.len());
    }
}

#[test]
fn a_long_file_of_rubbish() {
    let mut rng = Rng(5);
    for len in [100, 1000, 70_000, 300_000] {
        let junk: Vec<u8> = (0..len).map(|_| rng.next() as u8).collect();
        let _ = survive(&disk_with(&[("1.data", &junk)]));
        assert_eq!(survive_file(good(1).raw(&junk)).expect("a torn tail").len(), 2);
        let _ = survive(&disk_with(&[("1.data", &good(1).bytes), ("1.hint", &junk), ("LOCK", &junk)]));
    }
}

#[test]
fn a_long_sparse_tail() {
    let disk = disk_with(&[("1.data", &good(1).bytes)]);
    disk.truncate(&at("1.data"), 64 << 20);
    assert_eq!(dump(&open(disk, &quiet()).expect("it opens")).expect("it reads").len(), 2);
}

#[test]
fn records_behind_a_seal() {
    let craft = with_seal(good(1), 11).put(12, b"c", b"3");
    let found = survive_file(craft);
    assert!(found.is_err() || found.is_ok_and(|found| found.len() >= 2));
}

#[test]
fn a_seal_that_lies() {
    for value in [[0xFF; 48], [0; 48]] {
        let one = good(1).record(RecordKind::Seal, 11, &[], &value);
        let found = survive(&disk_with(&[("1.data", &one.bytes), ("2.data", &good(2).bytes)]));
        assert!(found.is_err() || found.is_ok_and(|found| found.len() == 2));
    }
}

#[test]
fn numbers_that_go_backwards() {
    let found = survive_file(Craft::new(1).put(9, b"a", b"new").put(3, b"a", b"old"));
    assert_eq!(found.expect("a torn tail"), map(&[("a", "new")]));
}

#[test]
fn the_greatest_number() {
    let disk = disk_with(&[("1.data", &Craft::new(1).put(u64::MAX, b"a", b"1").bytes)]);
    assert!(survive(&disk).is_ok());
    let db = open(disk.clone(), &quiet()).expect("it opens");
    // There is no number after it. It may refuse; what it acknowledges it must keep.
    let done = db.put(b"a", b"2").is_ok();
    drop(db);
    let found = open(disk, &quiet()).expect("it opens").get(b"a").expect("it reads").map(bitcask::Value::into_vec);
    assert_eq!(found.as_deref(), Some(if done { &b"2"[..] } else { b"1" }));
}

#[test]
fn a_batch_without_end() {
    let mut craft = good(1);
    for n in 0..2000u32 {
        craft = craft.record(RecordKind::BatchPut, 12, &n.to_le_bytes(), b"x");
    }
    assert_eq!(survive_file(craft).expect("the batch is not complete").len(), 2);
}

#[test]
fn commits_that_lie() {
    let batch = || Craft::new(1).record(RecordKind::BatchPut, 1, b"k", b"v");
    for commit in [BatchCommit { count: u64::MAX, digest: 0 }, BatchCommit { count: 0, digest: 0 }] {
        assert_eq!(survive_file(batch().commit_saying(1, commit)).expect("not complete"), Map::new());
    }
    assert_eq!(survive_file(batch().commit(2)).expect("the log went on behind it").len(), 1);
    assert_eq!(survive_file(Craft::new(1).commit(1)).expect("a commit of nothing"), Map::new());
    assert_eq!(survive_file(batch().commit(1).commit(1)).expect("two commits").len(), 1);
}

#[test]
fn one_key_many_times_in_a_batch() {
    let mut craft = Craft::new(1);
    for n in 0..50u8 {
        craft = craft.record(RecordKind::BatchPut, 1, b"k", &[n]);
    }
    assert!(survive_file(craft.commit(1)).expect("it opens").len() <= 1);
}

#[test]
fn marks_that_lie() {
    let points = [(1, u64::MAX), (u32::MAX, u64::MAX), (FileId::MAX.0, 0), (0, 0), (1, 3)];
    for (file, offset) in points {
        let value = SyncPoint { file: FileId(file), offset }.encode();
        let craft = good(1).record(RecordKind::SyncMark, 11, &[], &value).put(12, b"c", b"3");
        assert_eq!(survive_file(craft.clone()).expect("it opens").len(), 3);
        // A mark speaks of nothing behind itself.
        assert_eq!(survive_file(craft.raw(&[9; 40])).expect("a torn tail").len(), 3);
    }
}

#[test]
fn a_merged_file_without_seal_or_with_a_batch() {
    let mut header = Craft::new(1).header;
    header.kind = FileKind::Merged;
    let merged = || Craft::with(header).put(5, b"a", b"1").put(3, b"b", b"2");
    assert!(matches!(survive_file(merged()), Err(Error::Corrupted { .. })));
    assert_eq!(survive_file(with_seal(merged(), 5)).expect("it opens").len(), 2);
    let _ = survive_file(with_seal(merged().record(RecordKind::BatchPut, 9, b"c", b"3").commit(9), 9));
    let both = [("1.data", with_seal(merged(), 5).bytes), ("2.data", good(2).bytes)];
    assert_eq!(survive(&disk_with(&[("1.data", &both[0].1), ("2.data", &both[1].1)])).expect("it opens").len(), 2);
}

/// A hint for a crafted file, with right checksums; `change` makes it lie.
fn hint(craft: &Craft, entries: &[HintEntry<'_>], change: impl Fn(&mut bitcask::format::hint::HintHeader)) -> Vec<u8> {
    let mut builder = HintBlockBuilder::new(&craft.header);
    entries.iter().for_each(|entry| assert!(builder.push(entry)));
    let block = builder.finish();
    let mut header = builder.header(craft.bytes.len() as u64, SeqNo(11), false, (Timestamp(5), Timestamp(5)));
    change(&mut header);
    [header.encode().to_vec(), block].concat()
}

fn entry<'a>(key: &'a [u8], offset: u64, value_len: u32, seq: u64) -> HintEntry<'a> {
    HintEntry { kind: RecordKind::Put, offset, value_len, seq: SeqNo(seq), expiry: None, key }
}

#[test]
fn hints_that_lie_about_places() {
    let craft = good(1);
    for (key, offset, len) in
        [(&b"a"[..], 128u64, 70_000), (b"zz", 128, 1), (b"a", 132, 1), (b"b", 128, 1), (b"a", 160, 1)]
    {
        let lie = hint(&craft, &[entry(key, offset, len, 10)], |_| {});
        let disk = disk_with(&[("1.data", &craft.bytes), ("1.hint", &lie)]);
        let _ = survive(&disk);
        for n in 0..8 {
            let db = open(disk.copy(), &quiet().index(index(n))).expect("a hint keeps no store from opening");
            for (key, right) in [(b"a", b"1"), (b"b", b"2")] {
                if let Ok(Some(found)) = db.get(key) {
                    assert_eq!(&found[..], right, "a hint made up a value");
                }
            }
            assert!(!matches!(db.get(b"zz"), Ok(Some(_))), "a hint made up a key");
        }
    }
}

#[test]
fn hints_with_the_greatest_numbers() {
    let craft = good(1);
    let entries = [entry(b"a", 128, 1, 10), entry(b"b", 160, 1, 11)];
    type Change = fn(&mut bitcask::format::hint::HintHeader);
    let lies: [Change; 7] = [
        |h| h.covered = !3,
        |h| h.entries = u64::MAX,
        |h| h.blocks = u64::MAX,
        |h| h.max_seq = SeqNo(u64::MAX),
        |h| h.min_seq = SeqNo(u64::MAX),
        |h| h.sealed = true,
        |h| h.covered = 128,
    ];
    for lie in lies {
        let bytes = hint(&craft, &entries, lie);
        assert!(survive(&disk_with(&[("1.data", &craft.bytes), ("1.hint", &bytes)])).is_ok());
    }
}

#[test]
fn hints_with_blocks_of_any_declared_length() {
    let craft = good(1);
    for len in [0u32, 1, 131_076, 131_077, 1 << 31, u32::MAX] {
        let mut bytes = hint(&craft, &[entry(b"a", 128, 1, 10)], |_| {});
        bytes[144 + 4..144 + 8].copy_from_slice(&len.to_le_bytes());
        assert_eq!(survive(&disk_with(&[("1.data", &craft.bytes), ("1.hint", &bytes)])).expect("it opens").len(), 2);
    }
}

#[test]
fn a_hint_that_is_no_file() {
    for kind in [EntryKind::Directory, EntryKind::Other] {
        let disk = disk_with(&[("1.data", &good(1).bytes)]);
        disk.plant_kind(&at("1.hint"), kind);
        disk.plant_kind(&at("index.checkpoint"), kind);
        assert_eq!(survive(&disk).expect("it opens").len(), 2);
    }
}

#[test]
fn a_data_file_that_is_no_file() {
    for kind in [EntryKind::Directory, EntryKind::Other] {
        let disk = disk_with(&[("1.data", &with_seal(good(1), 11).bytes)]);
        disk.plant_kind(&at("2.data"), kind);
        assert!(survive(&disk).is_err());
        assert!(open(disk, &quiet().on_damage(OnDamage::Serve)).is_err(), "it may be anything");
    }
}

#[test]
fn a_lock_that_is_no_file() {
    for kind in [EntryKind::Directory, EntryKind::Other] {
        let disk = disk_with(&[("1.data", &good(1).bytes)]);
        disk.plant_kind(&at("LOCK"), kind);
        assert!(matches!(survive(&disk), Err(Error::Io { op: "lock", .. })));
        let db = open(disk, &quiet().read_only(true)).expect("a reader needs no lock");
        assert_eq!(dump(&db).expect("it reads").len(), 2);
    }
}

#[test]
fn a_directory_that_is_none() {
    let disk = SimVfs::new(1);
    disk.plant(std::path::Path::new("/db"), b"a file");
    assert!(matches!(open(disk.clone(), &quiet()), Err(Error::Io { .. })));
    disk.plant_kind(std::path::Path::new("/db"), EntryKind::Other);
    assert!(matches!(open(disk, &quiet()), Err(Error::Io { .. })));
}

#[test]
fn a_hundred_thousand_strangers() {
    let disk = disk_with(&[("1.data", &good(1).bytes)]);
    let made = AtomicU64::new(0);
    for n in 0..100_000u32 {
        use bitcask::vfs::Vfs;
        let name = if n % 2 == 0 { format!("stranger-{n}") } else { format!("0{n}.data") };
        disk.open(&at(&name), bitcask::vfs::OpenMode::CreateNew).expect("it makes a file");
        made.fetch_add(1, Ordering::Relaxed);
    }
    disk.settle();
    let db = open(disk, &quiet()).expect("it opens");
    assert_eq!((dump(&db).expect("it reads").len(), made.into_inner()), (2, 100_000));
}

#[test]
fn a_hint_and_a_data_file_change_names() {
    let disk = SimVfs::new(2);
    let db = open(disk.clone(), &quiet()).expect("it opens");
    (0..100u8).for_each(|n| db.put(&[n], &[n; 200]).expect("it writes"));
    db.close().expect("it closes");
    let (path, data) = data_files(&disk).remove(0);
    let hint = disk.bytes(&path.with_extension("hint")).expect("it is there");
    disk.plant(&path, &hint);
    disk.plant(&path.with_extension("hint"), &data);
    assert!(survive(&disk).is_err());
}
