//! Key sequences, made before the clock starts and the same for every limiter.

/// A small generator for sequences that must be the same in every run (`SplitMix64`, Steele, Lea and Flood 2014).
pub(crate) struct SplitMix(u64);

impl SplitMix {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number below `bound`; the bias (under `bound / 2^64`) is of no account here.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let wide = u128::from(self.next()) * bound as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }
}

/// The increment and the multipliers of `SplitMix64`.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The `rank`-th key. The map is one to one, so different ranks are different keys, and it scatters them, so no
/// limiter profits from neighbours.
pub(crate) const fn key(rank: u64) -> u64 {
    mix(rank.wrapping_add(GOLDEN))
}

/// The keys 0 to `count` (exclusive) as numbers.
pub(crate) fn numbers(count: usize) -> Vec<u64> {
    (0..count as u64).map(key).collect()
}

/// The same key as text of 24 bytes, the length of a prefixed random id such as `user:9f86d081884c7d659a2`.
pub(crate) fn text(number: u64) -> String {
    format!("user:{number:019x}")
}

/// `count` draws, each index below `distinct` equally likely.
pub(crate) fn uniform(distinct: usize, count: usize) -> Vec<usize> {
    let mut random = SplitMix::new(1);
    (0..count).map(|_| random.below(distinct)).collect()
}

/// `count` draws from 0 to `distinct` (exclusive) in which index `i` has weight `1 / (i + 1)`: Zipf with exponent 1.
pub(crate) fn zipf(distinct: usize, count: usize) -> Vec<usize> {
    let mut total = 0.0;
    let cumulative: Vec<f64> = (1..=distinct)
        .map(|rank| {
            #[allow(clippy::cast_precision_loss, reason = "ranks are far below 2^53")]
            let weight = 1.0 / rank as f64;
            total += weight;
            total
        })
        .collect();
    let mut random = SplitMix::new(2);
    (0..count)
        .map(|_| {
            #[allow(clippy::cast_precision_loss, reason = "53 bits of a random number are kept on purpose")]
            let draw = (random.next() >> 11) as f64 / (1_u64 << 53) as f64 * total;
            cumulative.partition_point(|&upto| upto <= draw).min(distinct - 1)
        })
        .collect()
}
