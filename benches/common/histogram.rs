//! A histogram of latencies in fixed memory: recording one is an addition to a counter.

/// Each power of two is divided into this many buckets, so a figure read back is at most 1/32, 3 %, too high.
const PARTS: usize = 32;
const PART_BITS: u32 = PARTS.trailing_zeros();
/// Numbers below `PARTS` have a bucket each; each of the powers of two from there to 2^63 has `PARTS`.
const BUCKETS: usize = PARTS * (64 - PART_BITS as usize + 1);

/// Counts of 64-bit numbers, by size.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Box<[u64]>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS].into(), total: 0, max: 0 }
    }

    #[inline]
    pub(crate) fn record(&mut self, number: u64) {
        self.counts[bucket(number)] += 1;
        self.total += 1;
        self.max = self.max.max(number);
    }

    pub(crate) const fn max(&self) -> u64 {
        self.max
    }

    /// The least number that all but `rest` of a million recorded numbers do not exceed, to the bucket's upper end.
    pub(crate) fn all_but(&self, rest: u64) -> u64 {
        // At least one is left out above it only if there are that many.
        let above = self.total * rest / 1_000_000;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate().rev() {
            seen += count;
            if seen > above {
                return upper_end(bucket).min(self.max);
            }
        }
        0
    }
}

#[inline]
const fn bucket(number: u64) -> usize {
    // 0 for the numbers below `2 * PARTS`, which have a bucket each, and one more with each power of two.
    let power = (number | PARTS as u64).ilog2() - PART_BITS;
    #[allow(clippy::cast_possible_truncation, reason = "at most six bits remain")]
    let part = (number >> power) as usize;
    power as usize * PARTS + part
}

const fn upper_end(bucket: usize) -> u64 {
    // The inverse of the above: the leading bits, of which the highest is not stored twice.
    let power = (bucket / PARTS).saturating_sub(1);
    let part = (bucket - power * PARTS) as u64;
    // In this order the very last bucket's end, 2^64 - 1, does not overflow.
    (part << power) + ((1 << power) - 1)
}
