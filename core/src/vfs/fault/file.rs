//! The open files of a [`FaultVfs`](super::FaultVfs).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Fault, Faults, errno};
use crate::util::page::PageRun;
use crate::vfs::op::OpKind;
use crate::vfs::sim::Ino;
use crate::vfs::{Mapping, VfsFile, Window};

#[derive(Debug)]
pub(super) struct FaultFile {
    pub(super) inner: Arc<dyn VfsFile>,
    /// As it was opened.
    pub(super) path: PathBuf,
    /// Its number on the simulated disk, if there is one: the file may have another name by now.
    pub(super) ino: Option<Ino>,
    pub(super) faults: Arc<Faults>,
}

impl FaultFile {
    fn next(&self, kind: OpKind) -> Option<Fault> {
        self.faults.next(kind, &self.path, None)
    }

    fn check(&self, kind: OpKind) -> io::Result<()> {
        self.faults.check(kind, &self.path, None)
    }
}

impl VfsFile for FaultFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.next(OpKind::Read) {
            Some(Fault::Error(errno)) => Err(io::Error::from_raw_os_error(errno)),
            Some(Fault::ShortRead(short)) => {
                // Less than there is: a read of nothing would say that the file ends here.
                let n = short.of(buf.len()).max(1).min(buf.len());
                self.inner.read_at(&mut buf[..n], offset)
            }
            _ => self.inner.read_at(buf, offset),
        }
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        match self.next(OpKind::Write) {
            Some(Fault::Error(errno)) => Err(io::Error::from_raw_os_error(errno)),
            Some(Fault::ShortWrite(short)) => self.inner.write_at(&buf[..short.of(buf.len())], offset),
            _ => self.inner.write_at(buf, offset),
        }
    }

    fn len(&self) -> io::Result<u64> {
        self.check(OpKind::Len)?;
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check(OpKind::SetLen)?;
        self.inner.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.check(OpKind::Allocate)?;
        self.inner.allocate(offset, len)
    }

    fn fill(&self, offset: u64, len: u64) -> io::Result<()> {
        self.check(OpKind::Fill)?;
        self.inner.fill(offset, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.next(OpKind::SyncData) {
            Some(Fault::Error(errno)) => Err(io::Error::from_raw_os_error(errno)),
            Some(Fault::SyncFailureDroppingPages) => {
                if let (Some(sim), Some(ino)) = (&self.faults.sim, self.ino) {
                    sim.drop_dirty_pages(ino);
                }
                Err(io::Error::from_raw_os_error(errno::EIO))
            }
            _ => self.inner.sync_data(),
        }
    }

    fn map(&self, len: u64) -> io::Result<Arc<dyn Mapping>> {
        self.check(OpKind::Map)?;
        self.inner.map(len)
    }

    fn map_private(&self, offset: u64, pages: usize) -> io::Result<PageRun> {
        self.check(OpKind::Map)?;
        self.inner.map_private(offset, pages)
    }

    /// Copying into it can't fail, so that no plan counts it.
    fn window(&self, offset: u64, len: u64) -> io::Result<Box<dyn Window>> {
        self.check(OpKind::Map)?;
        self.inner.window(offset, len)
    }
}
