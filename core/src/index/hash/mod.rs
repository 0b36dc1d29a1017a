//! Fingerprint table.
