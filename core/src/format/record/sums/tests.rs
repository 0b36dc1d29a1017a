//! Both checksums, and each alone, against the general CRC: for all lengths, and at the ends of memory.

use super::super::{Placer, finish_crc};
use super::*;

fn expected(placer: Placer, offset: u64, record: &[u8]) -> Sums {
    let h = placer.hash(offset, &record[HASHED_FROM..HEADER_LEN]);
    Sums { h, crc: finish_crc(crc32fast::hash(&record[HEADER_LEN..]), h) }
}

/// Bytes without a pattern.
fn record(len: usize, seed: u32) -> Vec<u8> {
    let byte = |i: usize| ((i as u32 ^ seed).wrapping_mul(0x9e37_79b1) >> 13) as u8;
    (0..len).map(byte).collect()
}

#[test]
fn sums_are_those_of_the_format_for_all_lengths() {
    for body in (4..=2200).step_by(4) {
        let record = record(HEADER_LEN + body, body as u32);
        for (nonce, offset) in [(0, 4096), (u64::MAX, 0xffff_fffc), (0x0123_4567_89ab_cdef, 0)] {
            let placer = Placer::new(nonce);
            let right = expected(placer, offset, &record);
            let header = words(&record);
            if let Some(sums) = Sums::of(placer.state, offset, header, &record) {
                assert_eq!(sums, right, "{body} bytes at {offset}");
            }
            #[cfg(target_arch = "x86_64")]
            for (name, sums) in x86::all(placer.state, offset, header, &record) {
                assert_eq!(sums, right, "{body} bytes at {offset}, {name}");
            }
            let content = crc32fast::hash(&record[HEADER_LEN..]);
            if let Some(sums) = Sums::of_header(placer.state, offset, header, content) {
                assert_eq!(sums, right, "{body} bytes at {offset}, of the header");
            }
            if let Some(sum) = body_sum(&record[HEADER_LEN..]) {
                assert_eq!(sum, content, "{body} bytes");
            }
        }
    }
}

/// Records at both ends of memory behind which there is none: a load of anything else ends the process.
#[cfg(target_arch = "x86_64")]
#[test]
fn nothing_but_the_record_is_loaded() {
    let page = 4096;
    let mut memory = memmap2::MmapMut::map_anon(3 * page).unwrap();
    for fence in [0, 2 * page] {
        // SAFETY: it is a page of this mapping, and nobody looks at it from now on.
        let outcome = unsafe { libc::mprotect(memory.as_mut_ptr().add(fence).cast(), page, libc::PROT_NONE) };
        assert_eq!(outcome, 0);
    }
    let placer = Placer::new(1);
    for body in (4..=2200).step_by(4) {
        let bytes = record(HEADER_LEN + body, body as u32);
        for at in [page, 2 * page - bytes.len()] {
            let place = &mut memory[at..][..bytes.len()];
            place.copy_from_slice(&bytes);
            for (name, sums) in x86::all(placer.state, 4096, words(&bytes), place) {
                assert_eq!(sums, expected(placer, 4096, &bytes), "{body} bytes at {at}, {name}");
            }
            // Nothing stands before what is summed up without its header.
            let at = if at == page { page } else { 2 * page - body };
            let place = &mut memory[at..][..body];
            place.copy_from_slice(&bytes[HEADER_LEN..]);
            assert!(
                body_sum(place).is_none_or(|sum| sum == crc32fast::hash(&bytes[HEADER_LEN..])),
                "{body} bytes at {at}"
            );
        }
    }
}

#[test]
fn what_is_no_record_has_no_sums() {
    for len in [0, 27, 28, 29, 30, 31, 33] {
        let record = record(len, 1);
        assert_eq!(Sums::of(1, 4, words(&record), &record), None, "{len} bytes");
    }
    assert_eq!([0, 1, 2, 3, 5].map(|len| body_sum(&record(len, 1))), [None; 5]);
}
