//! The C ABI: `include/bitcask.h` is generated from the doc comments and signatures of this crate.
//!
//! Each extern function is a few lines over the core's public Rust API, of which nothing else is used:
//!
//! 1. Its body runs inside [`guard::guard`], which catches panics, turns failures into a status and an error object,
//!    and is the only place that writes to the caller's `error`.
//! 2. Handles are numbers, looked up in the tables of [`handles`] and never dereferenced.
//! 3. Out-parameters are checked before anything happens and written only on success ([`args`]).
//!
//! `unsafe` is allowed here and nowhere else in the crate's dependents: a C caller's pointers can be taken at their word only.
#![allow(unsafe_code)] // A C ABI consists of raw pointers; every block says what it relies on.
#![allow(clippy::missing_safety_doc)] // One contract for all, at the header's head; docs here become the header's.
#![allow(non_camel_case_types)] // The handles' names are the C types'.

mod args;
pub mod atomic;
pub mod batch;
pub mod bulk;
mod child;
pub mod durable;
pub mod error;
pub mod expiry;
pub mod files;
pub mod fold;
mod fork;
mod guard;
mod handles;
pub mod iter;
pub mod iter_options;
pub mod keys;
pub mod later;
pub mod merge;
pub mod merge_options;
pub mod merge_policy;
pub mod open_report;
pub mod options;
#[cfg(test)]
mod overhead;
pub mod progress;
pub mod refresh;
mod reports;
pub mod snapshot;
pub mod status;
pub mod store;
mod stripes;
mod table;
pub mod transaction;
pub mod value;
pub mod values;
