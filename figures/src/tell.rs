//! Which figures are wanted, and telling them.
#![allow(clippy::print_stdout)] // Standard output is what these programs are for.

use crate::Kind;

/// The figures asked for on the command line: `[--keys N] [NAME...]`; no name means all.
#[derive(Debug)]
pub struct Figures {
    program: &'static str,
    names: Vec<String>,
    keys: usize,
    default_keys: bool,
}

impl Figures {
    /// Reads the command line of this program of the crate.
    ///
    /// # Errors
    /// A message about an argument that makes no sense.
    pub fn from_args(program: &'static str) -> Result<Figures, String> {
        let mut figures = Figures { program, names: Vec::new(), keys: 1_000_000, default_keys: true };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--keys" => {
                    let count = args.next().and_then(|n| n.parse().ok()).filter(|n| (1..=1 << 27).contains(n));
                    figures.keys = count.ok_or("--keys wants a number from 1 to 134217728")?;
                    figures.default_keys = false;
                }
                option if option.starts_with('-') => return Err(format!("unknown option {option}")),
                _ => figures.names.push(arg),
            }
        }
        Ok(figures)
    }

    /// How many pairs to measure with.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// Whether a figure of this name is wanted.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|n| n == name)
    }

    /// Whether one of these is, of this kind.
    #[must_use]
    pub fn want_any(&self, kind: &Kind, names: &[&str]) -> bool {
        names.iter().any(|name| self.wants(&kind.of(name)))
    }

    /// Tells a figure, if it is wanted, with the command that gives it.
    pub fn tell(&self, name: &str, value: f64, unit: &str) {
        if self.wants(name) {
            let keys = if self.default_keys { String::new() } else { format!(" --keys {}", self.keys) };
            let command = format!("cargo run --release -p bitcask-figures --bin {} --{keys} {name}", self.program);
            println!("{name}\t{value}\t{unit}\t{command}");
        }
    }
}

/// The middle one; of an even number, the lower of the two.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}
