use super::account::MAX_LISTED;
use super::*;

fn at(file: u32, offset: u64, len: u64) -> Location {
    Location::new(FileId(file), offset, len).unwrap()
}

fn ledger_of(lens: &[u64]) -> (Ledger, Vec<Location>) {
    let mut ledger = Ledger::default();
    let mut locations = Vec::new();
    for (n, &len) in lens.iter().enumerate() {
        let location = at(1, 128 + n as u64 * 1000, len);
        ledger.of(FileId(1)).put(location, len, SeqNo(n as u64 + 5), None);
        ledger.moved(None, Some(location));
        locations.push(location);
    }
    (ledger, locations)
}

#[test]
fn an_overwrite_kills_one_record_and_revives_another() {
    let (mut ledger, locations) = ledger_of(&[100, 100, 400]);
    let new = at(2, 128, 60);
    ledger.of(FileId(2)).put(new, 60, SeqNo(9), None);
    ledger.moved(Some(locations[0]), Some(new));
    ledger.of(FileId(2)).delete(32, SeqNo(10));
    ledger.moved(Some(locations[2]), None);
    let (one, two) = (ledger.get(FileId(1)).unwrap().clone(), ledger.get(FileId(2)).unwrap().clone());
    let totals = one.totals();
    assert_eq!((totals.live_records, totals.live_bytes), (1, 100));
    assert_eq!((totals.dead_records, totals.dead_bytes), (2, 500));
    assert_eq!(one.seqs(), Some((SeqNo(5), SeqNo(7))));
    let totals = two.totals();
    assert_eq!((totals.live_records, totals.live_bytes, totals.tombstones, totals.tombstone_bytes), (1, 60, 1, 32));
    assert_eq!(two.seqs(), Some((SeqNo(9), SeqNo(10))));
    ledger.remove(FileId(1));
    assert!(ledger.get(FileId(1)).is_none());
}

#[test]
fn dead_records_are_listed_only_where_their_length_is_not_known() {
    // Classes of up to 96 and of up to 128 bytes.
    let (mut ledger, locations) = ledger_of(&[68, 72, 96, 100, 100]);
    ledger.moved(Some(locations[3]), None);
    let account = ledger.get(FileId(1)).unwrap();
    assert!(account.is_exact() && account.listed.is_empty());
    ledger.moved(Some(locations[1]), None);
    let account = ledger.of(FileId(1));
    assert_eq!((account.is_exact(), account.is_listed(), account.listed.as_slice()), (false, true, &locations[1..2]));
    assert_eq!(account.totals().dead_bytes, 100 + (68 + 72 + 96) / 3, "as long as others of its class");
    account.listed.clear();
    account.resolve(locations[1], 72);
    assert!(account.is_exact() && account.totals().dead_bytes == 172);
    // What becomes of various lengths later does not change what was known.
    account.put(at(1, 9000, 124), 124, SeqNo(50), None);
    ledger.moved(None, Some(at(1, 9000, 124)));
    assert_eq!(ledger.get(FileId(1)).unwrap().totals().dead_bytes, 172);
}

#[test]
fn lists_are_given_up_where_they_grow_too_long() {
    let lens: Vec<u64> = (0..MAX_LISTED as u64 + 2).map(|n| 68 + 4 * (n % 2)).collect();
    let (mut ledger, locations) = ledger_of(&lens);
    for (n, &location) in locations[..MAX_LISTED].iter().enumerate() {
        ledger.moved(Some(location), None);
        assert_eq!(ledger.listed, n + 1);
    }
    assert!(ledger.get(FileId(1)).unwrap().is_listed());
    ledger.moved(Some(locations[MAX_LISTED]), None);
    let account = ledger.get(FileId(1)).unwrap();
    assert!(account.is_lost && account.listed.is_empty() && !account.is_listed() && ledger.listed == 0);
    ledger.moved(Some(locations[MAX_LISTED + 1]), None);
    assert!(ledger.get(FileId(1)).unwrap().is_exact(), "nothing is alive");
    ledger.remove(FileId(1));
    assert_eq!(ledger.listed, 0);
}

#[test]
fn a_copy_that_comes_to_life_after_it_was_taken_for_dead_makes_the_account_unsure() {
    let (mut ledger, _) = ledger_of(&[68, 72]);
    let (a, b) = (at(2, 128, 68), at(2, 228, 72));
    for (location, len) in [(a, 68), (b, 72)] {
        ledger.of(FileId(2)).put(location, len, SeqNo(5), None);
        ledger.of(FileId(2)).resolve(location, len);
    }
    assert!(ledger.get(FileId(2)).unwrap().is_exact());
    ledger.moved(None, Some(a));
    let account = ledger.get(FileId(2)).unwrap();
    assert!(account.is_lost && !account.is_listed());
    ledger.moved(None, Some(b));
    let totals = ledger.get(FileId(2)).unwrap().totals();
    assert_eq!((totals.live_bytes, totals.dead_bytes), (140, 0));
}

#[test]
fn packets_count_as_their_records_would() {
    let (mut one, locations) = ledger_of(&[68, 72, 400]);
    let mut whole = one.clone();
    let mut packet = Account::default();
    let news: Vec<_> = [(5000, 68), (6000, 36), (7000, 36)].map(|(offset, len)| (at(2, offset, len), len)).into();
    for &(location, len) in &news {
        packet.put(location, len, SeqNo(70), Some(Timestamp(len)));
        whole.of(FileId(2)).put(location, len, SeqNo(70), Some(Timestamp(len)));
    }
    packet.delete(32, SeqNo(71));
    whole.of(FileId(2)).delete(32, SeqNo(71));
    let old = [Some(locations[0]), None, Some(news[1].0)];
    let changes: Vec<_> =
        news.iter().zip(old).map(|(&(new, _), old)| Change { key: b"k", new: Some(new), old }).collect();
    changes.iter().for_each(|change| whole.moved(change.old, change.new));
    one.absorb(FileId(2), &packet);
    one.moved_to(FileId(2), &changes);
    for file in [FileId(1), FileId(2)] {
        assert_eq!(one.get(file), whole.get(file));
    }
    assert_eq!(one.listed, 1);
}

/// The log is read again from behind a hint that does not go as far as the index, and leads to what the index has already.
#[test]
fn a_record_that_is_told_again_is_not_dead() {
    let (mut ledger, locations) = ledger_of(&[100, 100]);
    locations.iter().for_each(|&location| ledger.moved(Some(location), Some(location)));
    let account = ledger.get(FileId(1)).unwrap();
    assert!(account.puts.iter().all(|class| (class.dead, class.dead_bytes) == (0, 0)), "{account:?}");
    ledger.moved(Some(locations[0]), None);
    assert_eq!(ledger.get(FileId(1)).unwrap().totals().dead_bytes, 100);
}
