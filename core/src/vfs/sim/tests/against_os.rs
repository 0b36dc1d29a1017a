//! The same random operations on the simulated disk and on a real one: the same answers, and the same disk afterwards.
//! And of the simulated one by itself: a crash that keeps everything shows what was seen, at every operation.

use proptest::prelude::*;

use super::*;
use crate::vfs::OsVfs;
use crate::vfs::testdir::{FORK_OR_LOCK, TestDir};

#[derive(Clone, Debug)]
enum Step {
    Open(usize, OpenMode),
    Write(usize, Vec<u8>, u64),
    Read(usize, usize, u64),
    SetLen(usize, u64),
    Allocate(usize, u64, u64),
    Len(usize),
    Sync(usize),
    Rename(usize, usize),
    Remove(usize),
    CreateDir(usize),
    SyncDir(usize),
    List(usize),
    Kind(usize),
    Canonical(usize),
    Lock(usize),
    Unlock,
}

const NAMES: [&str; 8] = ["a", "b", "c.tmp", "d", "d/x", "nowhere/x", "b/x", "."];

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES.len();
    let file = || 0..4usize;
    // About a page boundary and about the beginning.
    let place = || prop_oneof![0..40u64, 4080..4110u64, 8190..8200u64];
    let mode = prop_oneof![Just(OpenMode::Read), Just(OpenMode::ReadWrite), Just(OpenMode::CreateNew)];
    prop_oneof![
        4 => (name(), mode).prop_map(|(n, m)| Step::Open(n, m)),
        6 => (file(), prop::collection::vec(1..255u8, 0..30), place()).prop_map(|(f, b, o)| Step::Write(f, b, o)),
        3 => (file(), 0..9000usize, place()).prop_map(|(f, n, o)| Step::Read(f, n, o)),
        2 => (file(), place()).prop_map(|(f, n)| Step::SetLen(f, n)),
        1 => (file(), place(), 0..60u64).prop_map(|(f, o, n)| Step::Allocate(f, o, n)),
        1 => file().prop_map(Step::Len),
        1 => file().prop_map(Step::Sync),
        3 => (name(), name()).prop_map(|(a, b)| Step::Rename(a, b)),
        2 => name().prop_map(Step::Remove),
        1 => name().prop_map(Step::CreateDir),
        1 => name().prop_map(Step::SyncDir),
        1 => name().prop_map(Step::List),
        1 => name().prop_map(Step::Kind),
        1 => name().prop_map(Step::Canonical),
        1 => name().prop_map(Step::Lock),
        1 => Just(Step::Unlock),
    ]
}

/// One of the two sides: a file system, where on it the test lives, and what is open.
struct Side {
    vfs: Arc<dyn Vfs>,
    root: PathBuf,
    open: Vec<Arc<dyn VfsFile>>,
    lock: Option<Box<dyn crate::vfs::LockGuard>>,
}

impl Side {
    fn at(&self, name: usize) -> PathBuf {
        self.root.join(NAMES[name])
    }

    fn file(&self, at: usize) -> Option<&Arc<dyn VfsFile>> {
        self.open.iter().rev().nth(at)
    }

    /// Does a step and says what came of it, errors by their kinds.
    fn run(&mut self, step: &Step) -> Result<String, io::ErrorKind> {
        let on = |file: &usize| self.file(*file).cloned().ok_or(io::Error::from(io::ErrorKind::Other));
        let done = match step {
            Step::Open(n, mode) => self.vfs.open(&self.at(*n), *mode).map(|file| {
                self.open.push(file);
                String::new()
            }),
            Step::Write(f, bytes, offset) => on(f).and_then(|f| f.write_at(bytes, *offset)).map(|n| n.to_string()),
            Step::Read(f, len, offset) => on(f).and_then(|f| {
                let mut buf = vec![7; *len];
                let n = f.read_at(&mut buf, *offset)?;
                Ok(format!("{n} {buf:?}"))
            }),
            Step::SetLen(f, len) => on(f).and_then(|f| f.set_len(*len)).map(|()| String::new()),
            Step::Allocate(f, o, n) => on(f).and_then(|f| f.allocate(*o, *n)).map(|()| String::new()),
            Step::Len(f) => on(f).and_then(|f| f.len()).map(|n| n.to_string()),
            Step::Sync(f) => on(f).and_then(|f| f.sync_data()).map(|()| String::new()),
            Step::Rename(a, b) => self.vfs.rename(&self.at(*a), &self.at(*b)).map(|()| String::new()),
            Step::Remove(n) => self.vfs.remove(&self.at(*n)).map(|()| String::new()),
            Step::CreateDir(n) => self.vfs.create_dir(&self.at(*n)).map(|()| String::new()),
            Step::SyncDir(n) => self.vfs.sync_dir(&self.at(*n)).map(|()| String::new()),
            Step::List(n) => self.vfs.list(&self.at(*n)).map(|mut entries| {
                entries.sort_by(|a, b| a.name.cmp(&b.name));
                format!("{entries:?}")
            }),
            Step::Kind(n) => self.vfs.entry_kind(&self.at(*n)).map(|kind| format!("{kind:?}")),
            Step::Canonical(n) => self
                .vfs
                .canonicalize(&self.at(*n))
                .map(|path| format!("{:?}", path.strip_prefix(&self.root).expect("under the root"))),
            Step::Lock(n) => match self.vfs.lock(&self.at(*n), "note") {
                Ok(lock) => {
                    self.lock = Some(lock);
                    Ok(String::new())
                }
                Err(LockError::Held(note)) => Ok(format!("held: {note}")),
                Err(LockError::Io(e)) => Err(e),
            },
            Step::Unlock => {
                self.lock = None;
                Ok(String::new())
            }
        };
        done.map_err(|e| e.kind())
    }

    fn contents(&self, dir: &str, found: &mut Vec<(String, Vec<u8>)>) {
        for entry in self.vfs.list(&self.root.join(dir)).unwrap() {
            let name = format!("{dir}/{}", entry.name.unwrap());
            let name = name.trim_start_matches('/').to_owned();
            if entry.kind == EntryKind::Directory {
                self.contents(&name, found);
                found.push((name, vec![]));
            } else {
                let file = self.vfs.open(&self.root.join(&name), OpenMode::Read).unwrap();
                let mut bytes = vec![0; file.len().unwrap() as usize];
                assert_eq!(crate::vfs::read_full_at(&*file, &mut bytes, 0).unwrap(), bytes.len());
                found.push((name, bytes));
            }
        }
        found.sort();
    }
}

/// What the simulated disk says it does not do as the real one does.
fn is_modelled(step: &Step, os: &Side) -> bool {
    match step {
        // Renames between directories and onto directories; a real system also replaces empty directories.
        Step::Rename(a, b) => {
            let (a, b) = (os.at(*a), os.at(*b));
            a.parent() == b.parent()
                && [a, b].iter().all(|path| !matches!(os.vfs.entry_kind(path), Ok(EntryKind::Directory)))
        }
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_simulated_disk_agrees_with_a_real_one(steps in prop::collection::vec(step(), 1..60)) {
        let _alone = FORK_OR_LOCK.lock();
        let dir = TestDir::new();
        let sim = SimVfs::new(1);
        sim.plant_kind(&p("root"), EntryKind::Directory);
        let side = |vfs: Arc<dyn Vfs>, root| Side { vfs, root, open: vec![], lock: None };
        let mut os = side(Arc::new(OsVfs), std::fs::canonicalize(&*dir).unwrap());
        let mut simulated = side(Arc::new(sim.clone()), p("root"));
        let mut seen = vec![];
        for (i, step) in steps.iter().enumerate() {
            if !is_modelled(step, &os) {
                continue;
            }
            let (real, model) = (os.run(step), simulated.run(step));
            // A file system that can't allocate says so, and the simulated one would go on with another length.
            prop_assume!(!(matches!(step, Step::Allocate(..)) && real == Err(io::ErrorKind::Unsupported)));
            prop_assert_eq!(real, model, "step {}: {:?}", i, step);
            seen.push((sim.op_count(), sim.files()));
        }
        let (mut real, mut model) = (vec![], vec![]);
        os.contents("", &mut real);
        simulated.contents("", &mut model);
        prop_assert_eq!(real, model);

        for (at, files) in seen {
            prop_assert_eq!(&sim.crash(at, &KeepAll).files(), &files);
            prop_assert_eq!(&sim.crash(at, &Entries(u64::MAX)).files(), &files);
            prop_assert_eq!(&sim.crash(at, &PageMask { unit: 512, mask: u64::MAX }).files(), &files);
            prop_assert_eq!(&sim.crash(at, &DropOne(usize::MAX)).files(), &files);
            prop_assert_eq!(&sim.crash(at, &CutLastWrite(usize::MAX)).files(), &files);
        }
        prop_assert_eq!(sim.kill().files(), sim.files());
        sim.drop_caches();
        prop_assert_eq!(sim.kill().files(), sim.files());
    }
}
