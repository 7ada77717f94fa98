//! What several limits as one cost, beside one check: `cargo bench --bench together`.
//!
//! Options as `compare`. Every row also counts what was admitted.

mod common;

use std::hint::black_box;
use std::time::Duration;

use tollgate::{Gcra, Limiter, Quota, check_all};

use common::Outcome;
use common::options::Options;
use common::rounds::{Arm, arm};
use common::setup::{Setup, live};
use common::subject::{Key, Subject};
use common::table::{Report, beside_the_first, machine};
use common::works::Hot;

/// As in `compare`.
const REQUESTS: usize = 4_000_000;
const ROUNDS: usize = 9;

/// Room for the keys; one is used.
const KEYS: usize = 1_000_000;

/// More than a run spends.
const PLENTY: u32 = 200_000_000;

fn main() -> Outcome<()> {
    let options = Options::from_args()?;
    let rounds = options.rounds(ROUNDS);
    let mut report = Report::default();
    report.line(&format!(
        "together: {}; {} interleaved rounds; wall time per request, one thread, hot keys",
        machine(),
        rounds.measured
    ));
    for (name, burst, goal) in [("all admit", PLENTY, "3.3x"), ("the first refuses", 1_000, "1.5x")] {
        if !options.wants(name) {
            continue;
        }
        let requests = options.size(REQUESTS, 20_000);
        let work = Hot { setup: live(KEYS, burst), threads: 1, requests, late: 0 };
        let arms: Vec<(&str, &str, Arm<'_>)> = vec![
            ("one check", "", arm::<Hot, One>(&work)),
            ("three checks, one after the other", "", arm::<Hot, OneByOne>(&work)),
            ("check_all of three", goal, arm::<Hot, Together>(&work)),
        ];
        beside_the_first(&mut report, name, "vs one check", arms, rounds)?;
    }
    report.finish(options.table.as_deref())
}

/// With a key that is its own, so that no two words share a line.
struct Limit {
    limiter: Limiter,
    salt: u64,
}

impl Limit {
    fn build(setup: &Setup, burst: u32, salt: u64) -> Outcome<Limit> {
        let quota = Quota::new(1, Duration::from_nanos(setup.interval))?.burst(u64::from(burst));
        Ok(Limit { limiter: Limiter::builder(Gcra::new(quota)).max_keys(setup.max_keys).build()?, salt })
    }

    /// Three, of which the first has the setup's burst.
    fn three(setup: &Setup) -> Outcome<[Limit; 3]> {
        Ok([
            Limit::build(setup, setup.burst, 0)?,
            Limit::build(setup, PLENTY, 1)?,
            Limit::build(setup, PLENTY, 2)?,
        ])
    }
}

struct One(Limit);

impl<K: Key> Subject<K> for One {
    fn build(setup: &Setup) -> Outcome<Self> {
        Ok(One(Limit::build(setup, setup.burst, 0)?))
    }

    #[inline]
    fn check(&self, key: &K) -> bool {
        self.0.limiter.check(&(key, self.0.salt)).is_ok()
    }
}

/// What is done without `check_all`, and takes from the first what the second refuses.
struct OneByOne([Limit; 3]);

impl<K: Key> Subject<K> for OneByOne {
    fn build(setup: &Setup) -> Outcome<Self> {
        Ok(OneByOne(Limit::three(setup)?))
    }

    #[inline]
    fn check(&self, key: &K) -> bool {
        self.0.iter().all(|limit| limit.limiter.check(&(key, limit.salt)).is_ok())
    }
}

struct Together([Limit; 3]);

impl<K: Key> Subject<K> for Together {
    fn build(setup: &Setup) -> Outcome<Self> {
        Ok(Together(Limit::three(setup)?))
    }

    #[inline]
    fn check(&self, key: &K) -> bool {
        let [a, b, c] = &self.0;
        let limits =
            [a.limiter.on(&(key, a.salt)), b.limiter.on(&(key, b.salt)), c.limiter.on(&(key, c.salt))];
        black_box(check_all(&limits)).is_ok()
    }
}
