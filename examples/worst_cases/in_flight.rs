//! What concurrency limits do for a server that is offered half of what it can do, then twice as much, then half again.

use std::collections::VecDeque;
use std::error::Error;
use std::time::Duration;

use tollgate::concurrency::{AdaptiveConcurrency, Aimd, ConcurrencyLimit, Gradient2, LimitRule, Outcome};
use tollgate::{Clock, ManualClock};

use crate::picture::{BLUE, GREEN, Mark, ORANGE, Picture, Point};

/// The server works on 20 at once, 100 ms on each, so it serves 200 a second; what is more waits in its queue.
const WORKERS: usize = 20;
const SERVICE: Duration = Duration::from_millis(100);
const QUIET: u32 = 100;
const BUSY: u32 = 400;

const SECONDS: u32 = 60;
/// Between the samples of a picture: fine enough for a saw's teeth.
const SAMPLE: Duration = Duration::from_millis(200);
/// The top of the pictures.
const TOP: f64 = 100.0;

/// All pictures of concurrency limits.
pub(crate) fn pictures() -> Result<Vec<Picture>, Box<dyn Error>> {
    Ok(vec![
        fixed(),
        adaptive("aimd", "Aimd: twice the load for 20 s, timeout 300 ms", Aimd::new().timeout(3 * SERVICE))?,
        adaptive("gradient2", "Gradient2: twice the load for 20 s", Gradient2::new())?,
    ])
}

fn fixed() -> Picture {
    let (_, hand) = Clock::manual();
    let limit = ConcurrencyLimit::new(2 * WORKERS);
    let standing = || (limit.max(), limit.in_flight());
    let samples = offer(&hand, || limit.try_acquire().ok(), drop, standing);
    picture("fixed", "ConcurrencyLimit of 40: twice the load for 20 s", &samples)
}

fn adaptive<R: LimitRule + 'static>(
    name: &'static str,
    title: &'static str,
    rule: R,
) -> Result<Picture, Box<dyn Error>> {
    let (clock, hand) = Clock::manual();
    let limit = AdaptiveConcurrency::builder(rule).min(2).clock(clock).build()?;
    let finish = |permit: tollgate::concurrency::AdaptivePermit<'_>| permit.finish(Outcome::Success);
    let standing = || (limit.limit(), limit.in_flight());
    Ok(picture(name, title, &offer(&hand, || limit.try_acquire().ok(), finish, standing)))
}

/// The limit and how many are in flight, at the time of a sample.
type Sample = (Duration, usize, usize);

/// Offers the server requests, and lets it work on those that are admitted.
fn offer<P>(
    hand: &ManualClock,
    acquire: impl Fn() -> Option<P>,
    finish: impl Fn(P),
    standing: impl Fn() -> (usize, usize),
) -> Vec<Sample> {
    let (mut server, mut samples) = (VecDeque::<(Duration, P)>::new(), Vec::<Sample>::new());
    // The last of so many that began before is done when a worker is free for the next.
    let mut ends = VecDeque::from(vec![Duration::ZERO; WORKERS]);
    let mut now = Duration::ZERO;
    while now < Duration::from_secs(SECONDS.into()) {
        while server.front().is_some_and(|(done, _)| *done <= now) {
            if let Some((done, permit)) = server.pop_front() {
                hand.set(done);
                finish(permit);
            }
        }
        hand.set(now);
        if let Some(permit) = acquire() {
            let free = ends.pop_front().unwrap_or_default();
            let done = free.max(now) + SERVICE;
            ends.push_back(done);
            server.push_back((done, permit));
        }
        if samples.last().is_none_or(|(last, ..)| *last + SAMPLE <= now) {
            let (limit, in_flight) = standing();
            samples.push((now, limit, in_flight));
        }
        let middle = SECONDS / 3..SECONDS / 3 * 2;
        let busy = middle.contains(&u32::try_from(now.as_secs()).unwrap_or(u32::MAX));
        now += Duration::from_secs(1) / if busy { BUSY } else { QUIET };
    }
    samples
}

fn picture(name: &'static str, title: &'static str, samples: &[Sample]) -> Picture {
    let points = |number: fn(&Sample) -> usize| {
        samples.iter().map(|sample| (sample.0.as_secs_f64(), real(number(sample)))).collect::<Vec<Point>>()
    };
    let marks = vec![
        Mark::Area { label: "in flight", color: BLUE, points: points(|sample| sample.2) },
        Mark::Curve { label: "the limit", color: GREEN, points: points(|sample| sample.1) },
        Mark::Level { label: "what the server works on", color: ORANGE, at: real(WORKERS) },
    ];
    Picture { name, title, seconds: f64::from(SECONDS), top: TOP, marks }
}

#[expect(clippy::cast_precision_loss, reason = "some hundreds at most")]
fn real(number: usize) -> f64 {
    number as f64
}
