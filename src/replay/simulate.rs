//! [`Simulation`]: real limiters under a clock that the log drives.

use std::time::Duration;

use super::algorithm::AnyLimiter;
use super::error::ReplayError;
use super::fields::Entry;
use super::key_table::KeyId;
use super::refusals::{LongestRefusal, RefusalRow};
use super::series::Series;
use super::time::UnixNanos;
use crate::policy::AlgorithmName;
use crate::{Clock, ManualClock, Quota};

/// One limit in one algorithm: a column of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) quota: Quota,
    pub(super) algorithm: AlgorithmName,
    pub(super) max_keys: usize,
}

impl Plan {
    fn build(&self, clock: Clock) -> Result<Box<dyn AnyLimiter>, ReplayError> {
        let built = self.algorithm.limiter(self.quota, self.max_keys, clock);
        built.map_err(|error| ReplayError::Build { quota: self.quota, algorithm: self.algorithm, error })
    }
}

/// What several limits, side by side, do to the same requests.
pub(super) struct Simulation {
    /// Moves the clock of all limiters, which counts from 1970: so windows begin where they would in production.
    hand: ManualClock,
    requests: Vec<u64>,
    tokens: u64,
    limits: Vec<SimulatedLimit>,
    over_time: Series,
}

impl Simulation {
    /// One limiter for each plan, under a clock that stands at `start`, the time of the first request: a limiter's windows
    /// count from when it was built.
    pub(super) fn new(plans: &[Plan], start: UnixNanos) -> Result<Simulation, ReplayError> {
        let (clock, hand) = Clock::manual();
        hand.set(Duration::from_nanos(start));
        let limits = plans.iter().map(|plan| SimulatedLimit::new(*plan, clock.clone()));
        Ok(Simulation {
            hand,
            requests: Vec::new(),
            tokens: 0,
            limits: limits.collect::<Result<_, _>>()?,
            over_time: Series::new(1 + plans.len()),
        })
    }

    /// Asks every limit about one request. Times must not step back.
    pub(super) fn request(&mut self, Entry { time, cost }: Entry, key: KeyId) {
        self.hand.set(Duration::from_nanos(time));
        if key >= self.requests.len() {
            self.requests.resize(key + 1, 0);
        }
        self.requests[key] += 1;
        self.tokens = self.tokens.saturating_add(cost);
        self.over_time.count(0, time);
        for (position, limit) in self.limits.iter_mut().enumerate() {
            if !limit.admits(Entry { time, cost }, key) {
                self.over_time.count(1 + position, time);
            }
        }
    }

    /// How many requests each key made.
    pub(super) fn requests(&self) -> &[u64] {
        &self.requests
    }

    /// How many tokens all requests asked for.
    pub(super) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The limits in the order given.
    pub(super) fn limits(&self) -> &[SimulatedLimit] {
        &self.limits
    }

    /// Requests in the first row, and in the following the refusals of each limit.
    pub(super) fn over_time(&self) -> &Series {
        &self.over_time
    }
}

/// One limit, and what it did so far.
pub(super) struct SimulatedLimit {
    plan: Plan,
    limiter: Box<dyn AnyLimiter>,
    admitted: u64,
    tokens_admitted: u64,
    too_large: u64,
    longest_refusal: LongestRefusal,
    keys: Vec<KeyTally>,
}

/// What one limit did to one key.
#[derive(Clone, Copy, Debug, Default)]
struct KeyTally {
    refused: u64,
    row: RefusalRow,
}

impl SimulatedLimit {
    fn new(plan: Plan, clock: Clock) -> Result<SimulatedLimit, ReplayError> {
        Ok(SimulatedLimit {
            plan,
            limiter: plan.build(clock)?,
            admitted: 0,
            tokens_admitted: 0,
            too_large: 0,
            longest_refusal: LongestRefusal::NONE,
            keys: Vec::new(),
        })
    }

    fn admits(&mut self, Entry { time, cost }: Entry, key: KeyId) -> bool {
        if key >= self.keys.len() {
            self.keys.resize(key + 1, KeyTally::default());
        }
        let tally = &mut self.keys[key];
        let Err(denied) = self.limiter.check_n(key, cost) else {
            self.admitted += 1;
            self.tokens_admitted = self.tokens_admitted.saturating_add(cost);
            tally.row.admitted();
            return true;
        };
        tally.refused += 1;
        let wait = denied.retry_after();
        if wait.is_none() && denied.limit() > 0 {
            // The request is to blame, and not what the key did before: it says nothing of how long others must wait.
            self.too_large += 1;
            return false;
        }
        self.longest_refusal = self.longest_refusal.max(tally.row.refused(time, wait));
        false
    }

    /// The limit itself.
    pub(super) fn plan(&self) -> Plan {
        self.plan
    }

    /// Requests that were let in.
    pub(super) fn admitted(&self) -> u64 {
        self.admitted
    }

    /// Tokens that were given to them.
    pub(super) fn tokens_admitted(&self) -> u64 {
        self.tokens_admitted
    }

    /// Requests that cost more than the limit can ever give at once.
    pub(super) fn too_large(&self) -> u64 {
        self.too_large
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
        self.limiter.forgotten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one limit does to requests of these seconds, keys and costs.
    fn simulate_costs(quota: &str, requests: &[(u64, KeyId, u64)]) -> Simulation {
        let plan = Plan { quota: quota.parse().unwrap(), algorithm: AlgorithmName::Gcra, max_keys: 1_000 };
        let mut simulation = Simulation::new(&[plan], requests[0].0 * 1_000_000_000).unwrap();
        for (second, key, cost) in requests {
            simulation.request(Entry { time: second * 1_000_000_000, cost: *cost }, *key);
        }
        simulation
    }

    fn simulate(quota: &str, requests: &[(u64, KeyId)]) -> Simulation {
        let requests: Vec<_> = requests.iter().map(|(second, key)| (*second, *key, 1)).collect();
        simulate_costs(quota, &requests)
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
        let longest = |requests: &[(u64, KeyId)]| simulate("1/min", requests).limits()[0].longest_refusal();
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

    #[test]
    fn costs_are_summed_and_those_that_can_never_fit_are_told_apart() {
        let simulation =
            simulate_costs("10/min", &[(100, 0, 7), (100, 0, 11), (100, 0, 4), (100, 0, 0), (100, 0, 3)]);
        let limit = &simulation.limits()[0];
        assert_eq!((simulation.tokens(), limit.tokens_admitted()), (25, 10));
        assert_eq!((limit.admitted(), limit.refused(0), limit.too_large()), (3, 2, 1));
        assert_eq!(limit.longest_refusal(), seconds(6));
    }

    #[test]
    fn refusals_are_counted_when_they_were() {
        let simulation = simulate("1/min", &[(100, 0), (101, 0), (103, 0), (103, 1)]);
        assert_eq!(simulation.over_time().view(10).rows, [[1, 1, 0, 2], [0, 1, 0, 1]]);
    }
}
