//! Leased mode: tokens taken in advance, by nodes that share a store which fails as it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tollgate::distributed::{
    FailurePolicy, Fault, FaultBackend, Faults, GlobalBuildError, GlobalBuilder, GlobalLimiter,
    LeaseSettings, MemoryBackend, Mode, Rule, SharedStore, Source, check_all,
};
use tollgate::{Clock, Quota};

use super::setting::{admitted, pass, store};

/// Of 1 000 a second this is a fifth of the time in which a key is full.
const LIFE: u64 = 200;

fn leased(store: &SharedStore, quota: Quota) -> GlobalBuilder {
    GlobalLimiter::builder("test", Rule::Gcra(quota), store)
        .mode(Mode::Leased(LeaseSettings::default()))
        .clock(Clock::tokio())
}

/// So many nodes, each with a store of its own, on one backend.
fn stores(nodes: usize) -> (Vec<SharedStore>, Faults) {
    let backend = FaultBackend::new(MemoryBackend::with_clock(Clock::tokio()), 7);
    let faults = backend.faults();
    let backend = Arc::new(backend);
    ((0..nodes).map(|_| SharedStore::from_arc(backend.clone())).collect(), faults)
}

/// Asks until the node holds some tokens in advance.
async fn warm(limiter: &GlobalLimiter, key: &str) {
    for _ in 0..100 {
        let _ = admitted(limiter, key, 2).await;
        pass(2).await;
    }
}

/// What one bucket would let through: never more than the burst ahead of the rate.
struct Oracle {
    started: Instant,
    interval: u64,
    burst: u64,
    full_at: u64,
    admitted: u64,
}

impl Oracle {
    fn new(quota: Quota) -> Oracle {
        let interval = u64::try_from(quota.period().as_nanos()).unwrap() / quota.count();
        Oracle { started: Instant::now(), interval, burst: quota.capacity(), full_at: 0, admitted: 0 }
    }

    fn admits(&mut self, cost: u64) {
        let now = u64::try_from(self.started.elapsed().as_nanos()).unwrap();
        self.full_at = self.full_at.max(now) + cost * self.interval;
        self.admitted += cost;
        let most = self.burst * self.interval;
        assert!(
            self.full_at - now <= most,
            "{} tokens too many",
            (self.full_at - now - most) / self.interval
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_hot_key_is_decided_by_what_is_leased() {
    let (store, faults) = store();
    faults.delay(Duration::from_millis(1), Duration::ZERO);
    let limiter = leased(&store, Quota::per_second(10_000)).build().unwrap();
    let mut all = 0;
    for _ in 0..2_000 {
        all += admitted(&limiter, "hot", 4).await;
        pass(1).await;
    }
    let stats = limiter.stats();
    assert_eq!(all, 8_000, "demand is below the limit: {stats:?}");
    assert!(stats.lease_calls * 50 < 8_000, "{stats:?}");
    assert!(stats.allowed(Source::Lease) > 7_900, "{stats:?}");
    assert!(stats.leased >= 8_000, "{stats:?}");
}

/// Three nodes that ask for twice as much as there is, over a network that loses and delays.
#[tokio::test(start_paused = true)]
async fn nodes_together_never_exceed_the_limit_whatever_fails() {
    let quota = Quota::per_second(1_000).burst(500);
    let (stores, faults) = stores(3);
    faults.delay(Duration::from_millis(1), Duration::from_millis(5));
    let oracle = Arc::new(Mutex::new(Oracle::new(quota)));
    let mut work = JoinSet::new();
    for (number, store) in stores.iter().enumerate() {
        let limiter = leased(store, quota).on_failure(FailurePolicy::Closed).build().unwrap();
        for task in 0..4_u64 {
            let (limiter, oracle) = (limiter.clone(), Arc::clone(&oracle));
            work.spawn(async move {
                let mut number = task * 7_919 + number as u64 * 104_729;
                for _ in 0..5_000 {
                    number = number
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    pass((number >> 40) % 12).await;
                    let cost = if number >> 60 == 0 { 20 } else { 1 };
                    let decision = match (number >> 32) % 16 {
                        0 => limiter.check_now("ann", cost),
                        _ => limiter.check_n("ann", cost).await,
                    };
                    if decision.is_allowed() {
                        oracle.lock().admits(cost);
                    }
                }
            });
        }
    }
    let meddler = async {
        for fault in
            [Fault::LoseReply, Fault::Reset, Fault::Lose, Fault::Refuse, Fault::Overload].into_iter().cycle()
        {
            faults.chance(fault, 100);
            pass(3_000).await;
            faults.clear();
            faults.delay(Duration::from_millis(1), Duration::from_millis(5));
            pass(1_000).await;
        }
    };
    tokio::select! {
        results = work.join_all() => drop(results),
        () = meddler => {}
    }
    let oracle = oracle.lock();
    let seconds = oracle.started.elapsed().as_secs();
    println!("{} admitted in {seconds} s", oracle.admitted);
    assert!(oracle.admitted > 1_000 * seconds / 2, "and most of the limit is used");
}

#[tokio::test(start_paused = true)]
async fn one_asks_for_all_who_wait() {
    let (store, faults) = store();
    faults.delay(Duration::from_millis(5), Duration::ZERO);
    let limiter = leased(&store, Quota::per_minute(200)).build().unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..150 {
        let limiter = limiter.clone();
        callers.spawn(async move { limiter.check("ann").await });
    }
    let decisions = callers.join_all().await;
    assert!(decisions.iter().all(|decision| decision.is_allowed() && decision.source() == Source::Remote));
    assert!(limiter.stats().lease_calls <= 3, "{:?}", limiter.stats());
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_loses_nothing() {
    let (store, faults) = store();
    faults.delay(Duration::from_millis(10), Duration::ZERO);
    let limiter = leased(&store, Quota::per_minute(100)).build().unwrap();
    let asks = limiter.clone();
    let joins = tokio::spawn(async move {
        pass(2).await;
        asks.check("ann").await
    });
    assert!(tokio::time::timeout(Duration::from_millis(5), limiter.check("ann")).await.is_err());
    assert!(joins.await.unwrap().is_allowed(), "the question goes on without who asked it");
    assert!(tokio::time::timeout(Duration::from_millis(5), limiter.check("bob")).await.is_err());
    pass(20).await;
    assert_eq!(
        limiter.check("bob").await.source(),
        Source::Lease,
        "and what it brought is there for the next"
    );
    assert_eq!(limiter.peek("ann").await.unwrap().remaining, 99);
}

#[tokio::test(start_paused = true)]
async fn with_the_store_away_what_is_held_is_spent_and_then_the_policy_decides() {
    let (store, faults) = store();
    faults.delay(Duration::from_millis(1), Duration::ZERO);
    let limiter = leased(&store, Quota::per_second(1_000)).on_failure(FailurePolicy::Closed).build().unwrap();
    warm(&limiter, "ann").await;
    faults.always(Some(Fault::Refuse));
    let first = limiter.check("ann").await;
    assert_eq!((first.is_allowed(), first.source()), (true, Source::Lease));
    pass(LIFE).await;
    let after = limiter.check("ann").await;
    assert_eq!((after.is_allowed(), after.source()), (false, Source::FailClosed), "its time is over");
    assert_eq!(limiter.check_now("ann", 1).source(), Source::FailClosed);
    assert!(limiter.stats().burned > 0);
    faults.clear();
    pass(1_000).await;
    assert_eq!(limiter.check("ann").await.source(), Source::Remote);
}

/// What the store said last is how the limit is divided while it is away: by demand, and after two lives no more than evenly.
#[tokio::test(start_paused = true)]
async fn in_an_outage_a_node_has_its_last_share() {
    let (stores, faults) = stores(2);
    let quota = Quota::per_second(1_000);
    let [busy, calm] = [0, 1].map(|node: usize| leased(&stores[node], quota).build().unwrap());
    for _ in 0..1_000 {
        let _ = admitted(&busy, "ann", 4).await;
        let _ = admitted(&calm, "ann", 1).await;
        pass(10).await;
    }
    faults.always(Some(Fault::Refuse));
    let mut spent = [0, 0];
    let mut first = [0, 0];
    for step in 0..1_000 {
        for (node, limiter) in [&busy, &calm].into_iter().enumerate() {
            while limiter.check("ann").await.is_allowed() {
                spent[node] += 1;
            }
        }
        if step == 2 * LIFE / 10 {
            first = spent;
        }
        pass(10).await;
    }
    println!("{first:?} in {} ms, {spent:?} in 10 s", 2 * LIFE);
    assert!(first[0] > 2 * first[1], "by demand");
    let [busy, calm] = spent;
    assert!(busy + calm <= 10_000 + 1_000, "together no more than the limit, and what was leased");
    assert!(busy <= 5_000 + 1_000 && calm <= 2_500, "evenly at most, when it is long ago");
    assert!(busy > 4_500);
}

#[tokio::test(start_paused = true)]
async fn what_lies_idle_is_brought_back_and_so_is_what_a_limiter_leaves_behind() {
    let (stores, faults) = stores(2);
    faults.delay(Duration::from_millis(1), Duration::ZERO);
    let quota = Quota::per_second(1_000);
    let holder = leased(&stores[0], quota).build().unwrap();
    let other = leased(&stores[1], quota).build().unwrap();
    warm(&holder, "ann").await;
    pass(LIFE * 9 / 10).await;
    let stats = holder.stats();
    assert!(stats.returned > 0, "{stats:?}");
    warm(&holder, "ann").await;
    let before = other.peek("ann").await.unwrap().remaining;
    drop(holder);
    pass(5).await;
    let after = other.peek("ann").await.unwrap().remaining;
    assert!(after >= before + 20, "{before} before, {after} after");
}

#[tokio::test(start_paused = true)]
async fn a_node_can_bring_back_what_it_holds() {
    let (store, faults) = store();
    faults.delay(Duration::from_millis(1), Duration::ZERO);
    let limiter = leased(&store, Quota::per_second(1_000)).build().unwrap();
    warm(&limiter, "ann").await;
    limiter.release_leases().await;
    let stats = limiter.stats();
    assert!(stats.returned > 0, "{stats:?}");
    let spent = stats.allowed(Source::Lease) + stats.allowed(Source::Remote);
    assert_eq!(stats.leased, spent + stats.returned + stats.burned, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn several_limits_are_spent_together_or_not_at_all() {
    let (store, faults) = store();
    faults.delay(Duration::from_millis(1), Duration::ZERO);
    let quota = Quota::per_hour(100);
    let ahead = leased(&store, quota).build().unwrap();
    let other = GlobalLimiter::builder("other", Rule::Gcra(quota), &store)
        .mode(Mode::Leased(LeaseSettings::default()))
        .clock(Clock::tokio())
        .build()
        .unwrap();
    let direct =
        GlobalLimiter::builder("direct", Rule::Gcra(Quota::per_hour(3)), &store).clock(Clock::tokio());
    let direct = direct.build().unwrap();
    let ask =
        || async { check_all(&[ahead.on("ann").cost(2), direct.on("ann"), other.on("ann").cost(5)]).await };
    for _ in 0..3 {
        assert!(ask().await.is_allowed());
    }
    for _ in 0..20 {
        let refused = ask().await;
        assert_eq!(refused.binding(), Some(1));
    }
    assert_eq!(ahead.peek("ann").await.unwrap().remaining, 94);
    assert_eq!(other.peek("ann").await.unwrap().remaining, 85);
    // The same limit twice costs both.
    assert!(check_all(&[ahead.on("bob").cost(60), ahead.on("bob").cost(40)]).await.is_allowed());
    assert!(!check_all(&[ahead.on("bob"), other.on("bob")]).await.is_allowed());
    assert_eq!(other.peek("bob").await.unwrap().remaining, 100);
}

#[tokio::test(start_paused = true)]
async fn a_caller_of_several_who_leaves_takes_nothing() {
    let (store, faults) = store();
    let limiter = leased(&store, Quota::per_hour(100)).build().unwrap();
    let direct = GlobalLimiter::builder("direct", Rule::Gcra(Quota::per_hour(100)), &store).build().unwrap();
    faults.delay(Duration::from_millis(10), Duration::ZERO);
    for after in [3, 7, 12, 16] {
        let asked = async { check_all(&[limiter.on("ann").cost(4), direct.on("ann").cost(4)]).await };
        let left = tokio::time::timeout(Duration::from_millis(after), asked).await;
        if let Ok(all) = left {
            assert!(all.is_allowed());
        }
        pass(100).await;
    }
    let taken = 100 - direct.peek("ann").await.unwrap().remaining;
    assert_eq!(100 - limiter.peek("ann").await.unwrap().remaining, taken);
}

#[tokio::test(start_paused = true)]
async fn costs_of_nothing_of_much_and_of_too_much() {
    let (store, _) = store();
    let limiter = leased(&store, Quota::per_hour(100)).build().unwrap();
    assert!(limiter.check_n("ann", 0).await.is_allowed());
    assert!(limiter.check_n("ann", 7).await.is_allowed());
    assert!(limiter.check_n("ann", 93).await.is_allowed(), "all that is left, at once");
    let refused = limiter.check("ann").await;
    assert_eq!((refused.is_allowed(), refused.source()), (false, Source::Remote));
    assert!(refused.retry_after().unwrap() > Duration::from_secs(30));
    let again = limiter.check("ann").await;
    assert_eq!((again.is_allowed(), again.source()), (false, Source::DenyCache));
    assert!(limiter.check_n("ann", 0).await.is_allowed());
    assert_eq!(limiter.check_n("ann", 101).await.retry_after(), None);
    limiter.refund("ann", 40).await.unwrap();
    assert!(limiter.check_n("ann", 40).await.is_allowed(), "a refund is known at once");
    assert!(!limiter.check("ann").await.is_allowed());
    pass(2 * 5_000).await;
    limiter.reset("ann").await.unwrap();
    assert!(limiter.check_n("ann", 100).await.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn check_now_never_waits_and_is_served_by_what_it_asked_for() {
    let (store, faults) = store();
    faults.delay(Duration::from_millis(3), Duration::ZERO);
    let limiter = leased(&store, Quota::per_minute(100)).on_failure(FailurePolicy::Closed).build().unwrap();
    assert_eq!(limiter.check_now("ann", 1).source(), Source::FailClosed);
    pass(10).await;
    let decision = limiter.check_now("ann", 1);
    assert_eq!((decision.is_allowed(), decision.source()), (true, Source::Lease));
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_changed_goes_on_with_the_same_count() {
    let (store, _) = store();
    let before = leased(&store, Quota::per_hour(100).burst(100)).build().unwrap();
    assert_eq!(admitted(&before, "ann", 100).await, 100);
    let after = leased(&store, Quota::per_hour(100).burst(200)).build().unwrap();
    assert_eq!(admitted(&after, "ann", 10).await, 0, "what was spent is spent");
    pass(180_000).await;
    assert_eq!(admitted(&after, "ann", 20).await, 5, "of 100 an hour");
}

#[test]
fn what_cannot_be_leased_is_refused_with_what_to_do() {
    let (store, _) = store();
    let window = Duration::from_secs(60);
    for rule in [
        Rule::FixedWindow { limit: 5, window },
        Rule::SlidingWindow { limit: 5, window },
        Rule::SlidingLog { limit: 5, window },
    ] {
        let mode = Mode::Leased(LeaseSettings::default());
        let error = GlobalLimiter::builder("test", rule, &store).mode(mode).build().unwrap_err();
        assert_eq!(error, GlobalBuildError::NotLeasable { rule });
        assert!(error.to_string().ends_with("use Gcra or TokenBucket, or Mode::Direct"), "{error}");
    }
    let places = Rule::Concurrency { places: 5, hold: window };
    let mode = Mode::Leased(LeaseSettings::default());
    let error = GlobalLimiter::builder("test", places, &store).mode(mode).build().unwrap_err();
    assert_eq!(error, GlobalBuildError::NoRate);
}

/// Every token that left the store was spent by somebody who went on, is held, or was brought back.
#[tokio::test(start_paused = true)]
async fn the_count_is_right_whoever_leaves_and_whenever() {
    let (store, faults) = store();
    faults.delay(Duration::from_millis(1), Duration::from_millis(20));
    let limiter = leased(&store, Quota::per_hour(1_000_000)).budget(Duration::from_millis(100));
    let limiter = limiter.on_failure(FailurePolicy::Closed).build().unwrap();
    let spent = Arc::new(AtomicU64::new(0));
    let mut callers = JoinSet::new();
    for number in 0..2_000_u64 {
        let (limiter, spent) = (limiter.clone(), Arc::clone(&spent));
        callers.spawn(async move {
            pass(number / 100 * 10).await;
            let cost = 1 + number % 5;
            let work = async {
                if limiter.check_n("ann", cost).await.is_allowed() {
                    spent.fetch_add(cost, Ordering::Relaxed);
                }
            };
            let leaves_after = Duration::from_micros(1 + number * 7_919 % 30_000);
            let _ = tokio::time::timeout(leaves_after, work).await;
        });
    }
    callers.join_all().await;
    limiter.release_leases().await;
    let stats = limiter.stats();
    assert_eq!(stats.leased, spent.load(Ordering::Relaxed) + stats.returned + stats.burned, "{stats:?}");
    assert_eq!(stats.burned, 0, "{stats:?}");
}
