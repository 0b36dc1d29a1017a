//! Merges and the figures of data files.

use std::ops::ControlFlow;

use bitcask::{FileId, FileStats, MergeOptions, MergePolicy, Options};

use crate::language::{self, Op, word};
use crate::{Outcome, Runner, number, ok, yes_no};

/// A policy with what one of a case's options says of it; `None` for another option.
pub(crate) fn policy(policy: MergePolicy, name: &str, value: &str) -> Result<Option<MergePolicy>, String> {
    let percent = || language::number(value).and_then(|n| u8::try_from(n).map_err(|_| format!("{value} percent")));
    Ok(Some(match name {
        "frag_merge_trigger" => policy.frag_merge_trigger(percent()?),
        "frag_threshold" => policy.frag_threshold(percent()?),
        "dead_bytes_merge_trigger" => policy.dead_bytes_merge_trigger(language::number(value)?),
        "dead_bytes_threshold" => policy.dead_bytes_threshold(language::number(value)?),
        "small_file_threshold" => policy.small_file_threshold(language::number(value)?),
        _ => return Ok(None),
    }))
}

/// Options with this policy, where a case says something of it.
pub(crate) fn with_policy(options: Options, chosen: &[(String, String)]) -> Result<Options, String> {
    let (mut merge, mut is_chosen) = (MergePolicy::new(), false);
    for (name, value) in chosen {
        if let Some(changed) = policy(merge, name, value)? {
            (merge, is_chosen) = (changed, true);
        }
    }
    Ok(if is_chosen { options.merge(merge) } else { options })
}

impl Runner {
    pub(crate) fn merge(&self, op: &Op) -> Result<Outcome, String> {
        let db = self.db(op.object("db"))?;
        Ok(match op.name.as_str() {
            "merge" => db.merge(&merge_options(op)?).map(|report| yes_no(!report.removed_files.is_empty())),
            "merge_needed" => db.merge_needed().map(|need| yes_no(need.is_some())),
            "merge_pause" => return ok(db.pause_merge()),
            "merge_resume" => return ok(db.resume_merge()),
            "file_stat" => match db.file_stats() {
                Ok(files) => {
                    let figures = files.iter().map(|file| figure(file, op.argument(0)?));
                    Ok(number(figures.sum::<Result<u64, String>>()?))
                }
                Err(error) => Err(error),
            },
            "file_recount" => db.recount().and_then(|counted| {
                let same = figures(counted) == figures(db.file_stats()?);
                Ok(vec![word(if same { "same" } else { "different" })])
            }),
            other => return Err(format!("unknown operation {other}")),
        })
    }
}

fn merge_options(op: &Op) -> Result<MergeOptions, String> {
    let mut options = MergeOptions::new();
    for (name, value) in &op.options {
        options = match (name.as_str(), value.as_str()) {
            ("files", list) => {
                let ids = list.split(',').map(|id| Ok(FileId(language::number(id)? as u32)));
                options.files(&ids.collect::<Result<Vec<_>, String>>()?)
            }
            ("everything", value) => options.everything(language::yes(value)?),
            ("bytes_per_second", n) => options.bytes_per_second(language::number(n)?),
            ("progress", "watch") => options.progress(|_| ControlFlow::Continue(())),
            ("progress", "cancel") => options.progress(|_| ControlFlow::Break(())),
            _ => return Err(format!("unknown option {name}={value}")),
        };
    }
    Ok(options)
}

/// But for what a sync in the background may change meanwhile: it marks the log.
fn figures(mut files: Vec<FileStats>) -> Vec<FileStats> {
    files.iter_mut().for_each(|file| file.bytes = 0);
    files
}

fn figure(file: &FileStats, name: &str) -> Result<u64, String> {
    Ok(match name {
        "merged" => file.is_merged.into(),
        "active" => file.is_active.into(),
        "damaged" => file.is_damaged.into(),
        "live_records" => file.live_records,
        "dead_records" => file.dead_records,
        "expired_records" => file.expired_records,
        "tombstones" => file.tombstones,
        other => return Err(format!("unknown figure {other}")),
    })
}
