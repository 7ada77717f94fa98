//! [`LeaseTerms`]: a leased limit in the integers that the store computes with.

use std::time::Duration;

use super::request::{LeaseAsk, LeaseGrant};
use crate::distributed::rule::Rule;
use crate::quota::Quota;

/// Everything that the store adds or multiplies stays below 2⁵³, where a Lua number is still an exact integer; half of
/// it for a level, half for what is added to one.
const LARGEST_LEVEL: u128 = 1 << 51;
/// Demand is counted in this part of the limit's rate: fine enough for 2²⁴ nodes with equal shares, and ten times the
/// rate times [`SHARE`] is still below 2⁵³.
pub(crate) const FULL_DEMAND: u64 = 1 << 24;
/// A node that says more than this many times the rate is not believed, so that a broken one cannot take everything.
const MOST_DEMAND: u64 = 10 * FULL_DEMAND;
/// A share of the rate is rounded down to this part: an error of a thousandth for the smallest of a thousand shares.
pub(crate) const SHARE: u64 = 1 << 20;
/// A lease shorter than this is over before its answer is there.
const SHORTEST_LIFE: Duration = Duration::from_millis(1);
/// A longer one strands tokens of a dead node for longer than anybody waits.
const LONGEST_LIFE: Duration = Duration::from_secs(60);

/// A leased limit in the integers that the store computes with; times are in microseconds, levels in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// The burst, in tokens.
    pub(crate) capacity: u64,
    /// Units in a token.
    pub(crate) unit: u64,
    /// Units that come back in a microsecond.
    pub(crate) gain: u64,
    /// From empty to full.
    pub(crate) full_after: u64,
    /// How long a lease lives.
    pub(crate) life: u64,
    /// What is kept back while there is less than everybody wants, so that whoever asks next finds its share.
    pub(crate) pool: u64,
}

impl LeaseTerms {
    /// The terms of a limit; a life outside 1 ms to 60 s counts as the nearest of the two.
    ///
    /// The rate is the quota's, or where its numbers are too large for exact ones the next one below.
    pub fn new(quota: Quota, life: Duration) -> LeaseTerms {
        let (count, period) = (u128::from(quota.count()) * 1_000, quota.period().as_nanos());
        let divisor = greatest_common_divisor(count, period).max(1);
        let capacity = quota.capacity().min(Rule::MOST_TOKENS);
        let in_a_microsecond = count.div_ceil(period);
        let largest_unit = LARGEST_LEVEL / u128::from(capacity).max(in_a_microsecond).max(1);
        let unit = (period / divisor).min(largest_unit);
        // A quota of nothing has no capacity, so nothing comes of a gain that is too high.
        let gain = narrow(count * unit / period).max(1);
        let unit = narrow(unit);
        let full = capacity * unit;
        let life = narrow(life.clamp(SHORTEST_LIFE, LONGEST_LIFE).as_micros());
        let full_after = full.div_ceil(gain);
        let pool = (gain * (life / 2).min(full_after)).min(full / 4);
        LeaseTerms { capacity, unit, gain, full_after, life, pool }
    }

    /// Whether the rate survives the rounding: it does unless a token takes centuries.
    pub(crate) fn rate_fits(quota: Quota) -> bool {
        let terms = LeaseTerms::new(quota, SHORTEST_LIFE);
        quota.capacity() == 0
            || u128::from(terms.gain) * quota.period().as_nanos()
                <= u128::from(terms.unit) * u128::from(quota.count()) * 1_000
    }

    /// The full level.
    pub(crate) fn full(&self) -> u64 {
        self.capacity * self.unit
    }

    /// Thousandths of tokens in a second, in parts of the rate; at least one, as it comes from somebody who asks.
    pub(crate) fn relative_demand(&self, thousandths: u64) -> u64 {
        let scaled = u128::from(thousandths) * u128::from(self.unit) * u128::from(FULL_DEMAND);
        narrow(scaled / (u128::from(self.gain) * 1_000_000_000)).clamp(1, MOST_DEMAND)
    }

    /// Parts of the rate, in thousandths of tokens in a second.
    fn absolute_demand(&self, relative: u64) -> u64 {
        let scaled = u128::from(relative) * u128::from(self.gain) * 1_000_000_000;
        narrow(scaled / (u128::from(self.unit) * u128::from(FULL_DEMAND)))
    }

    /// What a node asks, in the store's integers.
    pub(crate) fn question(&self, ask: &LeaseAsk) -> LeaseQuestion {
        let random = u64::from(ask.random);
        let rounding = narrow((u128::from(random) * u128::from(self.unit)) >> 32);
        let half = self.life / 2;
        let need = ask.need.min(Rule::MOST_TOKENS);
        LeaseQuestion {
            need,
            want: ask.want.min(Rule::MOST_TOKENS).max(need),
            demand: self.relative_demand(ask.demand),
            since_last: narrow(ask.since_last.as_micros()).min(self.life).min(self.full_after),
            generation: ask.generation,
            reports: ask.reports.map(|report| (report.generation, report.spent)),
            rounding,
            // Three quarters to all of half a life: nodes that were refused together do not come back together.
            pause: half * 3 / 4 + ((half / 4) * random >> 32),
        }
    }

    /// What the store answered, in a node's units.
    pub(crate) fn grant(&self, answer: &LeaseAnswer) -> LeaseGrant {
        LeaseGrant {
            tokens: answer.tokens,
            generation: answer.generation,
            retry_after: Duration::from_micros(answer.retry_after),
            demand: self.absolute_demand(answer.demand),
            nodes: u32::try_from(answer.nodes).unwrap_or(u32::MAX),
            remaining: answer.remaining,
        }
    }
}

/// A [`LeaseAsk`] in the store's integers: the script's arguments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseQuestion {
    pub(crate) need: u64,
    pub(crate) want: u64,
    /// In parts of the rate: [`FULL_DEMAND`] is all of it.
    pub(crate) demand: u64,
    pub(crate) since_last: u64,
    pub(crate) generation: Option<u64>,
    pub(crate) reports: [(u64, u64); 2],
    /// Below `unit`: a fraction of a token that is larger is rounded up.
    pub(crate) rounding: u64,
    /// How long a node waits that was given all that was its own.
    pub(crate) pause: u64,
}

/// A [`LeaseGrant`] in the store's integers: the script's reply, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseAnswer {
    pub(crate) tokens: u64,
    pub(crate) generation: u64,
    pub(crate) retry_after: u64,
    pub(crate) demand: u64,
    pub(crate) nodes: u64,
    pub(crate) remaining: u64,
}

fn greatest_common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Where a number is too large for its type the largest one is as good.
fn narrow(wide: u128) -> u64 {
    u64::try_from(wide).unwrap_or(u64::MAX)
}
