//! Small tools that know nothing of the store.

pub(crate) mod few;
pub(crate) mod huge;
pub(crate) mod lock;
pub(crate) mod page;
pub(crate) mod pieces;
pub(crate) mod prefetch;
pub(crate) mod sip;
mod system;
pub(crate) mod worker;
