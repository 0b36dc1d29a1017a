//! The two checksums of a record, for who reads and writes records by the million (FORMAT 3.2).
//!
//! A general CRC takes bytes of any number in any number of pieces; most of what it does for a record of some hundred bytes is to find
//! out how to begin and to end. Records have what a general CRC can't count on: they are multiples of four bytes, at least [`HEADER_LEN`]
//! bytes stand before what is summed up, and the last piece is H. So all is taken in whole registers without a rest. Zeros before a message
//! don't change a CRC that begins with zeros, which is why a message may be made longer at its beginning; what the CRC begins with is put
//! over the message's first four bytes. Who writes sums up key, value and padding before there is a header, and H later.
//!
//! Only what the processor has instructions for is here; [`Sums::of`] gives nothing elsewhere, and callers take `crc32fast`.
//! The intrinsics need `unsafe` to be called at all, and pointers for loads that are masked.
#![allow(unsafe_code)]

use super::{HASHED_FROM, HEADER_LEN};

#[cfg(test)]
mod tests;

/// What stands behind the crc in a header; zeros where there is no whole one.
#[inline(always)]
pub(super) fn words(record: &[u8]) -> [u64; 3] {
    [4, 12, 20].map(|at: usize| {
        record.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
    })
}

/// H and crc of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) h: u32,
    pub(super) crc: u32,
}

impl Sums {
    /// Of a record with a header of [`HEADER_LEN`] bytes: all of `record`, in which key, value and padding are a multiple of four bytes,
    /// and not none. `state` is the placer's, and `header` what the header has from its fifth byte on: it is not loaded again.
    /// Nothing if this processor has no instructions for it, or `record` is no such record.
    #[inline]
    pub(super) fn of(state: u32, offset: u64, header: [u64; 3], record: &[u8]) -> Option<Sums> {
        #[cfg(target_arch = "x86_64")]
        {
            let body = record.len().checked_sub(HEADER_LEN)?;
            if body == 0 || !body.is_multiple_of(4) {
                return None;
            }
            x86::sums(state, offset, header, record)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (state, offset, header, record, HASHED_FROM);
            None
        }
    }

    /// The same, of the header as it is now in `record`: for who has no use for what it says beyond the lengths.
    #[inline(always)]
    pub(super) fn of_all(state: u32, offset: u64, record: &[u8]) -> Option<Sums> {
        #[cfg(target_arch = "x86_64")]
        {
            let body = record.len().checked_sub(HEADER_LEN)?;
            if body == 0 || !body.is_multiple_of(4) {
                return None;
            }
            x86::sums_of_all(state, offset, record)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (state, offset, record);
            None
        }
    }

    /// Of a record that is to be written: `header` as for [`Sums::of`], `body` the CRC of key, value and padding.
    #[inline]
    pub(super) fn of_header(state: u32, offset: u64, header: [u64; 3], body: u32) -> Option<Sums> {
        #[cfg(target_arch = "x86_64")]
        {
            x86::sums_of_header(state, offset, header, body)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (state, offset, header, body);
            None
        }
    }
}

/// The CRC of key, value and padding. Nothing if this processor has no instructions for it, or `content` is none, or no multiple of four bytes.
#[inline]
pub(super) fn body_sum(content: &[u8]) -> Option<u32> {
    #[cfg(target_arch = "x86_64")]
    {
        if content.is_empty() || !content.len().is_multiple_of(4) {
            return None;
        }
        x86::body_sum(content)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = content;
        None
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::super::POLYNOMIAL;
    use super::{HASHED_FROM, HEADER_LEN, Sums, words};

    /// Bytes that one register of each size takes.
    const BLOCK: usize = 16;
    const WIDE: usize = 64;
    /// From so many wide registers on, four of them are folded side by side: one alone waits for each multiplication.
    const SIDE_BY_SIDE: usize = 8;

    /// Records from which on what others have for long messages is as good as narrow registers.
    const LONG: usize = 512;

    /// x to this power modulo the polynomial, in the order of bits in which registers are folded.
    const fn power(exponent: u32) -> i64 {
        let (mut power, mut i) = (0x8000_0000u32, 0);
        while i < exponent {
            power = (power >> 1) ^ if power & 1 == 1 { POLYNOMIAL } else { 0 };
            i += 1;
        }
        (power as i64) << 1
    }

    /// What the two halves of a register are multiplied with to move it on by so many bits.
    const fn by(bits: u32) -> (i64, i64) {
        (power(bits + 32), power(bits - 32))
    }

    const BY_BLOCK: (i64, i64) = by(128);
    const BY_2_BLOCKS: (i64, i64) = by(256);
    const BY_3_BLOCKS: (i64, i64) = by(384);
    const BY_WIDE: (i64, i64) = by(512);
    const BY_4_WIDE: (i64, i64) = by(2048);
    /// From 96 bits to 64.
    const TO_64: i64 = power(64);
    /// The polynomial, and the quotient of a power and it, for the division without dividing (Barrett).
    const DIVISOR: i64 = 0x1_db71_0641;
    const QUOTIENT: i64 = 0x1_f701_1641;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
    #[repr(u8)]
    enum Level {
        Nothing = 1,
        /// Multiplication without carry, of registers of 16 bytes.
        Narrow = 2,
        /// And of 64 bytes, loaded by masks.
        Wide = 3,
    }

    impl Level {
        /// What this processor has.
        #[inline]
        fn here() -> Level {
            static FOUND: AtomicU8 = AtomicU8::new(0);
            match FOUND.load(Ordering::Relaxed) {
                3 => Level::Wide,
                2 => Level::Narrow,
                1 => Level::Nothing,
                _ => {
                    let level = Level::find();
                    FOUND.store(level as u8, Ordering::Relaxed);
                    level
                }
            }
        }

        #[cold]
        fn find() -> Level {
            if !is_x86_feature_detected!("pclmulqdq") || !is_x86_feature_detected!("sse4.1") {
                Level::Nothing
            } else if is_x86_feature_detected!("vpclmulqdq") && is_x86_feature_detected!("avx512f") {
                Level::Wide
            } else {
                Level::Narrow
            }
        }
    }

    /// The record is longer than its header, by a multiple of four.
    #[inline]
    pub(super) fn sums(state: u32, offset: u64, header: [u64; 3], record: &[u8]) -> Option<Sums> {
        let [low, high, second, third] = placed(state, offset, header);
        match Level::here() {
            // SAFETY: the processor has what the functions are compiled for.
            Level::Wide => Some(unsafe { wide(low, high, second, third, record) }),
            // SAFETY: as above.
            Level::Narrow if record.len() < LONG => Some(unsafe { narrow(low, high, second, third, record) }),
            _ => None,
        }
    }

    /// The record is longer than its header, by a multiple of four.
    #[inline(always)]
    pub(super) fn sums_of_all(state: u32, offset: u64, record: &[u8]) -> Option<Sums> {
        match Level::here() {
            // SAFETY: the processor has what the function is compiled for.
            Level::Wide => Some(unsafe { wide_of_all(state, offset, record) }),
            _ => sums(state, offset, words(record), record),
        }
    }

    #[inline]
    pub(super) fn sums_of_header(state: u32, offset: u64, header: [u64; 3], body: u32) -> Option<Sums> {
        let [low, high, second, third] = placed(state, offset, header);
        // SAFETY: the processor has what the function is compiled for.
        (Level::here() >= Level::Narrow).then(|| unsafe { behind(low, high, second, third, body) })
    }

    /// The content is not empty, and a multiple of four.
    #[inline]
    pub(super) fn body_sum(content: &[u8]) -> Option<u32> {
        // SAFETY: the processor has what the function is compiled for.
        (Level::here() == Level::Wide).then(|| unsafe { wide_body(content) })
    }

    /// What H sums up, the offset and what stands behind the checksums in the header: thirty bytes, and two of zeros before them.
    #[inline]
    fn placed(state: u32, offset: u64, [first, second, third]: [u64; 3]) -> [u64; 4] {
        const { assert!(HASHED_FROM == 6 && HEADER_LEN == 28) };
        [(offset ^ u64::from(!state)) << 16, (offset >> 48) | (first & !0xffff), second, third]
    }

    /// By each way that this processor has.
    #[cfg(test)]
    pub(super) fn all(state: u32, offset: u64, header: [u64; 3], record: &[u8]) -> Vec<(&'static str, Sums)> {
        let [low, high, second, third] = placed(state, offset, header);
        let mut all = Vec::new();
        if Level::here() >= Level::Narrow {
            // SAFETY: the processor has what the function is compiled for.
            all.push(("narrow", unsafe { narrow(low, high, second, third, record) }));
        }
        if Level::here() >= Level::Wide {
            // SAFETY: as above.
            all.push(("wide", unsafe { wide(low, high, second, third, record) }));
            // SAFETY: as above.
            all.push(("wide, all", unsafe { wide_of_all(state, offset, record) }));
        }
        all
    }

    /// With registers of one block. What is [`placed`] comes in registers.
    #[target_feature(enable = "pclmulqdq,sse4.1")]
    fn narrow(low: u64, high: u64, second: u64, third: u64, record: &[u8]) -> Sums {
        let h = header_sum(low, high, second, third);
        // The message ends with four bytes for H, which are zero here, and begins with zeros in the place of the header's last bytes.
        let blocks = (record.len() - HEADER_LEN + 4).div_ceil(BLOCK);
        let start = record.len() + 4 - blocks * BLOCK;
        let mut pieces = record[start..].chunks_exact(BLOCK);
        let last = || match record.last_chunk::<BLOCK>() {
            Some(last) => _mm_srli_si128(load(last), 4),
            None => _mm_setzero_si128(),
        };
        let mut next = || match pieces.next().and_then(|piece| piece.first_chunk()) {
            Some(piece) => load(piece),
            None => last(),
        };
        let before = _mm_set1_epi32((HEADER_LEN - start) as i32 / 4);
        let numbers = _mm_setr_epi32(0, 1, 2, 3);
        let first = _mm_andnot_si128(_mm_cmplt_epi32(numbers, before), next());
        let mut x = _mm_xor_si128(first, _mm_cmpeq_epi32(numbers, before));
        let mut left = blocks - 1;
        if left >= 7 {
            let mut side = [x, next(), next(), next()];
            left -= 3;
            while left >= 4 {
                side = side.map(|x| fold(x, next(), BY_WIDE));
                left -= 4;
            }
            let [a, b, c, d] = side;
            x = fold(fold(fold(a, b, BY_BLOCK), c, BY_BLOCK), d, BY_BLOCK);
        }
        for _ in 0..left {
            x = fold(x, next(), BY_BLOCK);
        }
        Sums { h, crc: finish(x, h) }
    }

    /// With registers of four blocks.
    #[target_feature(enable = "pclmulqdq,sse4.1,avx512f,vpclmulqdq")]
    fn wide(low: u64, high: u64, second: u64, third: u64, record: &[u8]) -> Sums {
        wide_behind(header_sum(low, high, second, third), record)
    }

    /// The same, of a header that is loaded in whole registers.
    #[target_feature(enable = "pclmulqdq,sse4.1,avx512f,vpclmulqdq")]
    fn wide_of_all(state: u32, offset: u64, record: &[u8]) -> Sums {
        let (Some(start), Some(end)) = (record.first_chunk(), record.get(12..).and_then(|bytes| bytes.first_chunk()))
        else {
            return Sums { h: 0, crc: 0 };
        };
        const { assert!(HASHED_FROM == 6 && HEADER_LEN == 28) };
        // Two bytes of zeros and eight of the offset; behind them six of the header, from its seventh on.
        let place = _mm_slli_si128::<2>(_mm_cvtsi64_si128((offset ^ u64::from(!state)) as i64));
        let first = _mm_blend_epi16::<0b1110_0000>(place, _mm_slli_si128::<4>(load(start)));
        wide_behind(reduce(fold(first, load(end), BY_BLOCK)), record)
    }

    /// All but H, which goes into the crc.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse4.1,avx512f,vpclmulqdq")]
    fn wide_behind(h: u32, record: &[u8]) -> Sums {
        Sums { h, crc: finish(folded::<1>(&record[HEADER_LEN..]), h) }
    }

    /// Key, value and padding alone.
    #[target_feature(enable = "pclmulqdq,sse4.1,avx512f,vpclmulqdq")]
    fn wide_body(content: &[u8]) -> u32 {
        reduce(folded::<0>(content))
    }

    /// One block that stands for the content, and for so many words of zeros behind it, one at most.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse4.1,avx512f,vpclmulqdq")]
    fn folded<const BEHIND: usize>(content: &[u8]) -> __m128i {
        // As above, in registers of four blocks; the first may begin before the content does.
        let len = content.len() + BEHIND * 4;
        let pieces = len.div_ceil(WIDE);
        let before = (pieces * WIDE - len) / 4;
        let start = content.as_ptr().wrapping_add(len).wrapping_sub(pieces * WIDE);
        let place = |i: usize| start.wrapping_add(i * WIDE);
        // SAFETY: only what lies in the content is loaded: a mask leaves out all before it in the first piece, and the words behind it in the
        // last; what a mask leaves out is not touched.
        let masked = |mask, i| unsafe { _mm512_maskz_loadu_epi32(mask, place(i).cast()) };
        // SAFETY: pieces between the first and the last lie in the content as a whole.
        let whole = |i| unsafe { _mm512_loadu_si512(place(i).cast()) };
        let of_last: __mmask16 = !0 >> BEHIND;
        let (first, last) = (!0 << before, pieces - 1);
        let mut x = masked(if last == 0 { first & of_last } else { first }, 0);
        x = _mm512_mask_xor_epi32(x, 1 << before, x, _mm512_set1_epi32(-1));
        let mut i = 1;
        if pieces >= SIDE_BY_SIDE {
            let mut side = [x, whole(1), whole(2), whole(3)];
            i = 4;
            while i + 4 <= last {
                for x in &mut side {
                    *x = fold_wide(*x, whole(i), BY_4_WIDE);
                    i += 1;
                }
            }
            let [a, b, c, d] = side;
            x = fold_wide(fold_wide(fold_wide(a, b, BY_WIDE), c, BY_WIDE), d, BY_WIDE);
        }
        while i < last {
            x = fold_wide(x, whole(i), BY_WIDE);
            i += 1;
        }
        if last > 0 {
            x = fold_wide(x, masked(of_last, last), BY_WIDE);
        }
        // The first three blocks to the place of the last.
        let (a, b, c) = (BY_3_BLOCKS, BY_2_BLOCKS, BY_BLOCK);
        let keys = _mm512_setr_epi64(a.0, a.1, b.0, b.1, c.0, c.1, 0, 0);
        let last = _mm512_maskz_mov_epi64(0b1100_0000, x);
        let (low, high) = (_mm512_clmulepi64_epi128::<0x00>(x, keys), _mm512_clmulepi64_epi128::<0x11>(x, keys));
        let x = _mm512_ternarylogic_epi64::<0x96>(low, high, last);
        let (low, high) = (_mm512_extracti32x4_epi32::<0>(x), _mm512_extracti32x4_epi32::<1>(x));
        let (third, last) = (_mm512_extracti32x4_epi32::<2>(x), _mm512_extracti32x4_epi32::<3>(x));
        _mm_xor_si128(_mm_xor_si128(low, high), _mm_xor_si128(third, last))
    }

    /// Of what is [`placed`], and the CRC of all behind the header: H stands behind that.
    #[target_feature(enable = "pclmulqdq,sse4.1")]
    fn behind(low: u64, high: u64, second: u64, third: u64, body: u32) -> Sums {
        let h = header_sum(low, high, second, third);
        Sums { h, crc: finish(_mm_setzero_si128(), h ^ !body) }
    }

    /// H, of what is [`placed`]: two blocks.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse4.1")]
    fn header_sum(low: u64, high: u64, second: u64, third: u64) -> u32 {
        let (first, last) = (_mm_set_epi64x(high as i64, low as i64), _mm_set_epi64x(third as i64, second as i64));
        reduce(fold(first, last, BY_BLOCK))
    }

    /// crc: of what was folded, with H in its last four bytes.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse4.1")]
    fn finish(x: __m128i, h: u32) -> u32 {
        reduce(_mm_xor_si128(x, _mm_insert_epi32::<3>(_mm_setzero_si128(), h as i32)))
    }

    /// One block moved on by as many bits as the keys say, and what is there already.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse4.1")]
    fn fold(x: __m128i, onto: __m128i, keys: (i64, i64)) -> __m128i {
        let keys = _mm_set_epi64x(keys.1, keys.0);
        let (low, high) = (_mm_clmulepi64_si128::<0x00>(x, keys), _mm_clmulepi64_si128::<0x11>(x, keys));
        _mm_xor_si128(_mm_xor_si128(low, high), onto)
    }

    #[inline]
    #[target_feature(enable = "avx512f,vpclmulqdq")]
    fn fold_wide(x: __m512i, onto: __m512i, keys: (i64, i64)) -> __m512i {
        let keys = _mm512_set4_epi64(keys.1, keys.0, keys.1, keys.0);
        let (low, high) = (_mm512_clmulepi64_epi128::<0x00>(x, keys), _mm512_clmulepi64_epi128::<0x11>(x, keys));
        _mm512_ternarylogic_epi64::<0x96>(low, high, onto)
    }

    /// The CRC of a block.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse4.1")]
    fn reduce(x: __m128i) -> u32 {
        let low = _mm_setr_epi32(!0, 0, 0, 0);
        let by_block = _mm_set_epi64x(BY_BLOCK.1, BY_BLOCK.0);
        let x = _mm_xor_si128(_mm_clmulepi64_si128::<0x10>(x, by_block), _mm_srli_si128::<8>(x));
        let to_64 = _mm_set_epi64x(0, TO_64);
        let x = _mm_xor_si128(_mm_clmulepi64_si128::<0x00>(_mm_and_si128(x, low), to_64), _mm_srli_si128::<4>(x));
        let division = _mm_set_epi64x(QUOTIENT, DIVISOR);
        let times = _mm_and_si128(_mm_clmulepi64_si128::<0x10>(_mm_and_si128(x, low), division), low);
        let rest = _mm_xor_si128(x, _mm_clmulepi64_si128::<0x00>(times, division));
        !(_mm_extract_epi32::<1>(rest) as u32)
    }

    #[inline]
    #[target_feature(enable = "sse4.1")]
    fn load(bytes: &[u8; BLOCK]) -> __m128i {
        // SAFETY: as many bytes as are loaded.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }
}
