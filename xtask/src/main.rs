//! The repository's own checks and generators: `cargo run -p xtask -- COMMAND`.
//!
//! - `header` writes include/bitcask.h from the ffi crate; `header --check` fails if that would change it.
//! - `layers` fails if a module imports upwards, or names what belongs behind the vfs seam (see [`layers`]).
//! - `tests-named` fails if the documentation names a test that is not there (see [`named`]).
#![allow(clippy::print_stdout, clippy::print_stderr)] // It is a command-line tool.

mod header;
mod layers;
mod named;
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
        ["tests-named"] => named::check(root),
        _ => Err("usage: cargo run -p xtask -- header [--check] | layers | tests-named".into()),
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
