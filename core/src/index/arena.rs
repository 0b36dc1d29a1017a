//! Numbered pages in memory.
