//! libbitcask beside the stores that users would pick instead, and its indexes beside other maps.
//!
//! `README.md` says what is measured and how. [`engine`] has the stores behind one trait, [`phases`] the workload,
//! [`run`] starts a process for each store and round, [`results`] is what is kept, [`report`] what is shown of it.
//! [`index`] measures the indexes alone, [`ycsb`] the YCSB workloads, [`languages`] what Python and Go see.

pub mod cli;
pub mod engine;
pub mod index;
pub mod languages;
pub mod machine;
pub mod pairs;
pub mod phases;
pub mod ratios;
pub mod report;
pub mod results;
pub mod run;
pub mod ycsb;

/// What went wrong; only ever told.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
