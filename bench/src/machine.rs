//! What the machine is, which versions were compared, what time it is, what memory this process has.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// Where a comparison ran.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// Model of the processor.
    pub processor: String,
    /// Processors that a program may use.
    pub cores: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// Kernel and its version.
    pub kernel: String,
    /// File system of the directory that the stores were in.
    pub filesystem: String,
    /// Version of the compiler.
    pub rustc: String,
    /// Mean number of running processes over the minute before the start: above 0.5 the machine was busy.
    pub load_before: f64,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here(dir: &Path) -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let info = read("/proc/cpuinfo");
        let processor = info.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
        Machine {
            processor: processor.unwrap_or("unknown").trim().to_owned(),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            memory: kilobytes(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0),
            kernel: said("uname", &["-sr"]),
            filesystem: said("findmnt", &["-n", "-o", "FSTYPE", "-T", &dir.to_string_lossy()]),
            rustc: said("rustc", &["--version"]),
            load_before: read("/proc/loadavg").split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(f64::NAN),
        }
    }
}

/// Bytes of memory of this process that no file stands behind, without what its allocator keeps for later.
#[must_use]
pub fn private_memory() -> Option<u64> {
    give_back_what_is_free();
    kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "RssAnon:")
}

/// Has the allocator give back what nobody has of it. How much that is depends on what happens to lie at the end of its heap, and most of it was
/// the keys and values of the phases before, of this program and of a store's batches.
fn give_back_what_is_free() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(unsafe_code)]
    // SAFETY: it takes the allocator's own locks, and touches nothing that is allocated.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Now, in UTC.
#[must_use]
pub fn date() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// The version of a package in this program.
#[must_use]
pub fn version(package: &str) -> String {
    const LOCK: &str = include_str!("../Cargo.lock");
    let name = format!("name = \"{package}\"");
    let mut lines = LOCK.lines().skip_while(|line| *line != name).skip(1);
    let version = lines.next().and_then(|line| line.split('"').nth(1)).unwrap_or("unknown").to_owned();
    match package {
        "bitcask" => match said("git", &["rev-parse", "--short", "HEAD"]) {
            commit if commit.is_empty() => version,
            commit => format!("{version} ({commit})"),
        },
        // The store itself is in another package than the one that programs use.
        "rocksdb" => {
            let inner = self::version("librocksdb-sys");
            format!("{version} (RocksDB {})", inner.split('+').nth(1).unwrap_or("unknown"))
        }
        "heed" => format!("{} by heed {version}", self::version("lmdb-master-sys")),
        _ => version,
    }
}

fn kilobytes(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

/// The first line that a command prints; empty if it fails.
fn said(command: &str, args: &[&str]) -> String {
    let output = Command::new(command).args(args).output();
    let text = output.ok().filter(|o| o.status.success()).map(|o| o.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_lock_file() {
        for package in crate::engine::ENGINES.iter().map(|engine| engine.package) {
            assert!(version(package).starts_with(|c: char| c.is_ascii_digit()), "{package}");
        }
        assert!(!version("rocksdb").contains("unknown"));
    }
}
