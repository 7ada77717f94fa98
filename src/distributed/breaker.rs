//! [`Breaker`]: when to stop asking a store, and when to begin again. It reads no clock and sends nothing.

use std::time::Duration;

use super::backend::{BackendError, BackendErrorKind};
use crate::random::Random;

/// Whether a failure domain of a store is asked.
///
/// [`SharedStore::stats`](super::SharedStore::stats) tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// Every operation goes to the store.
    Closed,
    /// Nothing goes to the store but probes; the failure policy of each limit decides.
    Open,
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer that proves the store is well, even if it says that one operation makes no sense.
    Answered,
    /// It was not answered, or by somebody who should not have.
    Failed,
    /// It was given so long.
    TimedOut(Duration),
    /// The store asks to be left alone for so long.
    Busy(Duration),
}

impl Outcome {
    /// A wrong password or a key of the wrong type proves that the store answers. Opening would gain nothing, since such errors come at
    /// once, and it would let one broken key take all others to their failure policy.
    pub fn of_failure(error: &BackendError, budget: Duration) -> Outcome {
        match error.kind() {
            BackendErrorKind::Configuration => Outcome::Answered,
            BackendErrorKind::Timeout => Outcome::TimedOut(budget),
            BackendErrorKind::Overloaded => error.retry_after().map_or(Outcome::Failed, Outcome::Busy),
            BackendErrorKind::Unavailable | BackendErrorKind::NotPrimary | BackendErrorKind::Protocol => {
                Outcome::Failed
            }
        }
    }
}

/// A breaker of one failure domain. Times are counted from any moment that stays the same.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    recent: Recent,
    /// So many timeouts in a row.
    timeouts: u32,
    /// In so many pauses of the store.
    pauses: u32,
    /// When the last pause was noticed.
    paused: Option<Duration>,
    /// The longest budget among them.
    longest: Duration,
    /// The longest budget that anybody gives the store.
    patience: Duration,
    opened: u64,
    random: Random,
}

#[derive(Debug)]
enum State {
    Closed,
    Open {
        probe_at: Duration,
        good: u32,
        /// A probe that takes longer is no good: whoever opened the breaker would not have waited for it.
        pace: Duration,
    },
}

/// It opens if half of at least so many failed within a second...
const FEWEST_CALLS: u32 = 20;
/// ...or if so many in a row timed out. Five of them at the default budget, one after the other, are an eighth of a second.
const MOST_TIMEOUTS: u32 = 5;
/// But what is under way together times out together: a whole batch says no more than one of it, which may be an accident.
const FEWEST_SIGNS: u32 = 2;
/// One probe may be luck.
const GOOD_PROBES: u32 = 2;

impl Breaker {
    /// Probes begin at most so far apart, so that with the confirming one a store is in use again within a second of its return.
    pub const PROBE_INTERVAL: Duration = Duration::from_millis(500);
    /// Every second probe still begins in time when the one before got no answer.
    pub const PROBE_BUDGET: Duration = Duration::from_millis(250);
    /// A good probe is confirmed so soon.
    const CONFIRM_AFTER: Duration = Duration::from_millis(50);

    /// A closed one.
    #[must_use]
    pub fn new(seed: u64) -> Breaker {
        Breaker {
            state: State::Closed,
            recent: Recent::default(),
            timeouts: 0,
            pauses: 0,
            paused: None,
            longest: Duration::ZERO,
            patience: Duration::ZERO,
            opened: 0,
            random: Random::new(seed),
        }
    }

    /// Whether its domain is asked.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
        }
    }

    /// Somebody gives the store so long.
    pub fn waits(&mut self, budget: Duration) {
        self.patience = self.patience.max(budget);
    }

    /// How often it opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Notes what became of an operation that was sent while it was closed.
    pub fn record(&mut self, now: Duration, outcome: Outcome) {
        // What was sent before it opened says nothing that is not known.
        if matches!(self.state, State::Open { .. }) {
            return;
        }
        match outcome {
            Outcome::TimedOut(budget) => {
                let sign = self.begins_a_pause(now, budget);
                self.recent.add(now, true, sign);
                self.timeouts = self.timeouts.saturating_add(1);
                self.pauses += u32::from(sign);
                self.longest = self.longest.max(budget);
            }
            Outcome::Answered | Outcome::Failed | Outcome::Busy(_) => {
                let failed = outcome != Outcome::Answered;
                self.recent.add(now, failed, failed);
                (self.timeouts, self.pauses, self.longest) = (0, 0, Duration::ZERO);
            }
        }
        let silent = self.timeouts >= MOST_TIMEOUTS && self.pauses >= FEWEST_SIGNS;
        match outcome {
            // It said so itself: there is nothing to find out by asking on.
            Outcome::Busy(wait) => self.open(now, now.saturating_add(wait)),
            _ if silent || self.recent.is_bad() => self.open(now, now),
            _ => {}
        }
    }

    /// Whether what timed out was asked after the last pause was noticed, and not in it.
    fn begins_a_pause(&mut self, now: Duration, budget: Duration) -> bool {
        let is_another = self.paused.is_none_or(|noticed| now.saturating_sub(budget) >= noticed);
        if is_another {
            self.paused = Some(now);
        }
        is_another
    }

    fn open(&mut self, now: Duration, not_before: Duration) {
        // Others may be well served by a store that is too slow for who was in most haste.
        let patient = self.longest.max(self.patience).min(Breaker::PROBE_BUDGET.max(self.longest));
        let pace = if self.timeouts > 0 { patient } else { Breaker::PROBE_BUDGET };
        // However long the store asks to be left alone: it may be back sooner, or be another one.
        let latest = now.saturating_add(Breaker::PROBE_INTERVAL);
        let probe_at = (now + self.interval()).max(not_before).min(latest);
        self.state = State::Open { probe_at, good: 0, pace };
        (self.timeouts, self.pauses, self.longest) = (0, 0, Duration::ZERO);
        self.recent = Recent::default();
        self.opened += 1;
    }

    /// When the next probe begins; `None` while it is closed.
    #[must_use]
    pub fn probe_at(&self) -> Option<Duration> {
        match self.state {
            State::Closed => None,
            State::Open { probe_at, .. } => Some(probe_at),
        }
    }

    /// A probe begins.
    pub fn probing(&mut self, now: Duration) {
        let next = now.saturating_add(self.interval());
        if let State::Open { probe_at, .. } = &mut self.state {
            *probe_at = next;
        }
    }

    /// A probe was answered after so long, or failed.
    pub fn probed(&mut self, now: Duration, took: Option<Duration>) {
        let State::Open { probe_at, good, pace } = &mut self.state else { return };
        if took.is_none_or(|took| took > *pace) {
            *good = 0;
            return;
        }
        *good += 1;
        *probe_at = now.saturating_add(Breaker::CONFIRM_AFTER);
        if *good >= GOOD_PROBES {
            self.state = State::Closed;
        }
    }

    /// From half the interval on, at random: a thousand nodes that lost the store together do not come back together.
    fn interval(&mut self) -> Duration {
        let half = Breaker::PROBE_INTERVAL / 2;
        half + Duration::from_micros(self.random.below(1 + u64::try_from(half.as_micros()).unwrap_or(0)))
    }
}

/// A second in tenths, so that what is older fades without a list of calls.
const TENTHS: usize = 10;
const TENTH: Duration = Duration::from_millis(100);

/// What became of the calls of the last second.
#[derive(Debug, Default)]
struct Recent {
    tenths: [Tenth; TENTHS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Tenth {
    /// Which tenth of a second since the beginning of time.
    number: u128,
    calls: u32,
    failures: u32,
    /// Failures, those of one pause counted once.
    signs: u32,
    /// Whether it is within the last second.
    current: bool,
}

impl Recent {
    fn add(&mut self, now: Duration, failed: bool, sign: bool) {
        let number = now.as_nanos() / TENTH.as_nanos();
        for tenth in &mut self.tenths {
            tenth.current &= tenth.number + TENTHS as u128 > number;
        }
        let index = usize::try_from(number % TENTHS as u128).unwrap_or(0);
        let tenth = &mut self.tenths[index];
        if !tenth.current || tenth.number != number {
            *tenth = Tenth { number, current: true, ..Tenth::default() };
        }
        tenth.calls = tenth.calls.saturating_add(1);
        tenth.failures = tenth.failures.saturating_add(u32::from(failed));
        tenth.signs = tenth.signs.saturating_add(u32::from(sign));
    }

    fn is_bad(&self) -> bool {
        let sum = |count: fn(&Tenth) -> u32| {
            self.tenths.iter().filter(|tenth| tenth.current).map(|tenth| u64::from(count(tenth))).sum::<u64>()
        };
        let (calls, failures) = (sum(|tenth| tenth.calls), sum(|tenth| tenth.failures));
        let signs = sum(|tenth| tenth.signs);
        calls >= u64::from(FEWEST_CALLS) && failures * 2 >= calls && signs >= u64::from(FEWEST_SIGNS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);
    const BUDGET: Duration = Duration::from_millis(25);

    fn breaker() -> Breaker {
        Breaker::new(1)
    }

    /// Opens it by timeouts at the budget, one after the other.
    fn open(now: Duration) -> Breaker {
        let mut breaker = breaker();
        for before in (0..MOST_TIMEOUTS).rev() {
            assert_eq!(breaker.state(), BreakerState::Closed);
            breaker.record(now.saturating_sub(before * BUDGET), Outcome::TimedOut(BUDGET));
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        breaker
    }

    #[test]
    fn it_opens_when_half_of_twenty_calls_fail_within_a_second_and_not_before() {
        let mut breaker = breaker();
        for call in 0..19 {
            breaker.record(call * MILLI, if call % 2 == 0 { Outcome::Failed } else { Outcome::Answered });
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.record(20 * MILLI, Outcome::Answered);
        assert_eq!((breaker.state(), breaker.opened()), (BreakerState::Open, 1));
    }

    #[test]
    fn failures_that_are_far_apart_leave_it_closed() {
        let mut breaker = breaker();
        for call in 0..1_000 {
            breaker.record(call * 60 * MILLI, Outcome::Failed);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn an_answer_ends_a_row_of_timeouts() {
        let mut breaker = breaker();
        for call in 0..100 {
            let outcome = if call % 5 == 4 { Outcome::Answered } else { Outcome::TimedOut(BUDGET) };
            breaker.record(call * 1_000 * MILLI, outcome);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    /// A batch that was late opened it, for all that the others had been answered.
    #[test]
    fn one_pause_of_the_store_leaves_it_closed_however_many_waited_through_it() {
        let mut breaker = breaker();
        for waiting in 0..64 {
            breaker.record(BUDGET + waiting * MILLI / 4, Outcome::TimedOut(BUDGET));
        }
        // Also when the first answer finds that most have failed.
        breaker.record(2 * BUDGET, Outcome::Answered);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn a_second_pause_opens_it_if_hardly_anybody_was_answered_between_the_two() {
        for (answered, state) in
            [(0, BreakerState::Open), (20, BreakerState::Open), (200, BreakerState::Closed)]
        {
            let mut breaker = breaker();
            let mut record = |times, at, outcome| {
                for _ in 0..times {
                    breaker.record(at, outcome);
                }
            };
            record(64, BUDGET, Outcome::TimedOut(BUDGET));
            record(answered, 2 * BUDGET, Outcome::Answered);
            record(64, 3 * BUDGET, Outcome::TimedOut(BUDGET));
            assert_eq!(breaker.state(), state, "{answered} answers");
        }
    }

    #[test]
    fn a_store_that_asks_to_be_left_alone_is_but_not_for_longer_than_a_probe() {
        for wait in [Duration::ZERO, 400 * MILLI, Duration::MAX] {
            let mut breaker = breaker();
            breaker.record(MILLI, Outcome::Busy(wait));
            assert_eq!(breaker.state(), BreakerState::Open);
            let probe_at = breaker.probe_at().unwrap();
            assert!(probe_at >= MILLI + wait.min(Breaker::PROBE_INTERVAL));
            assert!(probe_at <= MILLI + Breaker::PROBE_INTERVAL);
        }
    }

    #[test]
    fn a_wrong_password_or_type_does_not_open_it() {
        let error =
            BackendError::new(BackendErrorKind::Configuration, crate::distributed::Applied::No, "WRONGTYPE");
        let mut breaker = breaker();
        for _ in 0..100 {
            breaker.record(MILLI, Outcome::of_failure(&error, BUDGET));
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn two_good_probes_in_a_row_close_it() {
        let mut breaker = open(SECOND);
        let mut now = breaker.probe_at().unwrap();
        for took in [Some(MILLI), None, Some(MILLI)] {
            breaker.probing(now);
            breaker.probed(now, took);
            assert_eq!(breaker.state(), BreakerState::Open);
            let next = breaker.probe_at().unwrap();
            assert!(next > now && next <= now + Breaker::PROBE_INTERVAL);
            now = next;
        }
        breaker.probing(now);
        breaker.probed(now, Some(BUDGET));
        assert_eq!((breaker.state(), breaker.probe_at()), (BreakerState::Closed, None));
    }

    #[test]
    fn a_probe_slower_than_what_timed_out_is_no_good() {
        let mut breaker = open(SECOND);
        for _ in 0..10 {
            breaker.probing(SECOND);
            breaker.probed(SECOND, Some(BUDGET + MILLI));
        }
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn what_was_sent_before_it_opened_changes_nothing_afterwards() {
        let mut breaker = open(SECOND);
        for _ in 0..100 {
            breaker.record(SECOND + MILLI, Outcome::TimedOut(BUDGET));
            breaker.record(SECOND + MILLI, Outcome::Answered);
        }
        assert_eq!((breaker.state(), breaker.opened()), (BreakerState::Open, 1));
    }
}
