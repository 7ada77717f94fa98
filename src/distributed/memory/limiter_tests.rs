//! The rules of shared stores against the limiters in memory, which count in nanoseconds: the same decisions, but for what the rules say of themselves.

use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;

use super::MemoryBackend;
use crate::clock::{Clock, ManualClock};
use crate::distributed::{Backend, Operation, Reply, Rule, Spending, Standing, Subject};
use crate::quota::Quota;
use crate::{Engine, FixedWindow, Gcra, Limiter, SlidingLog, SlidingWindow, TokenBucket};

/// The stores' clocks go in these steps.
const TICK: Duration = Duration::from_micros(1);

/// A limiter and a shared rule on one clock.
struct Both<A: Engine> {
    limiter: Limiter<A>,
    backend: MemoryBackend,
    subject: Subject,
    hand: ManualClock,
    runtime: tokio::runtime::Runtime,
}

impl<A: Engine> Both<A> {
    fn new(algorithm: A, rule: Rule) -> Both<A> {
        let (clock, hand) = Clock::manual();
        hand.set(Duration::from_secs(1_795_219_200));
        Both {
            limiter: Limiter::builder(algorithm).clock(clock.clone()).build().unwrap(),
            backend: MemoryBackend::with_clock(clock),
            subject: Subject::new("limit", rule, *b"key"),
            hand,
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
        }
    }

    /// Whether the limiter admits, or its wait, which is `None` for ever.
    fn limiter(&self, cost: u64) -> Result<u64, Option<Duration>> {
        match self.limiter.check_n("key", cost) {
            Ok(allowed) => Ok(allowed.remaining()),
            Err(denied) => Err(denied.retry_after()),
        }
    }

    fn shared(&self, cost: u64) -> Result<u64, Option<Duration>> {
        let check = [Operation::Check(vec![Spending::new(self.subject.clone(), cost)])];
        match self.runtime.block_on(self.backend.execute(&check, Instant::now())).remove(0) {
            Ok(Reply::Checked { admitted, standings }) => {
                let Standing { remaining, retry_after, .. } = standings[0];
                if admitted { Ok(remaining) } else { Err(retry_after) }
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Costs, and microseconds before each.
fn checks() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let pause = prop_oneof![Just(0), 0..1_000_u64, 0..3_000_000_u64];
    vec((0..7_u64, pause), 1..150)
}

fn whole_ticks(wait: Duration) -> Duration {
    Duration::from_micros(u64::try_from(wait.as_nanos().div_ceil(1_000)).unwrap())
}

/// Windows and logs count whole tokens, and everything happens at whole microseconds.
fn the_same<A: Engine>(algorithm: A, rule: Rule, checks: Vec<(u64, u64)>) -> Result<(), TestCaseError> {
    let both = Both::new(algorithm, rule);
    for (cost, pause) in checks {
        both.hand.advance(Duration::from_micros(pause));
        let expected = both.limiter(cost).map_err(|wait| wait.map(whole_ticks));
        prop_assert_eq!(both.shared(cost), expected, "cost {}", cost);
    }
    Ok(())
}

/// Tokens come back evenly: a limiter may have one up to 10 ns early, a store sees it at the next tick.
fn the_same_within_a_tick<A: Engine>(
    algorithm: A,
    rule: Rule,
    checks: Vec<(u64, u64)>,
) -> Result<(), TestCaseError> {
    let both = Both::new(algorithm, rule);
    for (cost, pause) in checks {
        both.hand.advance(Duration::from_micros(pause));
        match (both.limiter(cost), both.shared(cost)) {
            (Ok(one), Ok(other)) => prop_assert!(one.abs_diff(other) <= 1, "{} and {} are left", one, other),
            (Err(Some(one)), Err(Some(other))) => {
                prop_assert!(one.abs_diff(other) <= TICK, "{:?} and {:?}", one, other);
            }
            (Ok(_), Err(Some(wait))) => {
                prop_assert!(wait <= TICK, "{:?} where the limiter admits", wait);
                both.hand.advance(TICK);
                prop_assert!(both.shared(cost).is_ok());
            }
            (one, other) => prop_assert_eq!(one, other),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_shared_fixed_window_is_that_of_a_limiter(limit in 0..8_u64, micros in 1..4_000_000_u64, checks in checks()) {
        let window = Duration::from_micros(micros);
        the_same(FixedWindow::new(limit, window), Rule::FixedWindow { limit, window }, checks)?;
    }

    #[test]
    fn a_shared_sliding_window_is_that_of_a_limiter(
        limit in 0..8_u64, micros in 1..4_000_000_u64, checks in checks()
    ) {
        let window = Duration::from_micros(micros);
        the_same(SlidingWindow::new(limit, window), Rule::SlidingWindow { limit, window }, checks)?;
    }

    #[test]
    fn a_shared_sliding_log_is_that_of_a_limiter(limit in 0..8_u64, micros in 1..4_000_000_u64, checks in checks()) {
        let window = Duration::from_micros(micros);
        the_same(SlidingLog::new(limit, window), Rule::SlidingLog { limit, window }, checks)?;
    }

    #[test]
    fn a_shared_token_bucket_is_that_of_a_limiter_within_a_tick(
        count in 1..100_u32, burst in 0..8_u64, checks in checks()
    ) {
        let quota = Quota::per_second(count).burst(burst);
        let bucket = TokenBucket::new(burst).refill(count.into(), Duration::from_secs(1));
        the_same_within_a_tick(bucket, Rule::TokenBucket(quota), checks)?;
    }

    /// An interval of whole ticks is not rounded.
    #[test]
    fn shared_gcra_of_whole_ticks_is_that_of_a_limiter_within_a_tick(
        ticks in 16..20_000_000_u64, burst in 0..8_u64, checks in checks()
    ) {
        // 16 tokens come in as many microseconds as one does in ticks.
        let quota = Quota::new(16, Duration::from_micros(ticks)).unwrap().burst(burst);
        the_same_within_a_tick(Gcra::new(quota), Rule::Gcra(quota), checks)?;
    }
}

/// All that is to be had in a second, asked for as soon as it may be.
#[test]
fn shared_gcra_is_never_faster_than_its_quota_and_slower_by_no_more_than_it_says() {
    for count in [3_u32, 7, 999, 1_001, 30_001, 77_777, 99_991] {
        let quota = Quota::per_second(count).burst(4);
        let both = Both::new(Gcra::new(quota), Rule::Gcra(quota));
        let (mut admitted, mut passed) = (0_u64, Duration::ZERO);
        while passed < Duration::from_secs(1) {
            let wait = both.shared(1).err().flatten().unwrap_or(Duration::ZERO);
            admitted += u64::from(wait.is_zero());
            both.hand.advance(wait);
            passed += wait;
        }
        let count = f64::from(count);
        let interval_micros = 1e6 / count;
        let fastest = count + 4.0;
        let slowest = count * (1.0 - 1.0 / (16.0 * interval_micros)) - 1.0;
        let counted = f64::from(u32::try_from(admitted).unwrap());
        assert!(counted <= fastest, "{counted} of {count}");
        assert!(counted >= slowest, "{counted} of {count}, at least {slowest}");
    }
}
