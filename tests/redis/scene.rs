//! [`Scene`]: a store in use while something goes wrong, and what must hold whatever it is.

use std::time::{Duration, Instant};

use tollgate::Quota;
use tollgate::distributed::{Backend, FailurePolicy, GlobalLimiter, Rule, SharedStore, Source};

use crate::load::{Load, decide};
use crate::oracle::Log;

/// Of the strict limit, which is asked for far more than it gives.
pub(crate) const RATE: u32 = 20;
pub(crate) const BURST: u32 = 40;

/// Of each check. Longer than by default: the tests share a few cores with servers and compilers.
pub(crate) const BUDGET: Duration = Duration::from_millis(100);
/// Where no check is to fail at all, however busy the machine is: servers have stood still for a second on a machine of
/// many tenants. An answer that is lost is missed after this time as after any other.
pub(crate) const AMPLE_BUDGET: Duration = Duration::from_secs(5);
/// So much later than its budget a task may be told, for want of a core.
const SCHEDULING: Duration = Duration::from_millis(250);

/// A store is in use again so soon after it is well.
const RECOVERY: Duration = Duration::from_secs(1);
/// After this nobody waits for it any more.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long limits are watched once it is in use again: what it forgot is spent by then.
const AFTERWARDS: Duration = Duration::from_millis(300);

/// So much is sent to a store that does not answer before it is left alone: the breaker looks at so many.
pub(crate) const SENT_IN_VAIN: u64 = 20;

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
    budget: Duration,
    strict_load: Load,
    wide_load: Load,
}

impl Scene {
    /// Nothing goes on when the store fails.
    pub(crate) async fn begin(backend: impl Backend) -> Scene {
        Scene::begin_with(&SharedStore::new(backend), "k", FailurePolicy::Closed, BUDGET).await
    }

    /// With a key of its own for both limits, at a store that may be in other scenes too.
    pub(crate) async fn begin_with(
        store: &SharedStore,
        key: &str,
        policy: FailurePolicy,
        budget: Duration,
    ) -> Scene {
        let limiter = |name: &str, rule| {
            GlobalLimiter::builder(name, rule, store).on_failure(policy).budget(budget).build().unwrap()
        };
        let strict = limiter("strict", Rule::Gcra(Quota::per_second(RATE).burst(u64::from(BURST))));
        let wide = limiter("wide", Rule::FixedWindow { limit: WIDE, window: WIDE_WINDOW });
        assert_eq!(decide(&wide, key).await.source, Source::Remote, "the store is well at first");
        let strict_load = Load::start(&strict, key, TASKS, PAUSE);
        let wide_load = Load::start(&wide, key, TASKS, PAUSE);
        Scene { wide, key: key.to_owned(), budget, strict_load, wide_load }
    }

    /// Lets it go on for so long. Nothing depends on how long it is, but that it is long enough to show something.
    pub(crate) async fn goes_on_for(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Lets it go on until the store, which is well from now on, is in use again and for a while longer.
    pub(crate) async fn recovers(&self) {
        let well = Instant::now();
        let before = [self.strict_load.by_store(), self.wide_load.by_store()];
        while self.strict_load.by_store() == before[0] || self.wide_load.by_store() == before[1] {
            assert!(well.elapsed() < PATIENCE, "the store is not in use again");
            tokio::time::sleep(PAUSE).await;
        }
        tokio::time::sleep(AFTERWARDS).await;
    }

    /// What was decided in it. The store must be well by now.
    pub(crate) async fn end(self) -> Ended {
        let (strict, wide) = (self.strict_load.stop().await, self.wide_load.stop().await);
        let charged = WIDE - self.wide.peek(&self.key).await.unwrap().remaining;
        let ended = Ended { strict, wide, charged };
        ended.holds(self.budget);
        ended
    }
}

/// What was decided while something went wrong.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) strict: Log,
    pub(crate) wide: Log,
    /// What the store has charged to the wide limit, as far as it remembers.
    charged: u64,
}

impl Ended {
    /// What must hold whatever goes wrong.
    fn holds(&self, budget: Duration) {
        for (name, log) in [("strict", &self.strict), ("wide", &self.wide)] {
            let (decided, admitted, failures) = (log.decisions().len(), log.admitted(), log.failures());
            let longest = log.longest();
            println!(
                "{name}: {admitted} of {decided} admitted, {failures} without the store, {longest:?} at most"
            );
            assert!(longest <= budget + SCHEDULING, "a decision took {longest:?}");
        }
        println!("the strict limit was exceeded by {} tokens", self.excess());
        let mut refused = self.wide.decisions().iter().filter(|decided| !decided.allowed);
        let unfounded = refused.find(|decided| !decided.source.is_failure());
        assert!(unfounded.is_none(), "the store refused what it has plenty of: {unfounded:?}");
        // Once before the load.
        let asked = self.wide.decisions().len() + 1;
        assert!(self.charged <= asked as u64, "{} were charged of {asked} that were asked for", self.charged);
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

    /// Fails if more than this was charged to the wide limit without anybody being told. The store must have kept all.
    pub(crate) fn charged_in_vain_at_most(&self, most: u64) {
        let told = self.wide.admitted() as u64 + 1;
        let in_vain = self.charged - told;
        assert!(in_vain <= most, "{in_vain} were charged without anybody being told, not {most} at most");
        println!("{in_vain} were charged without anybody being told");
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
