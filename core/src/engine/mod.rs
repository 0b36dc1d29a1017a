//! The engine.
#![allow(missing_docs, clippy::todo, unused_variables, dead_code)]
use std::ops::{Bound, Deref};
use std::path::Path;
use std::sync::Arc;
use crate::{Durability, IndexKind, OnDamage, OpenReport, Result, Stats, vfs::Vfs};
#[derive(Debug)] pub struct Store;
#[derive(Debug)] pub struct Config { pub index: IndexKind, pub durability: Durability, pub max_file_size: u64, pub create_if_missing: bool, pub read_only: bool, pub verify_checksums: bool, pub on_damage: OnDamage }
/// The bytes of a value, kept alive by this handle; derefs to a slice. Send and Sync.
#[derive(Clone, Debug)] pub struct Value;
impl Deref for Value { type Target = [u8]; fn deref(&self) -> &[u8] { todo!() } }
impl AsRef<[u8]> for Value { fn as_ref(&self) -> &[u8] { todo!() } }
impl Value { pub fn into_vec(self) -> Vec<u8> { todo!() } }
#[derive(Debug, Default)] pub struct Pending;
impl Pending { pub fn put(&mut self, k: &[u8], v: &[u8]) {} pub fn delete(&mut self, k: &[u8]) {} pub fn clear(&mut self) {} pub fn len(&self) -> usize { 0 } }
#[derive(Debug, Clone)] pub struct CursorOptions { pub prefix: Vec<u8>, pub start: Bound<Vec<u8>>, pub end: Bound<Vec<u8>>, pub reverse: bool, pub limit: u64, pub keys_only: bool }
/// A page of records. Reused from page to page.
#[derive(Debug, Clone, Default)] pub struct EntryPage;
impl EntryPage { pub fn new() -> EntryPage { EntryPage } pub fn len(&self) -> usize { 0 } pub fn is_empty(&self) -> bool { true } pub fn get(&self, i: usize) -> Option<(&[u8], &[u8])> { None } }
#[derive(Debug)] pub struct Cursor;
impl Cursor { pub fn new(s: &Arc<Store>, o: CursorOptions) -> Result<Cursor> { todo!() } pub fn rewind(&mut self) {} pub fn seek(&mut self, k: &[u8]) {} pub fn next_page(&mut self, p: &mut EntryPage, r: usize, b: usize) -> Result<()> { todo!() } pub fn next_record(&mut self) -> Result<Option<(Vec<u8>, Value)>> { todo!() } pub fn skip_damaged(&mut self) {} }
impl Store {
 pub fn open(p: &Path, c: Config, v: Arc<dyn Vfs>) -> Result<Arc<Store>> { todo!() }
 pub fn get(&self, k: &[u8]) -> Result<Option<Value>> { todo!() }
 pub fn get_into(&self, k: &[u8], b: &mut [u8]) -> Result<Option<usize>> { todo!() }
 pub fn contains(&self, k: &[u8]) -> Result<bool> { todo!() }
 pub fn put(&self, k: &[u8], v: &[u8], sync: bool) -> Result<()> { todo!() }
 pub fn delete(&self, k: &[u8], sync: bool) -> Result<bool> { todo!() }
 pub fn commit(&self, p: &Pending, sync: bool) -> Result<()> { todo!() }
 pub fn len(&self) -> Result<u64> { todo!() }
 pub fn sync(&self) -> Result<()> { todo!() }
 pub fn stats(&self) -> Result<Stats> { todo!() }
 pub fn open_report(&self) -> &OpenReport { todo!() }
 pub fn path(&self) -> &Path { todo!() }
 pub fn close(&self) -> Result<()> { todo!() }
}
