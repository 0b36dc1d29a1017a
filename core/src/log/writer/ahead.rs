//! Zeros that are written ahead of the log's end, where each commit is synced by itself.
//!
//! Space that was only reserved has no bytes. The first sync of each of its blocks makes the file system write down that it has some now, by
//! a commit of its journal, which takes longer than the bytes themselves. So where callers sync one commit after the other, one of them fills a
//! stretch of the reserved space with zeros, in the same sync, and those that follow overwrite blocks that are there.
//!
//! Behind the end are zeros then as they were before (invariant 1 of the writer), so that neither opening nor a crash knows a difference. It only
//! saves time later, so it may fail.

use super::LogWriter;

/// About so many commits are to find blocks that are there, for one that fills them.
const COMMITS: u64 = 64;
/// Zeros that are written at once.
const SHORTEST: u64 = 64 << 10;
const LONGEST: u64 = 1 << 20;
/// Of longer commits too few would share what one of them has to wait for.
const LONG_COMMIT: u64 = LONGEST / 4;
/// A block of the file system, or several.
const BLOCK: u64 = 4096;

/// What is known of the active file and of those who sync it.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Blocks from the log's end up to this were filled.
    filled: u64,
    /// Writes since the last sync.
    writes: u64,
    /// The last sync was for one write.
    is_each_synced: bool,
}

impl Ahead {
    /// Another file is the active one.
    pub(super) fn begin_file(&mut self) {
        self.filled = 0;
    }

    /// The file was cut at `end`.
    pub(super) fn cut(&mut self, end: u64) {
        self.filled = self.filled.min(end);
    }

    fn wrote(&mut self) {
        self.writes += 1;
    }

    pub(super) fn synced(&mut self) {
        self.is_each_synced = self.writes == 1;
        self.writes = 0;
    }

    /// Where to fill up to before a write of `len` bytes that ends at `need`, if it is time; nothing is reserved beyond `reserved`.
    fn due(&mut self, need: u64, len: u64, reserved: u64) -> Option<u64> {
        if !self.is_each_synced || self.writes > 0 || len > LONG_COMMIT || need <= self.filled || need >= reserved {
            return None;
        }
        let stretch = (len * COMMITS).clamp(SHORTEST, LONGEST);
        let to = (need + stretch).min(reserved) / BLOCK * BLOCK;
        // At the end of what is reserved little may be left.
        self.filled = to.max(need);
        (to > need).then_some(to)
    }
}

impl LogWriter {
    /// Fills space behind what is about to be written at the end, `len` bytes, if that is of use.
    pub(super) fn fill_ahead(&mut self, len: u64) {
        let need = self.end.saturating_add(len);
        // Where nothing can be reserved, filling would make the file longer.
        let reserved = if self.allocated == u64::MAX { 0 } else { self.allocated };
        if let Some(to) = self.ahead.due(need, len, reserved) {
            // Also if it failed this stretch is not tried again: each commit would wait for one more failure.
            let _ = self.active.file().fill(need, to - need);
        }
        self.ahead.wrote();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn synced_each() -> Ahead {
        let mut ahead = Ahead::default();
        ahead.wrote();
        ahead.synced();
        ahead
    }

    #[test]
    fn nothing_is_filled_but_for_who_syncs_each_commit() {
        let mut ahead = Ahead::default();
        assert_eq!(ahead.due(300, 190, 4 * MIB), None);
        ahead.wrote();
        ahead.wrote();
        ahead.synced();
        assert_eq!(ahead.due(490, 190, 4 * MIB), None);
        ahead.wrote();
        ahead.synced();
        assert!(ahead.due(490, 190, 4 * MIB).is_some());
        ahead = synced_each();
        ahead.wrote();
        assert_eq!(ahead.due(490, 190, 4 * MIB), None, "a second write before a sync");
    }

    #[test]
    fn a_stretch_serves_many_commits_and_is_filled_once() {
        for len in [100, 190, 1_000, 5_000, 20_000, 100_000, LONG_COMMIT] {
            let mut ahead = synced_each();
            let (mut filled, mut stretches, mut bytes) = (0, 0, 0);
            for n in 1..=1_000 {
                let need = 128 + n * len;
                if let Some(to) = ahead.due(need, len, u64::MAX / 2) {
                    assert!(to > need && to % BLOCK == 0 && need >= filled, "{len} {n}");
                    (filled, stretches, bytes) = (to, stretches + 1, bytes + to - need);
                }
                ahead.wrote();
                ahead.synced();
            }
            assert!(stretches <= 1 + 1_000 * len / SHORTEST && stretches <= 1_000 / 3, "{len}: {stretches}");
            assert!(bytes <= 1_000 * len + LONGEST, "{len}: {bytes} bytes of zeros");
        }
        assert_eq!(synced_each().due(2 * MIB, LONG_COMMIT + 1, 4 * MIB), None);
    }

    #[test]
    fn it_ends_with_what_is_reserved() {
        let mut ahead = synced_each();
        assert_eq!(ahead.due(4_200, 190, 10_000), Some(8_192));
        assert_eq!(ahead.due(8_100, 190, 10_000), None);
        assert_eq!(ahead.due(8_290, 190, 10_000), None, "less than a block is left");
        ahead.cut(4_200);
        assert_eq!(ahead.due(4_390, 190, 10_000), Some(8_192), "what was cut off is to be filled again");
        ahead.begin_file();
        assert_eq!(ahead.due(318, 190, 4 * MIB), Some(64 << 10));
    }
}
