//! Names in the directory (FORMAT 1). Exactly the canonical forms count; every other name is a stranger's.

use crate::types::FileId;

/// The writer's lock file.
pub const LOCK: &str = "LOCK";
/// The checkpoint of the index.
pub const CHECKPOINT: &str = "index.checkpoint";
/// The index of kind `bptree`.
pub const BPTREE: &str = "index.bptree";
/// The accounts of the data files beside it.
pub const ACCOUNTS: &str = "index.accounts";
const TEMP_SUFFIX: &str = ".tmp";

/// What a name in the directory says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileName {
    /// `<id>.data`: a data file.
    Data(FileId),
    /// `<id>.hint`: the hint of a data file.
    Hint(FileId),
    /// `<id>.torn-<offset>`: what recovery cut off a data file at this offset.
    Torn(FileId, u64),
    /// `index.checkpoint`.
    Checkpoint,
    /// `index.bptree`.
    BPTree,
    /// `index.accounts`.
    Accounts,
    /// `LOCK`.
    Lock,
    /// A data file, a hint, a checkpoint or an index with `.tmp` behind it: work that was not finished.
    Temp,
}

impl FileName {
    /// `None` for a stranger's name.
    #[must_use]
    pub fn parse(name: &str) -> Option<FileName> {
        if name == LOCK {
            return Some(FileName::Lock);
        }
        if name == CHECKPOINT {
            return Some(FileName::Checkpoint);
        }
        if name == BPTREE {
            return Some(FileName::BPTree);
        }
        if name == ACCOUNTS {
            return Some(FileName::Accounts);
        }
        if let Some(stem) = name.strip_suffix(TEMP_SUFFIX) {
            let ours = matches!(
                FileName::parse(stem),
                Some(FileName::Data(_) | FileName::Hint(_) | FileName::Checkpoint | FileName::BPTree)
            );
            return ours.then_some(FileName::Temp);
        }
        let (id, suffix) = name.split_once('.')?;
        let id = u32::try_from(decimal(id)?).ok().map(FileId)?;
        if id.0 == 0 || id > FileId::MAX {
            return None;
        }
        match suffix {
            "data" => Some(FileName::Data(id)),
            "hint" => Some(FileName::Hint(id)),
            _ => Some(FileName::Torn(id, decimal(suffix.strip_prefix("torn-")?)?)),
        }
    }
}

/// Digits without leading zeros, and not more than 64 bits hold.
fn decimal(digits: &str) -> Option<u64> {
    let canonical = digits == "0" || !digits.starts_with('0');
    let only_digits = digits.bytes().all(|b| b.is_ascii_digit());
    if canonical && only_digits { digits.parse().ok() } else { None }
}

/// The name of a data file.
#[must_use]
pub fn data(id: FileId) -> String {
    format!("{id}.data")
}

/// The name of a data file's hint.
#[must_use]
pub fn hint(id: FileId) -> String {
    format!("{id}.hint")
}

/// The name for what was cut off a data file at an offset; 0 if it was the whole file.
#[must_use]
pub fn torn(id: FileId, offset: u64) -> String {
    format!("{id}.torn-{offset}")
}

/// The name under which the file that is to get this name is made.
#[must_use]
pub fn temp(name: &str) -> String {
    format!("{name}{TEMP_SUFFIX}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_come_back() {
        for id in [1, 9, 10, 123_456_789, FileId::MAX.0].map(FileId) {
            assert_eq!(FileName::parse(&data(id)), Some(FileName::Data(id)));
            assert_eq!(FileName::parse(&hint(id)), Some(FileName::Hint(id)));
            for offset in [0, 128, u64::MAX] {
                assert_eq!(FileName::parse(&torn(id, offset)), Some(FileName::Torn(id, offset)));
            }
            assert_eq!(FileName::parse(&temp(&data(id))), Some(FileName::Temp));
        }
        assert_eq!(data(FileId(1)), "1.data");
        assert_eq!(FileName::parse("LOCK"), Some(FileName::Lock));
        assert_eq!(FileName::parse("index.checkpoint"), Some(FileName::Checkpoint));
        assert_eq!(FileName::parse("index.checkpoint.tmp"), Some(FileName::Temp));
        assert_eq!(FileName::parse("index.bptree"), Some(FileName::BPTree));
    }

    #[test]
    fn strangers_are_left_alone() {
        for name in [
            "",
            ".",
            "..",
            ".data",
            ".tmp",
            "mine.tmp",
            "LOCK.tmp",
            "1.data.tmp.tmp",
            "data",
            "1",
            "1.",
            "0.data",
            "01.data",
            "+1.data",
            "-1.data",
            " 1.data",
            "1.data ",
            "1.data.bak",
            "1.DATA",
            "1..data",
            "1.0.data",
            "1_0.data",
            "0x1.data",
            "268435456.data",
            "4294967297.data",
            "18446744073709551617.data",
            "1.hint.1",
            "1.torn",
            "1.torn-",
            "1.torn-01",
            "1.torn-+1",
            "1.torn--1",
            "1.torn-18446744073709551616",
            "01.torn-1",
            "1.torn-1.data",
            "١.data",
            "1.data\n",
            "lock",
            "LOCK ",
            "index.checkpoint2",
            "index",
            "1.tmp2",
            "a/1.data",
            "00.data",
            "1.torn-00",
        ] {
            assert_eq!(FileName::parse(name), None, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn only_canonical_names_parse(name in "[0-9+.a-z-]{0,12}|0?[0-9]{1,10}\\.(data|hint|torn-0?[0-9]{1,21})") {
            let canonical = match FileName::parse(&name) {
                Some(FileName::Data(id)) => data(id),
                Some(FileName::Hint(id)) => hint(id),
                Some(FileName::Torn(id, offset)) => torn(id, offset),
                _ => return Ok(()),
            };
            prop_assert_eq!(canonical, name);
        }
    }
}
