//! Opening and closing, and the store options.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bitcask::{Db, Durability, IoKind, MergePolicy, OnDamage, OpenProgress, Options};

use crate::language::{self, Op};
use crate::{IO_KINDS, KINDS, Outcome, Runner, merge, ok};

/// A store, open or closed.
pub(crate) struct Open {
    pub(crate) db: Db,
    pub(crate) closed: bool,
    options: Vec<(String, String)>,
}

/// What a callback has seen of an opening.
#[derive(Default)]
struct Watch {
    calls: AtomicU64,
    bytes: AtomicU64,
    records: AtomicU64,
    fell: AtomicBool,
}

impl Watch {
    fn see(&self, progress: &OpenProgress) -> ControlFlow<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let fell = self.bytes.swap(progress.bytes_done, Ordering::Relaxed) > progress.bytes_done
            || self.records.swap(progress.records, Ordering::Relaxed) > progress.records
            || progress.bytes_done > progress.bytes_total;
        self.fell.fetch_or(fell, Ordering::Relaxed);
        ControlFlow::Continue(())
    }

    fn check(&self) -> Result<(), String> {
        if self.calls.load(Ordering::Relaxed) == 0 {
            return Err("nobody was told of the progress".to_owned());
        }
        if self.fell.load(Ordering::Relaxed) { Err("the progress went back, or too far".to_owned()) } else { Ok(()) }
    }
}

impl Runner {
    pub(crate) fn open(&mut self, op: &Op, chosen: Vec<(String, String)>) -> Result<Outcome, String> {
        let mut options = Options::new()
            .index(KINDS[self.combination.kind].1)
            .io(IO_KINDS[self.combination.io].1)
            .background_merge(false);
        let (mut dir, mut interval, mut watched) = ("store", (None, None), None);
        for (name, value) in &chosen {
            options = match (name.as_str(), value.as_str()) {
                ("dir", value) => {
                    dir = value;
                    options
                }
                ("index", "next") => options.index(KINDS[(self.combination.kind + 1) % KINDS.len()].1),
                ("index", name) => {
                    let kind = KINDS.iter().find(|(known, _)| *known == name);
                    options.index(kind.ok_or_else(|| format!("unknown kind {name}"))?.1)
                }
                ("io", "mmap") => options.io(IoKind::Mmap),
                ("io", "file") => options.io(IoKind::File),
                ("checkpoint_bytes", n) => options.checkpoint_bytes(language::number(n)?),
                ("index_budget", n) => options.index_budget(language::number(n)?),
                ("sort_budget", n) => options.sort_budget(language::number(n)?),
                ("durability", "none") => options.durability(Durability::None),
                ("durability", "always") => options.durability(Durability::Always),
                ("durability", "interval") => options,
                ("interval_ms", n) => {
                    interval.0 = Some(language::number(n)?);
                    options
                }
                ("interval_bytes", n) => {
                    interval.1 = Some(language::number(n)?);
                    options
                }
                ("max_file_size", n) => options.max_file_size(language::number(n)?),
                ("create", _) => options.create_if_missing(language::yes(value)?),
                ("read_only", _) => options.read_only(language::yes(value)?),
                ("verify", _) => options.verify_checksums(language::yes(value)?),
                ("on_damage", "refuse") => options.on_damage(OnDamage::Refuse),
                ("on_damage", "serve") => options.on_damage(OnDamage::Serve),
                ("expiry_ms", n) => options.expiry(Duration::from_millis(language::number(n)?)),
                ("progress", "watch") => {
                    let watch = Arc::new(Watch::default());
                    watched = Some(Arc::clone(&watch));
                    options.on_progress(move |progress| watch.see(progress))
                }
                ("progress", "cancel") => options.on_progress(|_| ControlFlow::Break(())),
                (name, value) if merge::policy(MergePolicy::new(), name, value)?.is_some() => options,
                _ => return Err(format!("unknown option {name}={value}")),
            };
        }
        options = merge::with_policy(options, &chosen)?;
        match interval {
            (Some(ms), Some(bytes)) => {
                options = options.durability(Durability::Interval { every: Duration::from_millis(ms), bytes });
            }
            (None, None) => {}
            _ => return Err("interval_ms and interval_bytes go together".to_owned()),
        }
        let opened = Db::open(self.root.join(dir), &options);
        if let Some(watch) = watched {
            watch.check()?;
        }
        match opened {
            Ok(db) => {
                self.stores.insert(op.object("db").to_owned(), Open { db, closed: false, options: chosen.clone() });
                ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    pub(crate) fn reopen(&mut self, op: &Op) -> Result<Outcome, String> {
        let open = self.stores.get_mut(op.object("db")).ok_or("no such store")?;
        let mut options = open.options.clone();
        // A later option overrides an earlier one, but a durability does not override a limit's.
        if op.option("durability").is_some() {
            options.retain(|(name, _)| !name.starts_with("interval_"));
        }
        options.retain(|(name, _)| name != "progress" && op.option(name).is_none());
        options.extend(op.options.iter().cloned());
        let closed = open.db.close();
        open.closed = true;
        match closed {
            Ok(()) => self.open(op, options),
            Err(error) => Ok(Err(error)),
        }
    }

    pub(crate) fn close(&mut self, op: &Op) -> Result<Outcome, String> {
        let open = self.stores.get_mut(op.object("db")).ok_or("no such store")?;
        open.closed = true;
        ok(open.db.close())
    }

    /// The store that an object is made of.
    pub(crate) fn store_of(&self, op: &Op) -> Result<&Db, String> {
        self.db(op.option("of").unwrap_or("db"))
    }

    pub(crate) fn db(&self, name: &str) -> Result<&Db, String> {
        Ok(&self.stores.get(name).ok_or("no such store")?.db)
    }
}
