//! Changes of one key that depend on what it was: read, decide, write if the record is still where it was, else once more.
//!
//! Why the place is enough: no two records that anybody saw were ever at the same place, so a key whose record is where it was has
//! not changed. (A record that a merge has moved looks changed, and is decided on once more.) Every attempt that fails does so
//! because another commit of the same key was under way, so somebody always gets on.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::log::{Encoded, Value, View};
use crate::types::{Location, Timestamp, Ttl};

use super::expiry::after;
use super::pending::{New, Pending};
use super::plan::{Check, Plan};
use super::read::When;
use super::store::Store;
use super::transaction::owned;
use super::write::{Job, too_large};

/// What is to become of the key.
#[derive(Debug)]
pub(crate) enum Decision {
    Keep,
    /// With from when on it counts as absent.
    Put(Vec<u8>, Option<Timestamp>),
    Delete,
}

/// What a key has.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) value: Value,
    /// The record's own expiry.
    pub(crate) expiry: Option<Timestamp>,
    /// How long it is left.
    pub(crate) ttl: Ttl,
}

impl Store {
    /// Changes a key as `decide` says of what it has. What it says at last is what is done; it may be asked several times.
    pub(crate) fn modify<R>(
        &self,
        key: &[u8],
        sync: bool,
        mut decide: impl FnMut(Option<&Found>) -> Result<(Decision, R)>,
    ) -> Result<R> {
        self.check_writable()?;
        loop {
            let (place, found) = self.look(key)?;
            let (decision, answer) = decide(found.as_ref())?;
            let (new, expiry) = match &decision {
                Decision::Keep => return Ok(answer),
                Decision::Delete if place.is_none() => return Ok(answer),
                Decision::Delete => (None, None),
                Decision::Put(value, expiry) => (Some(&value[..]), *expiry),
            };
            let commit = Encoded::single_until(key, new, expiry).ok_or_else(too_large)?;
            let plan = Some(Box::new(Plan { check: Some(Check::Place(place)), ..Plan::default() }));
            match self.submit(Job { plan, is_unasked: true, ..self.job(commit, sync) }) {
                Ok(_) => return Ok(answer),
                Err(Error::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where a key's record is, and what it has unless it has expired.
    fn look(&self, key: &[u8]) -> Result<(Option<Location>, Option<Found>)> {
        self.check_usable()?;
        let place = self.index.get(key)?;
        let found = match place {
            Some(place) => self.found_at(place, key, When::Now)?,
            None => None,
        };
        Ok((place, found))
    }

    /// What a key has now.
    pub(crate) fn find(&self, key: &[u8]) -> Result<Option<Found>> {
        self.look(key).map(|(_, found)| found)
    }

    /// What is found at a location, if that is the key's and has not expired.
    pub(super) fn found_at(&self, location: Location, key: &[u8], when: When) -> Result<Option<Found>> {
        let of = |view: &View<'_>| (view.header.expiry, self.expiry.end_of(view));
        let Some((value, (expiry, end))) = self.record_at(location, key, when, Vec::new(), of)? else {
            return Ok(None);
        };
        let ttl = if end.is_some() { Ttl::until(end, self.time(when)) } else { Ttl::NoExpiry };
        Ok(Some(Found { value, expiry, ttl }))
    }

    /// The same of a value that is not committed yet: its age begins then.
    pub(super) fn found_own(&self, new: New<'_>, now: Timestamp) -> Option<Found> {
        let end = self.expiry.end(new.expiry, || now);
        let found = Found { value: owned(new.value), expiry: new.expiry, ttl: Ttl::until(end, now) };
        new.is_alive(now).then_some(found)
    }

    /// From when on something counts as absent that is to live so long from now on; `None` if that is no time at all.
    pub(crate) fn deadline(&self, ttl: Duration) -> Option<Timestamp> {
        (!ttl.is_zero()).then(|| after(self.vfs.now(), ttl))
    }

    /// What a key has by writes that are not committed, now.
    pub(crate) fn found_now(&self, new: New<'_>) -> Option<Found> {
        self.found_own(new, self.vfs.now())
    }

    /// The expiry of a value that is put: by its ttl, `otherwise` without one. `None` if it is to be there for no time at all: then the key is
    /// deleted.
    pub(super) fn expiry_of(&self, ttl: Option<Duration>, otherwise: Option<Timestamp>) -> Option<Option<Timestamp>> {
        ttl.map_or(Some(otherwise), |ttl| self.deadline(ttl).map(Some))
    }

    /// Adds a put to writes that are to be committed.
    pub(crate) fn put_in(&self, pending: &mut Pending, key: &[u8], value: &[u8], ttl: Option<Duration>) {
        match self.expiry_of(ttl, None) {
            Some(expiry) => pending.put(key, value, expiry),
            None => pending.delete(key),
        }
    }

    /// What becomes of a key that gets a value.
    pub(crate) fn decide_put(&self, value: Vec<u8>, ttl: Option<Duration>, otherwise: Option<Timestamp>) -> Decision {
        self.expiry_of(ttl, otherwise).map_or(Decision::Delete, |expiry| Decision::Put(value, expiry))
    }

    /// Has a key expire in so much time; whether it is there.
    pub(crate) fn expire(&self, key: &[u8], ttl: Duration, sync: bool) -> Result<bool> {
        self.modify(key, sync, |present| {
            Ok(match present {
                Some(found) => (self.decide_put(found.value.to_vec(), Some(ttl), None), true),
                None => (Decision::Keep, false),
            })
        })
    }

    /// Takes a key's expiry away; whether it had one.
    pub(crate) fn persist(&self, key: &[u8], sync: bool) -> Result<bool> {
        self.modify(key, sync, |present| {
            Ok(match present {
                Some(found) if found.expiry.is_some() => (Decision::Put(found.value.to_vec(), None), true),
                _ => (Decision::Keep, false),
            })
        })
    }
}
