//! [`Scene`]: a store in use while something goes wrong, and what must hold whatever it is.

use std::time::{Duration, Instant};

use tollgate::Quota;
use tollgate::distributed::{Backend, FailurePolicy, GlobalLimiter, Rule, SharedStore, Source};

use crate::load::{Load, decide};
use crate::oracle::Log;

/// Of the strict limit, which is asked for far more than it gives.
pub(crate) const RATE: u32 = 50;
pub(crate) const BURST: u32 = 20;

/// Of each check. Longer than by default: the tests share a few cores with servers and compilers.
pub(crate) const BUDGET: Duration = Duration::from_millis(100);
/// So much later than its budget a task may be told, for want of a core.
const SCHEDULING: Duration = Duration::from_millis(250);

/// A store is in use again so soon after it is well.
const RECOVERY: Duration = Duration::from_secs(1);

/// No test comes near it, so that every check of the wide limit is charged.
const WIDE: u64 = 1_000_000_000;
const WIDE_WINDOW: Duration = Duration::from_secs(30 * 24 * 3600);

const TASKS: usize = 4;
const PAUSE: Duration = Duration::from_millis(3);

/// A store, and two limits in use: a strict one that shows whether too much is admitted, and a wide one whose every check
/// goes to the store.
#[derive(Debug)]
pub(crate) struct Scene {
    wide: GlobalLimiter,
    key: String,
    strict_load: Load,
    wide_load: Load,
}

impl Scene {
    /// Nothing goes on when the store fails.
    pub(crate) async fn begin(backend: impl Backend) -> Scene {
        Scene::begin_with(&SharedStore::new(backend), "k", FailurePolicy::Closed).await
    }

    /// With a key of its own for both limits, at a store that may be in other scenes too.
    pub(crate) async fn begin_with(store: &SharedStore, key: &str, policy: FailurePolicy) -> Scene {
        let limiter = |name: &str, rule| {
            GlobalLimiter::builder(name, rule, store).on_failure(policy).budget(BUDGET).build().unwrap()
        };
        let strict = limiter("strict", Rule::Gcra(Quota::per_second(RATE).burst(u64::from(BURST))));
        let wide = limiter("wide", Rule::FixedWindow { limit: WIDE, window: WIDE_WINDOW });
        assert_eq!(decide(&wide, key).await.source, Source::Remote, "the store is well at first");
        let strict_load = Load::start(&strict, key, TASKS, PAUSE);
        let wide_load = Load::start(&wide, key, TASKS, PAUSE);
        Scene { wide, key: key.to_owned(), strict_load, wide_load }
    }

    /// Lets it go on for so long. Nothing depends on how long it is, but that it is long enough to show something.
    pub(crate) async fn goes_on_for(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// What was decided in it. The store must be well by now.
    pub(crate) async fn end(self) -> Ended {
        let (strict, wide) = (self.strict_load.stop().await, self.wide_load.stop().await);
        let charged = WIDE - self.wide.peek(&self.key).await.unwrap().remaining;
        let ended = Ended { strict, wide, charged };
        ended.holds();
        ended
    }
}

/// What was decided while something went wrong.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) strict: Log,
    pub(crate) wide: Log,
    /// What the store has charged to the wide limit, as far as it remembers.
    pub(crate) charged: u64,
}

impl Ended {
    /// What must hold whatever goes wrong.
    fn holds(&self) {
        for log in [&self.strict, &self.wide] {
            let longest = log.longest();
            assert!(longest <= BUDGET + SCHEDULING, "a decision took {longest:?}");
        }
        let refused = self.wide.decisions().iter().filter(|decided| !decided.allowed);
        for decided in refused {
            assert!(decided.source.is_failure(), "the store refused what it has plenty of: {decided:?}");
        }
        // The first one was asked before the load.
        let asked = self.wide.decisions().len() as u64 + 1;
        assert!(self.charged <= asked, "{} were charged of {asked} that were asked for", self.charged);
    }

    /// By how many tokens the strict limit was exceeded at the worst.
    pub(crate) fn excess(&self) -> f64 {
        self.strict.excess(f64::from(RATE), f64::from(BURST))
    }

    /// Fails if the strict limit was ever exceeded by more tokens than this.
    pub(crate) fn exceeds_by_at_most(&self, tokens: u32) {
        // The store's clock and ours may drift apart by less than a token.
        let most = f64::from(tokens) + 0.5;
        assert!(self.excess() <= most, "exceeded by {} tokens, not {most} at most", self.excess());
    }

    /// Fails unless the store was asked again soon after this moment.
    pub(crate) fn is_back_soon_after(&self, well: Instant) {
        for log in [&self.strict, &self.wide] {
            let first = log.since(well).first_from(Source::Remote).expect("the store is asked again");
            let took = first - well;
            assert!(
                took <= RECOVERY + SCHEDULING,
                "the store was asked again only {took:?} after it was well"
            );
        }
    }

    /// Fails if the store's failure decided anything.
    pub(crate) fn never_failed(&self) {
        assert_eq!((self.strict.failures(), self.wide.failures()), (0, 0));
    }

    /// Fails unless the store's failure decided something.
    pub(crate) fn failed(&self) {
        assert!(self.strict.failures() > 0 && self.wide.failures() > 0, "there was no failure to be seen");
    }
}
