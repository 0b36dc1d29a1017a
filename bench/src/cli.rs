//! The command line that the programs share.

use std::path::PathBuf;

use crate::Result;

/// What may be said behind the name of a comparison.
#[derive(Clone, Debug)]
pub struct Args {
    /// `--keys N`: pairs or keys.
    pub keys: Option<u64>,
    /// `--rounds N`: rounds whose medians count.
    pub rounds: usize,
    /// `--only ID,ID`: these subjects and no others.
    pub only: Vec<String>,
    /// `--dir PATH`: where the stores are built.
    pub dir: PathBuf,
    /// `--out PATH`: where results are kept.
    pub out: PathBuf,
    /// `--languages PATH`: where the programs in other languages were built.
    pub languages: PathBuf,
    /// `--docs PATH`: where the report goes.
    pub docs: PathBuf,
    /// What has no name of its own.
    pub rest: Vec<String>,
}

impl Args {
    /// Reads them.
    ///
    /// # Errors
    /// A message about what makes no sense.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Args> {
        let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let mut parsed = Args {
            keys: None,
            rounds: 3,
            only: Vec::new(),
            dir: root.join("target/bench/stores"),
            out: root.join("target/bench"),
            languages: root.join("target/bench/languages"),
            docs: root.join("docs"),
            rest: Vec::new(),
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value"));
            match arg.as_str() {
                "--keys" => parsed.keys = Some(number(&arg, &value()?, 10_000..=1 << 32)?),
                "--rounds" => parsed.rounds = number(&arg, &value()?, 1..=99)? as usize,
                "--only" => parsed.only = value()?.split(',').map(str::to_owned).collect(),
                "--dir" => parsed.dir = value()?.into(),
                "--out" => parsed.out = value()?.into(),
                "--languages" => parsed.languages = value()?.into(),
                "--docs" => parsed.docs = value()?.into(),
                option if option.starts_with('-') => return Err(format!("unknown option {option}").into()),
                _ => parsed.rest.push(arg),
            }
        }
        Ok(parsed)
    }

    /// Whether a subject is asked for.
    #[must_use]
    pub fn wants(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == id)
    }

    /// The command that gives the same again.
    #[must_use]
    pub fn command(&self, bin: &str, what: &str, keys: u64) -> String {
        let mut command = format!("cargo run --release --manifest-path bench/Cargo.toml --bin {bin} --");
        if !what.is_empty() {
            command += &format!(" {what}");
        }
        command += &format!(" --keys {keys} --rounds {}", self.rounds);
        if !self.only.is_empty() {
            command += &format!(" --only {}", self.only.join(","));
        }
        command
    }
}

fn number(option: &str, text: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("{option} wants a number from {} to {}", range.start(), range.end()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Result<Args> {
        Args::parse(args.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read_and_nonsense_is_refused() {
        let args = parse("redb --keys 20000 --rounds 1 --only redb,lmdb").unwrap();
        assert_eq!((args.keys, args.rounds, args.rest.as_slice()), (Some(20_000), 1, &["redb".to_string()][..]));
        assert!(args.wants("lmdb") && !args.wants("fjall"));
        assert!(args.command("bench", "engines", 20_000).ends_with("engines --keys 20000 --rounds 1 --only redb,lmdb"));
        for nonsense in ["--keys", "--keys 1", "--keys x", "--rounds 0", "--fast"] {
            assert!(parse(nonsense).is_err(), "{nonsense}");
        }
    }
}
