//! What the real file system refuses, what its lock promises, and what a fork changes.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use super::*;
use crate::vfs::testdir::{FORK_OR_LOCK, TestDir};
use crate::vfs::{read_full_at, write_all_at};

/// Runs something in a forked child and gives its exit status. Only what is fit for a child of a process with threads.
fn in_forked_child(run: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child runs only what the tests below give: atomic loads, and the closing of a descriptor.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", io::Error::last_os_error());
    if pid == 0 {
        let status = run();
        // SAFETY: ends the child at once, without running what belongs to the parent.
        unsafe { libc::_exit(status) }
    }
    let mut status = 0;
    // SAFETY: `status` is a valid place to write to, and the child is ours.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert!(libc::WIFEXITED(status), "the child ended with status {status}");
    libc::WEXITSTATUS(status)
}

fn make_fifo(path: &Path) {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the name ends with a zero byte and lives through the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
}

#[test]
fn open_refuses_all_but_regular_files_and_says_what_they_are() {
    let dir = TestDir::new();
    fs::write(dir.join("target"), b"x").unwrap();
    symlink(dir.join("target"), dir.join("link")).unwrap();
    symlink(dir.join("nowhere"), dir.join("dangling")).unwrap();
    fs::create_dir(dir.join("dir")).unwrap();
    make_fifo(&dir.join("fifo"));
    let _socket = UnixListener::bind(dir.join("socket")).unwrap();
    let cases = [
        ("link", "a symbolic link"),
        ("dangling", "a symbolic link"),
        ("dir", "a directory"),
        ("fifo", "a FIFO"),
        ("socket", "a socket"),
    ];
    for (name, what) in cases {
        for mode in [OpenMode::Read, OpenMode::ReadWrite] {
            let e = OsVfs.open(&dir.join(name), mode).unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::InvalidInput, "{name} {mode:?}: {e}");
            assert!(e.to_string().contains(what), "{name} {mode:?}: {e}");
        }
        let e = OsVfs.open(&dir.join(name), OpenMode::CreateNew).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::AlreadyExists, "{name}: {e}");
        match OsVfs.lock(&dir.join(name), "") {
            Err(LockError::Io(e)) => assert_eq!(e.kind(), io::ErrorKind::InvalidInput, "{name}: {e}"),
            other => panic!("lock of {name}: {other:?}"),
        }
    }
    let e = OsVfs.open(Path::new("/dev/null"), OpenMode::ReadWrite).unwrap_err();
    assert!(e.to_string().contains("a device"), "{e}");
    assert!(!dir.join("nowhere").exists(), "a lock or an open went through a link");
}

#[test]
fn missing_names_and_taken_names_have_their_own_errors() {
    let dir = TestDir::new();
    let e = OsVfs.open(&dir.join("a"), OpenMode::Read).unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::NotFound);
    OsVfs.open(&dir.join("a"), OpenMode::CreateNew).unwrap();
    let e = OsVfs.open(&dir.join("a"), OpenMode::CreateNew).unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(OsVfs.entry_kind(&dir.join("b")).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn files_are_read_written_cut_allocated_and_mapped() {
    let dir = TestDir::new();
    let file = OsVfs.open(&dir.join("f"), OpenMode::CreateNew).unwrap();
    write_all_at(&*file, b"hello", 3).unwrap();
    assert_eq!(file.len().unwrap(), 8);
    file.allocate(6, 10).unwrap();
    file.allocate(1 << 40, 0).unwrap();
    assert_eq!(file.len().unwrap(), 16);
    let mut buf = [1; 32];
    assert_eq!(read_full_at(&*file, &mut buf, 0).unwrap(), 16);
    assert_eq!(&buf[..16], b"\0\0\0hello\0\0\0\0\0\0\0\0");

    let map = file.map(1 << 20).unwrap();
    assert_eq!(map.bytes(3, 5), Some(&b"hello"[..]));
    write_all_at(&*file, b"later", 100).unwrap();
    assert_eq!(map.bytes(100, 5), Some(&b"later"[..]));
    assert_eq!(map.bytes(1 << 20, 1), None);
    assert_eq!(map.bytes((1 << 20) - 1, 2), None);
    assert_eq!(map.bytes(u64::MAX, 2), None);
    assert_eq!(map.bytes(3, usize::MAX), None);

    file.set_len(4).unwrap();
    file.sync_data().unwrap();
    OsVfs.sync_dir(&dir).unwrap();
    assert_eq!(fs::read(dir.join("f")).unwrap(), b"\0\0\0h");
    let reader = OsVfs.open(&dir.join("f"), OpenMode::Read).unwrap();
    assert_eq!(reader.write_at(b"x", 0).unwrap_err().raw_os_error(), Some(libc::EBADF));
    assert!(reader.map(0).unwrap().bytes(0, 0).is_some());
}

#[test]
fn a_second_holder_is_refused_and_told_the_note_until_the_first_lets_go() {
    let _alone = FORK_OR_LOCK.lock();
    let dir = TestDir::new();
    let path = dir.join("LOCK");
    fs::write(&path, "the note of a holder that is long gone and was longer").unwrap();
    let first = OsVfs.lock(&path, "pid 17").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"pid 17");
    assert!(matches!(OsVfs.lock(&path, "pid 18"), Err(LockError::Held(note)) if note == "pid 17"));
    assert_eq!(fs::read(&path).unwrap(), b"pid 17");
    fs::write(&path, [b'x'; 1000]).unwrap();
    assert!(matches!(OsVfs.lock(&path, ""), Err(LockError::Held(note)) if note == "x".repeat(64)));
    fs::write(&path, [0xff]).unwrap();
    assert!(matches!(OsVfs.lock(&path, ""), Err(LockError::Held(note)) if note == "\u{fffd}"));
    drop(first);
    let second = OsVfs.lock(&path, "pid 18").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"pid 18");
    drop(second);
    assert_eq!(fs::read(&path).unwrap(), b"", "nobody is taken for the next holder");
}

#[test]
fn a_new_lock_file_is_the_owners_alone() {
    let _alone = FORK_OR_LOCK.lock();
    let dir = TestDir::new();
    let _lock = OsVfs.lock(&dir.join("LOCK"), "note").unwrap();
    assert_eq!(fs::metadata(dir.join("LOCK")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_lock_dropped_in_a_forked_child_stays_with_the_parent() {
    let _alone = FORK_OR_LOCK.lock();
    let dir = TestDir::new();
    let path = dir.join("LOCK");
    let mut lock = Some(OsVfs.lock(&path, "parent").unwrap());
    let status = in_forked_child(|| {
        drop(lock.take());
        0
    });
    assert_eq!(status, 0);
    assert!(matches!(OsVfs.lock(&path, "other"), Err(LockError::Held(_))));
    drop(lock);
    drop(OsVfs.lock(&path, "other").unwrap());
}

#[test]
fn a_forked_child_is_another_generation() {
    let _alone = FORK_OR_LOCK.lock();
    let before = OsVfs.process_generation();
    let status = in_forked_child(|| {
        let own = OsVfs.process_generation();
        let grandchild = in_forked_child(|| i32::from(OsVfs.process_generation() != own));
        i32::from(own != before) + 2 * grandchild
    });
    assert_eq!(status, 3, "1 is the child's, 2 the grandchild's");
    assert_eq!(OsVfs.process_generation(), before);
    assert_eq!(OsVfs.process_id(), std::process::id());
}

#[test]
fn entries_are_listed_with_kinds_and_strange_names() {
    let dir = TestDir::new();
    fs::write(dir.join("file"), b"").unwrap();
    fs::create_dir(dir.join("dir")).unwrap();
    symlink("file", dir.join("link")).unwrap();
    fs::write(dir.join(std::ffi::OsStr::from_bytes(b"\xff")), b"").unwrap();
    let mut entries = OsVfs.list(&dir).unwrap();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let entry = |name: Option<&str>, kind| DirEntry { name: name.map(String::from), kind };
    assert_eq!(
        entries,
        [
            entry(None, EntryKind::File),
            entry(Some("dir"), EntryKind::Directory),
            entry(Some("file"), EntryKind::File),
            entry(Some("link"), EntryKind::Other),
        ]
    );
    assert_eq!(OsVfs.entry_kind(&dir.join("link")).unwrap(), EntryKind::Other);
    assert_eq!(OsVfs.canonicalize(&dir.join("dir/../link")).unwrap(), fs::canonicalize(dir.join("file")).unwrap());
    assert_eq!(OsVfs.sync_dir(&dir.join("file")).unwrap_err().kind(), io::ErrorKind::NotADirectory);
}

#[test]
fn time_passes_since_2020_and_random_bytes_differ() {
    assert!(OsVfs.now() > Timestamp(1_577_836_800_000) && OsVfs.now() < Timestamp::MAX);
    let (mut a, mut b) = ([0; 300], [0; 300]);
    OsVfs.random(&mut a).unwrap();
    read_urandom(&mut b).unwrap();
    assert!(a != b && a != [0; 300] && a[256..] != [0; 44]);
    OsVfs.random(&mut []).unwrap();
}

#[test]
fn what_is_copied_into_a_window_is_in_the_file() {
    let dir = TestDir::new();
    let file = OsVfs.open(&dir.join("f"), OpenMode::CreateNew).unwrap();
    write_all_at(&*file, b"before", 0).unwrap();
    match file.allocate(6, 300_000) {
        Err(e) if e.kind() == io::ErrorKind::Unsupported => return,
        outcome => outcome.unwrap(),
    }
    let mut window = match file.window(6, 300_000) {
        Err(e) if e.kind() == io::ErrorKind::Unsupported => return,
        window => window.unwrap(),
    };
    assert!(window.write(6, b"first") && window.write(4090, &[7; 200_000]) && window.write(300_001, b"last!"));
    assert!(!window.write(5, b"x") && !window.write(300_002, b"last!") && !window.write(u64::MAX, b"x"));
    let bytes = fs::read(dir.join("f")).unwrap();
    assert_eq!((&bytes[..11], &bytes[300_001..]), (&b"beforefirst"[..], &b"last!"[..]));
    assert!(bytes[4090..204_090].iter().all(|&b| b == 7) && bytes[204_090..300_001].iter().all(|&b| b == 0));
    file.sync_data().unwrap();
    let reader = OsVfs.open(&dir.join("f"), OpenMode::Read).unwrap();
    assert!(reader.window(0, 10).is_err(), "a window of a file that is open for reading only");
}
