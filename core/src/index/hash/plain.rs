//! Says that descriptors may lie in mapped pages.

#![allow(unsafe_code)]

use super::segment::{DESCRIPTOR_BYTES, Descriptor};
use crate::util::pieces::Plain;

const _: () = assert!(size_of::<Descriptor>() == DESCRIPTOR_BYTES, "8, 4 and 4 bytes without padding");

// SAFETY: three atomic numbers without padding, in the order that they are declared in.
unsafe impl Plain for Descriptor {}
