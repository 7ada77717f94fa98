//! What a check costs under each algorithm, beside `Gcra`: `cargo bench --bench algorithms`.
//!
//! Options as `compare`. Every row also counts what was admitted.

mod common;

use std::hint::black_box;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use tollgate::{
    Engine, FixedWindow, Gcra, LeakyBucket, Limiter, PerCall, Quota, SlidingLog, SlidingWindow, TokenBucket,
};

use common::Outcome;
use common::keys;
use common::options::Options;
use common::rounds::{Arm, Work, arm};
use common::setup::{Setup, live};
use common::subject::{Key, Subject};
use common::table::{Report, beside_the_first, machine};
use common::works::{Hot, Uniform};

/// As in `compare`.
const REQUESTS: usize = 4_000_000;
const LIVE: usize = 1_000_000;
const ROUNDS: usize = 9;

/// More than a run spends, and no more than two counts of a sliding window can hold.
const PLENTY: u32 = 200_000_000;

/// No run sees two of these windows: they begin in 1970 and in 2070.
const CENTURY: Duration = Duration::from_secs(36_525 * 86_400);

fn main() -> Outcome<()> {
    let options = Options::from_args()?;
    let rounds = options.rounds(ROUNDS);
    let mut report = Report::default();
    report.line(&format!(
        "algorithms: {}; {} interleaved rounds; wall time per request, one thread",
        machine(),
        rounds.measured
    ));
    let requests = options.size(REQUESTS, 20_000);
    let keys = options.size(LIVE, 5_000);
    let hot = |burst| Hot { setup: live(LIVE, burst), threads: 1, requests, late: 0 };
    table(&options, &mut report, "hot key admitted", || hot(PLENTY))?;
    table(&options, &mut report, "hot key refused", || hot(1_000))?;
    table(&options, &mut report, "1 M live keys uniform, u64", || {
        Uniform::new(keys::numbers(keys), &keys::uniform(keys, requests / 2), 1)
    })?;
    report.finish(options.table.as_deref())
}

/// One table: the same work under every algorithm.
fn table<W: Work>(
    options: &Options,
    report: &mut Report,
    name: &str,
    work: impl FnOnce() -> W,
) -> Outcome<()> {
    if !options.wants(name) {
        return Ok(());
    }
    let work = work();
    let arms: Vec<(&str, &str, Arm<'_>)> = vec![
        ("Gcra", "", arm::<W, Of<Gcra>>(&work)),
        ("TokenBucket", "1.3x", arm::<W, Of<TokenBucket>>(&work)),
        ("TokenBucket, refill at once", "1.3x", arm::<W, Of<AtOnce>>(&work)),
        ("LeakyBucket", "1.3x", arm::<W, Of<LeakyBucket>>(&work)),
        ("FixedWindow", "1.3x", arm::<W, Of<FixedWindow>>(&work)),
        ("SlidingWindow", "1.3x", arm::<W, Of<SlidingWindow>>(&work)),
        ("PerCall, check_with", "1.3x", arm::<W, CheckWith>(&work)),
        ("SlidingLog", "", arm::<W, Of<SlidingLog>>(&work)),
    ];
    beside_the_first(report, name, "vs Gcra", arms, options.rounds(ROUNDS))
}

/// An algorithm with as many tokens as the setup's burst, of which none comes back while a run lasts.
trait Make {
    type Algorithm: Engine;

    fn make(setup: &Setup) -> Outcome<Self::Algorithm>;

    /// What is to be waited for before the limiter is used.
    fn warm_up() {}
}

struct Of<M: Make>(Limiter<M::Algorithm>);

impl<M: Make, K: Key> Subject<K> for Of<M> {
    fn build(setup: &Setup) -> Outcome<Self> {
        let limiter = Limiter::builder(M::make(setup)?).max_keys(setup.max_keys).build()?;
        M::warm_up();
        Ok(Of(limiter))
    }

    #[inline]
    fn check(&self, key: &K) -> bool {
        self.0.check(key).is_ok()
    }
}

fn quota(setup: &Setup) -> Outcome<Quota> {
    Ok(Quota::new(1, Duration::from_nanos(setup.interval))?.burst(u64::from(setup.burst)))
}

impl Make for Gcra {
    type Algorithm = Gcra;

    fn make(setup: &Setup) -> Outcome<Gcra> {
        Ok(Gcra::new(quota(setup)?))
    }
}

impl Make for TokenBucket {
    type Algorithm = TokenBucket;

    fn make(setup: &Setup) -> Outcome<TokenBucket> {
        Ok(TokenBucket::new(u64::from(setup.burst)).refill(1, Duration::from_nanos(setup.interval)))
    }
}

struct AtOnce;

impl Make for AtOnce {
    type Algorithm = TokenBucket;

    fn make(setup: &Setup) -> Outcome<TokenBucket> {
        Ok(TokenBucket::new(u64::from(setup.burst)).refill(1, CENTURY).refill_at_once())
    }
}

impl Make for LeakyBucket {
    type Algorithm = LeakyBucket;

    fn make(setup: &Setup) -> Outcome<LeakyBucket> {
        Ok(LeakyBucket::new(quota(setup)?, u64::from(setup.burst - 1)))
    }
}

impl Make for FixedWindow {
    type Algorithm = FixedWindow;

    fn make(setup: &Setup) -> Outcome<FixedWindow> {
        Ok(FixedWindow::new(u64::from(setup.burst), since_1970()?))
    }

    fn warm_up() {
        thread::sleep(SOON);
    }
}

impl Make for SlidingWindow {
    type Algorithm = SlidingWindow;

    fn make(setup: &Setup) -> Outcome<SlidingWindow> {
        Ok(SlidingWindow::new(u64::from(setup.burst), since_1970()?))
    }

    fn warm_up() {
        thread::sleep(SOON);
    }
}

/// In the window in which a limiter is built, nothing need be divided; a run shall not profit from that. So the second window begins
/// this long after the build, and ends in the next century.
const SOON: Duration = Duration::from_millis(50);

fn since_1970() -> Outcome<Duration> {
    Ok(UNIX_EPOCH.elapsed()? + SOON)
}

impl Make for SlidingLog {
    type Algorithm = SlidingLog;

    /// Every request of a run has a time of its own: forty for each key, or all of a hot key's.
    fn make(setup: &Setup) -> Outcome<SlidingLog> {
        let times = setup.max_keys * 40;
        Ok(SlidingLog::new(u64::from(setup.burst).min(times as u64), CENTURY).max_times(times))
    }
}

/// The quota comes with the call.
struct CheckWith {
    limiter: Limiter<PerCall>,
    quota: Quota,
}

impl<K: Key> Subject<K> for CheckWith {
    fn build(setup: &Setup) -> Outcome<Self> {
        let limiter = Limiter::builder(PerCall::new()).max_keys(setup.max_keys).build()?;
        // A burst may take nine years to come back, and an hour a token is too slow for a large one. Those are never spent.
        let interval = Duration::from_secs(if setup.burst > 50_000 { 1 } else { 3_600 });
        let burst = u64::from(setup.burst);
        Ok(CheckWith { limiter, quota: Quota::new(1, interval)?.burst(burst) })
    }

    #[inline]
    fn check(&self, key: &K) -> bool {
        self.limiter.check_with(key, black_box(self.quota), 1).is_ok()
    }
}
