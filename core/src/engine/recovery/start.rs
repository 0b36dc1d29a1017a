//! Beginning in the midst of the log: what an index that outlives the process says of itself, and whether it is believed.
//!
//! An index that has what every commit before a place of the log did, and nothing else, saves reading what is before it. It is believed
//! if the log has that place and is the same log up to there: the same file (by its nonce), the same record that ends
//! at the place (of a batch the one that completes it and sums it up), the same set of data files that it may name, each as long as it was. A
//! log that is shorter, was put back from a copy, or has lost or gained merged files is another. While damage is known nothing is believed, so that each opening finds and reports
//! it anew.

use std::sync::Arc;

use crate::format::covered::Covered;
use crate::format::header::{DATA_START, FileKind};
use crate::format::payload::Seal;
use crate::index;
use crate::log::{DataFile, LogCovered, LogPosition, Scanner};
use crate::types::{FileId, Location, SeqNo};

use super::survey::Survey;

/// Where reading begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// Between two commits. All before it is on stable storage.
    pub(crate) position: LogPosition,
    /// Number of the last commit before it.
    pub(crate) seq: SeqNo,
    /// Summary of the file up to it.
    pub(crate) seal: Seal,
    /// Offset of the record that ends there; 0 at the beginning of a file.
    pub(crate) witness: u64,
    /// A record before it may have an expiry.
    pub(crate) expires: bool,
}

/// What to write down with an index that has what all commits up to a place did. `None` if the place could not be recognised again.
pub(crate) fn covered(
    log: &LogCovered,
    store_id: u64,
    files: &[Arc<DataFile>],
    expires: bool,
) -> Option<index::Covered> {
    let witness = match log.witness {
        0 if log.position.offset > DATA_START => return None,
        0 => (0, 0),
        offset => (offset, crc_of(&log.file, offset, log.position.offset)?),
    };
    let covered = Covered {
        store_id,
        nonce: log.file.header().nonce,
        offset: log.position.offset,
        seq: log.seq,
        witness,
        file: log.position.file.0,
        files: digest(files, log.position.file),
        seal: log.seal,
        expires,
    };
    Some(index::Covered(covered.encode()))
}

/// Bytes behind the place that an index goes to of which it is worth a look how many are zeros.
const MUCH: u64 = 64 << 10;

/// About how many changes the log has behind the place that an index of so many keys goes to: as many as there would be if records were as long as those
/// before it.
pub(crate) fn changes_behind(survey: &Survey, covered: &index::Covered, keys: u64) -> u64 {
    let Some(covered) = Covered::decode(&covered.0) else { return 0 };
    let (mut before, mut behind) = (0, 0);
    let last = survey.log_files().last().map(|file| file.id());
    for file in &survey.files {
        let is_behind = file.header().kind == FileKind::Log && file.id().0 >= covered.file;
        let (mut end, mut from) = (file.end(), 0);
        if file.id().0 == covered.file {
            from = covered.offset.min(end);
        }
        if Some(file.id()) == last && end - from >= MUCH {
            // A writer reserves space at the end of the log, which is zeros.
            end = Scanner::new(file, from, SeqNo::ZERO).zeros_from().unwrap_or(end).max(from);
        }
        before += if is_behind { from } else { end };
        behind += if is_behind { end - from } else { 0 };
    }
    // In wide numbers: a length is what somebody's file says.
    let changes = u128::from(behind) * u128::from(keys) / u128::from(before.max(1));
    u64::try_from(changes).unwrap_or(u64::MAX)
}

/// Where to begin if this is to be believed, or why it is not.
pub(crate) fn start(survey: &Survey, covered: &index::Covered) -> Result<Start, String> {
    let no = |why: &str| Err(why.to_owned());
    let Some(covered) = Covered::decode(&covered.0) else { return no("the place of the log that it names is none") };
    if survey.store_id != Some(covered.store_id) {
        return no("it belongs to another store");
    }
    if !survey.damage.is_empty() {
        return no("the store is damaged");
    }
    let id = FileId(covered.file);
    let Some(file) = survey.log_files().find(|file| file.id() == id && file.header().nonce == covered.nonce) else {
        return no("the log has no such file as it names");
    };
    if covered.offset < DATA_START || covered.offset > file.end() {
        return no("it goes further than the log");
    }
    if covered.files != digest(&survey.files, id) {
        return no("it was made for other data files");
    }
    let (witness, crc) = covered.witness;
    let is_known = match witness {
        0 => covered.offset == DATA_START,
        _ => crc_of(file, witness, covered.offset) == Some(crc),
    };
    if !is_known {
        return no("it was made for another log");
    }
    let position = LogPosition { file: id, offset: covered.offset };
    Ok(Start { position, seq: covered.seq, seal: covered.seal, witness, expires: covered.expires })
}

/// The crc of the record from one offset to another, if there is a valid header.
fn crc_of(file: &DataFile, from: u64, to: u64) -> Option<u32> {
    let header = file.record_header(Location::new(file.id(), from, 0)?).ok()?;
    (from + header.record_len() == to).then_some(header.crc)
}

/// Number and CRC32 of the files that an index may name which goes to this log file: those of the log up to it, and all merged ones. That file may
/// grow, the others have the length that they have.
fn digest(files: &[Arc<DataFile>], to: FileId) -> (u32, u32) {
    let (mut count, mut hasher) = (0, crc32fast::Hasher::new());
    for file in files.iter().filter(|file| file.id() <= to || file.header().kind == FileKind::Merged) {
        count += 1;
        hasher.update(&file.id().0.to_le_bytes());
        hasher.update(&file.header().nonce.to_le_bytes());
        let len = if file.id() == to { 0 } else { file.end() };
        hasher.update(&len.to_le_bytes());
    }
    (count, hasher.finalize())
}
