//! Merges with many outputs.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bitcask::Status;
use bitcask::vfs::sim::SimVfs;
use bitcask::vfs::{OpenMode, Vfs, VfsFile};

use super::{Map, all, check, key, open, put, quiet};

/// Counts files that were made under temporary names and are open.
#[derive(Clone, Debug)]
struct Counted {
    inner: Arc<dyn Vfs>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    made: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Vfs for Counted {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let inner = self.inner.open(path, mode)?;
        if path.extension().is_none_or(|extension| extension != "tmp") {
            return Ok(inner);
        }
        let counts = Arc::clone(&self.counts);
        counts.made.fetch_add(1, Ordering::Relaxed);
        counts.most.fetch_max(counts.open.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        Ok(Arc::new(CountedFile { inner, counts }))
    }

    bitcask::pass_on!(list rename remove create_dir sync_dir entry_kind canonicalize lock free_bytes now random process_id process_generation);
}

#[derive(Debug)]
struct CountedFile {
    inner: Arc<dyn VfsFile>,
    counts: Arc<Counts>,
}

impl Drop for CountedFile {
    fn drop(&mut self) {
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl VfsFile for CountedFile {
    bitcask::pass_on!(read_at write_at len set_len allocate fill sync_data map window);
}

/// However many outputs a merge has, few that have no name yet are open at once; and none of them, nor of their hints, is left when it is over.
#[test]
fn few_of_many_outputs_are_open() {
    let (disk, mut state) = (SimVfs::new(5), Map::new());
    let counts = Arc::new(Counts::default());
    let vfs = Counted { inner: Arc::new(disk.clone()), counts: Arc::clone(&counts) };
    let db = open(vfs.clone(), &quiet()).expect("it opens");
    for n in 0..100 {
        put(&db, &mut state, key(n), format!("{n}.").repeat(700).into_bytes());
    }
    for n in 0..100 {
        assert!(db.delete(format!("no{n}").as_bytes()).is_ok());
    }
    let is_temp = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "tmp");
    let before = counts.made.load(Ordering::Relaxed);
    // Stopped when many outputs are closed: they go, and their hints with them.
    let stopped = db.merge(&all().progress(|progress| match progress.bytes_written {
        0..100_000 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    }));
    assert_eq!(stopped.map(|_| ()).map_err(|e| e.status()), Err(Status::Cancelled));
    let made = counts.made.load(Ordering::Relaxed) - before;
    assert!(made > 50 && !disk.files().iter().any(|(path, _)| is_temp(path)), "{made} files were made");
    let before = counts.made.load(Ordering::Relaxed);
    assert_eq!(counts.open.load(Ordering::Relaxed), 0, "nobody else keeps such files");
    counts.most.store(0, Ordering::Relaxed);
    let report = db.merge(&all()).expect("it merges");
    let (outputs, most) = (report.created_files.len(), counts.most.load(Ordering::Relaxed));
    assert!(outputs >= 50 && counts.made.load(Ordering::Relaxed) - before >= 2 * outputs, "{outputs} outputs");
    // A data file and a hint of each that waits, and those that are being made.
    assert!(most <= 2 * (8 + 2), "{most} files of {outputs} outputs were open at once");
    check(&db, &state, "merged");
    drop(db);
    assert_eq!(counts.open.load(Ordering::Relaxed), 0);
    assert!(!disk.files().iter().any(|(path, _)| is_temp(path)));
    check(&open(vfs, &quiet()).expect("it opens again"), &state, "reopened");
}
