//! Accounts as they are kept with a saved index. Records whose length is to be read are not named there: where there were some, somebody who asks for
//! exact bytes has the file gone through.

use std::sync::Arc;

use crate::format::accounts::{SavedAccount, SavedClass, decode, encode};
use crate::format::header::FileKind;
use crate::log::DataFile;
use crate::types::FileId;

use super::sums::{Class, Expiring, Seqs};
use super::{Account, Ledger};

impl Ledger {
    /// To bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut accounts: Vec<_> = self.accounts.iter().map(|(id, account)| account.to_saved(*id)).collect();
        accounts.sort_unstable_by_key(|account| account.file);
        let mut bytes = Vec::new();
        encode(&accounts, &mut bytes);
        bytes
    }

    /// From bytes, if they fit the data files and the number of keys. No bytes are no accounts, and not those of files without records: merges
    /// go by what they say of deletes.
    pub(crate) fn decode(bytes: &[u8], files: &[Arc<DataFile>], keys: u64) -> Option<Ledger> {
        if bytes.is_empty() {
            return None;
        }
        let mut ledger = Ledger::default();
        let mut live = 0;
        for saved in decode(bytes)? {
            let file = &files[files.binary_search_by_key(&saved.file, |file| file.id().0).ok()?];
            let account = Account::from_saved(&saved);
            let totals = account.totals();
            if totals.live_bytes + totals.dead_bytes + totals.tombstone_bytes > file.end() {
                return None;
            }
            live += totals.live_records;
            ledger.put_in(file.id(), account);
        }
        // A merged file has records.
        let is_whole = files.iter().all(|file| file.header().kind == FileKind::Log || ledger.get(file.id()).is_some());
        (live == keys && is_whole).then_some(ledger)
    }
}

impl Account {
    fn to_saved(&self, file: FileId) -> SavedAccount {
        let classes = self.puts.iter().zip(0..).filter(|(class, _)| class.records > 0);
        let classes = classes.map(|(class, number)| SavedClass {
            class: number,
            records: class.records,
            bytes: class.bytes,
            shortest: class.shortest,
            longest: class.longest,
            live: class.live.min(class.records),
            dead: if class.dead <= class.dead_records() { class.dead } else { 0 },
            dead_bytes: if class.dead <= class.dead_records() { class.dead_bytes } else { 0 },
        });
        SavedAccount {
            file: file.0,
            tombstones: self.tombstones,
            tombstone_bytes: self.tombstone_bytes,
            seqs: self.seqs(),
            expiring: (self.expiring.records, self.expiring.bytes),
            expiries: (self.expiring.first, self.expiring.last),
            classes: classes.collect(),
        }
    }

    fn from_saved(saved: &SavedAccount) -> Account {
        let mut account = Account {
            tombstones: saved.tombstones,
            tombstone_bytes: saved.tombstone_bytes,
            seqs: Seqs::of(saved.seqs),
            expiring: Expiring {
                records: saved.expiring.0,
                bytes: saved.expiring.1,
                first: saved.expiries.0,
                last: saved.expiries.1,
            },
            ..Account::default()
        };
        for class in &saved.classes {
            let number = usize::from(class.class);
            account.puts.resize(number + 1, Class::default());
            account.puts[number] = Class {
                records: class.records,
                bytes: class.bytes,
                shortest: class.shortest,
                longest: class.longest,
                live: class.live,
                dead: class.dead,
                dead_bytes: class.dead_bytes,
            };
        }
        account.is_lost = account.puts.iter().any(|class| class.unknown() > 0);
        account
    }
}
