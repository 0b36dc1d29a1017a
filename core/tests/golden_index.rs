//! The golden vectors of the saved indexes: files that a script made from docs/FORMAT.md 10 to 12 alone, which belong to the store of the
//! other golden vectors. The store must open by each of them without reading a record, and show what it shows without.

mod common;

use std::path::PathBuf;
use std::process::Command;

use bitcask::format::accounts::{self, AccountsHead};
use bitcask::format::checkpoint::{CheckpointHead, HEAD_LEN};
use bitcask::format::covered::{COVERED_LEN, Covered};
use bitcask::vfs::sim::SimVfs;
use bitcask::vfs::{OpenMode, Vfs, read_full_at, write_all_at};
use bitcask::{Db, FileStats, IndexKind, IoKind, Options, SeqNo};

use common::{DIR, IO_KINDS, Map, at, dump, open, quiet};

/// Of the script's files: what one is called in a store, and the kind of index.
const INDEXES: [(&str, &str, IndexKind); 3] = [
    ("btree.checkpoint", "index.checkpoint", IndexKind::BTree),
    ("hash.checkpoint", "index.checkpoint", IndexKind::Hash),
    ("index.bptree", "index.bptree", IndexKind::BPTree),
];

fn golden_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn golden_file(name: &str) -> Vec<u8> {
    std::fs::read(golden_dir().join("index").join(name)).expect("it reads")
}

fn put_file(disk: &SimVfs, name: &str, bytes: &[u8]) {
    let file = disk.open(&at(name), OpenMode::CreateNew).expect("a new file");
    write_all_at(file.as_ref(), bytes, 0).expect("it writes");
}

fn file_of(disk: &SimVfs, name: &str) -> Vec<u8> {
    let file = disk.open(&at(name), OpenMode::Read).expect("it is there");
    let mut bytes = vec![0; file.len().expect("its length") as usize];
    assert_eq!(read_full_at(file.as_ref(), &mut bytes, 0).expect("it reads"), bytes.len());
    bytes
}

/// The data files of the golden store, without their hints.
fn store() -> SimVfs {
    let disk = SimVfs::new(1);
    disk.create_dir(DIR.as_ref()).expect("a directory");
    for n in 1..=6 {
        let name = format!("{n}.data");
        put_file(&disk, &name, &std::fs::read(golden_dir().join("v1").join(&name)).expect("it reads"));
    }
    disk
}

fn options(kind: IndexKind, io: IoKind) -> Options {
    quiet().index(kind).io(io).checkpoint_bytes(Options::DEFAULT_CHECKPOINT_BYTES)
}

fn open_with(disk: &SimVfs, options: &Options) -> Db {
    let db = open(disk.clone(), options).expect("it opens");
    assert!(db.open_report().damage.is_empty() && db.open_report().torn.is_empty());
    db
}

/// Everything, each value also by its key.
fn contents(db: &Db) -> Map {
    let map = dump(db).expect("it reads");
    for (key, value) in &map {
        assert_eq!(db.get(key).expect("it reads").as_deref(), Some(&value[..]));
    }
    map
}

fn figures(db: &Db) -> Vec<FileStats> {
    db.file_stats().expect("they are counted")
}

#[test]
fn the_vectors_are_what_the_script_makes() {
    let script = golden_dir().join("make_golden_index.py");
    match Command::new("python3").args(["-B".as_ref(), script.as_os_str(), "--check".as_ref()]).output() {
        Ok(out) => assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => panic!("python3 does not start: {e}"),
    }
}

#[test]
fn a_store_opens_by_each_without_reading_a_record() {
    for (vector, name, kind) in INDEXES {
        for (io, read_only) in IO_KINDS.into_iter().flat_map(|io| [(io, true), (io, false)]) {
            // Only who writes uses the file of the index on disk.
            if read_only && kind == IndexKind::BPTree {
                continue;
            }
            let what = format!("{vector}, {io:?}, read only: {read_only}");
            let options = options(kind, io).read_only(read_only);
            let plain = open_with(&store(), &options);
            assert_eq!(plain.open_report().index_from, None);
            let disk = store();
            put_file(&disk, name, &golden_file(vector));
            if kind == IndexKind::BPTree {
                put_file(&disk, "index.accounts", &golden_file("index.accounts"));
            }
            let db = open_with(&disk, &options);
            let report = db.open_report();
            assert_eq!(report.unusable_index, None, "{what}");
            assert_eq!(report.index_from, Some(SeqNo(1 << 40)), "{what}");
            assert_eq!((report.scanned_records, report.hint_records), (0, 0), "{what}");
            assert_eq!(db.len().ok(), plain.len().ok(), "{what}");
            let (mut expected, long) = (contents(&plain), vec![b'k'; 65_535]);
            assert!(expected.len() >= 19 && expected.contains_key(&long), "{what}: {} keys", expected.len());
            assert_eq!(contents(&db), expected, "{what}");
            assert_eq!(figures(&db), figures(&plain), "{what}");
            if read_only {
                continue;
            }
            // Before the first change all of it is looked at.
            for n in 0..300 {
                db.put(format!("new{n}").as_bytes(), b"new").expect("it writes");
                expected.insert(format!("new{n}").into_bytes(), b"new".to_vec());
            }
            for key in [&long[..], b"last", &long[..16_384]] {
                assert!(db.delete(key).expect("it deletes"), "{what}");
                expected.remove(key);
            }
            assert_eq!(contents(&db), expected, "{what}");
            db.close().expect("it closes");
            let again = open_with(&disk, &options);
            assert!(again.open_report().index_from > Some(SeqNo(1 << 40)), "{what}");
            assert_eq!(contents(&again), expected, "{what}");
        }
    }
}

/// The length of the records that were counted, and what of them is named, is as the script counted it.
#[test]
fn what_the_library_saves_of_the_store_has_the_same_accounts() {
    let accounts = golden_file("index.accounts").split_off(accounts::ACCOUNTS_HEAD_LEN);
    for (_, name, kind) in INDEXES {
        let disk = store();
        let db = open_with(&disk, &options(kind, IoKind::File));
        // Who asks for figures has the dead records counted of which that is not known yet.
        figures(&db);
        db.close().expect("it closes");
        let saved = if kind == IndexKind::BPTree { "index.accounts" } else { name };
        assert!(file_of(&disk, saved).ends_with(&accounts), "{kind:?}");
    }
}

#[test]
fn heads_and_accounts_are_written_as_the_script_writes_them() {
    let bytes = golden_file("index.accounts");
    let (head, saved) = AccountsHead::decode(&bytes).expect("it is a file of accounts");
    assert_eq!(head.encode(saved), bytes[..accounts::ACCOUNTS_HEAD_LEN]);
    let decoded = accounts::decode(saved).expect("they are accounts");
    assert_eq!(decoded.iter().map(|account| account.file).collect::<Vec<_>>(), [1, 3, 4, 5, 6]);
    let mut again = Vec::new();
    accounts::encode(&decoded, &mut again);
    assert_eq!(again, saved);

    let covered = Covered::decode(&head.covered).expect("it is a place");
    assert_eq!((covered.file, covered.seq, covered.files.0, covered.expires), (5, SeqNo(1 << 40), 6, true));
    assert_eq!(covered.encode(), head.covered);

    for (vector, kind) in [("btree.checkpoint", 1), ("hash.checkpoint", 2)] {
        let bytes = golden_file(vector);
        let mut expected = *bytes.first_chunk::<HEAD_LEN>().expect("a head");
        let head = CheckpointHead::decode(&expected).expect("it is a head");
        assert_eq!((head.kind, head.covered), (kind, covered.encode()));
        let ends = head.table_at() + 4 * u64::from(head.pages).div_ceil(256) + head.tail_len;
        assert_eq!(ends + u64::from(head.accounts_len), bytes.len() as u64);
        assert!(bytes.ends_with(saved));
        let encoded = head.encode();
        if kind == 2 {
            // That one has an optional feature of which the library knows nothing, and the checksum is another.
            expected[16..20].fill(0);
            expected[20..24].copy_from_slice(&encoded[20..24]);
        }
        assert_eq!(encoded, expected);
    }
    // The place is at the same offset of the checkpoint of the index on disk.
    assert_eq!(golden_file("index.bptree")[4096 + 128..][..COVERED_LEN], head.covered);
}
