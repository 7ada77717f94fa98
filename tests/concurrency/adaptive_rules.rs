//! AIMD and Gradient2 learn as published: tables worked out by hand, and a model written from the published description.
#![allow(clippy::cast_precision_loss, reason = "the numbers are below 2^53")]

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tollgate::concurrency::{
    AdaptiveBuilder, AdaptiveConcurrency, Aimd, Gradient2, LimitRule, Outcome, Sample,
};
use tollgate::{Clock, ManualClock};

/// A limit, and the hand of its clock.
struct Bench {
    limit: AdaptiveConcurrency,
    hand: ManualClock,
}

impl Bench {
    fn new<R: LimitRule + 'static>(builder: AdaptiveBuilder<R>) -> Bench {
        let (clock, hand) = Clock::manual();
        Bench { limit: builder.clock(clock).build().unwrap(), hand }
    }

    /// One request, the last of `in_flight`, returns after `round_trip`; the others are given up. Gives the limit after it.
    fn returned(&self, in_flight: usize, round_trip: Duration, outcome: Outcome) -> usize {
        let others: Vec<_> = (1..in_flight).map(|_| self.limit.try_acquire().unwrap()).collect();
        let permit = self.limit.try_acquire().unwrap();
        self.hand.advance(round_trip);
        permit.finish(outcome);
        drop(others);
        assert_eq!(self.limit.in_flight(), 0);
        self.limit.limit()
    }

    /// What the limit is after each of these requests.
    fn table(&self, rows: &[(usize, u64, Outcome, usize)]) {
        for (row, &(in_flight, millis, outcome, expected)) in rows.iter().enumerate() {
            let limit = self.returned(in_flight, Duration::from_millis(millis), outcome);
            assert_eq!(limit, expected, "row {row}");
        }
    }
}

/// Gradient2 with an update for each request.
fn each_request() -> Gradient2 {
    Gradient2::new().sample_window(Duration::ZERO).min_samples(1)
}

use Outcome::{Ignore, Overload, Success};

#[test]
fn aimd_follows_its_published_rule_step_by_step() {
    let bench = Bench::new(AdaptiveConcurrency::builder(Aimd::new()).min(1));
    bench.table(&[
        (10, 10, Success, 21),    // 10 × 2 ≥ 20
        (10, 10, Success, 21),    // 10 × 2 < 21: not in use
        (11, 10, Success, 22),    // 11 × 2 ≥ 21
        (22, 5_000, Success, 23), // as long as the timeout is not longer
        (23, 5_001, Success, 20), // 23 × 0.9 = 20.7
        (1, 10, Overload, 18),    // overload counts even when the limit is not in use
        (18, 9_999, Ignore, 18),
        (9, 10, Success, 19),
        (1, 10, Overload, 17), // 17.1
        (1, 10, Overload, 15), // 15.3
    ]);
}

#[test]
fn gradient2_follows_its_published_rule_step_by_step() {
    let rule = each_request().smoothing(0.5);
    let bench = Bench::new(AdaptiveConcurrency::builder(rule).min(1));
    bench.table(&[
        (20, 100, Success, 22),   // long 100: (20 + 24) / 2
        (11, 100, Success, 24),   // 11 is half of 22, not less: (22 + 26) / 2
        (11, 100, Success, 24),   // less than half of 24: not in use
        (24, 500, Success, 21), // long 800 / 4 = 200, gradient 1.5 × 200 / 500 = 0.6: (24 + 18.4) / 2 = 21.2
        (20, 4_000, Success, 17), // long 4800 / 5 = 960, gradient 0.36, at least 0.5: (21.2 + 14.6) / 2 = 17.9
        (17, 90_000, Ignore, 17),
        (10, 960, Success, 19), // long 960, gradient 1.5, at most 1: (17.9 + 21.9) / 2 = 19.9
    ]);
}

#[test]
fn gradient2_smooths_by_a_fifth_unless_told_otherwise() {
    let bench = Bench::new(AdaptiveConcurrency::builder(each_request()));
    // Each step is 0.8 × limit + 0.2 × (limit + 4): 0.8 more.
    let limits: Vec<_> = (0..6).map(|_| bench.returned(20, Duration::from_millis(7), Success)).collect();
    assert_eq!(limits, [20, 21, 22, 23, 24, 24]);
}

#[test]
fn gradient2_averages_exponentially_after_ten_requests() {
    // Of a window of 3 the weight of the newest is 2 / (3 + 1) = a half.
    let rule = each_request().smoothing(1.0).rtt_tolerance(1.0).long_window(3);
    let bench = Bench::new(AdaptiveConcurrency::builder(rule).initial(96).min(1).max(1_000));
    let warm_up = [(1, 100, Success, 96); 10]; // less than half in use: only the average learns, 100 ms
    bench.table(&warm_up);
    bench.table(&[
        (96, 300, Success, 68), // long (100 + 300) / 2 = 200, gradient 2 / 3: 64 + 4
        (68, 200, Success, 72), // long 200
        (72, 600, Success, 52), // long 400, gradient 2 / 3: 48 + 4
    ]);
}

#[test]
fn gradient2_forgets_a_long_overload_faster_than_its_average_does() {
    let rule = each_request().smoothing(1.0).rtt_tolerance(1.0).long_window(3);
    let bench = Bench::new(AdaptiveConcurrency::builder(rule).initial(96).min(1).max(1_000));
    bench.table(&[(1, 1_000, Success, 96); 10]);
    bench.table(&[
        (1, 200, Success, 96),  // long 600, more than twice 200: 570 from now on
        (1, 190, Success, 96),  // long 380, twice 190 and no more
        (96, 760, Success, 76), // long (380 + 760) / 2 = 570, gradient 0.75: 72 + 4
    ]);
}

#[test]
fn gradient2_takes_an_overload_for_the_smallest_gradient_without_allowance() {
    let bench = Bench::new(AdaptiveConcurrency::builder(each_request()).initial(50).min(1));
    bench.table(&[
        (1, 1, Overload, 45),   // 50 × (1 − 0.2 / 2), although the limit is not in use
        (45, 1, Overload, 40),  // 40.5
        (40, 100, Success, 41), // had 1 ms been averaged, 100 ms would be slow: 40.5 + 0.8
    ]);
}

#[test]
fn gradient2_updates_once_a_window_with_its_mean_and_its_most_in_flight() {
    let rule = Gradient2::new().smoothing(1.0).rtt_tolerance(1.0).min_samples(2);
    let bench = Bench::new(AdaptiveConcurrency::builder(rule).min(1));
    bench.table(&[
        (20, 300, Success, 20),
        (1, 100, Success, 24), // at 400 ms closes the first, with its second: mean 200, 20 in flight: 20 + 4
        (1, 500, Success, 24),
        (24, 499, Success, 24),   // at 1399 ms: not yet a second
        (1, 201, Success, 22),    // at 1600 ms: mean 400, long (200 + 400) / 2 = 300, gradient 0.75: 18 + 4
        (22, 5_000, Success, 22), // a second is over, but one is too few
        (1, 0, Overload, 11),     // two, and one met overload
    ]);
}

#[test]
fn a_limit_that_is_not_in_use_does_not_grow() {
    let aimd = Bench::new(AdaptiveConcurrency::builder(Aimd::new()));
    let gradient2 = Bench::new(AdaptiveConcurrency::builder(each_request()));
    for bench in [aimd, gradient2] {
        bench.table(&[(9, 5, Success, 20); 100]);
    }
}

#[test]
fn estimates_stay_within_their_bounds() {
    let aimd = Bench::new(AdaptiveConcurrency::builder(Aimd::new()).initial(5).min(4).max(6));
    aimd.table(&[
        (5, 1, Success, 6),
        (6, 1, Success, 6),
        (1, 1, Overload, 5),
        (1, 1, Overload, 4),
        (1, 1, Overload, 4),
    ]);

    let rule = each_request().smoothing(1.0);
    let gradient2 = Bench::new(AdaptiveConcurrency::builder(rule).initial(5).min(4).max(6));
    gradient2.table(&[(5, 1, Success, 6), (6, 1, Success, 6), (1, 1, Overload, 4), (1, 1, Overload, 4)]);
}

#[test]
fn a_round_trip_of_no_time_is_a_fast_one() {
    let bench = Bench::new(AdaptiveConcurrency::builder(each_request()));
    bench.table(&[(20, 0, Success, 20), (20, 0, Success, 21)]);
}

#[test]
fn a_rule_that_answers_nonsense_leaves_the_limit_within_its_bounds() {
    /// Answers what it was built with.
    #[derive(Debug)]
    struct Always(f64);
    impl LimitRule for Always {
        fn update(&mut self, _: f64, _: &Sample) -> f64 {
            self.0
        }
    }
    for (answer, limit) in
        [(f64::NAN, 20), (f64::INFINITY, 200), (f64::NEG_INFINITY, 20), (-5.0, 20), (1e300, 200)]
    {
        let bench = Bench::new(AdaptiveConcurrency::builder(Always(answer)));
        bench.table(&[(1, 1, Success, limit)]);
    }
}

/// One request of a random history: what part of the limit, in percent, is in flight, how long it takes, how it ends.
#[derive(Clone, Debug)]
struct Step {
    percent: usize,
    nanos: u64,
    outcome: Outcome,
}

fn step() -> impl Strategy<Value = Step> {
    // Most take about as long as the others, as of a real callee; some much longer.
    let nanos = prop_oneof![8 => 900_000u64..1_800_000, 2 => 1u64..50_000_000_000];
    let outcome = prop_oneof![7 => Just(Success), 1 => Just(Ignore), 1 => Just(Overload)];
    (1usize..=100, nanos, outcome).prop_map(|(percent, nanos, outcome)| Step { percent, nanos, outcome })
}

/// What the published descriptions say, with nothing in common with the library but these sentences.
trait Model {
    /// One request returned, `now` on the clock. Gives the estimate after it.
    fn returned(&mut self, now: u64, nanos: u64, in_flight: usize, dropped: bool) -> f64;
}

struct AimdModel {
    limit: u64,
    /// The ratio in 64ths, so that it is exact.
    ratio: u64,
    timeout: u64,
    bounds: (u64, u64),
}

impl Model for AimdModel {
    fn returned(&mut self, _: u64, nanos: u64, in_flight: usize, dropped: bool) -> f64 {
        if dropped || nanos > self.timeout {
            self.limit = self.limit * self.ratio / 64;
        } else if 2 * in_flight as u64 >= self.limit {
            self.limit += 1;
        }
        self.limit = self.limit.max(self.bounds.0).min(self.bounds.1);
        self.limit as f64
    }
}

struct Gradient2Model {
    limit: f64,
    smoothing: f64,
    tolerance: f64,
    queue: u32,
    long_window: u32,
    bounds: (f64, f64),
    window: u64,
    least: usize,
    /// Round trips and numbers in flight of the window that is open, and whether there was a drop.
    open: (Vec<u64>, Vec<usize>, bool),
    next: u64,
    /// All that were averaged, and the average.
    averaged: Vec<f64>,
    long: f64,
}

impl Gradient2Model {
    fn average(&mut self, short: f64) {
        self.averaged.push(short);
        let count = self.averaged.len();
        if count <= 10 {
            self.long = self.averaged.iter().sum::<f64>() / count as f64;
        } else {
            let factor = 2.0 / f64::from(self.long_window + 1);
            self.long = (1.0 - factor) * self.long + factor * short;
        }
    }
}

impl Model for Gradient2Model {
    fn returned(&mut self, now: u64, nanos: u64, in_flight: usize, dropped: bool) -> f64 {
        self.open.0.push(nanos);
        self.open.1.push(in_flight);
        self.open.2 |= dropped;
        if self.open.0.len() < self.least || now < self.next {
            return self.limit;
        }
        self.next = now + self.window;
        let (round_trips, numbers, dropped) = std::mem::take(&mut self.open);
        let old = self.limit;
        let new = if dropped {
            old / 2.0
        } else {
            let short = (round_trips.iter().sum::<u64>() / round_trips.len() as u64) as f64;
            self.average(short);
            let ratio = self.long / short;
            if ratio > 2.0 {
                self.long *= 0.95;
            }
            if (*numbers.iter().max().unwrap() as f64) < old / 2.0 {
                return old;
            }
            (self.tolerance * ratio).clamp(0.5, 1.0) * old + f64::from(self.queue)
        };
        let smoothed = (1.0 - self.smoothing) * old + self.smoothing * new;
        self.limit = smoothed.min(self.bounds.1).max(self.bounds.0);
        self.limit
    }
}

/// The limit is the model's, rounded down, after each step. Within a billionth of a whole number either is right: the two
/// round differently.
fn agrees(bench: &Bench, model: &mut dyn Model, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut now = 0;
    let mut expected = bench.limit.limit() as f64;
    for (index, step) in steps.iter().enumerate() {
        let in_flight = (bench.limit.limit() * step.percent / 100).max(1);
        now += step.nanos;
        let limit = bench.returned(in_flight, Duration::from_nanos(step.nanos), step.outcome);
        if step.outcome != Ignore {
            expected = model.returned(now, step.nanos, in_flight, step.outcome == Overload);
        }
        let either = [(expected - 1e-9).floor(), (expected + 1e-9).floor()];
        prop_assert!(either.contains(&(limit as f64)), "step {}: {} but {}", index, limit, expected);
    }
    Ok(())
}

#[test]
fn the_defaults_of_gradient2_are_those_published() {
    let bench = Bench::new(AdaptiveConcurrency::builder(Gradient2::new()).initial(100));
    let mut model = Gradient2Model {
        limit: 100.0,
        smoothing: 0.2,
        tolerance: 1.5,
        queue: 4,
        long_window: 600,
        bounds: (20.0, 200.0),
        window: 1_000_000_000,
        least: 10,
        open: Default::default(),
        next: 0,
        averaged: Vec::new(),
        long: 0.0,
    };
    let step = |millis: u64| Step { percent: 100, nanos: millis * 1_000_000, outcome: Success };
    // The limit falls as round trips grow slow, and rises again as this comes to be taken for normal.
    let mut steps = vec![step(100); 200];
    steps.extend(vec![step(180); 3_000]);
    agrees(&bench, &mut model, &steps).unwrap();
}

proptest! {
    // Nothing is written beside the tests.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn aimd_is_its_model_in_any_history(
        steps in vec(step(), 1..300), ratio in 32u64..64, timeout in 1_000_000u64..3_000_000, min in 1usize..30,
        room in 0usize..100,
    ) {
        let rule = Aimd::new().backoff_ratio(ratio as f64 / 64.0).timeout(Duration::from_nanos(timeout));
        let (initial, max) = (min + room / 2, min + room);
        let bench = Bench::new(AdaptiveConcurrency::builder(rule).initial(initial).min(min).max(max));
        let bounds = (min as u64, max as u64);
        let mut model = AimdModel { limit: initial as u64, ratio, timeout, bounds };
        agrees(&bench, &mut model, &steps)?;
    }

    #[test]
    fn gradient2_is_its_model_in_any_history(
        steps in vec(step(), 1..300), smoothing in 0.01f64..=1.0, tolerance in 1.0f64..3.0, queue in 1u32..20,
        long_window in 1u32..700, window in prop_oneof![Just(0u64), 1u64..20_000_000], least in 1u32..12,
        min in 1usize..30, room in 0usize..200,
    ) {
        let rule = Gradient2::new()
            .smoothing(smoothing)
            .rtt_tolerance(tolerance)
            .queue_size(queue)
            .long_window(long_window)
            .sample_window(Duration::from_nanos(window))
            .min_samples(least);
        let (initial, max) = (min + room / 2, min + room);
        let bench = Bench::new(AdaptiveConcurrency::builder(rule).initial(initial).min(min).max(max));
        let mut model = Gradient2Model {
            limit: initial as f64,
            smoothing,
            tolerance,
            queue,
            long_window,
            bounds: (min as f64, max as f64),
            window,
            least: least as usize,
            open: Default::default(),
            next: 0,
            averaged: Vec::new(),
            long: 0.0,
        };
        agrees(&bench, &mut model, &steps)?;
    }
}
