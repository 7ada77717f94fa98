//! What a caller gets of each rate algorithm who is quiet until just before a second ends, and then asks without pause.

use std::time::Duration;

use tollgate::{
    Allowed, BuildError, Clock, Engine, FixedWindow, Gcra, LeakyBucket, Limiter, PerCall, Quota, SlidingLog,
    SlidingWindow, TokenBucket,
};

use crate::picture::{BLUE, GREEN, Mark, ORANGE, Picture, Point};

/// Ten in a second: few enough that one can count them in a picture.
const LIMIT: u64 = 10;
const FREE: Quota = Quota::per_second(5);
const PAID: Quota = Quota::per_second(10);

/// Milliseconds; windows are aligned to the clock's zero.
const WINDOW: u64 = 1_000;
const BEGIN: u64 = 990;
const END: u64 = 3_600;

/// What one caller was admitted, and what the documentation says is the most in any second.
struct Caller {
    label: &'static str,
    worst: u64,
    /// The milliseconds at which a request went.
    gone: Vec<u64>,
}

/// All pictures of rate algorithms.
pub(crate) fn pictures() -> Result<Vec<Picture>, BuildError> {
    let second = Duration::from_millis(WINDOW);
    let any = |allowed: Allowed| allowed.delay();
    let picture = |name, title, worst, gone| {
        picture(name, title, &[Caller { label: "in the last second", worst, gone }])
    };
    let per_call = |label, quota: Quota, worst| {
        let gone = greedy(PerCall::new(), |limiter| limiter.check_with("key", quota, 1).ok().map(any))?;
        Ok(Caller { label, worst, gone })
    };
    let at_once = TokenBucket::new(LIMIT).refill(LIMIT, second).refill_at_once();
    let queue = LeakyBucket::new(PAID, LIMIT - 1);
    Ok(vec![
        picture("gcra", "Gcra: a burst, then one every 100 ms", 2 * LIMIT - 1, checks(Gcra::new(PAID))?),
        picture("token_bucket", "TokenBucket, refilled at once", 2 * LIMIT, checks(at_once)?),
        picture("leaky_bucket", "LeakyBucket: one every 100 ms, whenever they come", LIMIT, checks(queue)?),
        picture(
            "fixed_window",
            "FixedWindow: all of two windows, 10 ms apart",
            2 * LIMIT,
            checks(FixedWindow::new(LIMIT, second))?,
        ),
        picture(
            "sliding_window",
            "SlidingWindow: the window before fades away",
            2 * LIMIT - 1,
            checks(SlidingWindow::new(LIMIT, second))?,
        ),
        picture(
            "sliding_log",
            "SlidingLog: ten in any second, never more",
            LIMIT,
            checks(SlidingLog::new(LIMIT, second))?,
        ),
        self::picture(
            "per_call",
            "PerCall: 5/s and 10/s in one limiter",
            &[
                per_call("free, in the last second", FREE, 9)?,
                per_call("paid, in the last second", PAID, 19)?,
            ],
        ),
    ])
}

fn checks<A: Engine>(algorithm: A) -> Result<Vec<u64>, BuildError> {
    greedy(algorithm, |limiter| limiter.check("key").ok().map(|allowed| allowed.delay()))
}

/// When the requests go of a caller who asks as often as he is admitted, every millisecond.
fn greedy<A: Engine>(
    algorithm: A,
    ask: impl Fn(&Limiter<A>) -> Option<Duration>,
) -> Result<Vec<u64>, BuildError> {
    let (clock, hand) = Clock::manual();
    let limiter = Limiter::builder(algorithm).max_keys(1).clock(clock).build()?;
    let mut gone = Vec::new();
    for now in BEGIN..END {
        hand.set(Duration::from_millis(now));
        while let Some(delay) = ask(&limiter) {
            gone.push(now + millis(delay));
        }
    }
    Ok(gone)
}

/// To the nearest millisecond: a slot may come a unit of the axis early, below 10 ns.
fn millis(delay: Duration) -> u64 {
    u64::try_from((delay + Duration::from_micros(500)).as_millis()).unwrap_or(u64::MAX)
}

fn picture(name: &'static str, title: &'static str, callers: &[Caller]) -> Picture {
    let colors = if callers.len() == 1 { vec![BLUE] } else { vec![GREEN, BLUE] };
    let mut marks = Vec::new();
    for (caller, color) in callers.iter().zip(colors) {
        marks.push(Mark::Area { label: caller.label, color, points: in_the_last_second(&caller.gone) });
        marks.push(Mark::Level { label: "the most, as documented", color: ORANGE, at: real(caller.worst) });
    }
    if let [caller] = callers {
        marks.push(Mark::Stems { label: "at once", points: at_once(&caller.gone) });
    }
    Picture { name, title, seconds: seconds(END), top: real(2 * LIMIT + 2), marks }
}

/// How many went in the second that ends at each millisecond; a point before and after each change.
fn in_the_last_second(gone: &[u64]) -> Vec<Point> {
    let (mut points, mut before) = (vec![(0.0, 0.0)], 0);
    for now in 0..END {
        let count = gone.iter().filter(|time| **time <= now && now < **time + WINDOW).count() as u64;
        if count != before {
            points.extend([(seconds(now), real(before)), (seconds(now), real(count))]);
            before = count;
        }
    }
    points.push((seconds(END), real(before)));
    points
}

/// How many went at each millisecond at which any did.
fn at_once(gone: &[u64]) -> Vec<Point> {
    let chunks = gone.chunk_by(|one, next| one == next).filter(|chunk| chunk[0] < END);
    chunks.map(|chunk| (seconds(chunk[0]), real(chunk.len() as u64))).collect()
}

fn seconds(millis: u64) -> f64 {
    real(millis) / 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "some thousands at most")]
fn real(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use crate::picture::Mark;

    #[test]
    fn every_algorithm_reaches_what_its_documentation_says_is_the_most_and_none_exceeds_it() {
        for picture in super::pictures().unwrap() {
            for pair in picture.marks.windows(2) {
                if let [Mark::Area { points, .. }, Mark::Level { at, .. }] = pair {
                    let most = points.iter().map(|(_, count)| *count).fold(0.0, f64::max);
                    assert!((most - at).abs() < 0.5, "{}: {most}, not {at}", picture.name);
                }
            }
        }
    }
}
