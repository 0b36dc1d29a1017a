//! Bad snippets, to see the checks complain, and good ones.

use super::*;

fn roots() -> Roots {
    Roots::of("mod db;\n#[doc(hidden)]\npub mod format;\npub use db::{Batch, Db};\npub use error::Error;\n").unwrap()
}

fn complaints(file: &str, text: &str) -> Vec<String> {
    check_core(file, text, &roots()).unwrap()
}

#[track_caller]
fn refused(file: &str, text: &str, what: &str) {
    let said = complaints(file, text);
    assert!(said.len() == 1 && said[0].contains(what), "{file} with {text:?}: {said:?}");
}

#[track_caller]
fn passes(file: &str, text: &str) {
    assert_eq!(complaints(file, text), Vec::<String>::new(), "{file} with {text:?}");
}

#[test]
fn an_import_goes_down() {
    passes("db/mod.rs", "use crate::engine::Store; use crate::{error::Error, options::{self, Options}};");
    passes(
        "engine/read.rs",
        "use super::Store; use super::super::error::Error; fn f() -> crate::types::SeqNo { todo!() }",
    );
    passes("stats.rs", "use crate::types::FileId;");
    passes("index/btree/node.rs", "use super::super::arena::Arena; use crate::index::Index;");
}

#[test]
fn an_import_goes_not_up() {
    refused("engine/read.rs", "use crate::db::Db;", "engine/read.rs:1: engine imports from db");
    refused("log/mod.rs", "fn f() {\n let x = crate::engine::Store::new();\n}", "mod.rs:2: log imports from engine");
    refused("log/mod.rs", "use crate::{error::Error, engine::{Store}};", "engine");
    refused("vfs/mod.rs", "use super::log::Reader;", "log");
    refused("log/hint/mod.rs", "use super::super::engine::Store;", "engine");
    refused("log/hint.rs", "mod inner { use super::super::super::engine::Store; }", "engine");
    refused("error.rs", "fn f() { println!(\"{}\", crate::format::VERSION) }", "error imports from format");
    refused("engine/mod.rs", "use crate::Batch;", "engine imports from db");
    refused("engine/mod.rs", "pub(in crate::db) fn f() {}", "db");
}

#[test]
fn an_import_goes_not_sideways() {
    refused("log/mod.rs", "use crate::index::Index;", "log imports from index");
    refused("index/mod.rs", "use crate::log::Log;", "index imports from log");
    refused("index/mod.rs", "use crate::vfs::Vfs;", "it may know error, types, util only");
    passes("index/bptree/file.rs", "use crate::vfs::Vfs;");
    refused("index/bptree/file.rs", "use crate::format::names;", "it may know error, types, util, vfs only");
    refused("format/mod.rs", "use crate::vfs::Vfs;", "format imports from vfs");
    refused("options.rs", "use crate::db::Db;", "options imports from db");
    refused("engine/mod.rs", "use crate::options::Options;", "engine imports from options");
}

#[test]
fn a_new_module_needs_a_place() {
    refused("misc/mod.rs", "fn f() {}", "misc has no place");
}

#[test]
fn the_operating_system_is_behind_the_seam() {
    passes("vfs/os.rs", "use std::fs::File; use std::time::Instant; fn f() { unsafe { libc::fsync(1); } }");
    refused("vfs/mod.rs", "use std::fs::File;", "std::fs");
    refused("engine/mod.rs", "use std::{fmt, fs};", "std::fs");
    refused("engine/mod.rs", "use std::{fs::File, fmt};", "std::fs");
    refused("engine/mod.rs", "fn f() { std::fs::remove_file(\"x\"); }", "std::fs");
    refused("log/mod.rs", "use std::time::{Duration, SystemTime};", "SystemTime");
    refused("log/mod.rs", "fn f() { libc::getpid(); }", "libc");
    passes("log/mod.rs", "//! Not std::fs.\n/// Nor libc.\nfn f() { let _ = \"std::fs::File\"; }");
}

#[test]
fn unsafe_is_in_listed_files() {
    refused("engine/mod.rs", "fn f() { unsafe { g() } }", "not listed");
    passes("engine/mod.rs", "#![deny(unsafe_code)]\nfn f() {}");
}

#[test]
fn tests_may_look_anywhere() {
    passes("log/mod.rs", "#[cfg(test)]\nmod tests { use crate::engine::Store; use std::fs; }");
    passes("log/mod.rs", "#[cfg(test)]\nuse crate::engine::Store;\nfn f() {}");
    passes("log/mod.rs", "#[cfg(all(test, unix))] mod tests { use std::fs; }");
    passes("log/tests.rs", "use crate::engine::Store;");
    refused("log/mod.rs", "#[cfg(test)]\nmod tests {}\nuse crate::engine::Store;", "mod.rs:3: log imports from engine");
    refused("log/mod.rs", "#[cfg(not(test))] use crate::engine::Store;", "engine");
}

#[test]
fn other_crates_use_the_public_interface() {
    let said = check_user("ffi/src/x.rs", "use engine::{Db, format::crc};", "engine", &roots()).unwrap();
    assert_eq!(said, ["ffi/src/x.rs:1: engine::format is not part of the core's public interface"]);
    assert!(check_user("ffi/src/x.rs", "use engine::{Db, Error};", "engine", &roots()).unwrap().is_empty());
}

#[test]
fn what_does_not_lex_is_told() {
    assert!(check_core("log/mod.rs", "fn f( {", &roots()).unwrap_err().contains("log/mod.rs"));
}
