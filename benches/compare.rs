//! Time per request against governor, one mutexed map, and 64 of them: `cargo bench --bench compare`.
//!
//! Options after `--`: `--quick`, `--rows PART`, `--rounds N`, `--table FILE`.

mod common;

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use common::Outcome;
use common::clocks::{ClockChoice, Coarse, Precise};
use common::floor::{ClockRead, Empty, Floor, KeyHash, Swap, cache_miss};
use common::keys;
use common::options::Options;
use common::rounds::{Sample, Work, arm, contenders, race, ratio};
use common::setup::{ADMITTED, BATCH, FORGET_EVERY, REFUSED, SHORT_LIVED, Setup, live};
use common::subject::{Subject, Tollgate};
use common::table::{Report, figure, machine, time};
use common::threads::drive;
use common::works::{Hot, Uniform, sample};

/// About a tenth of a second per contender and round where a request takes 20 to 30 ns.
const REQUESTS: usize = 4_000_000;
/// "A million live keys" is the size at which every contender's table has outgrown the second-level cache.
const LIVE: usize = 1_000_000;
/// An odd number, so that the median is a round that happened; and few enough for a run of some minutes.
const ROUNDS: usize = 9;

fn main() -> Outcome<()> {
    let options = Options::from_args()?;
    let rounds = options.rounds(ROUNDS);
    let mut report = Report::default();
    report.line(&format!(
        "compare: {}; {} interleaved rounds; wall time per request, over all threads",
        machine(),
        rounds.measured
    ));
    against_governor(&options, &mut report)?;
    against_the_floor(&options, &mut report)?;
    report.finish(options.table.as_deref())
}

fn against_governor(options: &Options, report: &mut Report) -> Outcome<()> {
    report.head(&[
        "work",
        "tollgate",
        "governor",
        "mutex map",
        "64 shards",
        "governor / tollgate",
        "goal",
        "admitted vs exact",
    ]);
    let requests = options.size(REQUESTS, 20_000);
    let keys = options.size(LIVE, 5_000);

    let hot = |setup, threads| Hot { setup, threads, requests, late: 2 };
    row::<Precise, _>(options, report, "hot key admitted, 1 thread", "1.7x", || hot(ADMITTED, 1))?;
    row::<Precise, _>(options, report, "hot key admitted, 2 threads", "2.2x", || hot(ADMITTED, 2))?;
    row::<Precise, _>(options, report, "hot key refused, 1 thread", "2.2x", || hot(REFUSED, 1))?;
    row::<Precise, _>(options, report, "hot key refused, 2 threads", "5x", || hot(REFUSED, 2))?;
    // A thread that refreshes a clock may be kept from doing so by a whole time slice (10 ms or two).
    let coarse = |setup| Hot { late: 20, ..hot(setup, 1) };
    row::<Coarse, _>(options, report, "coarse clock, hot key admitted", "1.7x", || coarse(ADMITTED))?;
    row::<Coarse, _>(options, report, "coarse clock, hot key refused", "3x", || coarse(REFUSED))?;

    let visits = || keys::uniform(keys, requests / 2);
    row::<Precise, _>(options, report, "1 M live keys uniform, u64", "1.4x", || {
        Uniform::new(keys::numbers(keys), &visits(), 1)
    })?;
    row::<Precise, _>(options, report, "1 M live keys uniform, String", "1.9x", || {
        Uniform::new(keys::numbers(keys).into_iter().map(keys::text).collect(), &visits(), 1)
    })?;
    row::<Precise, _>(options, report, "1 M live keys Zipf(1.0), 2 threads, a tenth refused", "2x", || {
        Skewed::new(keys, requests)
    })?;
    row::<Precise, _>(options, report, "check_many, 1 M live keys uniform, u64", "5x", || {
        Uniform::new(keys::numbers(keys), &visits(), BATCH)
    })?;
    row::<Precise, _>(options, report, "fresh keys without end that soon go idle", "2x", || ShortLived {
        requests,
        next: AtomicU64::new(0),
    })
}

/// Measures one row, if it is wanted: its work (which may be large) is made only then, and gone afterwards.
fn row<C: ClockChoice, W: Work>(
    options: &Options,
    report: &mut Report,
    name: &str,
    goal: &str,
    work: impl FnOnce() -> W,
) -> Outcome<()> {
    if options.wants(name) {
        let work = work();
        report.compare(name, goal, &race(contenders::<C, W>(&work), options.rounds(ROUNDS))?);
    }
    Ok(())
}

/// What a request costs at the least, beside what it costs here.
fn against_the_floor(options: &Options, report: &mut Report) -> Outcome<()> {
    for threads in [1, 2] {
        let name = format!("hot key vs floor, threads: {threads}");
        if !options.wants(&name) {
            continue;
        }
        let hot = Hot { setup: ADMITTED, threads, requests: options.size(REQUESTS, 20_000), late: 0 };
        let arms = vec![
            arm::<_, Empty>(&hot),
            arm::<_, KeyHash>(&hot),
            arm::<_, ClockRead>(&hot),
            arm::<_, Swap>(&hot),
            arm::<_, Floor>(&hot),
            arm::<_, Tollgate<Precise>>(&hot),
        ];
        let names = [
            "empty loop",
            "ahash of a u64",
            "clock read",
            "compare-and-swap",
            "floor: all three",
            "tollgate",
        ];
        let samples = race(arms, options.rounds(ROUNDS))?;
        report.head(&[name.as_str(), "time", "vs floor", "goal", "admitted vs exact"]);
        for (part, samples_of_part) in names.iter().zip(&samples) {
            let [low, middle, high] = ratio(samples_of_part, &samples[4]);
            let ours = *part == "tollgate";
            let admitted = if ours { report.admitted(&name, &[*part], &samples[5..]) } else { String::new() };
            report.row(&[
                (*part).to_owned(),
                figure(samples_of_part),
                format!("{middle:.2}x ({low:.2}-{high:.2})"),
                // The issue asks it of one thread.
                if ours && threads == 1 { "1.3x".to_owned() } else { String::new() },
                admitted,
            ]);
        }
    }
    if options.wants("cache miss") {
        // 256 MB: eight times the third-level cache, and so far beyond what the page tables' cache covers that
        // it stands for a large table's first touch, not for the fastest possible load.
        let bytes = options.size(256 << 20, 1 << 20);
        let nanos = cache_miss(bytes, options.size(5_000_000, 10_000));
        report.line("");
        report.line(&format!("One cache miss (dependent loads over {} MB): {}", bytes >> 20, time(nanos)));
    }
    Ok(())
}

/// Requests by two threads for live keys of which few are asked for very often: Zipf with exponent 1. Each key has
/// a fixed number of tokens for the round, such that a tenth of all requests find none left.
struct Skewed {
    keys: Vec<u64>,
    visits: Vec<u64>,
    burst: u32,
    exact: u64,
}

impl Skewed {
    fn new(count: usize, requests: usize) -> Self {
        let indices = keys::zipf(count, requests);
        let mut counts = vec![0_u32; count];
        for &index in &indices {
            counts[index] += 1;
        }
        let admitted = |tokens: u32| counts.iter().map(|&count| u64::from(count.min(tokens))).sum::<u64>();
        // The more tokens the more are admitted: halve the span in which nine tenths must lie.
        let (mut low, mut high) = (1, counts.iter().copied().max().unwrap_or(1));
        while low < high {
            let middle = u32::midpoint(low, high);
            if admitted(middle) * 10 < requests as u64 * 9 { low = middle + 1 } else { high = middle }
        }
        let keys = keys::numbers(count);
        let visits = indices.into_iter().map(|index| keys[index]).collect();
        // One token more, which making the key live spends.
        Self { keys, visits, burst: low + 1, exact: admitted(low) }
    }
}

impl Work for Skewed {
    type Key = u64;
    const FRESH: bool = true;

    fn setup(&self) -> Setup {
        live(self.keys.len(), self.burst)
    }

    fn prepare<S: Subject<u64>>(&self, subject: &S) {
        for key in &self.keys {
            black_box(subject.check(key));
        }
    }

    fn run<S: Subject<u64>>(&self, subject: &S) -> Sample {
        let driven = drive(2, self.visits.len(), |range| {
            self.visits[range].iter().map(|key| u64::from(subject.check(black_box(key)))).sum()
        });
        sample(driven, self.visits.len(), self.exact..=self.exact)
    }
}

/// Every request is of a key never seen before, and a millisecond later that key is idle again.
struct ShortLived {
    requests: usize,
    next: AtomicU64,
}

impl Work for ShortLived {
    type Key = u64;
    const FRESH: bool = false;

    fn setup(&self) -> Setup {
        SHORT_LIVED
    }

    fn run<S: Subject<u64>>(&self, subject: &S) -> Sample {
        // A number that no contender has had yet, in any round.
        let first = self.next.fetch_add(self.requests as u64, Ordering::Relaxed);
        let driven = drive(1, self.requests, |range| {
            if range.start.is_multiple_of(FORGET_EVERY) {
                subject.forget_idle();
            }
            range.map(|index| u64::from(subject.check(&keys::key(first + index as u64)))).sum()
        });
        sample(driven, self.requests, self.requests as u64..=self.requests as u64)
    }
}
