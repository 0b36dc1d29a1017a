//! Asking the processor for bytes before they are needed. Nothing but a hint: no memory is read in the language's sense.
//!
//! `unsafe` for speed, which the instruction's intrinsic asks for; the other place is `format/record/sums.rs`.
//!
//! Reading a record at a random place is one wait for memory. Without hints it is one for each of the places that a decoder comes
//! to on its own, and a decoder of many records waits for each of them in turn.
#![allow(unsafe_code)]

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;
/// Lines that are asked for at most, about as many as a processor waits for at a time: behind them it sees by itself that memory is read in order.
const MOST_LINES: usize = 16;

/// Asks for the line that holds the beginning of `target`.
#[inline(always)]
pub(crate) fn prefetch<T: ?Sized>(target: &T) {
    hint(std::ptr::from_ref(target).cast());
}

/// Asks for the first lines of `bytes`, all at once.
#[inline]
pub(crate) fn prefetch_all(bytes: &[u8]) {
    for line in bytes.chunks(LINE).take(MOST_LINES) {
        hint(line.as_ptr());
    }
    // Bytes that begin within a line end in one more.
    if let Some(last) = bytes.last().filter(|_| bytes.len() <= MOST_LINES * LINE) {
        hint(std::ptr::from_ref(last));
    }
}

#[inline(always)]
fn hint(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch changes nothing and faults nowhere, whatever the address; every x86-64 has it.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(place.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch changes nothing and faults nowhere, whatever the address.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) place, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = place;
}
