//! [`Demand`]: how much a node is asked for.

/// Tokens a second that a node is asked for, refused ones included: a mean in which the past fades in a life.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demand {
    /// Thousandths of tokens in a second, up to `since`.
    rate: u64,
    /// Tokens since then.
    offered: u64,
    /// In nanoseconds.
    since: u64,
}

/// Thousandths of a token a second, for one token a nanosecond.
const THOUSANDTHS: u128 = 1_000_000_000_000;

impl Demand {
    pub(super) fn starting(now: u64) -> Demand {
        Demand { since: now, ..Demand::default() }
    }

    pub(super) fn offer(&mut self, tokens: u64) {
        self.offered = self.offered.saturating_add(tokens);
    }

    /// What it is now. The weight of what is new is `passed / (passed + life)`: an exponential mean to first order, and
    /// the same number on every machine.
    pub(super) fn thousandths(&mut self, now: u64, life: u64) -> u64 {
        let passed = now.saturating_sub(self.since);
        let whole = u128::from(passed) + u128::from(life);
        let new = u128::from(self.offered) * THOUSANDTHS;
        let mean = (u128::from(self.rate) * u128::from(life) + new) / whole.max(1);
        let mean = u64::try_from(mean).unwrap_or(u64::MAX);
        // In less than an eighth of a life too little has come to be folded in.
        if passed >= life / 8 {
            *self = Demand { rate: mean, offered: 0, since: now };
        }
        mean
    }
}

#[cfg(test)]
mod tests {
    use super::Demand;

    const LIFE: u64 = 100_000_000;

    #[test]
    fn a_steady_demand_is_seen_after_a_few_lives() {
        let mut demand = Demand::starting(0);
        let mut seen = 0;
        for millisecond in 1..=1_000 {
            demand.offer(2);
            seen = demand.thousandths(millisecond * 1_000_000, LIFE);
        }
        assert!((1_950_000..=2_050_000).contains(&seen), "{seen}");
    }

    #[test]
    fn what_is_not_asked_for_is_forgotten() {
        let mut demand = Demand::starting(0);
        demand.offer(1_000);
        demand.thousandths(LIFE, LIFE);
        assert!(demand.thousandths(1_000 * LIFE, LIFE) < 10_000);
    }

    #[test]
    fn no_numbers_overflow() {
        let mut demand = Demand::starting(u64::MAX);
        demand.offer(u64::MAX);
        demand.offer(u64::MAX);
        assert_eq!(demand.thousandths(0, 1), u64::MAX);
        assert_eq!(demand.thousandths(u64::MAX, 1), u64::MAX);
    }
}
