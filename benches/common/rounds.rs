//! Interleaved rounds. The machine's speed drifts, so a figure from one minute cannot be held against one from
//! another: every round measures all contenders once, and what is compared are the ratios within a round.

use std::ops::RangeInclusive;

use super::Outcome;
use super::clocks::ClockChoice;
use super::setup::Setup;
use super::subject::{Governor, Key, OneMutex, Shards, Subject, Tollgate};

/// One contender in one round.
#[derive(Clone)]
pub(crate) struct Sample {
    /// What is compared, in nanoseconds: time per request, or a percentile of it.
    pub(crate) nanos: f64,
    /// The slowest single request, where each was timed.
    pub(crate) slowest: Option<f64>,
    pub(crate) admitted: u64,
    /// How many a perfect limiter admits. More than one number where it depends on when exactly a request came.
    pub(crate) exact: RangeInclusive<u64>,
    /// The share of the time in which other programs had the core, see [`Driven`](super::threads::Driven).
    pub(crate) waited: f64,
}

/// A sample that waited for more than this share of its time says more about the machine's other work than about
/// the limiter: two threads that take turns on one core do not even contend.
const DISTURBED: f64 = 0.05;

impl Sample {
    pub(crate) fn is_disturbed(&self) -> bool {
        self.waited > DISTURBED
    }
}

/// How often to measure.
#[derive(Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) measured: usize,
    /// A disturbed sample is taken again, so many times in all; then the least disturbed one stands.
    pub(crate) attempts: usize,
}

/// Something every contender does for one row of the table.
pub(crate) trait Work {
    type Key: Key;
    /// Whether each round begins with a new limiter.
    const FRESH: bool;

    fn setup(&self) -> Setup;

    /// Brings a new limiter into the state where the measurement starts.
    fn prepare<S: Subject<Self::Key>>(&self, _subject: &S) {}

    fn run<S: Subject<Self::Key>>(&self, subject: &S) -> Sample;
}

/// One contender's turn; keeps its limiter between the rounds if the work wants that.
pub(crate) type Arm<'a> = Box<dyn FnMut() -> Outcome<Sample> + 'a>;

/// The arm in which an `S` does the work.
pub(crate) fn arm<'a, W: Work, S: Subject<W::Key> + 'a>(work: &'a W) -> Arm<'a> {
    let mut kept: Option<S> = None;
    Box::new(move || {
        let subject = match kept.take() {
            Some(subject) if !W::FRESH => subject,
            _ => {
                let subject = S::build(&work.setup())?;
                work.prepare(&subject);
                subject
            }
        };
        let sample = work.run(&subject);
        if !W::FRESH {
            kept = Some(subject);
        }
        Ok(sample)
    })
}

/// The order of the columns.
pub(crate) const CONTENDERS: [&str; 4] = ["tollgate", "governor", "mutex map", "64 shards"];

/// All four with the clock `C`, in the order of [`CONTENDERS`].
pub(crate) fn contenders<C: ClockChoice, W: Work>(work: &W) -> Vec<Arm<'_>> {
    vec![
        arm::<W, Tollgate<C>>(work),
        arm::<W, Governor<W::Key, C>>(work),
        arm::<W, OneMutex<W::Key, C>>(work),
        arm::<W, Shards<W::Key, C>>(work),
    ]
}

/// Measures all arms `rounds` times, after one round that is thrown away: it warms up caches, page tables and the
/// processor's clock. Gives each arm's samples in the order of the rounds.
pub(crate) fn race(mut arms: Vec<Arm<'_>>, rounds: Rounds) -> Outcome<Vec<Vec<Sample>>> {
    let mut samples = vec![Vec::with_capacity(rounds.measured); arms.len()];
    let count = arms.len();
    for round in 0..=rounds.measured {
        // What is thrown away need not be undisturbed.
        let attempts = if round > 0 { rounds.attempts } else { 1 };
        for turn in 0..count {
            // Another one begins each time: whoever follows a contender that floods the caches shall not always be
            // the same.
            let arm = (turn + round) % count;
            let sample = undisturbed(&mut arms[arm], attempts)?;
            if round > 0 {
                samples[arm].push(sample);
            }
        }
    }
    Ok(samples)
}

fn undisturbed(arm: &mut Arm<'_>, attempts: usize) -> Outcome<Sample> {
    let mut best = arm()?;
    for _ in 1..attempts {
        if !best.is_disturbed() {
            break;
        }
        let again = arm()?;
        if again.waited < best.waited {
            best = again;
        }
    }
    Ok(best)
}

/// The quartiles of some figures: 25 %, 50 %, 75 %.
pub(crate) fn quartiles(mut figures: Vec<f64>) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    let last = figures.len().saturating_sub(1);
    [1, 2, 3].map(|quarter| {
        // Between two figures, half of each: exact for the median, near enough for the spread.
        let (low, high) = (last * quarter / 4, (last * quarter).div_ceil(4));
        f64::midpoint(figures.get(low).copied().unwrap_or(0.0), figures.get(high).copied().unwrap_or(0.0))
    })
}

/// The median of one arm.
pub(crate) fn median(samples: &[Sample]) -> f64 {
    quartiles(samples.iter().map(|sample| sample.nanos).collect())[1]
}

/// The quartiles of `slow / fast`, round by round.
pub(crate) fn ratio(slow: &[Sample], fast: &[Sample]) -> [f64; 3] {
    quartiles(slow.iter().zip(fast).map(|(slow, fast)| slow.nanos / fast.nanos).collect())
}
