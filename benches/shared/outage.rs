//! Decisions that need no store, because it is away or because it has refused already: nanoseconds per decision.

use tokio::runtime::{Handle, Runtime};
use tollgate::distributed::{
    BreakerState, FailurePolicy, Fault, FaultBackend, GlobalLimiter, MemoryBackend, Rule, SharedStore, Source,
};
use tollgate::{Gcra, Limiter, Quota};

use crate::common::options::Options;
use crate::common::rounds::{Arm, Sample};
use crate::common::table::{Report, beside_the_first};
use crate::common::threads::{Driven, drive};
use crate::common::works::sample;
use crate::common::{Outcome, keys};
use crate::{PLENTY, ROUNDS, quota};

const REQUESTS: usize = 1_000_000;
const KEYS: usize = 10_000;
const GOAL: &str = "1 µs";

/// None of these keys has a token in the first hour of an outage, and each has one in all when there is none.
fn hourly() -> Quota {
    Quota::per_hour(1)
}

/// One table for each number of threads.
pub(crate) fn tables(report: &mut Report, options: &Options, runtime: &Runtime) -> Outcome<()> {
    let requests = options.size(REQUESTS, 20_000);
    let visits = |keys: usize| {
        keys::uniform(keys, requests).into_iter().map(|rank| keys::text(keys::key(rank as u64))).collect()
    };
    let (one, many): (Vec<String>, Vec<String>) = (visits(1), visits(KEYS));
    for threads in [1, 2] {
        let name = format!("no store, {threads} threads");
        if !options.wants(&name) {
            continue;
        }
        let handle = runtime.handle();
        let work = |visits| Decisions { visits, threads, handle };
        let (hot, spread) = (work(&one), work(&many));
        let all = requests as u64;
        let arms: Vec<(&str, &str, Arm<'_>)> = vec![
            ("Limiter in memory, 10 000 keys", "", Box::new(|| spread.in_memory())),
            ("open breaker, Open", GOAL, Box::new(|| spread.away(FailurePolicy::Open, hourly(), all))),
            ("open breaker, Closed", GOAL, Box::new(|| spread.away(FailurePolicy::Closed, hourly(), 0))),
            ("open breaker, Local, one key", GOAL, Box::new(|| hot.away(FailurePolicy::Local, hourly(), 0))),
            (
                "open breaker, Local, refused",
                GOAL,
                Box::new(|| spread.away(FailurePolicy::Local, hourly(), 0)),
            ),
            (
                "open breaker, Local, admitted",
                GOAL,
                Box::new(|| spread.away(FailurePolicy::Local, quota(PLENTY), all)),
            ),
            ("deny cache, one key", GOAL, Box::new(|| hot.denied())),
            ("deny cache, 10 000 keys", GOAL, Box::new(|| spread.denied())),
        ];
        beside_the_first(report, &name, "vs Limiter", arms, options.rounds(ROUNDS))?;
    }
    Ok(())
}

/// Checks of these keys, one after the other.
struct Decisions<'a> {
    visits: &'a [String],
    threads: usize,
    handle: &'a Handle,
}

impl Decisions<'_> {
    /// What a check costs that never has a store.
    fn in_memory(&self) -> Outcome<Sample> {
        let limiter = Limiter::builder(Gcra::new(hourly())).build()?;
        for key in self.visits {
            // Each takes its only token.
            let _ = limiter.check(key);
        }
        let driven = drive(self.threads, self.visits.len(), |range| {
            self.visits[range].iter().map(|key| u64::from(limiter.check(key).is_ok())).sum()
        });
        Ok(sample(driven, self.visits.len(), 0..=0))
    }

    /// The store is down, and that is known.
    fn away(&self, policy: FailurePolicy, quota: Quota, fits: u64) -> Outcome<Sample> {
        let backend = FaultBackend::new(MemoryBackend::new(), 1);
        backend.faults().always(Some(Fault::Refuse));
        let limiter = limiter(backend, policy, quota)?;
        self.handle.block_on(async {
            while limiter.store().stats().domains.iter().any(|domain| domain.breaker == BreakerState::Closed)
            {
                let _ = limiter.check("opens the breaker").await;
            }
        });
        let source = match policy {
            FailurePolicy::Open => Source::FailOpen,
            FailurePolicy::Closed => Source::FailClosed,
            _ => Source::Fallback,
        };
        Ok(sample(self.drive(&limiter, source)?, self.visits.len(), fits..=fits))
    }

    /// The store has refused all of these keys just before, which is believed for two seconds.
    fn denied(&self) -> Outcome<Sample> {
        let limiter = limiter(MemoryBackend::new(), FailurePolicy::Closed, hourly())?;
        self.handle.block_on(async {
            let mut keys: Vec<_> = self.visits.iter().collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                // Takes its only token, and asks for another.
                let _ = limiter.check(key).await;
                let _ = limiter.check(key).await;
            }
        });
        Ok(sample(self.drive(&limiter, Source::DenyCache)?, self.visits.len(), 0..=0))
    }

    /// (Almost) all have to be decided by this one.
    fn drive(&self, limiter: &GlobalLimiter, source: Source) -> Outcome<Driven> {
        let decided = || limiter.stats().allowed(source) + limiter.stats().denied(source);
        let before = decided();
        let driven = drive(self.threads, self.visits.len(), |range| {
            self.handle.block_on(async {
                let mut admitted = 0;
                for key in &self.visits[range] {
                    admitted += u64::from(limiter.check(key).await.is_allowed());
                }
                admitted
            })
        });
        let (decided, requests) = (decided() - before, self.visits.len() as u64);
        // On a busy machine some refusals of the deny cache grow old meanwhile, and are heard again.
        if decided >= requests / 100 * 99 {
            return Ok(driven);
        }
        Err(format!("{decided} of {requests} were decided by {}", source.as_str()).into())
    }
}

fn limiter(
    backend: impl tollgate::distributed::Backend,
    policy: FailurePolicy,
    quota: Quota,
) -> Outcome<GlobalLimiter> {
    let store = SharedStore::new(backend);
    Ok(GlobalLimiter::builder("bench", Rule::Gcra(quota), &store).on_failure(policy).build()?)
}
