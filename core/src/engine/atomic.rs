//! Changes of one key that depend on what it was: read, decide, write if the record is still where it was, else once more.
//!
//! Why the place is enough: no two records that anybody saw were ever at the same place, so a key whose record is where it was has
//! not changed. (A record that a merge has moved looks changed, and is decided on once more.) Every attempt that fails does so
//! because another commit of the same key was under way, so somebody always gets on.

use crate::error::{Error, Result};
use crate::log::{Encoded, Value};
use crate::types::Location;

use super::plan::{Check, Plan};
use super::read::When;
use super::store::Store;
use super::write::{Job, too_large};

/// What is to become of the key.
#[derive(Debug)]
pub(crate) enum Decision {
    Keep,
    Put(Vec<u8>),
    Delete,
}

impl Store {
    /// Changes a key as `decide` says of its present value. What it says at last is what is done; it may be asked several times.
    pub(crate) fn modify<R>(
        &self,
        key: &[u8],
        sync: bool,
        mut decide: impl FnMut(Option<&[u8]>) -> Result<(Decision, R)>,
    ) -> Result<R> {
        self.check_writable()?;
        loop {
            let (place, value) = self.look(key)?;
            let (decision, answer) = decide(value.as_deref())?;
            let new = match &decision {
                Decision::Keep => return Ok(answer),
                Decision::Delete if place.is_none() => return Ok(answer),
                Decision::Delete => None,
                Decision::Put(value) => Some(&value[..]),
            };
            let commit = Encoded::single(key, new).ok_or_else(too_large)?;
            let plan = Some(Box::new(Plan { delete: Vec::new(), check: Some(Check::Place(place)) }));
            match self.submit(Job { plan, ..self.job(commit, sync) }) {
                Ok(_) => return Ok(answer),
                Err(Error::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where a key's record is, and its value unless it has expired.
    fn look(&self, key: &[u8]) -> Result<(Option<Location>, Option<Value>)> {
        self.check_usable()?;
        let place = self.index.get(key)?;
        let value = match place {
            Some(place) => self.value_at(place, key, When::Now, Vec::new())?,
            None => None,
        };
        Ok((place, value))
    }
}
