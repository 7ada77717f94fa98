//! The rows: what is done, and how often. Each ends in an error when another number was admitted than should be.

use std::hash::{BuildHasher, Hash};
use std::hint::black_box;
use std::time::Duration;

use tollgate::{
    Clock, Engine, FixedWindow, Gcra, LeakyBucket, Limiter, ManualClock, PerCall, Quota, SlidingLog,
    SlidingWindow, TokenBucket, check_all,
};

use crate::Outcome;

/// One kind of work.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// How often it is done in a run whose count is taken off: past whatever is only done once.
    pub(crate) before: usize,
    /// How often more in the run that counts.
    pub(crate) more: usize,
    /// Builds what is needed, and does it so often.
    pub(crate) run: fn(usize) -> Outcome<()>,
}

/// Far more than the few instructions by which one start of the program may differ from another; under valgrind still well below a second.
const MORE: usize = 1_000;
/// A page is split when it holds some hundred keys: two hundred splits.
const GROWTH: usize = 20_000;
/// As in the other benches.
const BATCH: usize = 256;
/// More than a run spends, and no more than a sliding window of a second may hold.
const PLENTY: u32 = 10_000;
/// Whoever has so few is refused before the counting begins.
const FEW: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);

const fn hot(name: &'static str, run: fn(usize) -> Outcome<()>) -> Row {
    Row { name, before: 500, more: MORE, run }
}

pub(crate) const ROWS: [Row; 19] = [
    hot("hot key admitted", |times| admitted(times, Gcra::new(quota(PLENTY)))),
    hot("hot key refused", |times| refused(times, Gcra::new(quota(FEW)))),
    hot("hot key admitted, text of 24 bytes", hot_text),
    hot("one of 20 000 keys admitted", one_of_many),
    hot("check_many, per key of 20 000", batches),
    hot("fresh key in an idle slot", |times| fresh(GROWTH, times)),
    // It begins past the first pages, which are smaller.
    Row {
        name: "fresh key while the table grows",
        before: 2_000,
        more: GROWTH,
        run: |times| fresh(0, times),
    },
    hot("check_all of three admitted", |times| together(times, PLENTY)),
    hot("check_all of three, the first refuses", |times| together(times, FEW)),
    hot("TokenBucket admitted", |times| admitted(times, bucket(PLENTY))),
    hot("TokenBucket refused", |times| refused(times, bucket(FEW))),
    hot("LeakyBucket admitted", |times| admitted(times, LeakyBucket::new(quota(PLENTY), u64::from(PLENTY)))),
    hot("FixedWindow admitted", |times| admitted(times, FixedWindow::new(u64::from(PLENTY), SECOND))),
    hot("FixedWindow refused", |times| refused(times, FixedWindow::new(u64::from(FEW), SECOND))),
    hot("SlidingWindow admitted", |times| admitted(times, SlidingWindow::new(u64::from(PLENTY), SECOND))),
    hot("SlidingWindow refused", |times| refused(times, SlidingWindow::new(u64::from(FEW), SECOND))),
    hot("SlidingLog admitted", |times| admitted(times, SlidingLog::new(u64::from(PLENTY), SECOND))),
    hot("SlidingLog refused", |times| refused(times, SlidingLog::new(u64::from(FEW), SECOND))),
    hot("PerCall admitted", per_call),
];

/// The same in every run. So is a clock that is set by hand: the default one measures the processor's counter for some time first.
type Fixed = ahash::RandomState;

fn limiter<A: Engine>(algorithm: A) -> Outcome<Limiter<A, Fixed>> {
    Ok(with_clock(algorithm)?.0)
}

fn with_clock<A: Engine>(algorithm: A) -> Outcome<(Limiter<A, Fixed>, ManualClock)> {
    let (clock, hand) = Clock::manual();
    let limiter = Limiter::builder(algorithm).hasher(Fixed::with_seeds(1, 2, 3, 4)).clock(clock).build()?;
    // Neither at the instant of the build nor in its window: those take shorter ways.
    hand.set(Duration::from_millis(10_500));
    Ok((limiter, hand))
}

fn quota(tokens: u32) -> Quota {
    Quota::per_second(tokens)
}

fn bucket(tokens: u32) -> TokenBucket {
    TokenBucket::new(u64::from(tokens)).refill(u64::from(tokens), SECOND)
}

/// Does it so often, and compares how many were admitted.
fn count(times: usize, due: usize, mut check: impl FnMut(usize) -> bool) -> Outcome<()> {
    let mut admitted = 0;
    for time in 0..times {
        admitted += usize::from(check(time));
    }
    exactly(admitted, due)
}

fn exactly(admitted: usize, due: usize) -> Outcome<()> {
    if admitted == due { Ok(()) } else { Err(format!("{admitted} were admitted, not {due}").into()) }
}

fn checks<A: Engine, S: BuildHasher, K: Hash + ?Sized>(
    limiter: &Limiter<A, S>,
    key: &K,
    times: usize,
    due: usize,
) -> Outcome<()> {
    count(times, due, |_| limiter.check(black_box(key)).is_ok())
}

fn admitted<A: Engine>(times: usize, algorithm: A) -> Outcome<()> {
    checks(&limiter(algorithm)?, &7_u64, times, times)
}

fn refused<A: Engine>(times: usize, algorithm: A) -> Outcome<()> {
    checks(&limiter(algorithm)?, &7_u64, times, FEW as usize)
}

fn hot_text(times: usize) -> Outcome<()> {
    checks(&limiter(Gcra::new(quota(PLENTY)))?, "user:9f86d081884c7d659a2", times, times)
}

fn key(rank: usize) -> u64 {
    rank as u64
}

/// A limiter that knows the keys 0 to `GROWTH` (exclusive), all in debt.
fn many() -> Outcome<Limiter<Gcra, Fixed>> {
    let limiter = limiter(Gcra::new(quota(PLENTY)))?;
    count(GROWTH, GROWTH, |rank| limiter.check(&key(rank)).is_ok())?;
    Ok(limiter)
}

/// One after the other, from all over the table: 7919 is a prime that does not divide their number.
fn scattered(time: usize) -> u64 {
    key(time * 7_919 % GROWTH)
}

fn one_of_many(times: usize) -> Outcome<()> {
    let limiter = many()?;
    count(times, times, |time| limiter.check(&black_box(scattered(time))).is_ok())
}

fn batches(times: usize) -> Outcome<()> {
    let limiter = many()?;
    let keys: Vec<u64> = (0..times).map(scattered).collect();
    let mut answers = Vec::with_capacity(BATCH);
    let mut admitted = 0;
    for batch in keys.chunks(BATCH) {
        limiter.check_many(black_box(batch), &mut answers);
        admitted += answers.iter().filter(|answer| answer.is_ok()).count();
    }
    exactly(admitted, times)
}

/// Keys that were never seen, in a table in which so many others have gone idle.
fn fresh(idle: usize, times: usize) -> Outcome<()> {
    let (limiter, hand) = with_clock(Gcra::new(quota(FEW)))?;
    count(idle, idle, |rank| limiter.check(&key(rank)).is_ok())?;
    hand.advance(SECOND);
    count(times, times, |time| limiter.check(&black_box(key(idle + time))).is_ok())
}

/// Three limits as one; the first has so many tokens.
fn together(times: usize, tokens: u32) -> Outcome<()> {
    let first = limiter(Gcra::new(quota(tokens)))?;
    let [second, third] = [limiter(Gcra::new(quota(PLENTY)))?, limiter(Gcra::new(quota(PLENTY)))?];
    let due = times.min(tokens as usize);
    count(times, due, |_| {
        let [one, two, three] = black_box([1_u64, 2, 3]);
        check_all(&[first.on(&one), second.on(&two), third.on(&three)]).is_ok()
    })
}

fn per_call(times: usize) -> Outcome<()> {
    let limiter = limiter(PerCall::new())?;
    let quota = quota(PLENTY);
    count(times, times, |_| limiter.check_with(black_box(&7_u64), black_box(quota), 1).is_ok())
}
