//! How far in the log a checkpoint of an index goes, and by what one knows that it is this log (FORMAT 10.3).

use super::bytes::{Reader, Writer};
use super::payload::{SEAL_LEN, Seal};
use crate::types::{FileId, SeqNo};

/// Length in bytes.
pub const COVERED_LEN: usize = 128;

/// A place of the log, always between two commits. The index has what every commit before it did, and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Covered {
    /// The store's id.
    pub store_id: u64,
    /// The nonce of the log file that the place is in.
    pub nonce: u64,
    /// The place: offset in that file.
    pub offset: u64,
    /// Number of the last commit before it.
    pub seq: SeqNo,
    /// Offset of the record of that file that ends at the place, and its crc; 0 if there is none.
    pub witness: (u64, u32),
    /// The place: file id.
    pub file: u32,
    /// Number of the data files that the index may name, and the CRC32 over their ids, nonces and lengths.
    pub files: (u32, u32),
    /// What a seal at the place would say; its length is 0.
    pub seal: Seal,
    /// A record before the place may have an expiry. Without it none has.
    pub expires: bool,
}

impl Covered {
    /// To bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; COVERED_LEN] {
        let mut bytes = [0; COVERED_LEN];
        let mut w = Writer::new(&mut bytes);
        w.put(&self.store_id.to_le_bytes())
            .put(&self.nonce.to_le_bytes())
            .put(&self.offset.to_le_bytes())
            .put(&self.seq.0.to_le_bytes())
            .put(&self.witness.0.to_le_bytes())
            .put(&self.witness.1.to_le_bytes())
            .put(&self.file.to_le_bytes())
            .put(&self.files.0.to_le_bytes())
            .put(&self.files.1.to_le_bytes())
            .put(&Seal { length: 0, ..self.seal }.encode())
            .put(&[u8::from(self.expires)]);
        bytes
    }

    /// `None` if a field has a value that is not allowed.
    #[must_use]
    pub fn decode(bytes: &[u8; COVERED_LEN]) -> Option<Covered> {
        let mut r = Reader(bytes);
        let covered = Covered {
            store_id: r.u64()?,
            nonce: r.u64()?,
            offset: r.u64()?,
            seq: SeqNo(r.u64()?),
            witness: (r.u64()?, r.u32()?),
            file: r.u32()?,
            files: (r.u32()?, r.u32()?),
            seal: Seal::decode(r.slice(SEAL_LEN)?)?,
            expires: match r.slice(1)? {
                [0] => false,
                [1] => true,
                _ => return None,
            },
        };
        let id = FileId(covered.file);
        let sound = id.0 > 0
            && id <= FileId::MAX
            && covered.offset.is_multiple_of(4)
            && (covered.witness.0 < covered.offset)
            && covered.seal.length == 0
            && r.0.iter().all(|&byte| byte == 0);
        sound.then_some(covered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Timestamp;

    #[test]
    fn it_comes_back() {
        let covered = Covered {
            store_id: 1,
            nonce: 2,
            offset: 400,
            seq: SeqNo(3),
            witness: (128, 5),
            file: 6,
            files: (7, 8),
            seal: Seal { count: 9, min_time: Timestamp(10), ..Seal::default() },
            expires: false,
        };
        for expires in [false, true] {
            let covered = Covered { expires, ..covered };
            assert_eq!(Covered::decode(&covered.encode()), Some(covered));
        }
        for bad in [
            Covered { file: 0, ..covered },
            Covered { file: 1 << 28, ..covered },
            Covered { offset: 402, ..covered },
            Covered { witness: (400, 5), ..covered },
        ] {
            assert_eq!(Covered::decode(&bad.encode()), None);
        }
        let mut bytes = covered.encode();
        bytes[127] = 1;
        assert_eq!(Covered::decode(&bytes), None);
        let mut bytes = covered.encode();
        bytes[104] = 2;
        assert_eq!(Covered::decode(&bytes), None, "a flag of a later release");
    }
}
