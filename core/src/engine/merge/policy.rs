//! When a merge is worth its while, and of which files: triggers, thresholds, windows.
//!
//! Knows figures and no files. The words and numbers are those of Riak's Bitcask: one file beyond a *trigger* starts a merge, every file beyond a
//! *threshold* joins it. Beyond Riak's, all files together start one when they are dead by the trigger in bytes and to the threshold's share, and files of
//! deletes alone join. What of a file counts as dead are overwritten and deleted records, and deletes where nothing is left for them to hide.

use crate::stats::FileStats;
use crate::types::{FileId, SeqNo, Timestamp};

use super::MergePolicy;

/// What may be merged, and why it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) reason: String,
    /// To be merged one group after the other; the oldest first.
    pub(super) groups: Vec<Vec<FileId>>,
    pub(super) reclaimable: u64,
}

/// A number that is not above that of any record which a dead put was overwritten or deleted by, in a file whose records begin with this number and
/// whose puts were the newest of their keys behind a commit.
pub(super) fn first_death(min_seq: SeqNo, born: SeqNo) -> SeqNo {
    min_seq.max(SeqNo(born.0.saturating_add(1)))
}

/// Bytes of a file that a merge of it would reclaim, and of what is in it. Deletes below a number hide nothing in other files.
fn dead(file: &FileStats, hides_nothing_below: SeqNo) -> u64 {
    let hides_nothing = file.max_seq < hides_nothing_below;
    file.dead_bytes + if hides_nothing { file.tombstone_bytes } else { 0 }
}

fn content(file: &FileStats) -> u64 {
    file.live_bytes + file.dead_bytes + file.tombstone_bytes
}

fn share(part: u64, whole: u64) -> u64 {
    (part.saturating_mul(100)).checked_div(whole).unwrap_or(0)
}

/// The first numbers by which something in a file died, of all files and of all but one: so each knows the first in the others.
struct Deaths([(SeqNo, FileId); 2]);

impl Deaths {
    fn of(files: &[FileStats], born: &dyn Fn(FileId) -> SeqNo) -> Deaths {
        let mut first = [(SeqNo(u64::MAX), FileId(0)); 2];
        for file in files.iter().filter(|file| file.dead_records > 0) {
            let death = first_death(file.min_seq, born(file.id));
            if death < first[0].0 {
                first = [(death, file.id), first[0]];
            } else if death < first[1].0 {
                first[1] = (death, file.id);
            }
        }
        Deaths(first)
    }

    fn beside(&self, id: FileId) -> SeqNo {
        if self.0[0].1 == id { self.0[1].0 } else { self.0[0].0 }
    }
}

/// What to merge of these files, which may all be merged but for those that say otherwise.
///
/// `born`: the commit behind which all puts of a file were the newest of their keys, 0 if unknown. `is_blind`: there are files with records of which
/// nothing is known, which deletes may hide.
pub(super) fn plan(
    files: &[FileStats],
    born: &dyn Fn(FileId) -> SeqNo,
    policy: &MergePolicy,
    group_bytes: u64,
    is_blind: bool,
) -> Option<Plan> {
    let is_blind = is_blind || files.iter().any(|file| file.is_damaged);
    let usable = |file: &&FileStats| !file.is_active && !file.is_damaged;
    let deaths = Deaths::of(files, born);
    let dead_of = |file: &FileStats| dead(file, if is_blind { SeqNo::ZERO } else { deaths.beside(file.id) });
    let trigger = files.iter().filter(usable).find_map(|file| {
        let (dead, content) = (dead_of(file), content(file));
        if dead > 0 && share(dead, content) >= u64::from(policy.frag_merge_trigger) {
            return Some(format!("{} % of data file {} are dead", share(dead, content), file.id));
        }
        (dead >= policy.dead_bytes_merge_trigger.max(1))
            .then(|| format!("{dead} bytes of data file {} are dead", file.id))
    });
    let trigger = trigger.or_else(|| {
        // So that files which stay just below a trigger do not take twice what lives; then one of them is over the threshold.
        let sealed = || files.iter().filter(usable);
        let (dead, all) = (sealed().map(dead_of).sum::<u64>(), sealed().map(content).sum::<u64>());
        let many =
            dead >= policy.dead_bytes_merge_trigger.max(1) && share(dead, all) >= u64::from(policy.frag_threshold);
        many.then(|| format!("{} % of the data files are dead", share(dead, all)))
    });
    if let Some(reason) = trigger {
        // What starts a merge joins it, and where no file can be larger being small is no reason.
        let frag = u64::from(policy.frag_threshold.min(policy.frag_merge_trigger));
        let bytes = policy.dead_bytes_threshold.min(policy.dead_bytes_merge_trigger).max(1);
        let small = policy.small_file_threshold.min(group_bytes / 2);
        let mut chosen: Vec<&FileStats> = files
            .iter()
            .filter(usable)
            .filter(|file| {
                let dead = dead_of(file);
                (dead > 0 && share(dead, content(file)) >= frag) || dead >= bytes || file.bytes < small
            })
            .collect();
        // Deletes alone join them as long as they are the smaller part, and are the last: what they hide may be gone then.
        let has_puts = |file: &FileStats| file.live_bytes + file.dead_bytes > 0;
        let much: u64 = chosen.iter().map(|file| content(file)).sum();
        let joins = |file: &&FileStats| !has_puts(file) && file.tombstone_bytes > 0 && file.tombstone_bytes <= much;
        let others: Vec<_> = files.iter().filter(usable).filter(joins).collect();
        let are_chosen: Vec<_> = chosen.iter().map(|file| file.id).collect();
        chosen.extend(others.into_iter().filter(|file| !are_chosen.contains(&file.id)));
        chosen.sort_by_key(|file| (!has_puts(file), file.min_seq, file.id));
        let reclaimable = chosen.iter().map(|file| dead_of(file)).sum();
        // What is to be copied of it.
        let left = |file: &FileStats| content(file) - dead_of(file);
        return Some(Plan { reason, groups: group(&chosen, left, group_bytes), reclaimable });
    }
    if is_blind { None } else { too_many_deletes(files, policy) }
}

/// Deletes that hide something in some old file pile up as long as that file is not merged with them: when they are too many, all files are.
fn too_many_deletes(files: &[FileStats], policy: &MergePolicy) -> Option<Plan> {
    let mut sealed: Vec<&FileStats> = files.iter().filter(|file| !file.is_active).collect();
    sealed.sort_by_key(|file| (file.min_seq, file.id));
    // What a merge would only copy is no reason for one.
    let end = active_from(files);
    let tombstones: u64 = sealed.iter().map(|file| deletes_before(file, end)).sum();
    let all: u64 = sealed.iter().map(|file| content(file)).sum();
    let part = share(tombstones, all);
    let many = part >= u64::from(policy.frag_merge_trigger)
        || (tombstones >= policy.dead_bytes_merge_trigger && part >= u64::from(policy.frag_threshold));
    if tombstones == 0 || !many {
        return None;
    }
    let reclaimable = tombstones + sealed.iter().map(|file| file.dead_bytes).sum::<u64>();
    let groups = vec![sealed.iter().map(|file| file.id).collect()];
    Some(Plan { reason: format!("{tombstones} bytes of deletes are in the data files"), groups, reclaimable })
}

/// The smallest number in the file that the log ends in.
fn active_from(files: &[FileStats]) -> SeqNo {
    let active = files.iter().filter(|file| file.is_active && file.max_seq > SeqNo::ZERO);
    active.map(|file| file.min_seq).min().unwrap_or(SeqNo(u64::MAX))
}

/// About how many bytes of a file's deletes have numbers below `end`, as if they lay evenly between its smallest and its largest: those that can go
/// while files from `end` on stay longer.
fn deletes_before(file: &FileStats, end: SeqNo) -> u64 {
    let span = u128::from(file.max_seq.0.saturating_sub(file.min_seq.0)) + 1;
    let below = u128::from(end.0.saturating_sub(file.min_seq.0)).min(span);
    u64::try_from(u128::from(file.tombstone_bytes) * below / span).unwrap_or(u64::MAX)
}

/// Groups whose live records fit into one file, so that a merge needs room for one. Files of which nothing is to be copied are the first, so that a
/// full disk gets their space back.
fn group(chosen: &[&FileStats], left: impl Fn(&FileStats) -> u64, group_bytes: u64) -> Vec<Vec<FileId>> {
    let (empty, rest): (Vec<_>, Vec<_>) = chosen.iter().partition(|file| left(file) == 0);
    let (mut groups, mut bytes) = (Vec::<Vec<FileId>>::new(), 0);
    for file in rest {
        match groups.last_mut() {
            Some(group) if bytes + left(file) <= group_bytes => group.push(file.id),
            _ => {
                groups.push(vec![file.id]);
                bytes = 0;
            }
        }
        bytes += left(file);
    }
    if !empty.is_empty() {
        groups.insert(0, empty.iter().map(|file| file.id).collect());
    }
    groups
}

/// Whether it is an hour at which merges may run, in UTC. From 22 to 4 are the hours 22, 23, 0, 1, 2, 3 and 4, as with Riak.
pub(super) fn is_in_window(policy: &MergePolicy, now: Timestamp) -> bool {
    let Some((from, to)) = policy.window else { return true };
    let hour = (now.0 / 3_600_000 % 24) as u8;
    if from <= to { (from..=to).contains(&hour) } else { hour >= from || hour <= to }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(id: u32, live: u64, dead: u64) -> FileStats {
        FileStats {
            id: FileId(id),
            is_merged: false,
            is_active: false,
            is_damaged: false,
            created: Timestamp(0),
            bytes: live + dead + 200,
            live_records: live / 100,
            live_bytes: live,
            dead_records: dead / 100,
            dead_bytes: dead,
            expired_records: 0,
            expired_bytes: 0,
            tombstones: 0,
            tombstone_bytes: 0,
            min_seq: SeqNo(u64::from(id) * 100),
            max_seq: SeqNo(u64::from(id) * 100 + 99),
        }
    }

    fn chosen(files: &[FileStats], policy: &MergePolicy) -> Vec<Vec<u32>> {
        let plan = plan(files, &|_| SeqNo::ZERO, policy, 3000, false);
        plan.map_or(Vec::new(), |plan| plan.groups.iter().map(|group| group.iter().map(|id| id.0).collect()).collect())
    }

    #[test]
    fn a_trigger_starts_it_and_thresholds_join() {
        let policy = MergePolicy::new().small_file_threshold(0);
        assert_eq!(chosen(&[file(1, 41, 59), file(2, 100, 0)], &policy), [[0; 0]; 0]);
        let mut files = vec![file(1, 1000, 0), file(2, 600, 400), file(3, 400, 600), file(4, 610, 390)];
        assert_eq!(chosen(&files, &policy), [[2, 3]]);
        files[2].is_damaged = true;
        assert_eq!(chosen(&files, &policy), [[0; 0]; 0]);
        files[2] = FileStats { is_active: true, ..file(3, 400, 600) };
        assert_eq!(chosen(&files, &policy), [[0; 0]; 0]);
        files[2] = file(3, 400, 600);
        assert_eq!(chosen(&files, &policy.small_file_threshold(1201)), [[1, 2, 3, 4]]);
        assert_eq!(chosen(&files, &policy.frag_merge_trigger(61)), [[0; 0]; 0]);
        let by_bytes = policy.frag_merge_trigger(101).dead_bytes_merge_trigger(600).frag_threshold(101);
        assert_eq!(chosen(&files, &by_bytes.dead_bytes_threshold(390)), [[2, 3, 4]]);
        assert_eq!(chosen(&files, &by_bytes.dead_bytes_threshold(401)), [[3]]);
    }

    #[test]
    fn files_below_a_trigger_start_it_together() {
        let policy = MergePolicy::new().small_file_threshold(0).dead_bytes_merge_trigger(1000);
        let files = [file(1, 500, 450), file(2, 500, 450), file(3, 500, 250), file(4, 200, 10)];
        assert_eq!(chosen(&files, &policy), [[1, 2]]);
        assert_eq!(chosen(&files, &policy.dead_bytes_merge_trigger(1161)), [[0; 0]; 0]);
        assert_eq!(chosen(&files, &policy.frag_threshold(41)), [[0; 0]; 0]);
        let active = FileStats { is_active: true, ..file(5, 100, 10_000) };
        assert_eq!(chosen(&[file(1, 500, 450), active], &policy), [[0; 0]; 0]);
    }

    #[test]
    fn groups_have_the_live_bytes_of_one_file() {
        let policy = MergePolicy::new();
        let files: Vec<_> = (1..=5).map(|id| file(id, 1400, 2200)).collect();
        assert_eq!(chosen(&files, &policy), [vec![1, 2], vec![3, 4], vec![5]]);
    }

    fn deletes(id: u32, bytes: u64) -> FileStats {
        FileStats { tombstones: bytes / 30, tombstone_bytes: bytes, ..file(id, 0, 0) }
    }

    #[test]
    fn deletes_that_hide_something_start_no_merge_of_their_own_until_they_are_many() {
        let policy = MergePolicy::new().small_file_threshold(0);
        // The oldest: nothing is left for them to hide.
        assert_eq!(chosen(&[deletes(1, 900), file(2, 10_000, 100)], &policy), [[1]]);
        assert_eq!(chosen(&[file(1, 10_000, 100), deletes(2, 900)], &policy), [[0; 0]; 0]);
        assert_eq!(chosen(&[file(1, 900, 100), deletes(2, 1900)], &policy), [[1, 2]]);
        // A file that stays longer may have what most of them hide, or nearly none.
        let active = |from| FileStats { is_active: true, min_seq: SeqNo(from), ..file(3, 100, 0) };
        assert_eq!(chosen(&[file(1, 900, 100), deletes(2, 1900), active(210)], &policy), [[0; 0]; 0]);
        assert_eq!(chosen(&[file(1, 900, 100), deletes(2, 1900), active(299)], &policy), [[1, 2]]);
        // Of what is merged together all of them go, whatever the order of the numbers.
        let merged = |id, from, live| FileStats { min_seq: SeqNo(from), max_seq: SeqNo(299), ..file(id, live, 100) };
        let first = FileStats { tombstones: 19, tombstone_bytes: 1900, ..merged(1, 201, 100) };
        assert_eq!(chosen(&[first.clone(), merged(2, 202, 900)], &policy), [[1, 2]]);
        assert_eq!(chosen(&[first, merged(2, 200, 900)], &policy), [[2, 1]]);
        // Of a large store they are not many.
        let bytes = policy.dead_bytes_merge_trigger(1900);
        assert_eq!(chosen(&[file(1, 2_900, 100), deletes(2, 1900)], &bytes), [[0; 0]; 0]);
        assert_eq!(chosen(&[file(1, 2_700, 100), deletes(2, 1900)], &bytes), [[1, 2]]);
    }

    #[test]
    fn deletes_hide_nothing_where_nothing_had_died_before_them() {
        let policy = MergePolicy::new().small_file_threshold(0);
        // Its numbers are 200 to 299.
        let of_deletes = deletes(2, 900);
        assert_eq!(chosen(&[file(1, 10_000, 0), of_deletes.clone()], &policy), [[2]]);
        let files = [file(1, 10_000, 100), of_deletes];
        let starts = |born| plan(&files, &|id| SeqNo(if id.0 == 1 { born } else { 0 }), &policy, 3000, false).is_some();
        assert!(!starts(0) && !starts(298) && starts(299));
    }

    #[test]
    fn deletes_alone_join_what_is_more_and_are_the_last() {
        let policy = MergePolicy::new().small_file_threshold(0);
        let files = |bytes| [file(1, 4000, 100), deletes(2, bytes), file(3, 700, 2300)];
        assert_eq!(chosen(&files(3000), &policy), [vec![3], vec![2]]);
        assert_eq!(chosen(&files(3030), &policy), [[3]]);
        assert_eq!(chosen(&files(600), &policy), [[3, 2]]);
    }

    #[test]
    fn beside_damage_deletes_are_no_reason() {
        let policy = MergePolicy::new().small_file_threshold(0);
        let deletes = deletes(1, 900);
        let files = [deletes.clone(), file(2, 10_000, 0)];
        let is_planned = |is_blind| plan(&files, &|_| SeqNo::ZERO, &policy, 3000, is_blind).is_some();
        assert!(is_planned(false) && !is_planned(true));
        assert_eq!(chosen(&[deletes, FileStats { is_damaged: true, ..file(2, 10_000, 0) }], &policy), [[0; 0]; 0]);
        assert_eq!(chosen(&[file(1, 40, 60), FileStats { is_damaged: true, ..file(2, 9, 0) }], &policy), [[1]]);
    }

    #[test]
    fn what_starts_a_merge_joins_it() {
        let policy = MergePolicy::new().small_file_threshold(0);
        assert_eq!(chosen(&[file(1, 900, 100), file(2, 950, 50)], &policy.dead_bytes_merge_trigger(100)), [[1]]);
        assert_eq!(chosen(&[file(1, 700, 300), file(2, 950, 50)], &policy.frag_merge_trigger(30)), [[1]]);
        assert_eq!(chosen(&[file(1, 1000, 0)], &policy.dead_bytes_merge_trigger(0)), [[0; 0]; 0]);
    }

    #[test]
    fn files_are_not_small_where_none_is_larger() {
        let dead = file(1, 40, 60);
        assert_eq!(chosen(&[dead.clone(), file(2, 2000, 0), file(3, 900, 0)], &MergePolicy::new()), [[1, 3]]);
        assert_eq!(chosen(&[dead, file(2, 0, 100), file(3, 900, 0)], &MergePolicy::new()), [vec![2], vec![1, 3]]);
    }

    #[test]
    fn windows_wrap_midnight() {
        let hours = |from, to| {
            let policy = MergePolicy::new().window(Some((from, to)));
            (0..24)
                .filter(|hour| is_in_window(&policy, Timestamp(hour * 3_600_000 + 86_400_000 * 9 + 59)))
                .collect::<Vec<u64>>()
        };
        assert_eq!(hours(2, 5), [2, 3, 4, 5]);
        assert_eq!(hours(22, 2), [0, 1, 2, 22, 23]);
        assert_eq!(hours(7, 7), [7]);
        assert_eq!(hours(0, 23).len(), 24);
        assert!(is_in_window(&MergePolicy::new(), Timestamp(0)));
    }
}
