//! The loop closed, in virtual time: a server of known capacity, and whether the limits find it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tollgate::Clock;
use tollgate::concurrency::{AdaptiveConcurrency, AdaptivePermit, Aimd, Gradient2, LimitRule, Outcome};

/// The server works on so many at once; the rest queue, first come first served. Each takes 50 to 150 ms, 100 on average.
/// So it serves 200 a second, and with more than 20 in flight only the queue grows: 20 is the knee.
const WORKERS: usize = 20;
const SERVICE: Duration = Duration::from_millis(100);
const CAPACITY: u32 = 200;

/// For how long requests are offered.
const MINUTES: u32 = 3;

/// The server, and what it has to do.
struct Server<'a> {
    /// When each worker is free.
    free: BTreeSet<(Duration, usize)>,
    /// What is done when; the number of the request tells two apart that are done at once.
    busy: BTreeMap<(Duration, u32), AdaptivePermit<'a>>,
}

impl<'a> Server<'a> {
    fn new() -> Server<'a> {
        Server { free: (0..WORKERS).map(|worker| (Duration::ZERO, worker)).collect(), busy: BTreeMap::new() }
    }

    fn begin(&mut self, request: u32, now: Duration, permit: AdaptivePermit<'a>) {
        let (free, worker) = self.free.pop_first().unwrap();
        // Multiples of the golden ratio spread evenly over 0 to 1, without a pattern that the limits could fall in with.
        let spread = f64::from(request.wrapping_mul(0x9E37_79B9)) / f64::from(u32::MAX);
        let done = free.max(now) + SERVICE.mul_f64(0.5 + spread);
        self.free.insert((done, worker));
        self.busy.insert((done, request), permit);
    }

    /// The next that is done by `now`, and when.
    fn done(&mut self, now: Duration) -> Option<(Duration, AdaptivePermit<'a>)> {
        let next = self.busy.first_entry().filter(|next| next.key().0 <= now)?;
        Some((next.key().0, next.remove()))
    }
}

/// What the last two thirds of the time came to, when the limit has had a third to settle.
#[derive(Debug)]
struct Report {
    served: u32,
    least: usize,
    most: usize,
    mean: usize,
}

/// Offers the server `per_second` requests a second, evenly, and admits those that the limit lets go on.
fn run<R: LimitRule + 'static>(rule: R, per_second: u32) -> Report {
    let (clock, hand) = Clock::manual();
    let builder = AdaptiveConcurrency::builder(rule).initial(10).min(2).max(10_000);
    let limit = builder.clock(clock).build().unwrap();
    let mut callee = Server::new();
    let (mut answers, mut limits) = (0, Vec::new());
    let requests = per_second * MINUTES * 60;
    for request in 0..requests {
        let now = Duration::from_secs(1) * request / per_second;
        let settled = request >= requests / 3;
        while let Some((done, permit)) = callee.done(now) {
            hand.set(done);
            permit.finish(Outcome::Success);
            answers += u32::from(settled);
        }
        hand.set(now);
        if let Ok(permit) = limit.try_acquire() {
            callee.begin(request, now, permit);
        }
        if settled {
            limits.push(limit.limit());
        }
    }
    Report {
        served: answers,
        least: *limits.iter().min().unwrap(),
        most: *limits.iter().max().unwrap(),
        mean: limits.iter().sum::<usize>() / limits.len(),
    }
}

/// What the server can serve in the time that is reported.
const SERVED_AT_MOST: u32 = CAPACITY * MINUTES * 60 * 2 / 3;

#[test]
fn aimd_swings_about_the_knee_under_twice_the_load_and_does_not_run_away() {
    // With 60 in flight, three times the knee, a round trip takes as long as the timeout. By the time that this shows the
    // limit is past it, and then each of those that are late lowers it: a saw with long teeth, as published.
    let report = run(Aimd::new().timeout(3 * SERVICE), 2 * CAPACITY);
    assert!(report.served >= SERVED_AT_MOST / 10 * 7, "{report:?} of {SERVED_AT_MOST}");
    assert!(report.most <= 8 * WORKERS, "{report:?}");
    assert!((WORKERS..=3 * WORKERS).contains(&report.mean), "{report:?}");
}

#[test]
fn gradient2_settles_near_the_knee_under_twice_the_load() {
    let report = run(Gradient2::new(), 2 * CAPACITY);
    assert!(report.served >= SERVED_AT_MOST / 10 * 9, "{report:?} of {SERVED_AT_MOST}");
    assert!(report.least >= WORKERS && report.most <= 4 * WORKERS, "{report:?}");
}

#[test]
fn neither_grows_past_what_half_the_load_needs() {
    // About ten are in flight, and a limit of more than twice as many is not in use.
    for report in [run(Aimd::new(), CAPACITY / 2), run(Gradient2::new(), CAPACITY / 2)] {
        assert!(report.served >= SERVED_AT_MOST / 2 / 10 * 9, "{report:?}");
        assert!(report.least >= WORKERS / 2 && report.most <= 2 * WORKERS, "{report:?}");
    }
}
