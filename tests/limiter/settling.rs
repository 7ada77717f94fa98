//! What settling gives back and charges, and who stands where in a log's line, when charges between have turned out otherwise.

use std::time::Duration;

use tollgate::{Algorithm, BuildError, Clock, Figures, Limiter, ManualClock, SlidingLog, Start};

const SECOND: Duration = Duration::from_secs(1);

fn log(limit: u64) -> (Limiter<SlidingLog>, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Limiter::builder(SlidingLog::new(limit, 10 * SECOND)).clock(clock).build().unwrap(), hand)
}

#[test]
fn a_reservation_gives_back_tokens_of_its_own_time_only() {
    let (limiter, hand) = log(8);
    let first = limiter.reserve("key", 2).unwrap();
    hand.set(2 * SECOND);
    let second = limiter.reserve("key", 2).unwrap();
    // The newest first: one of the second's is gone.
    limiter.refund("key", 1);
    // As many as before have been added in all, and the newest at the same time.
    first.settle(3);
    second.cancel();
    assert_eq!(limiter.peek("key").remaining(), 8 - 3);
}

#[test]
fn a_slot_gives_back_tokens_of_its_own_time_only() {
    let (limiter, _hand) = log(4);
    let reservation = limiter.reserve("key", 4).unwrap();
    let slot = limiter.schedule("key", 3, 10 * SECOND).unwrap();
    limiter.refund("key", 2);
    reservation.settle(6);
    slot.cancel();
    // The six of the reservation count until they pass.
    limiter.set_limit(7).unwrap();
    let status = limiter.peek("key");
    assert_eq!((status.remaining(), status.reset_after()), (1, 10 * SECOND));
}

#[test]
fn a_slot_is_behind_those_that_were_taken_though_room_has_come_before_them() {
    let (limiter, hand) = log(5);
    assert!(limiter.check_n("key", 3).is_ok());
    hand.set(5 * SECOND);
    let reservation = limiter.reserve("key", 2).unwrap();
    // When the two are gone as well.
    let first = limiter.schedule("key", 4, Duration::MAX).unwrap();
    assert_eq!(first.delay(), 10 * SECOND);
    reservation.settle(0);
    // It would fit beside the first when the three are gone, in 5 s.
    assert_eq!(limiter.schedule("key", 1, Duration::MAX).unwrap().delay(), 10 * SECOND);
}

/// A second a token, at most ten ahead. A check that costs nothing moves the value, too: to now, which says the same.
struct Meter;

impl Algorithm for Meter {
    type Reading = u64;

    fn name(&self) -> &'static str {
        "meter"
    }

    fn start(&mut self, _start: Start) -> Result<(), BuildError> {
        Ok(())
    }

    fn read(&self, now: u64) -> u64 {
        now
    }

    fn position(&self, reading: &u64) -> u64 {
        *reading
    }

    fn catch_up(&self, reading: &u64, value: u64) -> u64 {
        value.max(*reading)
    }

    fn spend(&self, reading: &u64, value: u64, cost: u64) -> Option<u64> {
        Some(self.charge(reading, value, cost)).filter(|spent| *spent <= reading + 10 * TOKEN)
    }

    fn figures(&self, reading: &u64, value: u64, _cost: u64) -> Figures {
        let ahead = value.saturating_sub(*reading);
        Figures::new(10, (10 * TOKEN).saturating_sub(ahead) / TOKEN, Some(value), None)
    }

    fn charge(&self, reading: &u64, value: u64, tokens: u64) -> u64 {
        value.max(*reading) + tokens * TOKEN
    }

    fn refund(&self, reading: &u64, value: u64, tokens: u64) -> u64 {
        value.min(value.saturating_sub(tokens * TOKEN).max(*reading))
    }

    fn debt(&self, reading: &u64, value: u64) -> u64 {
        value.saturating_sub(*reading)
    }
}

const TOKEN: u64 = 1_000_000_000;

/// The estimate's receipt showed a value that had moved, so what was charged in its place was charged once more by the algorithm.
#[test]
fn an_estimate_of_nothing_is_settled_once_by_an_algorithm_that_notes_every_check() {
    let (clock, hand) = Clock::manual();
    let limiter = Limiter::builder(Meter).clock(clock).build().unwrap();
    hand.advance(SECOND);
    limiter.reserve("key", 0).unwrap().settle(3);
    assert_eq!(limiter.peek("key").remaining(), 10 - 3);
}
