//! From a store's files to its index: the one that was saved, as far as it can be believed, else one made anew.
//!
//! An index that outlives the process is a copy of what the files say. That it is damaged, foreign or of another time costs the time of reading all
//! files, is told in the report, and is no error.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::error::{Error, Result};
use crate::format::names;
use crate::index::art::Art;
use crate::index::bptree::BPTree;
use crate::index::btree::BTree;
use crate::index::hash::HashIndex;
use crate::index::skiplist::SkipList;
use crate::index::{Covered, Index, IndexKind};
use crate::types::SeqNo;
use crate::vfs::Vfs;

use super::accounts::Ledger;
use super::checkpoint::{self, Opened};
use super::healing::Healing;
use super::recovery::{self, Progress, ReplayConfig, Replayed, Start, Survey};
use super::store::{Config, Hooks};

/// What opening made of the files.
pub(super) struct Indexed {
    pub(super) index: Arc<dyn Index>,
    pub(super) replayed: Replayed,
    /// The index, if damage of it may still be found.
    pub(super) healing: Option<Arc<Healing>>,
    /// How far the saved image goes that the index was made of.
    pub(super) covered: Option<Covered>,
    /// A record that it names may have an expiry.
    pub(super) expires: bool,
}

/// The index of everything that the files hold.
pub(super) fn index(survey: &Survey, vfs: &Arc<dyn Vfs>, dir: &Path, config: Config, hooks: &Hooks) -> Result<Indexed> {
    let files = Files { survey, vfs, dir, config, hooks, expires: AtomicBool::new(false) };
    let saved = match config.index {
        IndexKind::BPTree if config.read_only => Err(None),
        IndexKind::BPTree => files.continue_bptree()?,
        _ => files.continue_image()?,
    };
    match saved {
        Ok(continued) => Ok(files.indexed(continued)),
        Err(why) => files.begin_anew(why),
    }
}

/// The files, and how they are to be read.
struct Files<'a> {
    survey: &'a Survey,
    vfs: &'a Arc<dyn Vfs>,
    dir: &'a Path,
    config: Config,
    hooks: &'a Hooks,
    expires: AtomicBool,
}

/// A saved index that has what the files hold behind it too; or why it is of no use, if there is one.
type Saved = Result<Continued, Option<String>>;

struct Continued {
    index: Arc<dyn Index>,
    replayed: Replayed,
    healing: Option<Arc<Healing>>,
    covered: Option<Covered>,
}

impl Files<'_> {
    fn indexed(self, continued: Continued) -> Indexed {
        let Continued { index, replayed, healing, covered } = continued;
        Indexed { index, replayed, healing, covered, expires: self.expires.into_inner() }
    }

    fn replay(&self, index: &dyn Index, start: Option<Start>, ledger: Option<Ledger>) -> Result<Replayed> {
        let config = ReplayConfig {
            vfs: self.vfs,
            dir: self.dir,
            on_damage: self.config.on_damage,
            collect_hints: !self.config.read_only,
            start,
            beside: self.config.read_only,
            last: None,
            live: None,
            until: SeqNo(u64::MAX),
            owed: SeqNo::ZERO,
            ledger,
            expires: &self.expires,
            progress: Progress::new(self.hooks.progress.clone()),
        };
        recovery::replay(self.survey, index, config)
    }

    /// Reads what the files have behind a saved index into it. The outer error: why that is of no use, which may be found on the way.
    fn resume(&self, index: &dyn Index, covered: &Covered, accounts: &[u8]) -> Result<Result<Replayed>, String> {
        let start = recovery::start(self.survey, covered)?;
        match self.replay(index, Some(start), Ledger::decode(accounts, &self.survey.files, index.len())) {
            Err(error) if index.is_damaged() => Err(error.to_string()),
            outcome => Ok(outcome),
        }
    }

    /// The tree in its file.
    fn continue_bptree(&self) -> Result<Saved> {
        let dir = self.dir.to_owned();
        let (index, why) = BPTree::open(Arc::clone(self.vfs), dir, names::BPTREE, self.config.index_budget);
        let Some(covered) = index.covered() else {
            return Ok(Err(why));
        };
        let accounts = checkpoint::read_accounts(self.vfs.as_ref(), self.dir, &covered).unwrap_or_default();
        match self.resume(&index, &covered, &accounts) {
            Ok(replayed) => {
                let (index, replayed) = (Arc::new(index), replayed?);
                Ok(Ok(Continued { index, replayed, healing: None, covered: None }))
            }
            Err(why) => Ok(Err(Some(why))),
        }
    }

    /// The image of an index in memory.
    fn continue_image(&self) -> Result<Saved> {
        let kind = (self.config.index, self.config.io);
        let changes_behind = |to: &Covered, keys| recovery::changes_behind(self.survey, to, keys);
        let Opened { index, covered, accounts, is_behind } =
            match checkpoint::open(self.vfs.as_ref(), self.dir, kind, changes_behind) {
                Ok(Some(opened)) => opened,
                Ok(None) => return Ok(Err(None)),
                Err(why) => return Ok(Err(Some(why))),
            };
        // A file system that is to see operations in one order has one thread.
        let looks = is_behind && self.vfs.open_threads(u64::MAX) > 1;
        let resume = || self.resume(index.as_ref(), &covered, &accounts);
        match checkpoint::look_beside(index.as_ref(), looks, resume) {
            Ok(replayed) => {
                let (healing, replayed) = (Arc::new(Healing::new(index)), replayed?);
                let index = Arc::clone(&healing);
                let (healing, covered) = (Some(healing), Some(covered));
                Ok(Ok(Continued { index, replayed, healing, covered }))
            }
            Err(why) => Ok(Err(Some(why))),
        }
    }

    /// A new index, of all that the files hold.
    fn begin_anew(self, unusable: Option<String>) -> Result<Indexed> {
        let index = new_index(self.config, self.vfs, self.dir)?;
        let mut replayed = self.replay(index.as_ref(), None, Some(Ledger::default()))?;
        replayed.report.unusable_index = unusable;
        Ok(self.indexed(Continued { index, replayed, healing: None, covered: None }))
    }
}

fn new_index(config: Config, vfs: &Arc<dyn Vfs>, dir: &Path) -> Result<Arc<dyn Index>> {
    Ok(match config.index {
        IndexKind::BTree => Arc::new(BTree::new()),
        IndexKind::Art => Arc::new(Art::new()),
        IndexKind::Hash => {
            let mut key = [0; 16];
            vfs.random(&mut key).map_err(|e| Error::io("random", dir, None, e))?;
            Arc::new(HashIndex::new(key))
        }
        IndexKind::SkipList => Arc::new(SkipList::new(random_u64(vfs.as_ref(), dir)?)),
        // A writer gives out the file's pages again under the eyes of whoever reads it beside.
        IndexKind::BPTree if config.read_only => Arc::new(BPTree::in_memory()),
        IndexKind::BPTree => {
            Arc::new(BPTree::create(Arc::clone(vfs), dir.to_owned(), names::BPTREE, config.index_budget))
        }
    })
}

pub(super) fn random_u64(vfs: &dyn Vfs, dir: &Path) -> Result<u64> {
    let mut bytes = [0; 8];
    vfs.random(&mut bytes).map_err(|e| Error::io("random", dir, None, e))?;
    Ok(u64::from_le_bytes(bytes))
}
