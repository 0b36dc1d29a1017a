//! The head of a saved index (FORMAT 11). Bytes only.

use super::bytes::{Reader, Writer};
use super::covered::COVERED_LEN;

/// Length of the head. Pages begin at [`PAGES_START`].
pub const HEAD_LEN: usize = 256;
/// Where the pages begin.
pub const PAGES_START: u64 = 4096;
/// Bytes that belong to the kind.
pub const OWN_LEN: usize = 48;
/// The kind `btree`.
pub const KIND_BTREE: u8 = 1;
/// The kind `hash`.
pub const KIND_HASH: u8 = 2;

const MAGIC: &[u8; 8] = b"BITCASKc";
const VERSION: u16 = 2;
const CRC_AT: usize = 20;
/// Read as bytes in the order of the machine that wrote the pages.
const ORDER: u32 = 0x0102_0304;

/// What is said of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointHead {
    /// The kind of index.
    pub kind: u8,
    /// Random, of this file alone; part of every checksum.
    pub nonce: u64,
    /// Number of keys.
    pub len: u64,
    /// Number of pages of 4 KiB.
    pub pages: u32,
    /// CRC32 of nonce and table of checksums.
    pub table_crc: u32,
    /// Bytes of the tail.
    pub tail_len: u64,
    /// CRC32 of nonce and tail.
    pub tail_crc: u32,
    /// What the kind says of itself.
    pub own: [u8; OWN_LEN],
    /// How far in the log it goes.
    pub covered: [u8; COVERED_LEN],
    /// Bytes of the accounts.
    pub accounts_len: u32,
    /// CRC32 of nonce and accounts.
    pub accounts_crc: u32,
}

impl CheckpointHead {
    /// To bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEAD_LEN] {
        let mut bytes = [0; HEAD_LEN];
        Writer::new(&mut bytes)
            .put(MAGIC)
            .put(&VERSION.to_le_bytes())
            .put(&(HEAD_LEN as u16).to_le_bytes())
            .put(&[0; 12])
            .put(&ORDER.to_ne_bytes())
            .put(&[self.kind, 0, 0, 0])
            .put(&self.nonce.to_le_bytes())
            .put(&self.len.to_le_bytes())
            .put(&self.pages.to_le_bytes())
            .put(&self.table_crc.to_le_bytes())
            .put(&self.tail_len.to_le_bytes())
            .put(&self.tail_crc.to_le_bytes())
            .put(&[0; 4])
            .put(&self.own)
            .put(&self.covered)
            .put(&self.accounts_len.to_le_bytes())
            .put(&self.accounts_crc.to_le_bytes());
        let crc = crc(&bytes);
        bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// From bytes, or why it is not used.
    pub fn decode(bytes: &[u8; HEAD_LEN]) -> Result<CheckpointHead, String> {
        let mut r = Reader(bytes);
        let no = || "it is cut short".to_owned();
        if r.slice(8).ok_or_else(no)? != MAGIC {
            return Err("it does not begin as one".into());
        }
        let (version, len) = (r.u16().ok_or_else(no)?, r.u16().ok_or_else(no)?);
        let (required, _optional, sum) = (r.u32().ok_or_else(no)?, r.u32().ok_or_else(no)?, r.u32().ok_or_else(no)?);
        if sum != crc(bytes) {
            return Err("the checksum of its head is wrong".into());
        }
        if version != VERSION || usize::from(len) != HEAD_LEN {
            return Err(format!("it is of version {version}, this release knows version {VERSION}"));
        }
        if required != 0 {
            let bit = required.trailing_zeros();
            return Err(format!("it needs a feature that this release does not have: bit {bit}"));
        }
        if r.slice(4).ok_or_else(no)? != ORDER.to_ne_bytes() {
            return Err("it was made by a machine with another order of bytes".into());
        }
        let kind = r.slice(4).ok_or_else(no)?;
        let head = CheckpointHead {
            kind: kind[0],
            nonce: r.u64().ok_or_else(no)?,
            len: r.u64().ok_or_else(no)?,
            pages: r.u32().ok_or_else(no)?,
            table_crc: r.u32().ok_or_else(no)?,
            tail_len: r.u64().ok_or_else(no)?,
            tail_crc: r.u32().ok_or_else(no)?,
            own: {
                r.slice(4).ok_or_else(no)?;
                *r.slice(OWN_LEN).and_then(|own| own.first_chunk()).ok_or_else(no)?
            },
            covered: *r.slice(COVERED_LEN).and_then(|covered| covered.first_chunk()).ok_or_else(no)?,
            accounts_len: r.u32().ok_or_else(no)?,
            accounts_crc: r.u32().ok_or_else(no)?,
        };
        if kind[1..] != [0; 3] || bytes[68..72] != [0; 4] || head.pages == u32::MAX {
            return Err("a field has a value that is not allowed".into());
        }
        Ok(head)
    }

    /// Where the table of checksums begins; the tail and the accounts follow it.
    #[must_use]
    pub fn table_at(&self) -> u64 {
        PAGES_START + u64::from(self.pages) * 4096
    }
}

/// Of the head without this field.
fn crc(bytes: &[u8; HEAD_LEN]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..CRC_AT]);
    hasher.update(&bytes[CRC_AT + 4..]);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> CheckpointHead {
        CheckpointHead {
            kind: KIND_BTREE,
            nonce: 7,
            len: 9,
            pages: 3,
            table_crc: 10,
            tail_len: 11,
            tail_crc: 12,
            own: [13; OWN_LEN],
            covered: [14; COVERED_LEN],
            accounts_len: 15,
            accounts_crc: 16,
        }
    }

    #[test]
    fn it_comes_back_and_no_flipped_bit_does() {
        let bytes = head().encode();
        assert_eq!(CheckpointHead::decode(&bytes), Ok(head()));
        for bit in 0..HEAD_LEN * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(CheckpointHead::decode(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn what_a_later_release_or_another_machine_wrote_is_refused_by_name() {
        let refused = |at: usize, with: &[u8]| {
            let mut bytes = head().encode();
            bytes[at..at + with.len()].copy_from_slice(with);
            let crc = crc(&bytes);
            bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
            CheckpointHead::decode(&bytes).expect_err("it is refused")
        };
        assert!(refused(8, &[3]).contains("version 3"));
        assert!(refused(8, &[1]).contains("version 1"), "of an earlier one");
        assert!(refused(12, &[4]).contains("bit 2"));
        assert!(refused(24, &ORDER.swap_bytes().to_ne_bytes()).contains("order of bytes"));
        assert!(refused(29, &[1]).contains("not allowed") && refused(68, &[1]).contains("not allowed"));
        let mut bytes = head().encode();
        bytes[16] = 1;
        let crc = crc(&bytes);
        bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(CheckpointHead::decode(&bytes), Ok(head()), "an optional feature");
    }
}
