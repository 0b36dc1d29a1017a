//! Asking the processor for a cache line before it is needed. Nothing but a hint: no memory is read in the language's sense.
//!
//! The one file of the indexes with `unsafe`, which the instruction's intrinsic asks for.
#![allow(unsafe_code)]

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;

/// Asks for the line that holds the beginning of `target`.
#[inline(always)]
pub(crate) fn prefetch<T: ?Sized>(target: &T) {
    let place = std::ptr::from_ref(target).cast::<i8>();
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch changes nothing and faults nowhere, whatever the address; every x86-64 has it.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(place);
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch changes nothing and faults nowhere, whatever the address.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) place, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = place;
}
