//! [`Chooser`]: which key is next.

use std::sync::Arc;

use super::plan::Keys;
use crate::random::Random;

/// Chooses keys by their places, from 0.
#[derive(Clone, Debug)]
pub(super) struct Chooser {
    random: Random,
    count: usize,
    /// For each place the weight of all up to it, if they are not all alike.
    weights: Option<Arc<[f64]>>,
}

impl Chooser {
    /// O(keys).
    pub(super) fn new(keys: Keys) -> Chooser {
        let weights = (keys.skew > 0.0).then(|| {
            let mut sum = 0.0;
            #[expect(clippy::cast_precision_loss, reason = "a weight, and there are fewer keys than 2⁵²")]
            let up_to = (1..=keys.count).map(|rank| {
                sum += (rank as f64).powf(-keys.skew);
                sum
            });
            up_to.collect()
        });
        Chooser { random: Random::new(0), count: keys.count, weights }
    }

    /// One that chooses the same keys in another order.
    pub(super) fn fork(&self, seed: u64) -> Chooser {
        Chooser { random: Random::new(seed), ..self.clone() }
    }

    /// O(log keys).
    pub(super) fn next(&mut self) -> usize {
        let Some(weights) = &self.weights else {
            return self.random.index(self.count);
        };
        // 53 bits are what a number between 0 and 1 has room for.
        #[expect(clippy::cast_precision_loss, reason = "53 bits")]
        let share = (self.random.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let drawn = share * weights.last().copied().unwrap_or_default();
        weights.partition_point(|up_to| *up_to <= drawn).min(self.count - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_asked_as_often_as_their_rank_says() {
        let mut chooser = Chooser::new(Keys { count: 3, skew: 1.0 }).fork(1);
        let mut asked = [0_i32; 3];
        (0..11_000).for_each(|_| asked[chooser.next()] += 1);
        // 1, 1/2 and 1/3 are 6, 3 and 2 of 11.
        for (asked, expected) in asked.into_iter().zip([6_000, 3_000, 2_000]) {
            assert!((asked - expected).abs() < 200, "{asked} of {expected}");
        }
    }

    #[test]
    fn without_skew_all_are_alike() {
        let mut chooser = Chooser::new(Keys { count: 4, skew: 0.0 }).fork(1);
        let mut asked = [0_i32; 4];
        (0..4_000).for_each(|_| asked[chooser.next()] += 1);
        assert!(asked.iter().all(|asked| (asked - 1_000).abs() < 150), "{asked:?}");
    }
}
