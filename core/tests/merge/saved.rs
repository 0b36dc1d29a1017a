//! An index that a thread saves while a merge runs. The image is of a moment before the merge and names files that the merge removes: it may get its name
//! at any moment of the merge and behind it, and whatever of both is there after a kill or a power cut, what the store reads stays the same.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bitcask::vfs::op::OpKind;
use bitcask::vfs::sim::{CrashChoice, SimVfs};
use bitcask::vfs::{OpenMode, Vfs, VfsFile};
use bitcask::{Db, IndexKind};

use super::common::{IO_KINDS, Map, Rng, at, check_accounts, index, open, parallel, quiet};
use super::{all, check, fill, put};

const TEMP: &str = "index.checkpoint.tmp";

/// Holds back who writes the image, while it is shut.
#[derive(Clone, Debug)]
struct Gate {
    inner: SimVfs,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    is_shut: bool,
    waiting: usize,
}

impl Gate {
    fn new(disk: &SimVfs) -> Gate {
        Gate { inner: disk.clone(), state: Arc::default() }
    }

    fn shut(&self) {
        self.state.0.lock().expect("the state").is_shut = true;
    }

    fn open(&self) {
        self.state.0.lock().expect("the state").is_shut = false;
        self.state.1.notify_all();
    }

    fn holds_one(&self) -> bool {
        self.state.0.lock().expect("the state").waiting > 0
    }

    fn pass(&self) {
        let (state, changed) = &*self.state;
        let mut state = state.lock().expect("the state");
        state.waiting += 1;
        while state.is_shut {
            state = changed.wait(state).expect("the state");
        }
        state.waiting -= 1;
    }
}

impl Vfs for Gate {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let inner = self.inner.open(path, mode)?;
        if path.file_name().is_none_or(|name| name != TEMP) {
            return Ok(inner);
        }
        Ok(Arc::new(GateFile { inner, gate: self.clone() }))
    }

    bitcask::pass_on!(list rename remove create_dir sync_dir entry_kind canonicalize lock free_bytes now random process_id process_generation);
}

#[derive(Debug)]
struct GateFile {
    inner: Arc<dyn VfsFile>,
    gate: Gate,
}

impl VfsFile for GateFile {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.gate.pass();
        self.inner.write_at(buf, offset)
    }

    bitcask::pass_on!(read_at len set_len allocate fill sync_data map window);
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..20_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("it never comes to this: {what}");
}

/// Writes until a thread stands before the gate with an image.
fn begin_image(db: &Db, gate: &Gate, state: &mut Map) {
    gate.shut();
    let mut writes = 0;
    wait_until("an image", || {
        writes += 1;
        put(db, state, b"more".to_vec(), writes.to_string().repeat(40).into_bytes());
        gate.holds_one()
    });
}

/// Lets the thread go when the merge has told of its progress so many times, or behind it, and opens what a cut at any moment from then on leaves. Says whether
/// files went before the image got its name.
fn image_comes(kind: IndexKind, stage: usize) -> bool {
    let disk = SimVfs::new(stage as u64);
    disk.set_maps(true);
    let (gate, mut state) = (Gate::new(&disk), Map::new());
    let options = quiet().index(kind).io(IO_KINDS[stage % 2]).checkpoint_bytes(1);
    let db = open(gate.clone(), &options).expect("a new store");
    fill(&db, &mut state, stage as u64, 250);
    begin_image(&db, &gate, &mut state);
    db.sync().expect("sync");
    let (before, told) = (disk.op_count(), Mutex::new(0));
    let finish = {
        let (gate, disk) = (gate.clone(), disk.clone());
        move || {
            gate.open();
            wait_until("the image is done", || disk.bytes(&at(TEMP)).is_err());
        }
    };
    let finish_then = finish.clone();
    let merge = all().progress(move |_| {
        let mut told = told.lock().expect("the count");
        if *told == stage {
            finish_then();
        }
        *told += 1;
        std::ops::ControlFlow::Continue(())
    });
    let report = db.merge(&merge).expect("it merges");
    assert!(report.removed_files.len() > 3, "{report:?}");
    finish();
    check(&db, &state, "behind the merge");
    check_accounts(&db);
    let after = disk.op_count();
    let ops = disk.ops();
    let first = |is: &dyn Fn(&bitcask::vfs::sim::OpSummary) -> bool| (before..after).find(|&i| is(&ops[i]));
    let named = first(&|op| op.kind == OpKind::Rename && op.path.ends_with(TEMP)).expect("the image got its name");
    let gone = first(&|op| op.kind == OpKind::Remove && op.path.extension().is_some_and(|ext| ext == "data"));
    let mut rng = Rng(stage as u64);
    for at in before..=after {
        let choices = [
            CrashChoice::KeepAll,
            CrashChoice::LoseUnsynced,
            CrashChoice::Entries(rng.next()),
            CrashChoice::Pages { seed: rng.next(), unit: 512 },
        ];
        let disk = disk.crash(at, &choices[rng.below(choices.len())]);
        let what = format!("{kind:?}, stage {stage}, cut at {at} of {before}..{after}, named at {named}");
        // Mostly by the kind whose image it is.
        let again = if rng.below(8) == 0 { index(rng.below(5)) } else { kind };
        let db = open(disk, &options.clone().index(again)).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(db.open_report().damage.is_empty(), "{what}: {:?}", db.open_report());
        check(&db, &state, &what);
        check_accounts(&db);
    }
    let killed = open(disk.kill(), &options).expect("it opens");
    check(&killed, &state, "killed");
    db.close().expect("close");
    drop(db);
    let db = open(disk, &options).expect("it opens");
    assert!(db.open_report().index_from.is_some(), "what was saved at the close is of the files that there are");
    check(&db, &state, "closed");
    gone.is_some_and(|gone| gone < named)
}

#[test]
fn an_image_of_before_that_gets_its_name_at_any_moment_leads_nowhere() {
    // The merge tells of its progress some dozen times.
    const STAGES: usize = 28;
    for kind in [IndexKind::BTree, IndexKind::Hash] {
        let late = std::sync::atomic::AtomicUsize::new(0);
        parallel(STAGES, |stage| {
            late.fetch_add(usize::from(image_comes(kind, stage)), std::sync::atomic::Ordering::Relaxed);
        });
        let late = late.into_inner();
        assert!(late > 0 && late < STAGES, "{kind:?}: of {STAGES} images {late} came behind the first removal");
    }
}
