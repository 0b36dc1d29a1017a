//! Sorting more changes than memory holds, for a tree that is built anew (Knuth, volume 3, 5.4: runs, and one merge of all).
//!
//! Changes come in the order of the log and leave in key order, the last of each key only. Sorted runs lie in a file without a name, which
//! nobody but this process ever reads; what is read back is compared with checksums kept in memory all the same.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::index::Change;
use crate::types::Location;
use crate::vfs::{OpenMode, Vfs, VfsFile, read_full_at, write_all_at};

/// Read and written at once.
const BLOCK: usize = 64 << 10;
/// A change in memory: its key's place, its number, its location.
const ENTRY_COST: usize = 32;
/// Length of the key u16, what follows u8 (1: a location, 0: a removal), location u64.
const HEAD: usize = 11;

#[derive(Debug)]
struct Entry {
    begin: u32,
    len: u16,
    number: u32,
    new: Option<u64>,
}

/// A sorted run in the file.
#[derive(Debug)]
struct Stored {
    begin: u64,
    len: u64,
    /// Of its blocks.
    crcs: Vec<u32>,
}

/// Collects changes.
#[derive(Debug)]
pub(super) struct Sorter {
    /// Bytes of memory for those that are not in the file.
    limit: usize,
    keys: Vec<u8>,
    entries: Vec<Entry>,
    runs: Vec<Stored>,
    file: Option<Arc<dyn VfsFile>>,
    end: u64,
}

impl Sorter {
    pub(super) fn new(limit: usize) -> Sorter {
        let limit = limit.min(1 << 30);
        Sorter { limit, keys: Vec::new(), entries: Vec::new(), runs: Vec::new(), file: None, end: 0 }
    }

    /// Adds changes, which are newer than all before. `temp` is the name that a file may have for a moment.
    pub(super) fn add(&mut self, vfs: &dyn Vfs, temp: &Path, changes: &[Change<'_>]) -> Result<()> {
        for change in changes {
            self.entries.push(Entry {
                begin: self.keys.len() as u32,
                len: change.key.len() as u16,
                number: self.entries.len() as u32,
                new: change.new.map(Location::to_bits),
            });
            self.keys.extend_from_slice(change.key);
            if self.keys.len() + self.entries.len() * ENTRY_COST >= self.limit {
                self.store(vfs, temp)?;
            }
        }
        Ok(())
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> u64 {
        let crcs: usize = self.runs.iter().map(|run| run.crcs.capacity() * 4).sum();
        (self.keys.capacity() + self.entries.capacity() * size_of::<Entry>() + crcs) as u64
    }

    /// All changes in key order.
    pub(super) fn sorted(mut self, vfs: &dyn Vfs, temp: &Path) -> Result<Sorted> {
        if self.runs.is_empty() {
            self.sort();
        } else if !self.entries.is_empty() {
            self.store(vfs, temp)?;
        }
        let mut readers = Vec::with_capacity(self.runs.len());
        let path = temp.to_owned();
        for run in self.runs {
            let Some(file) = self.file.clone() else { continue };
            let mut reader =
                Reader { file, path: path.clone(), run, block: 0, buf: Vec::new(), at: 0, key: Vec::new(), new: None };
            if reader.advance()? {
                readers.push(reader);
            }
        }
        let mut heap: Vec<usize> = (0..readers.len()).collect();
        // Sorted is a heap.
        heap.sort_by(|&a, &b| readers[a].key.cmp(&readers[b].key).then(b.cmp(&a)));
        Ok(Sorted { keys: self.keys, entries: self.entries.into_iter(), readers, heap, last: Vec::new() })
    }

    /// Sorts what is in memory and leaves the last change of each key.
    fn sort(&mut self) {
        let keys = &self.keys;
        let key = |entry: &Entry| &keys[entry.begin as usize..][..usize::from(entry.len)];
        self.entries.sort_unstable_by(|a, b| key(a).cmp(key(b)).then(b.number.cmp(&a.number)));
        self.entries.dedup_by(|later, first| key(later) == key(first));
    }

    /// Writes what is in memory as a run.
    fn store(&mut self, vfs: &dyn Vfs, temp: &Path) -> Result<()> {
        self.sort();
        let failed = |op, e| Error::io(op, temp, None, e);
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                super::file::remove(vfs, temp)?;
                let file = vfs.open(temp, OpenMode::CreateNew).map_err(|e| failed("create", e))?;
                // Should this fail, the next opening removes it.
                let _ = vfs.remove(temp);
                self.file = Some(Arc::clone(&file));
                file
            }
        };
        let mut run = Stored { begin: self.end, len: 0, crcs: Vec::new() };
        let mut buf: Vec<u8> = Vec::with_capacity(2 * BLOCK);
        let mut flush = |buf: &mut Vec<u8>, all: bool| -> Result<()> {
            while buf.len() >= BLOCK || (all && !buf.is_empty()) {
                let block = &buf[..buf.len().min(BLOCK)];
                write_all_at(file.as_ref(), block, run.begin + run.len).map_err(|e| failed("write", e))?;
                run.crcs.push(crc32fast::hash(block));
                let len = block.len();
                run.len += len as u64;
                buf.drain(..len);
            }
            Ok(())
        };
        for entry in &self.entries {
            buf.extend_from_slice(&entry.len.to_le_bytes());
            buf.push(u8::from(entry.new.is_some()));
            buf.extend_from_slice(&entry.new.unwrap_or(0).to_le_bytes());
            buf.extend_from_slice(&self.keys[entry.begin as usize..][..usize::from(entry.len)]);
            flush(&mut buf, false)?;
        }
        flush(&mut buf, true)?;
        self.end += run.len;
        self.runs.push(run);
        self.keys.clear();
        self.entries.clear();
        Ok(())
    }
}

/// Reads a run.
#[derive(Debug)]
struct Reader {
    file: Arc<dyn VfsFile>,
    path: std::path::PathBuf,
    run: Stored,
    block: usize,
    buf: Vec<u8>,
    at: usize,
    key: Vec<u8>,
    new: Option<u64>,
}

impl Reader {
    /// Moves to the next entry; false at the end.
    fn advance(&mut self) -> Result<bool> {
        let mut head = [0; HEAD];
        if !self.take(HEAD)? {
            return Ok(false);
        }
        head.copy_from_slice(&self.buf[self.at..self.at + HEAD]);
        self.at += HEAD;
        let [a, b, is_put, location @ ..] = head;
        let len = usize::from(u16::from_le_bytes([a, b]));
        if !self.take(len)? {
            return Err(self.lost());
        }
        self.key.clear();
        self.key.extend_from_slice(&self.buf[self.at..self.at + len]);
        self.at += len;
        self.new = (is_put == 1).then(|| u64::from_le_bytes(location));
        Ok(true)
    }

    /// Sees to it that so many bytes are there; false at the end of the run.
    fn take(&mut self, len: usize) -> Result<bool> {
        while self.buf.len() - self.at < len {
            let Some(&crc) = self.run.crcs.get(self.block) else {
                return if self.at == self.buf.len() { Ok(false) } else { Err(self.lost()) };
            };
            self.buf.drain(..self.at);
            self.at = 0;
            let offset = (self.block * BLOCK) as u64;
            let want = usize::try_from(self.run.len - offset).unwrap_or(BLOCK).min(BLOCK);
            let old = self.buf.len();
            self.buf.resize(old + want, 0);
            let at = self.run.begin + offset;
            let got = read_full_at(self.file.as_ref(), &mut self.buf[old..], at)
                .map_err(|e| Error::io("read", &self.path, Some(at), e))?;
            if got < want || crc32fast::hash(&self.buf[old..]) != crc {
                return Err(self.lost());
            }
            self.block += 1;
        }
        Ok(true)
    }

    fn lost(&self) -> Error {
        Error::corrupted(&self.path, self.run.begin, "what was written while the index was built is not read back")
    }
}

/// Gives the changes.
#[derive(Debug)]
pub(super) struct Sorted {
    /// Those in memory, if there is no run.
    keys: Vec<u8>,
    entries: std::vec::IntoIter<Entry>,
    readers: Vec<Reader>,
    /// Readers by their next key; of equal ones the newest run first.
    heap: Vec<usize>,
    /// The key given last.
    last: Vec<u8>,
}

impl Sorted {
    /// The next key that is not removed in the end, with its location.
    pub(super) fn next(&mut self) -> Result<Option<(&[u8], u64)>> {
        if self.readers.is_empty() {
            let entry = self.entries.find_map(|entry| Some((entry.begin as usize, usize::from(entry.len), entry.new?)));
            return Ok(entry.map(|(begin, len, new)| (&self.keys[begin..begin + len], new)));
        }
        while let Some(&top) = self.heap.first() {
            let reader = &mut self.readers[top];
            let is_new = self.last.is_empty() || reader.key != self.last;
            let new = reader.new;
            if is_new {
                self.last.clear();
                self.last.extend_from_slice(&reader.key);
            }
            if !reader.advance()? {
                self.heap.swap_remove(0);
            }
            self.sift();
            if let (true, Some(new)) = (is_new, new) {
                return Ok(Some((&self.last, new)));
            }
        }
        Ok(None)
    }

    /// Puts the reader at the top in its place.
    fn sift(&mut self) {
        let before = |a: usize, b: usize| {
            let (x, y) = (self.heap[a], self.heap[b]);
            self.readers[x].key.cmp(&self.readers[y].key).then(y.cmp(&x)).is_lt()
        };
        let (mut at, mut moves) = (0, Vec::new());
        loop {
            // The order within the path is that of before the moves: what moves down is compared with what is below it.
            let (left, right) = (2 * at + 1, 2 * at + 2);
            if left >= self.heap.len() {
                break;
            }
            let child = if right < self.heap.len() && before(right, left) { right } else { left };
            if !before(child, 0) {
                break;
            }
            moves.push((at, child));
            at = child;
        }
        for (a, b) in moves {
            self.heap.swap(a, b);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::vfs::sim::SimVfs;

    fn sorted(limit: usize, changes: &[(Vec<u8>, Option<u64>)]) -> (Vec<(Vec<u8>, u64)>, usize) {
        let disk = SimVfs::new(1);
        let temp = Path::new("/index.bptree.tmp");
        let mut sorter = Sorter::new(limit);
        for part in changes.chunks(13) {
            let part: Vec<_> =
                part.iter().map(|(key, new)| Change { key, new: new.map(Location::from_bits), old: None }).collect();
            sorter.add(&disk, temp, &part).expect("room");
        }
        let runs = sorter.runs.len();
        let (mut all, mut sorted) = (Vec::new(), sorter.sorted(&disk, temp).expect("sorted"));
        while let Some((key, new)) = sorted.next().expect("the next") {
            all.push((key.to_vec(), new));
        }
        assert!(disk.files().is_empty(), "the file has no name");
        (all, runs)
    }

    #[test]
    fn the_last_change_of_each_key_comes_in_order() {
        let changes: Vec<(Vec<u8>, Option<u64>)> = (0..20_000_u64)
            .map(|n| {
                let k = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 50;
                (format!("{k}{}", "x".repeat(k as usize % 300)).into_bytes(), (n % 3 != 0).then_some(n))
            })
            .collect();
        let mut want = BTreeMap::new();
        for (key, new) in &changes {
            match new {
                Some(new) => want.insert(key.clone(), *new),
                None => want.remove(key),
            };
        }
        let want: Vec<_> = want.into_iter().collect();
        let mut most = 0;
        for limit in [5000, 100_000, 1 << 20, 1 << 30] {
            let (found, runs) = sorted(limit, &changes);
            assert!(found == want, "{limit}");
            most = most.max(runs);
        }
        assert!(most > 100, "{most} runs");
        assert!(sorted(5000, &[]).0.is_empty());
    }
}
