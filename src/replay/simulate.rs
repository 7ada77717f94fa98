//! [`Simulation`]: real limiters under a clock that the log drives.

use std::time::Duration;

use super::key_table::KeyId;
use crate::{BuildError, Clock, Gcra, Limiter, ManualClock, Quota};

/// What several limits, side by side, do to the same requests.
#[derive(Debug)]
pub(super) struct Simulation {
    /// Moves the clock of all limiters.
    hand: ManualClock,
    /// The time of the first request, which is the clock's zero.
    start: Option<i64>,
    requests: Vec<u64>,
    limits: Vec<SimulatedLimit>,
}

impl Simulation {
    /// One limiter for each quota, each for `max_keys` keys.
    pub(super) fn new(quotas: &[Quota], max_keys: usize) -> Result<Simulation, BuildError> {
        let (clock, hand) = Clock::manual();
        let limits = quotas.iter().map(|quota| SimulatedLimit::new(*quota, max_keys, clock.clone()));
        let limits = limits.collect::<Result<_, _>>()?;
        Ok(Simulation { hand, start: None, requests: Vec::new(), limits })
    }

    /// Asks every limit about one request. Times must not step back.
    pub(super) fn request(&mut self, second: i64, key: KeyId) {
        let start = *self.start.get_or_insert(second);
        let now = Duration::from_secs(second.abs_diff(start));
        self.hand.set(now);
        if key >= self.requests.len() {
            self.requests.resize(key + 1, 0);
        }
        self.requests[key] += 1;
        for limit in &mut self.limits {
            limit.request(now, key);
        }
    }

    /// How many requests each key made.
    pub(super) fn requests(&self) -> &[u64] {
        &self.requests
    }

    /// The limits in the order given.
    pub(super) fn limits(&self) -> &[SimulatedLimit] {
        &self.limits
    }
}

/// One limit, and what it did so far.
#[derive(Debug)]
pub(super) struct SimulatedLimit {
    quota: Quota,
    limiter: Limiter<Gcra>,
    admitted: u64,
    longest_refusal: LongestRefusal,
    keys: Vec<KeyTally>,
}

/// What one limit did to one key.
#[derive(Clone, Copy, Debug, Default)]
struct KeyTally {
    refused: u64,
    /// When the refusals began that no admission has ended yet.
    refused_since: Option<Duration>,
}

/// The longest time for which a key was refused without a break: from the first refusal of a row until the key
/// would have been let in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LongestRefusal {
    /// So long; zero when nothing was refused.
    Lasted(Duration),
    /// The limit lets nothing in, ever.
    Endless,
}

impl SimulatedLimit {
    fn new(quota: Quota, max_keys: usize, clock: Clock) -> Result<SimulatedLimit, BuildError> {
        Ok(SimulatedLimit {
            quota,
            limiter: Limiter::builder(Gcra::new(quota)).max_keys(max_keys).clock(clock).build()?,
            admitted: 0,
            longest_refusal: LongestRefusal::Lasted(Duration::ZERO),
            keys: Vec::new(),
        })
    }

    fn request(&mut self, now: Duration, key: KeyId) {
        if key >= self.keys.len() {
            self.keys.resize(key + 1, KeyTally::default());
        }
        let tally = &mut self.keys[key];
        match self.limiter.check(&key) {
            Ok(_) => {
                self.admitted += 1;
                tally.refused_since = None;
            }
            Err(denied) => {
                tally.refused += 1;
                let since = *tally.refused_since.get_or_insert(now);
                let refusal = match denied.retry_after() {
                    Some(wait) => LongestRefusal::Lasted(now.saturating_sub(since).saturating_add(wait)),
                    None => LongestRefusal::Endless,
                };
                self.longest_refusal = self.longest_refusal.max(refusal);
            }
        }
    }

    /// The limit itself.
    pub(super) fn quota(&self) -> Quota {
        self.quota
    }

    /// Requests that were let in.
    pub(super) fn admitted(&self) -> u64 {
        self.admitted
    }

    /// How often `key` was refused.
    pub(super) fn refused(&self, key: KeyId) -> u64 {
        self.keys.get(key).map_or(0, |tally| tally.refused)
    }

    /// See [`LongestRefusal`].
    pub(super) fn longest_refusal(&self) -> LongestRefusal {
        self.longest_refusal
    }

    /// How many keys the limiter had to forget because more were live than it had room for.
    pub(super) fn forgotten(&self) -> u64 {
        self.limiter.stats().forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simulate(quota: &str, requests: &[(i64, KeyId)]) -> Simulation {
        let mut simulation = Simulation::new(&[quota.parse().unwrap()], 1_000).unwrap();
        for (second, key) in requests {
            simulation.request(*second, *key);
        }
        simulation
    }

    fn seconds(seconds: u64) -> LongestRefusal {
        LongestRefusal::Lasted(Duration::from_secs(seconds))
    }

    #[test]
    fn keys_are_counted_apart() {
        let simulation = simulate("1/min", &[(100, 0), (100, 1), (101, 1), (102, 1), (103, 2)]);
        let limit = &simulation.limits()[0];
        assert_eq!(simulation.requests(), [1, 3, 1]);
        assert_eq!(limit.admitted(), 3);
        assert_eq!([0, 1, 2].map(|key| limit.refused(key)), [0, 2, 0]);
    }

    #[test]
    fn a_refusal_lasts_from_its_first_request_until_the_key_is_let_in_again() {
        // The token spent at 100 is back at 160.
        let longest = |requests: &[(i64, KeyId)]| simulate("1/min", requests).limits()[0].longest_refusal();
        assert_eq!(longest(&[(100, 0)]), seconds(0));
        assert_eq!(longest(&[(100, 0), (110, 0)]), seconds(50));
        assert_eq!(longest(&[(100, 0), (110, 0), (150, 0)]), seconds(50));
        assert_eq!(longest(&[(100, 0), (110, 0), (160, 0), (161, 0)]), seconds(59));
        assert_eq!(longest(&[(100, 0), (110, 0), (160, 0), (190, 0)]), seconds(50));
    }

    #[test]
    fn a_limit_of_zero_refuses_without_end() {
        let simulation = simulate("0/s", &[(100, 0), (101, 0)]);
        let limit = &simulation.limits()[0];
        assert_eq!((limit.admitted(), limit.refused(0)), (0, 2));
        assert_eq!(limit.longest_refusal(), LongestRefusal::Endless);
    }
}
