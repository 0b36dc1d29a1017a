//! Small tools that know nothing of the store.

pub(crate) mod prefetch;
