//! The real operating system.

/// The real file system, clock and random numbers.
#[derive(Debug)]
pub struct OsVfs;
impl OsVfs { /// New.
 pub fn new() -> OsVfs { todo!() } }
