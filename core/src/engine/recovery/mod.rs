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

mod ahead;
mod apply;
mod batch;
mod beside;
mod hints;
mod merged;
mod progress;
mod records;
mod repair;
mod replay;
mod stable;
mod start;
mod survey;

pub(super) use apply::Live;

pub(super) use progress::{Callback, Progress};
pub(super) use repair::repair;
pub(super) use replay::{LogEndFound, ReplayConfig, Replayed, replay};
pub(super) use start::{Start, changes_behind, covered, start};
pub(super) use survey::{Survey, SurveyConfig, data_files, remove_temps, survey};
