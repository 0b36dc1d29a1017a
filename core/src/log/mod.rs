//! Data files and hints.
