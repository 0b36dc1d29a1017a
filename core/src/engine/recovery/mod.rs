//! Opening: from whatever is in a directory to an index and the end of the log.
//!
//! In three steps, of which only the last changes anything, and only for a writer:
//! 1. [`survey`]: which files are there, and whose.
//! 2. [`replay`]: reads hints and logs into the index and finds where the log ends (FORMAT 5).
//! 3. [`repair`]: cuts off what lies behind the end, and makes sure that the rest is on stable storage (FORMAT 7).
//!
//! An index that outlives the process is asked first how far it goes ([`start`]); what is before that is not read then.
//!
//! The outcome depends on the bytes in the files alone: not on which hints are there, on clocks, or on threads.

mod apply;
mod batch;
mod repair;
mod replay;
mod start;
mod survey;

pub(super) use repair::repair;
pub(super) use replay::{ReplayConfig, Replayed, replay};
pub(super) use start::{Start, covered, start};
pub(super) use survey::{Survey, SurveyConfig, remove_temps, survey};
