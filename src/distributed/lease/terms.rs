//! [`LeaseTerms`]: a leased limit in the integers that stores count by; and its questions and answers in them.

use std::time::Duration;

use super::request::{LeaseAsk, LeaseGrant, LeaseReturn};
use crate::distributed::parameters::Parameters;
use crate::distributed::rule::Rule;

/// Demand is counted in this part of the limit's rate: fine enough for shares of a ten-millionth.
pub(crate) const WHOLE_DEMAND: i64 = 1 << 24;
/// A node that says more than this many times the rate is not believed, so that a broken one cannot take everything.
const MOST_DEMAND: i64 = 10 * WHOLE_DEMAND;

/// A leased limit in the integers that stores count by: times in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// The burst, in tokens.
    pub(crate) limit: i64,
    /// Parts that make a token, at least 1.
    pub(crate) token: i64,
    /// Parts that come back every unit, at least 1.
    pub(crate) refill: i64,
    /// At least 1.
    pub(crate) unit: i64,
    /// How long a lease lives.
    pub(crate) life: i64,
}

impl LeaseTerms {
    /// Those of a [leased](Rule::Leased) rule that is valid.
    #[must_use]
    pub fn of(rule: &Rule) -> Option<LeaseTerms> {
        match Parameters::of(rule) {
            Ok(Parameters::Leased(terms)) => Some(terms),
            _ => None,
        }
    }

    /// In this order the script's.
    #[cfg(feature = "redis")]
    pub(crate) fn parameters(&self) -> [i64; 5] {
        [self.limit, self.token, self.refill, self.unit, self.life]
    }

    /// The full level, in parts.
    #[must_use]
    pub fn full(&self) -> i64 {
        self.limit * self.token
    }

    /// What comes back in so many microseconds, in parts; more than a full level counts as that.
    pub(crate) fn refilled_in(&self, micros: i64) -> i64 {
        (micros / self.unit).saturating_mul(self.refill).min(self.full())
    }

    /// What is kept back while there is less than all want, in parts, so that whoever asks next finds its share: what comes
    /// back between two questions of a node, but no more than a quarter of the burst.
    pub(crate) fn pool(&self) -> i64 {
        self.refilled_in(self.life / 2).min(self.full() / 4)
    }

    /// Thousandths of tokens in a second, in parts of the rate; at least one, as it comes from somebody who asks.
    fn relative(&self, thousandths: u64) -> i64 {
        let thousandths = i128::from(tokens(thousandths / 1_000)) * 1_000 + i128::from(thousandths % 1_000);
        // Above this it is more than is believed, whatever the unit; below, all products fit.
        let parts = (thousandths * i128::from(WHOLE_DEMAND) * i128::from(self.token)
            / i128::from(self.refill))
        .min(1 << 100);
        // Thousandths of a token a second to tokens a microsecond.
        let relative = parts * i128::from(self.unit) / 1_000_000_000;
        i64::try_from(relative).unwrap_or(MOST_DEMAND).clamp(1, MOST_DEMAND)
    }

    /// What a node asks, in the store's integers.
    pub fn question(&self, ask: &LeaseAsk) -> LeaseQuestion {
        let need = tokens(ask.need);
        let random = i64::from(ask.random);
        let rounding = (i128::from(random) * i128::from(self.token)) >> 32;
        let half = self.life / 2;
        LeaseQuestion {
            need,
            want: tokens(ask.want).max(need),
            demand: self.relative(ask.demand),
            since_last: i64::try_from(ask.since_last.as_micros()).unwrap_or(i64::MAX).min(self.life),
            generation: ask.generation.map_or(-1, number),
            reports: ask.reports.map(|report| (number(report.generation), tokens(report.spent))),
            rounding: i64::try_from(rounding).unwrap_or(0),
            // Three quarters to all of half a life: nodes that were refused together do not come back together.
            pause: half - ((half / 4 * random) >> 32),
        }
    }
}

/// A [`LeaseAsk`] in the store's integers: the script's arguments, in this order.
#[derive(Clone, Copy, Debug)]
pub struct LeaseQuestion {
    pub(crate) need: i64,
    pub(crate) want: i64,
    /// In parts of the rate: [`WHOLE_DEMAND`] is all of it.
    pub(crate) demand: i64,
    /// At most a life.
    pub(crate) since_last: i64,
    /// -1 is none.
    pub(crate) generation: i64,
    pub(crate) reports: [(i64, i64); 2],
    /// Below `token`: a fraction of a token that is larger is rounded up.
    pub(crate) rounding: i64,
    /// How long a node waits that was given all that was its own.
    pub(crate) pause: i64,
}

impl LeaseQuestion {
    /// In this order the script's.
    #[cfg(feature = "redis")]
    pub(crate) fn numbers(&self) -> [i64; 11] {
        let [(of, spent), (of_other, spent_other)] = self.reports;
        [
            self.need,
            self.want,
            self.demand,
            self.since_last,
            self.generation,
            of,
            spent,
            of_other,
            spent_other,
            self.rounding,
            self.pause,
        ]
    }
}

impl LeaseReturn {
    /// The script's arguments.
    pub(crate) fn numbers(&self) -> [i64; 3] {
        [number(self.report.generation), tokens(self.unspent), tokens(self.report.spent)]
    }
}

/// A [`LeaseGrant`] in the store's integers: the script's reply, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseAnswer {
    pub(crate) tokens: i64,
    pub(crate) generation: i64,
    pub(crate) retry_after: i64,
    pub(crate) demand: i64,
    pub(crate) nodes: i64,
    pub(crate) remaining: i64,
}

impl LeaseAnswer {
    /// For the node that asked.
    #[must_use]
    pub fn to(self, question: &LeaseQuestion) -> LeaseGrant {
        let share = question.demand * 1_000_000 / self.demand.max(1);
        LeaseGrant {
            tokens: self.tokens.unsigned_abs(),
            generation: self.generation.unsigned_abs(),
            retry_after: Duration::from_micros(self.retry_after.unsigned_abs()),
            share: u32::try_from(share).unwrap_or(1_000_000).min(1_000_000),
            nodes: u32::try_from(self.nodes).unwrap_or(u32::MAX),
            remaining: self.remaining.unsigned_abs(),
        }
    }
}

/// No limit is larger.
fn tokens(tokens: u64) -> i64 {
    number(tokens.min(Rule::MOST_TOKENS))
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
