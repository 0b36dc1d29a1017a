//! The repository's own checks and generators: `cargo run -p xtask -- COMMAND`.
//!
//! - `header` writes include/bitcask.h from the ffi crate; `header --check` fails if that would change it.
//! - `layers` fails if a module imports upwards, or names what belongs behind the vfs seam (see [`layers`]).
//! - `calls-named` fails if docs/LANGUAGES.md names a call that is not there, or lacks one (see [`calls`]).
//! - `readme` fails if a program of README.md is not the one in examples/ that runs (see [`readme`]).
//! - `tests-named` fails if the documentation names a test that is not there (see [`named`]).
#![allow(clippy::print_stdout, clippy::print_stderr)] // It is a command-line tool.

mod calls;
mod header;
mod layers;
mod named;
mod readme;
mod text;
mod tokens;

use std::path::Path;
use std::process::ExitCode;

type Outcome = Result<String, String>;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["header"] => header::write(root),
        ["header", "--check"] => header::check(root),
        ["layers"] => layers::check(root),
        ["calls-named"] => calls::check(root),
        ["readme"] => readme::check(root),
        ["tests-named"] => named::check(root),
        _ => Err("usage: cargo run -p xtask -- header [--check] | layers | calls-named | readme | tests-named".into()),
    };
    match outcome {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
