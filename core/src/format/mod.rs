//! The codecs of docs/FORMAT.md.
