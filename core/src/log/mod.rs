//! Data files and hints: appended to, read by place, scanned. Knows the format and no keys' meaning; the index is a
//! sibling that it does not see.

mod behind;
mod beside;
mod data_file;
mod encoded;
mod gated;
mod hint_file;
mod load;
mod mapped;
mod merged;
mod scan;
mod seen;
mod sync_gate;
mod value;
mod writer;

pub(crate) use beside::Beside;
pub(crate) use data_file::{Asked, Content, DataFile, NewFile, Unusable, View};
pub(crate) use encoded::Encoded;
pub(crate) use gated::GatedVfs;
pub(crate) use hint_file::{HintReader, HintWriter};
pub(crate) use load::Load;
pub(crate) use mapped::{MappedRecords, Plain};
pub(crate) use merged::{Finished, Output, OutputConfig, Sealed, remove};
pub(crate) use scan::{Item, Scanner, damage_error};
pub(crate) use seen::{Seen, Witness};
pub(crate) use sync_gate::SyncGate;
pub(crate) use value::Lender;
pub use value::Value;
pub(crate) use writer::{LogConfig, LogCovered, LogEnd, LogPosition, LogWriter, NewFiles};
