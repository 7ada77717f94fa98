//! The edges of the algorithms that count in windows, and of those that are built from parts, by name.
#![allow(clippy::unchecked_time_subtraction, reason = "of times that are written beside each other")]

use std::time::Duration;

use tollgate::{
    AtCapacity, BuildError, Clock, Engine, FixedWindow, LeakyBucket, Limiter, MAX_VALUE, ManualClock,
    PerCall, Quota, QuotaError, SlidingLog, SlidingWindow, TokenBucket,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(31_557_600);

fn limiter<A: Engine>(algorithm: A) -> (Limiter<A>, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Limiter::builder(algorithm).clock(clock).build().unwrap(), hand)
}

/// The largest limit, by the error for one that cannot be.
fn most<A: Engine>(make: impl Fn(u64) -> A) -> u64 {
    match Limiter::with(make(u64::MAX)) {
        Err(BuildError::LimitTooLarge { limit: u64::MAX, max }) => max,
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[track_caller]
fn assert_most<A: Engine>(make: impl Fn(u64) -> A, max: u64) {
    assert_eq!(most(&make), max);
    let error = Limiter::with(make(max + 1)).map(|_| ()).unwrap_err();
    assert_eq!(error, BuildError::LimitTooLarge { limit: max + 1, max });
    let (limiter, _hand) = limiter(make(max));
    assert!(limiter.check_n("key", max).is_ok());
    assert!(limiter.check_n("key", max).is_err() || max == 0);
    assert_eq!(limiter.peek("key").limit(), max);
}

#[test]
fn the_largest_limit_is_named_and_works_and_one_more_does_not() {
    let windows = [
        // (window, bits of its number; one more is a mark)
        (Duration::from_nanos(1), 60_u32),
        (SECOND, 30),
        (MINUTE, 24),
        (HOUR, 19),
        (DAY, 14),
        (YEAR * 100, 3),
    ];
    for (window, bits) in windows {
        assert_most(|limit| FixedWindow::new(limit, window), (1 << (59_u32.saturating_sub(bits))) - 1);
        assert_most(|limit| SlidingWindow::new(limit, window), (1 << (59_u32.saturating_sub(bits) / 2)) - 1);
    }
    assert_most(|limit| SlidingLog::new(limit, HOUR).max_times(5_000), 5_000);
    assert_most(|limit| SlidingLog::new(limit, HOUR).max_times(0), 0);
    // A list counts no further than a word, so a larger limit would never be reached.
    assert_most(|limit| SlidingLog::new(limit, HOUR).max_times(usize::MAX), MAX_VALUE);
}

#[test]
fn a_limit_that_does_not_fit_leaves_the_old_one_in_force() {
    #[track_caller]
    fn assert_set<A: Engine>(
        algorithm: A,
        max: u64,
        set: impl Fn(&Limiter<A>, u64) -> Result<(), BuildError>,
    ) {
        let (limiter, _hand) = limiter(algorithm);
        let old = limiter.peek("key").limit();
        for limit in [max + 1, u64::MAX] {
            assert_eq!(set(&limiter, limit), Err(BuildError::LimitTooLarge { limit, max }));
            assert_eq!(limiter.peek("key").limit(), old);
        }
        assert_eq!(set(&limiter, max), Ok(()));
        assert!(limiter.check_n("key", max).is_ok());
        assert!(limiter.check("key").is_err());
    }
    for window in [Duration::from_nanos(1), SECOND, MINUTE, HOUR, DAY, YEAR * 100] {
        let max = most(|limit| FixedWindow::new(limit, window));
        assert_set(FixedWindow::new(max.min(3), window), max, Limiter::<FixedWindow>::set_limit);
        let max = most(|limit| SlidingWindow::new(limit, window));
        assert_set(SlidingWindow::new(max.min(3), window), max, Limiter::<SlidingWindow>::set_limit);
    }
    assert_set(SlidingLog::new(3, HOUR).max_times(5_000), 78, Limiter::<SlidingLog>::set_limit);
}

#[test]
fn counts_stay_when_the_limit_changes() {
    fn assert_counts_stay<A: Engine>(algorithm: A, set: impl Fn(&Limiter<A>, u64) -> Result<(), BuildError>) {
        let (limiter, hand) = limiter(algorithm);
        assert!(limiter.check_n("key", 8).is_ok());
        set(&limiter, 15).unwrap();
        assert_eq!(limiter.peek("key").remaining(), 7);
        set(&limiter, 5).unwrap();
        assert_eq!(limiter.peek("key").remaining(), 0);
        // Three more than the limit: not even nothing fits, until that is out of the window.
        assert!(limiter.check_n("key", 0).is_err());
        hand.advance(MINUTE * 2);
        assert!(limiter.check_n("key", 5).is_ok());
        set(&limiter, 0).unwrap();
        assert!(limiter.check("other").unwrap_err().retry_after().is_none());
    }
    assert_counts_stay(FixedWindow::new(10, MINUTE), Limiter::<FixedWindow>::set_limit);
    assert_counts_stay(SlidingWindow::new(10, MINUTE), Limiter::<SlidingWindow>::set_limit);
    assert_counts_stay(SlidingLog::new(10, MINUTE), Limiter::<SlidingLog>::set_limit);
}

#[test]
fn a_window_is_from_a_nanosecond_to_a_hundred_years() {
    for window in [Duration::ZERO, YEAR * 100 + Duration::from_nanos(1), Duration::MAX] {
        let expected = BuildError::Window { window };
        assert_eq!(Limiter::with(FixedWindow::new(1, window)).map(|_| ()), Err(expected.clone()));
        assert_eq!(Limiter::with(SlidingWindow::new(1, window)).map(|_| ()), Err(expected.clone()));
        assert_eq!(Limiter::with(SlidingLog::new(1, window)).map(|_| ()), Err(expected));
    }
}

#[test]
fn a_refill_that_is_no_quota_is_refused_when_the_limiter_is_built() {
    let build = |tokens, every| Limiter::with(TokenBucket::new(5).refill(tokens, every)).map(|_| ());
    let period = QuotaError::Period { period: Duration::ZERO };
    assert_eq!(build(1, Duration::ZERO), Err(BuildError::Quota(period)));
    assert!(matches!(build(u64::MAX, SECOND), Err(BuildError::Quota(QuotaError::Rate { .. }))));
}

#[test]
fn every_error_says_what_to_change() {
    for (error, said) in [
        (BuildError::MaxKeys { max_keys: 0 }, "max_keys 0 is out of range: use 1 to 4294967296"),
        (
            BuildError::LimitTooLarge { limit: 9, max: 7 },
            "limit 9 is too large: at most 7 fits; lower it, or make room: with a longer window, with more max_times of a SlidingLog, or with Gcra, which holds more",
        ),
        (
            BuildError::Window { window: Duration::ZERO },
            "window 0ns is out of range: use 1 ns to 100 years (of 365.25 days)",
        ),
        (BuildError::Algorithm { reason: "ask for less".into() }, "ask for less"),
    ] {
        assert_eq!(error.to_string(), said);
    }
    let refill = Limiter::with(TokenBucket::new(5).refill(1, Duration::ZERO)).map(|_| ()).unwrap_err();
    assert!(refill.to_string().starts_with("the refill is not possible: "), "{refill}");
    assert!(std::error::Error::source(&refill).is_some());
}

/// A count that ran over would show as another window, or in the count beside it.
#[test]
fn the_largest_charge_stays_inside_its_field() {
    let (fixed, hand) = limiter(FixedWindow::new(10, MINUTE));
    let (sliding, sliding_hand) = limiter(SlidingWindow::new(10, MINUTE));
    for charge in [u64::MAX, 1, u64::MAX] {
        assert_eq!(fixed.charge("key", charge).remaining(), 0);
        assert_eq!(fixed.peek("key").reset_after(), MINUTE, "it ends with its window");
        assert_eq!(sliding.charge("key", charge).remaining(), 0);
        assert_eq!(sliding.peek("key").reset_after(), MINUTE * 2);
    }
    hand.advance(MINUTE);
    assert_eq!(fixed.peek("key").remaining(), 10);
    // In the next window it weighs 2^17 - 1 times what is left, which is 10 when 10 / (2^17 - 1) of the minute are left.
    sliding_hand.advance(MINUTE);
    let denied = sliding.check_n("key", 0).unwrap_err();
    assert_eq!(
        denied.retry_after(),
        Some(MINUTE - Duration::from_nanos(60_000_000_000 * 10 / ((1 << 17) - 1)))
    );
    sliding_hand.advance(MINUTE);
    assert_eq!(sliding.peek("key").remaining(), 10);

    let (log, hand) = limiter(SlidingLog::new(10, MINUTE));
    assert_eq!(log.charge("key", u64::MAX).remaining(), 0);
    hand.advance(SECOND);
    assert_eq!(log.charge("key", u64::MAX).reset_after(), MINUTE - SECOND, "nothing was left to add");
    log.refund("key", u64::MAX);
    assert_eq!(log.peek("key").remaining(), 10);
}

/// Nor may it touch what was spent before, or by others.
#[test]
fn the_largest_charge_leaves_the_count_of_the_last_window_and_other_keys_alone() {
    let (limiter, hand) = limiter(SlidingWindow::new(10, MINUTE));
    assert!(limiter.check_n("key", 4).is_ok() && limiter.check_n("other", 6).is_ok());
    hand.advance(MINUTE);
    assert_eq!(limiter.charge("key", u64::MAX).remaining(), 0);
    // As much as the count held: what is left is the last window's.
    limiter.refund("key", (1 << 17) - 1);
    assert_eq!((limiter.peek("key").remaining(), limiter.peek("other").remaining()), (6, 4));
    limiter.refund("key", u64::MAX);
    assert_eq!((limiter.peek("key").remaining(), limiter.peek("other").remaining()), (10, 4));
}

/// Whoever is late, by a clock that was set back, is decided in the window that the key has come to, and told to wait from its own time.
#[test]
fn a_clock_that_is_set_back_leads_to_no_earlier_window() {
    #[track_caller]
    fn assert_stays<A: Engine>(algorithm: A, wait: Duration) {
        let (limiter, hand) = limiter(algorithm);
        hand.set(MINUTE * 5);
        assert!(limiter.check_n("key", 2).is_ok());
        for earlier in [MINUTE * 5 - Duration::from_nanos(1), MINUTE * 4, Duration::ZERO] {
            hand.set(earlier);
            let denied = limiter.check("key").unwrap_err();
            assert_eq!(denied.retry_after(), Some(MINUTE * 5 + wait - earlier));
            assert!(limiter.check_n(&earlier, 2).is_ok() && limiter.check(&earlier).is_err());
        }
        hand.set(MINUTE * 5 + wait);
        assert!(limiter.check("key").is_ok());
    }
    assert_stays(FixedWindow::new(2, MINUTE), MINUTE);
    assert_stays(SlidingWindow::new(2, MINUTE), MINUTE * 3 / 2);
    assert_stays(SlidingLog::new(2, MINUTE), MINUTE);
    assert_stays(TokenBucket::new(2).refill(1, MINUTE).refill_at_once(), MINUTE);
    assert_stays(PerCall::new().otherwise(Quota::per_minute(1).burst(2)), MINUTE);
}

#[test]
fn built_when_the_clock_has_stopped_every_limiter_gives_its_limit_once() {
    fn assert_once<A: Engine>(algorithm: A) {
        let (clock, hand) = Clock::manual();
        hand.set(Duration::MAX);
        let limiter = Limiter::builder(algorithm).clock(clock).build().unwrap();
        for _ in 0..3 {
            assert!(limiter.check_n("key", 3).is_ok() && limiter.check_n("key", 3).is_err());
            assert_eq!(limiter.check("key").unwrap_err().retry_after(), None);
            hand.advance(YEAR);
            assert_eq!(limiter.charge("key", u64::MAX).reset_after(), Duration::MAX);
            limiter.reset("key");
        }
    }
    assert_once(FixedWindow::new(3, MINUTE));
    assert_once(SlidingWindow::new(3, MINUTE));
    assert_once(SlidingLog::new(3, MINUTE));
    assert_once(TokenBucket::new(3).refill(1, MINUTE));
    assert_once(TokenBucket::new(3).refill(1, MINUTE).refill_at_once());
    assert_once(LeakyBucket::new(Quota::per_minute(1), 2));
    assert_once(PerCall::new().otherwise(Quota::per_minute(1).burst(3)));
}

/// Time stands still in the last window that has a number, so whoever has spent it has spent all.
#[test]
fn after_the_last_window_what_was_spent_is_never_forgotten() {
    fn assert_never<A: Engine>(algorithm: A) {
        let (limiter, hand) = limiter(algorithm);
        hand.set(YEAR * 100);
        assert!(limiter.check_n("key", 2).is_ok());
        for time in [YEAR * 101, YEAR * 300, Duration::MAX] {
            hand.set(time);
            assert_eq!(limiter.check("key").unwrap_err().retry_after(), None);
            assert_eq!((limiter.peek("key").remaining(), limiter.len()), (0, 1));
        }
        limiter.refund("key", 1);
        assert!(limiter.check("key").is_ok() && limiter.check("key").is_err());
    }
    assert_never(FixedWindow::new(2, SECOND));
    assert_never(SlidingWindow::new(2, SECOND));
    assert_never(FixedWindow::new(2, DAY));
    assert_never(SlidingWindow::new(2, DAY));
}

#[test]
fn after_thirty_years_nothing_is_free() {
    let (fixed, fixed_hand) = limiter(FixedWindow::new(2, SECOND));
    let (sliding, sliding_hand) = limiter(SlidingWindow::new(2, SECOND));
    let (log, log_hand) = limiter(SlidingLog::new(2, SECOND));
    for hand in [&fixed_hand, &sliding_hand, &log_hand] {
        hand.set(YEAR * 30);
    }
    for time in [YEAR * 30, YEAR * 100, Duration::from_nanos(u64::MAX - 1), Duration::from_nanos(u64::MAX)] {
        for hand in [&fixed_hand, &sliding_hand, &log_hand] {
            hand.set(time);
        }
        let key = time.as_nanos();
        assert!(fixed.check_n(&key, 2).is_ok() && fixed.check(&key).is_err());
        assert!(sliding.check_n(&key, 2).is_ok() && sliding.check(&key).is_err());
        assert!(log.check_n(&key, 2).is_ok() && log.check(&key).is_err());
    }
    // The end of the numbers: 2^30 - 1 seconds.
    let denied = fixed.check(&u128::from(u64::MAX)).unwrap_err();
    assert_eq!((denied.retry_after(), denied.reset_after()), (None, Duration::MAX));
    let denied = sliding.check(&u128::from(u64::MAX)).unwrap_err();
    assert_eq!((denied.retry_after(), denied.reset_after()), (None, Duration::MAX));
    assert_eq!(log.check(&u128::from(u64::MAX)).unwrap_err().retry_after(), None, "the clock ends before");
}

#[test]
fn a_bucket_without_a_refill_gives_its_tokens_once() {
    let (limiter, hand) = limiter(TokenBucket::new(3));
    assert!(limiter.check_n("key", 3).is_ok());
    hand.set(YEAR * 500);
    let denied = limiter.check("key").unwrap_err();
    assert_eq!((denied.limit(), denied.retry_after()), (3, None));
}

#[test]
fn a_bucket_of_no_capacity_and_a_rate_of_nothing_admit_nothing() {
    let (bucket, _hand) = limiter(TokenBucket::new(0).refill(5, SECOND));
    assert!(bucket.check("key").is_err() && bucket.check_n("key", 0).is_ok());
    let (leaky, _hand) = limiter(LeakyBucket::new(Quota::per_second(0), 5));
    assert!(leaky.check("key").unwrap_err().retry_after().is_none());
    let (per_call, _hand) = limiter(PerCall::new());
    assert!(per_call.check("key").is_err(), "nothing without a quota");
    assert_eq!(per_call.charge("key", 7).reset_after(), Duration::ZERO, "and nothing to come back");
}

/// "per minute" is the minute of the clock, whenever the limiter was built.
#[test]
fn windows_and_refills_at_once_begin_with_the_minutes_of_unix_time() {
    let start = HOUR * 13 + SECOND * 42;
    let build = |hand: &ManualClock| hand.set(start);
    let (clock, hand) = Clock::manual();
    build(&hand);
    let fixed = Limiter::builder(FixedWindow::new(1, MINUTE)).clock(clock.clone()).build().unwrap();
    let bucket = TokenBucket::new(1).refill(1, MINUTE).refill_at_once();
    let bucket = Limiter::builder(bucket).clock(clock).build().unwrap();
    assert!(fixed.check("key").is_ok() && bucket.check("key").is_ok());
    assert_eq!(fixed.check("key").unwrap_err().retry_after(), Some(SECOND * 18));
    assert_eq!(bucket.check("key").unwrap_err().retry_after(), Some(SECOND * 18));

    // By the system's clock the same, to the few milliseconds between two readings of it.
    let fixed = Limiter::with(FixedWindow::new(1, YEAR)).unwrap();
    assert!(fixed.check("key").is_ok());
    let unix = std::time::UNIX_EPOCH.elapsed().unwrap();
    let left = YEAR - Duration::from_nanos(u64::try_from(unix.as_nanos() % YEAR.as_nanos()).unwrap());
    let told = fixed.check("key").unwrap_err().retry_after().unwrap();
    assert!(told.abs_diff(left) < MINUTE || left < MINUTE, "{told:?} and {left:?}");
}

#[test]
fn a_known_key_of_a_full_log_counts_its_newest_time_as_now() {
    let (clock, hand) = Clock::manual();
    let log = SlidingLog::new(3, MINUTE).max_times(3);
    let builder = Limiter::builder(log).max_keys(10).at_capacity(AtCapacity::DenyNew).clock(clock);
    let limiter = builder.build().unwrap();
    assert!(limiter.check("a").is_ok());
    hand.advance(SECOND);
    assert!(limiter.check("a").is_ok() && limiter.check("b").is_ok());
    hand.advance(SECOND);
    // There is no room for a third time of a: its second one, of 1 s, now counts from 2 s as well.
    assert!(limiter.check("a").is_ok());
    assert!(limiter.check("c").unwrap_err().at_capacity());
    assert_eq!(
        limiter.check("c").unwrap_err().retry_after(),
        Some(MINUTE - SECOND),
        "when b is idle, the first to be"
    );
    assert_eq!(limiter.peek("a").retry_after(), Some(MINUTE - SECOND * 2), "its first is exact");
    hand.set(MINUTE + SECOND);
    assert_eq!(limiter.peek("a").remaining(), 1);
    hand.set(MINUTE + SECOND * 2);
    assert_eq!(limiter.peek("a").remaining(), 3);
}

#[test]
fn the_log_forgets_idle_keys_before_any_other() {
    let (clock, hand) = Clock::manual();
    let builder = Limiter::builder(SlidingLog::new(5, MINUTE)).max_keys(40).clock(clock);
    let limiter = builder.build().unwrap();
    for key in 0..40 {
        assert!(limiter.check(&key).is_ok());
        hand.advance(SECOND);
    }
    // At 60 s the first is idle, and gives way to the 41st; then nobody is until 61 s.
    hand.set(MINUTE);
    assert!(limiter.check(&40).is_ok());
    assert_eq!((limiter.stats().forgotten, limiter.len()), (0, 40));
    assert!(limiter.check(&41).is_ok());
    assert_eq!((limiter.stats().forgotten, limiter.len()), (1, 40));
}

/// Capacities are wider than exact by what single tokens are rounded up, but by less than one more token takes, in whatever pieces.
#[test]
fn no_pieces_of_a_call_s_quota_admit_more_at_one_instant_than_its_burst() {
    for (period, count) in (2..60_u64).flat_map(|period| (1..=period).map(move |count| (period, count))) {
        let (limiter, _hand) = limiter(PerCall::new());
        for burst in 1..14 {
            let quota = Quota::new(count, Duration::from_nanos(period)).unwrap().burst(burst);
            for first in 1..=burst {
                let key = (burst, first);
                let mut admitted = 0;
                while limiter.check_with(&key, quota, first).is_ok() {
                    admitted += first;
                }
                while limiter.check_with(&key, quota, 1).is_ok() {
                    admitted += 1;
                }
                assert!(admitted <= burst, "{admitted} in pieces of {first}, {quota:?}");
            }
            assert!(limiter.check_with(&(burst, 0), quota, burst).is_ok(), "{quota:?}");
        }
    }
}

/// A key that was refunded is full, but keeps its place for a while: that is when a newcomer is told to come back.
#[test]
fn a_newcomer_for_whom_there_is_no_room_is_told_when_there_will_be() {
    let (clock, hand) = Clock::manual();
    hand.set(MINUTE);
    let builder = Limiter::builder(SlidingWindow::new(10, MINUTE)).max_keys(1).clock(clock);
    let limiter = builder.at_capacity(AtCapacity::DenyNew).build().unwrap();
    let newcomer = (0..10_000).find(|key| limiter.check(key).is_err()).unwrap();
    for key in 0..newcomer {
        limiter.refund(&key, 1);
    }
    let denied = limiter.check(&newcomer).unwrap_err();
    let wait = denied.retry_after().unwrap();
    assert!(denied.at_capacity() && wait > Duration::ZERO);
    hand.set(MINUTE + wait - Duration::from_nanos(1));
    assert!(limiter.check(&newcomer).is_err());
    hand.set(MINUTE + wait);
    assert!(limiter.check(&newcomer).is_ok());
}

/// A key that was refunded in part goes idle before its turn.
#[test]
fn a_newcomer_takes_the_place_of_an_idle_key_of_a_log_wherever_it_is() {
    let (clock, hand) = Clock::manual();
    let builder = Limiter::builder(SlidingLog::new(5, MINUTE)).max_keys(2).clock(clock);
    let limiter = builder.at_capacity(AtCapacity::DenyNew).build().unwrap();
    assert!(limiter.check("a").is_ok());
    hand.set(SECOND * 10);
    assert!(limiter.check("b").is_ok());
    hand.set(SECOND * 50);
    assert!(limiter.check("a").is_ok());
    limiter.refund("a", 1);
    hand.set(MINUTE);
    assert_eq!(limiter.len(), 1);
    assert!(limiter.check("c").is_ok());
}
