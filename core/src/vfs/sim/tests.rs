//! Each crash choice does what it says, syncs make durable what they should and no more, and the disk in memory behaves
//! like a real one.

use std::collections::{BTreeSet, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::CrashChoice::*;
use super::*;
use crate::vfs::op::OpKind;
use crate::vfs::{EntryKind, LockError, OpenMode, Vfs, VfsFile, write_all_at};

mod against_os;

fn p(name: &str) -> PathBuf {
    Path::new("/").join(name)
}

fn create(sim: &SimVfs, name: &str) -> Arc<dyn VfsFile> {
    sim.open(&p(name), OpenMode::CreateNew).unwrap()
}

fn bytes(sim: &SimVfs, name: &str) -> Vec<u8> {
    sim.bytes(&p(name)).unwrap()
}

fn names(sim: &SimVfs) -> Vec<String> {
    sim.files().into_iter().map(|(path, _)| path.to_str().unwrap()[1..].to_owned()).collect()
}

fn now(sim: &SimVfs, choice: CrashChoice) -> SimVfs {
    sim.crash(sim.op_count(), &choice)
}

/// A durable file `f` of these bytes, open.
fn durable(contents: &[u8]) -> (SimVfs, Arc<dyn VfsFile>) {
    let sim = SimVfs::new(7);
    sim.plant(&p("f"), contents);
    let file = sim.open(&p("f"), OpenMode::ReadWrite).unwrap();
    (sim, file)
}

#[test]
fn bytes_and_names_are_durable_apart() {
    let sim = SimVfs::new(1);
    let file = create(&sim, "f");
    file.write_at(b"data", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(names(&now(&sim, LoseUnsynced)), [""; 0], "a synced file of which no directory knows");
    sim.sync_dir(&p("")).unwrap();
    assert_eq!(bytes(&now(&sim, LoseUnsynced), "f"), b"data");

    let sim = SimVfs::new(1);
    let file = create(&sim, "f");
    file.write_at(b"data", 0).unwrap();
    sim.sync_dir(&p("")).unwrap();
    assert_eq!(bytes(&now(&sim, LoseUnsynced), "f"), b"", "a synced name of a file that was not");
    assert_eq!(bytes(&now(&sim, KeepAll), "f"), b"data");
}

#[test]
fn a_sync_covers_its_own_object_and_what_came_before_it() {
    let (sim, f) = durable(b"");
    let g = create(&sim, "g");
    sim.sync_dir(&p("")).unwrap();
    f.write_at(b"f1", 0).unwrap();
    g.write_at(b"g1", 0).unwrap();
    f.sync_data().unwrap();
    f.write_at(b"f2", 2).unwrap();
    let at = sim.op_count();
    g.sync_data().unwrap();
    let lost = sim.crash(at, &LoseUnsynced);
    assert_eq!((bytes(&lost, "f"), bytes(&lost, "g")), (b"f1".to_vec(), vec![]));
    assert_eq!(sim.unsynced_ops(at), 2);
    assert_eq!(sim.unsynced_ops(sim.op_count()), 1);
    assert_eq!(bytes(&now(&sim, LoseUnsynced), "g"), b"g1");
    // Back in time, after the question about the end.
    assert_eq!(sim.unsynced_ops(0), 0);
    assert_eq!(names(&sim.crash(0, &KeepAll)), ["f"]);
}

#[test]
fn lengths_are_durable_with_the_data() {
    let (sim, f) = durable(b"0123456789");
    f.set_len(4).unwrap();
    f.allocate(2, 6).unwrap();
    assert_eq!(bytes(&sim, "f"), b"0123\0\0\0\0");
    assert_eq!(bytes(&now(&sim, LoseUnsynced), "f"), b"0123456789");
    f.sync_data().unwrap();
    assert_eq!(bytes(&now(&sim, LoseUnsynced), "f"), b"0123\0\0\0\0");
}

#[test]
fn one_operation_is_dropped_or_only_its_bytes() {
    let (sim, f) = durable(b"");
    f.write_at(b"aa", 0).unwrap();
    f.write_at(b"bb", 2).unwrap();
    f.write_at(b"cc", 4).unwrap();
    let dropped = |k| bytes(&now(&sim, DropOne(k)), "f");
    assert_eq!([dropped(0), dropped(1), dropped(2)], [&b"\0\0bbcc"[..], b"aa\0\0cc", b"aabb"]);
    let zeroed = |k| bytes(&now(&sim, ZeroOne(k)), "f");
    assert_eq!([zeroed(0), zeroed(1), zeroed(2)], [&b"\0\0bbcc"[..], b"aa\0\0cc", b"aabb\0\0"]);
    assert_eq!(dropped(3), b"aabbcc");
    sim.rename(&p("f"), &p("g")).unwrap();
    assert_eq!(names(&now(&sim, DropOne(3))), ["f"]);
    assert_eq!(names(&now(&sim, ZeroOne(3))), ["g"]);
}

#[test]
fn the_last_write_is_cut_at_every_byte() {
    let (sim, f) = durable(b"xxxxxx");
    f.write_at(b"abcd", 4).unwrap();
    let at = sim.op_count();
    assert_eq!((sim.last_write_len(at), sim.last_write_len(0)), (Some(4), None));
    let cut = |n| bytes(&sim.crash(at, &CutLastWrite(n)), "f");
    assert_eq!(
        [cut(0), cut(1), cut(3), cut(4), cut(9)],
        [&b"xxxxxx"[..], b"xxxxax", b"xxxxabc", b"xxxxabcd", b"xxxxabcd"]
    );
    f.write_at(b"ef", 8).unwrap();
    sim.sync_dir(&p("")).unwrap();
    assert_eq!(bytes(&now(&sim, CutLastWrite(0)), "f"), b"xxxxabcdef", "the last operation is no write");
    assert_eq!(sim.last_write_len(sim.op_count()), None);
}

#[test]
fn directory_changes_survive_in_any_subset() {
    let sim = SimVfs::new(1);
    sim.plant(&p("old"), b"old");
    let tmp = create(&sim, "new.tmp");
    tmp.write_at(b"new", 0).unwrap();
    sim.rename(&p("new.tmp"), &p("new")).unwrap();
    sim.remove(&p("old")).unwrap();
    let at = sim.op_count();
    assert_eq!((sim.unsynced_entries(at), sim.unsynced_ops(at)), (3, 4));
    let after = |mask| names(&sim.crash(at, &Entries(mask)));
    assert_eq!(after(0b000), ["old"]);
    assert_eq!(after(0b001), ["new.tmp", "old"]);
    assert_eq!(after(0b010), ["new", "old"], "a rename survives without the creation");
    assert_eq!(after(0b011), ["new", "old"]);
    assert_eq!(after(0b100), [""; 0]);
    assert_eq!(after(0b101), ["new.tmp"]);
    assert_eq!(after(0b111), ["new"]);
    assert_eq!(after(u64::MAX), ["new"]);
    assert_eq!(bytes(&sim.crash(at, &Entries(0b010)), "new"), b"new", "all data is kept");
}

#[test]
fn a_rename_replaces_atomically() {
    let sim = SimVfs::new(1);
    sim.plant(&p("a"), b"a");
    sim.plant(&p("b"), b"b");
    sim.rename(&p("a"), &p("b")).unwrap();
    assert_eq!(bytes(&sim, "b"), b"a");
    let lost = now(&sim, LoseUnsynced);
    assert_eq!((bytes(&lost, "a"), bytes(&lost, "b")), (b"a".to_vec(), b"b".to_vec()));
    sim.sync_dir(&p("")).unwrap();
    assert_eq!(sim.files(), now(&sim, LoseUnsynced).files());
    assert_eq!(names(&sim), ["b"]);
    sim.rename(&p("b"), &p("b")).unwrap();
    assert_eq!(names(&sim), ["b"]);
}

#[test]
fn directories_are_durable_with_their_parents() {
    let sim = SimVfs::new(1);
    sim.create_dir(&p("d")).unwrap();
    create(&sim, "d/f");
    sim.sync_dir(&p("d")).unwrap();
    assert_eq!(now(&sim, LoseUnsynced).tree(), []);
    sim.sync_dir(&p("")).unwrap();
    assert_eq!(now(&sim, LoseUnsynced).tree(), [(p("d"), EntryKind::Directory), (p("d/f"), EntryKind::File)]);
    create(&sim, "top");
    let e = sim.rename(&p("top"), &p("d/g")).unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::CrossesDevices);
}

#[test]
fn changed_pages_survive_by_mask() {
    let (sim, f) = durable(b"........");
    f.write_at(b"abcdef", 1).unwrap();
    f.write_at(b"XY", 7).unwrap();
    let at = sim.op_count();
    assert_eq!(sim.unsynced_pages(at, 4), 3);
    assert_eq!(sim.unsynced_pages(at, 4096), 1);
    let kept = |mask| bytes(&sim.crash(at, &PageMask { unit: 4, mask }), "f");
    assert_eq!(kept(0b000), b"........\0");
    assert_eq!(kept(0b001), b".abc....\0");
    assert_eq!(kept(0b010), b"....defX\0");
    assert_eq!(kept(0b101), b".abc....Y");
    assert_eq!(kept(0b111), b".abcdefXY");
}

#[test]
fn random_pages_give_every_version_of_every_unit_and_nothing_else() {
    let (sim, f) = durable(b"00000000");
    f.write_at(b"1111", 2).unwrap();
    f.write_at(b"22", 4).unwrap();
    f.write_at(b"33", 8).unwrap();
    create(&sim, "g");
    let at = sim.op_count();
    let states: HashSet<(Vec<u8>, bool)> = (0..4000)
        .map(|seed| sim.crash(at, &Pages { seed, unit: 4 }))
        .map(|disk| (bytes(&disk, "f"), names(&disk).len() == 2))
        .collect();
    // First unit: as it was or with the first write. Second: as it was, with the first, or with both. Length 8, or 10 with
    // the third unit written or not. With and without the new name.
    let mut expected = HashSet::new();
    for first in ["0000", "0011"] {
        for second in ["0000", "1100", "2200"] {
            for third in ["", "\0\0", "33"] {
                for named in [false, true] {
                    expected.insert((format!("{first}{second}{third}").into_bytes(), named));
                }
            }
        }
    }
    assert_eq!(states, expected);
    let again = sim.crash(at, &Pages { seed: 5, unit: 4 }).files();
    assert_eq!(again, sim.crash(at, &Pages { seed: 5, unit: 4 }).files());
}

#[test]
fn random_pages_keep_what_was_synced_and_cut_like_a_truncation() {
    let (sim, f) = durable(b"abcdefgh");
    f.set_len(3).unwrap();
    f.write_at(b"Z", 5).unwrap();
    let states: BTreeSet<Vec<u8>> = (0..500).map(|seed| bytes(&now(&sim, Pages { seed, unit: 512 }), "f")).collect();
    let expected = [&b"abc"[..], b"abc\0\0\0", b"abc\0\0Z", b"abcdeZgh", b"abcdefgh"];
    assert_eq!(states, expected.iter().map(|b| b.to_vec()).collect());
    // What the new length cuts off does not come back when the file grows once more.
    for seed in 0..100 {
        let disk = now(&sim, Pages { seed, unit: 512 });
        let len = bytes(&disk, "f").len();
        disk.open(&p("f"), OpenMode::ReadWrite).unwrap().set_len(20).unwrap();
        assert!(bytes(&disk, "f")[len..].iter().all(|b| *b == 0), "seed {seed}");
    }
    f.sync_data().unwrap();
    for seed in 0..100 {
        assert_eq!(bytes(&now(&sim, Pages { seed, unit: 512 }), "f"), b"abc\0\0Z");
    }
}

#[test]
fn pages_that_a_failed_sync_gave_up_are_lost_unless_written_again() {
    let (sim, f) = durable(b"........");
    f.write_at(b"AAAA", 0).unwrap();
    sim.fail_sync_dropping_pages(&p("f")).unwrap();
    f.write_at(b"BB", 4).unwrap();
    assert_eq!(bytes(&sim, "f"), b"AAAABB..");
    f.sync_data().unwrap();
    assert_eq!(bytes(&now(&sim, LoseUnsynced), "f"), b"....BB..");
    assert_eq!(bytes(&now(&sim, KeepAll), "f"), b"....BB..");

    // A process that ends loses nothing; the next one still can't tell, until the kernel forgets the pages.
    let next = sim.kill();
    assert_eq!(bytes(&next, "f"), b"AAAABB..");
    assert_eq!(bytes(&now(&next, KeepAll), "f"), b"....BB..");
    let evicted = next.kill();
    evicted.drop_caches();
    assert_eq!(bytes(&evicted, "f"), b"....BB..");

    let again = next.open(&p("f"), OpenMode::ReadWrite).unwrap();
    again.write_at(b"AAAA", 0).unwrap();
    again.sync_data().unwrap();
    assert_eq!(bytes(&now(&next, LoseUnsynced), "f"), b"AAAABB..");
}

#[test]
fn a_failed_sync_of_a_directory_gives_its_changes_up() {
    let sim = SimVfs::new(7);
    for name in ["stays", "goes", "old"] {
        create(&sim, name).sync_data().unwrap();
    }
    sim.sync_dir(&p("")).unwrap();
    create(&sim, "came").sync_data().unwrap();
    sim.rename(&p("old"), &p("new")).unwrap();
    sim.remove(&p("goes")).unwrap();
    sim.fail_sync_dropping_entries(&p("")).unwrap();
    assert_eq!(sim.ops().last().unwrap().kind, OpKind::DropEntries);
    create(&sim, "later").sync_data().unwrap();
    // Programs see all of it, and a sync that succeeds brings only what came behind the failure.
    assert_eq!(names(&sim), ["came", "later", "new", "stays"]);
    sim.sync_dir(&p("")).unwrap();
    for choice in [LoseUnsynced, KeepAll] {
        assert_eq!(names(&now(&sim, choice)), ["goes", "later", "old", "stays"]);
    }
    let next = sim.kill();
    assert_eq!(names(&next), ["came", "later", "new", "stays"]);
    // What is changed once more is written.
    next.rename(&p("came"), &p("came.tmp")).unwrap();
    next.rename(&p("came.tmp"), &p("came")).unwrap();
    next.sync_dir(&p("")).unwrap();
    assert_eq!(names(&now(&next, LoseUnsynced)), ["came", "goes", "later", "old", "stays"]);
    next.drop_caches();
    assert_eq!(names(&next), ["came", "goes", "later", "old", "stays"]);
}

#[test]
fn bytes_that_were_synced_before_a_kill_are_there_when_their_name_is() {
    let sim = SimVfs::new(7);
    let f = create(&sim, "f");
    f.write_at(b"synced", 0).unwrap();
    f.sync_data().unwrap();
    let next = sim.kill();
    assert_eq!(names(&now(&next, LoseUnsynced)), [""; 0]);
    assert_eq!(bytes(&now(&next, KeepAll), "f"), b"synced");
    next.sync_dir(&p("")).unwrap();
    assert_eq!(bytes(&now(&next, LoseUnsynced), "f"), b"synced");
}

#[test]
fn a_kill_keeps_everything_and_makes_nothing_durable() {
    let (sim, f) = durable(b"");
    f.write_at(b"synced", 0).unwrap();
    f.sync_data().unwrap();
    f.write_at(b"not", 6).unwrap();
    let lock = sim.lock(&p("LOCK"), "first").unwrap();
    let next = sim.kill();
    assert_eq!(bytes(&next, "f"), b"syncednot");
    assert_eq!(bytes(&now(&next, LoseUnsynced), "f"), b"synced");
    assert_ne!(next.process_id(), sim.process_id());
    let _second = next.lock(&p("LOCK"), "second").unwrap();
    assert!(matches!(sim.lock(&p("LOCK"), ""), Err(LockError::Held(note)) if note == "first"));
    drop(lock);
    f.write_at(b"dead", 0).unwrap();
    assert_eq!(bytes(&next, "f"), b"syncednot", "a handle from before reached the new disk");
    next.open(&p("f"), OpenMode::ReadWrite).unwrap().sync_data().unwrap();
    assert_eq!(bytes(&now(&next, LoseUnsynced), "f"), b"syncednot");
}

#[test]
fn a_crashed_disk_is_durable_independent_and_can_crash_again() {
    let (sim, f) = durable(b"");
    f.write_at(b"one", 0).unwrap();
    let second = now(&sim, KeepAll);
    assert_eq!((second.op_count(), second.unsynced_ops(0)), (0, 0));
    assert_eq!(bytes(&now(&second, LoseUnsynced), "f"), b"one");
    let g = second.open(&p("f"), OpenMode::ReadWrite).unwrap();
    g.write_at(b"two", 0).unwrap();
    assert_eq!((bytes(&sim, "f"), bytes(&second, "f")), (b"one".to_vec(), b"two".to_vec()));
    assert_eq!(bytes(&now(&second, LoseUnsynced), "f"), b"one");
}

#[test]
fn files_without_names_live_while_they_are_open() {
    let (sim, f) = durable(b"abc");
    sim.remove(&p("f")).unwrap();
    f.write_at(b"d", 3).unwrap();
    let mut buf = [0; 8];
    assert_eq!(f.read_at(&mut buf, 0).unwrap(), 4);
    let fresh = create(&sim, "f");
    assert_eq!(fresh.len().unwrap(), 0);
    assert_eq!(bytes(&now(&sim, LoseUnsynced), "f"), b"abc");
    f.sync_data().unwrap();
    assert_eq!(bytes(&now(&sim, LoseUnsynced), "f"), b"abcd", "the lost removal brings the written file back");
    assert_eq!(bytes(&now(&sim, KeepAll), "f"), b"");
}

#[test]
fn a_full_disk_takes_what_fits_first() {
    let (sim, f) = durable(b"1234");
    sim.set_capacity(Some(10));
    assert_eq!(f.write_at(b"abcdefgh", 4).unwrap(), 6);
    assert_eq!(f.write_at(b"gh", 10).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(f.write_at(b"over", 0).unwrap(), 4, "bytes that are there can be overwritten");
    assert_eq!(f.allocate(0, 11).unwrap_err().raw_os_error(), Some(28));
    assert_eq!(f.set_len(11).unwrap_err().raw_os_error(), Some(28));
    assert!(write_all_at(&*f, b"xx", 9).is_err());
    let held = sim.lock(&p("LOCK"), "no room for the note").unwrap();
    assert_eq!(bytes(&sim, "LOCK"), b"");
    drop(held);
    sim.remove(&p("f")).unwrap();
    let held = sim.lock(&p("LOCK"), "now there is some").unwrap();
    assert_eq!(bytes(&sim, "LOCK"), b"now there ");
    drop(held);
    assert_eq!(bytes(&sim, "LOCK"), b"", "a holder takes its note with it");
    sim.set_capacity(None);
    create(&sim, "g").write_at(&[0; 100], 0).unwrap();
}

#[test]
fn locks_are_one_at_a_time_in_and_across_processes() {
    let sim = SimVfs::new(1);
    let other = sim.other_process();
    let lock = sim.lock(&p("LOCK"), "mine").unwrap();
    for vfs in [&sim, &other] {
        assert!(matches!(vfs.lock(&p("LOCK"), "x"), Err(LockError::Held(note)) if note == "mine"));
    }
    drop(lock);
    let _lock = other.lock(&p("LOCK"), "his").unwrap();
    assert_eq!(bytes(&sim, "LOCK"), b"his");
    sim.plant_kind(&p("dir"), EntryKind::Directory);
    assert!(matches!(sim.lock(&p("dir"), ""), Err(LockError::Io(_))));
}

#[test]
fn clock_random_numbers_and_processes_are_the_tests() {
    let sim = SimVfs::new(1);
    sim.set_now(Timestamp(5));
    sim.advance(10);
    assert_eq!((sim.now(), now(&sim, KeepAll).now()), (Timestamp(15), Timestamp(15)));
    let draw = |sim: &SimVfs| {
        let mut buf = [0; 19];
        sim.random(&mut buf).unwrap();
        buf
    };
    let first = draw(&sim);
    assert_eq!(first, draw(&SimVfs::new(1)));
    assert_ne!(first, draw(&SimVfs::new(2)));
    assert_ne!(draw(&now(&sim, KeepAll)), draw(&sim));
    let (id, generation) = (sim.process_id(), sim.process_generation());
    sim.clone().fork();
    assert!(sim.process_id() != id && sim.process_generation() != generation);
    assert_ne!(sim.other_process().process_id(), sim.process_id());
}

#[test]
fn hostile_things_are_planted_and_damage_is_done_in_place() {
    let sim = SimVfs::new(1);
    sim.plant(&p("a/b/f"), b"\x00\x01");
    sim.plant_kind(&p("a/b/fifo"), EntryKind::Other);
    sim.plant(&p("a/b").join(std::ffi::OsStr::from_bytes(b"\xff")), b"");
    let listed = sim.list(&p("a/b")).unwrap();
    let kinds: Vec<_> = listed.iter().map(|e| (e.name.as_deref(), e.kind)).collect();
    let expected = [(Some("f"), EntryKind::File), (Some("fifo"), EntryKind::Other), (None, EntryKind::File)];
    assert_eq!(kinds, expected);
    for name in ["a/b/fifo", "a/b"] {
        let e = sim.open(&p(name), OpenMode::ReadWrite).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
    }
    let copy = sim.copy();
    let open = sim.open(&p("a/b/f"), OpenMode::Read).unwrap();
    sim.flip_bit(&p("a/b/f"), 1, 7);
    sim.overwrite(&p("a/b/f"), 2, b"xyz");
    sim.truncate(&p("a/b/f"), 4);
    assert_eq!(bytes(&sim, "a/b/f"), b"\x00\x81xy");
    assert_eq!(open.len().unwrap(), 4);
    assert_eq!(now(&sim, LoseUnsynced).files(), sim.files());
    assert_eq!(bytes(&copy, "a/b/f"), b"\x00\x01");
    sim.uproot(&p("a/b"));
    assert_eq!(sim.tree(), [(p("a"), EntryKind::Directory)]);
    assert_eq!(sim.canonicalize(&p("a/./../a")).unwrap(), p("a"));
}

#[test]
fn histories_name_what_was_done() {
    let sim = SimVfs::new(1);
    let f = create(&sim, "f");
    f.write_at(b"abc", 5).unwrap();
    sim.rename(&p("f"), &p("g")).unwrap();
    f.allocate(4, 100).unwrap();
    f.sync_data().unwrap();
    sim.sync_dir(&p("")).unwrap();
    let said: Vec<_> = sim.ops().into_iter().map(|op| (op.kind, op.path, op.to, op.offset, op.len)).collect();
    let expected = [
        (OpKind::Create, p("f"), None, 0, 0),
        (OpKind::Write, p("f"), None, 5, 3),
        (OpKind::Rename, p("f"), Some(p("g")), 0, 0),
        (OpKind::Allocate, p("g"), None, 4, 100),
        (OpKind::SyncData, p("g"), None, 0, 0),
        (OpKind::SyncDir, p(""), None, 0, 0),
    ];
    assert_eq!(said, expected);
}

#[test]
fn huge_sparse_files_cost_nothing() {
    let (sim, f) = durable(b"");
    f.set_len(1 << 50).unwrap();
    f.write_at(b"end", (1 << 50) - 3).unwrap();
    f.write_at(b"x", 4095).unwrap();
    f.write_at(b"page", 4094).unwrap();
    let mut buf = [9; 6];
    assert_eq!(f.read_at(&mut buf, 4093).unwrap(), 6);
    assert_eq!(&buf, b"\0page\0");
    f.set_len(4096).unwrap();
    f.set_len(5000).unwrap();
    assert_eq!(f.read_at(&mut buf, 4094).unwrap(), 6);
    assert_eq!(&buf, b"pa\0\0\0\0");
    assert!(f.write_at(b"x", u64::MAX).is_err() && f.set_len(1 << 63).is_err());
    assert_eq!(now(&sim, Pages { seed: 3, unit: 1 }).tree().len(), 1);
}

#[test]
fn what_is_copied_into_a_window_is_written_and_no_more() {
    let disk = SimVfs::new(1);
    let file = disk.open(Path::new("/f"), OpenMode::CreateNew).unwrap();
    file.allocate(0, 8192).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let mut window = file.window(100, 5000).unwrap();
    assert!(window.write(100, b"first") && window.write(5095, b"last!"));
    assert!(!window.write(99, b"x") && !window.write(5096, b"last!") && !window.write(u64::MAX, b"x"));
    let mut bytes = [0; 5];
    file.read_at(&mut bytes, 5095).unwrap();
    assert_eq!(&bytes, b"last!");

    // Its pages reach the disk one by one, and a sync brings them all.
    let all = disk.op_count();
    assert_eq!(disk.unsynced_pages(all, 4096), 2);
    let read = |disk: &SimVfs| {
        let mut bytes = [0; 5];
        disk.open(Path::new("/f"), OpenMode::Read).unwrap().read_at(&mut bytes, 100).unwrap();
        bytes
    };
    assert_eq!(read(&disk.crash(all, &CrashChoice::LoseUnsynced)), [0; 5]);
    file.sync_data().unwrap();
    assert_eq!(&read(&disk.crash(disk.op_count(), &CrashChoice::LoseUnsynced)), b"first");
    assert!(disk.open(Path::new("/f"), OpenMode::Read).unwrap().window(0, 10).is_err());
}

/// What was synced before a kill is there after a power cut behind it, also in a file whose name was not.
#[test]
fn a_kill_takes_nothing_that_was_synced() {
    let disk = SimVfs::new(1);
    let path = Path::new("/a.tmp");
    let file = disk.open(path, OpenMode::CreateNew).unwrap();
    write_all_at(file.as_ref(), b"synced", 0).unwrap();
    file.sync_data().unwrap();
    disk.rename(path, Path::new("/a")).unwrap();
    let killed = disk.kill();
    for disk in [killed.crash(killed.op_count(), &KeepAll), {
        killed.sync_dir(Path::new("/")).unwrap();
        killed.crash(killed.op_count(), &LoseUnsynced)
    }] {
        assert_eq!(disk.bytes(Path::new("/a")).unwrap(), b"synced");
    }
}
