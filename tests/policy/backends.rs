//! Policies whose limits a backend counts.

use std::time::Duration;

use tollgate::distributed::{
    Fault, FaultBackend, Faults, GlobalLimiter, MemoryBackend, Rule, SharedStore, Source,
};
use tollgate::policy::{
    AlgorithmName, Amount, AttributeCost, Attributes, Budget, Conditions, CostRule, Customer, Limit,
    OnFailure, Override, Policy, PolicySet, Reason, Scope, Verdict,
};
use tollgate::{Clock, Quota};

/// A store that can be made to fail, in the runtime's time.
pub(crate) fn store() -> (SharedStore, Faults) {
    let backend = FaultBackend::new(MemoryBackend::with_clock(Clock::tokio()), 7);
    let faults = backend.faults();
    (SharedStore::new(backend), faults)
}

/// A node that counts there.
pub(crate) fn node(store: &SharedStore, policies: Vec<Policy>) -> PolicySet {
    let set = PolicySet::builder().clock(Clock::tokio()).backend("redis", store).build();
    set.apply(policies).unwrap();
    set
}

fn near(id: &str, limit: &str) -> Policy {
    let mut policy = Policy::new(id);
    policy.scope = Scope::of(["user"]);
    policy.limits = vec![Limit::of(AlgorithmName::Gcra, limit.parse().unwrap())];
    policy
}

/// As [`near`], but the backend counts.
pub(crate) fn far(id: &str, limit: &str) -> Policy {
    let mut policy = near(id, limit);
    policy.backend = Some("redis".to_owned());
    policy
}

pub(crate) async fn ask(set: &PolicySet, user: &str) -> Verdict {
    set.check_async(&Attributes::new().user(user)).await
}

pub(crate) async fn admitted(set: &PolicySet, user: &str, requests: usize) -> usize {
    let mut admitted = 0;
    for _ in 0..requests {
        admitted += usize::from(ask(set, user).await.is_allowed());
    }
    admitted
}

/// What the store has left of a key.
pub(crate) async fn left(store: &SharedStore, limit: &str, quota: &str, key: &str) -> u64 {
    let rule = Rule::Gcra(quota.parse().unwrap());
    GlobalLimiter::builder(limit, rule, store).build().unwrap().peek(key).await.unwrap().remaining
}

pub(crate) async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

fn remaining(verdict: &Verdict) -> Vec<(&str, u64)> {
    verdict.limits().map(|standing| (standing.name(), standing.remaining())).collect()
}

fn source(verdict: &Verdict) -> Option<Source> {
    verdict.limits().next().and_then(|standing| standing.source())
}

#[tokio::test(start_paused = true)]
async fn all_nodes_together_let_through_what_the_policy_says() {
    let (store, _) = store();
    let [one, other] = [(); 2].map(|()| node(&store, vec![far("api", "3/min")]));
    assert_eq!((admitted(&one, "ann", 2).await, admitted(&other, "ann", 9).await), (2, 1));
    let refused = ask(&one, "ann").await;
    assert_eq!((refused.reason(), refused.policy()), (Some(Reason::LimitReached), Some("api")));
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(20)));
    assert_eq!(source(&refused), Some(Source::Remote));
    assert_eq!(source(&ask(&one, "ann").await), Some(Source::DenyCache), "and then it is known");
    assert_eq!(admitted(&one, "bob", 9).await, 3);
    pass(20_000).await;
    assert_eq!(admitted(&other, "ann", 9).await, 1);
}

#[tokio::test(start_paused = true)]
async fn every_rule_but_the_leaky_bucket_can_be_shared() {
    let (store, _) = store();
    for algorithm in [
        AlgorithmName::Gcra,
        AlgorithmName::TokenBucket,
        AlgorithmName::FixedWindow,
        AlgorithmName::SlidingWindow,
        AlgorithmName::SlidingLog,
    ] {
        let mut policy = far(algorithm.as_str(), "1/s");
        policy.limits = vec![Limit::of(algorithm, Quota::per_day(3))];
        let set = node(&store, vec![policy]);
        assert_eq!(admitted(&set, "ann", 9).await, 3, "{algorithm}");
        let verdict = ask(&set, "bob").await;
        let standing = verdict.binding().unwrap();
        let figures = (standing.limit(), standing.remaining(), standing.window());
        assert_eq!(figures, (3, 2, Some(Duration::from_secs(86_400))), "{algorithm}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_memory_refuses_takes_nothing_from_the_store() {
    let (store, _) = store();
    let set = node(&store, vec![far("far", "10/h"), near("near", "1/h")]);
    assert_eq!(admitted(&set, "ann", 6).await, 1);
    assert_eq!(left(&store, "far", "10/h", "user=ann").await, 9);
    let refused = ask(&set, "ann").await;
    assert_eq!(remaining(&refused), [("near", 0)], "the store was not asked");
}

#[tokio::test(start_paused = true)]
async fn what_the_store_refuses_takes_nothing_from_memory_nor_from_other_limits() {
    let (store, _) = store();
    let set = node(&store, vec![near("near", "10/h"), far("one", "1/h"), far("ten", "10/h")]);
    assert!(ask(&set, "ann").await.is_allowed());
    let refused = ask(&set, "ann").await;
    assert_eq!((refused.is_allowed(), refused.policy()), (false, Some("one")));
    assert_eq!(remaining(&refused), [("near", 9), ("one", 0), ("ten", 9)]);
    assert_eq!(admitted(&set, "ann", 5).await, 0);
    let refused = ask(&set, "ann").await;
    assert_eq!(remaining(&refused)[0], ("near", 9));
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_the_failure_mode_decides() {
    let (store, faults) = store();
    let with = |id, mode| {
        let mut policy = far(id, "4/s");
        policy.on_failure = mode;
        node(&store, vec![policy])
    };
    let (open, closed, local) =
        (with("open", OnFailure::Open), with("closed", OnFailure::Closed), with("local", OnFailure::Local));
    faults.always(Some(Fault::Refuse));
    assert_eq!(source(&ask(&open, "ann").await), Some(Source::FailOpen));
    assert_eq!(admitted(&open, "ann", 99).await, 99);

    let refused = ask(&closed, "ann").await;
    assert_eq!((refused.reason(), refused.policy()), (Some(Reason::BackendFailed), Some("closed")));
    assert_eq!(source(&refused), Some(Source::FailClosed));
    assert!(refused.retry_after().is_some_and(|wait| !wait.is_zero()));

    let refused = ask(&local, "ann").await;
    assert_eq!(refused.reason(), Some(Reason::LimitReached), "a share begins empty");
    pass(500).await;
    assert_eq!(source(&ask(&local, "ann").await), Some(Source::Fallback));
    assert_eq!(admitted(&local, "ann", 9).await, 1, "two come in half a second, and one was used");
}

#[tokio::test(start_paused = true)]
async fn a_closed_policy_gives_back_what_memory_had_taken() {
    let (store, faults) = store();
    let mut closed = far("far", "9/h");
    closed.on_failure = OnFailure::Closed;
    let set = node(&store, vec![near("near", "9/h"), closed]);
    faults.always(Some(Fault::Refuse));
    assert_eq!(admitted(&set, "ann", 5).await, 0);
    assert_eq!(remaining(&ask(&set, "ann").await)[0], ("near", 9));
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_no_longer_than_the_budget_whatever_is_asked() {
    let (store, faults) = store();
    let budget = Duration::from_millis(40);
    let mut enforced = far("enforced", "9/h");
    enforced.concurrency = Some(3);
    let (mut other, mut watching) = (far("other", "9/h"), far("watching", "9/h"));
    (other.concurrency, watching.shadow) = (Some(3), true);
    for policy in [&mut enforced, &mut other, &mut watching] {
        policy.budget = Some(Budget::new(budget));
    }
    let set = node(&store, vec![enforced, other, watching]);
    faults.always(Some(Fault::Lose));
    let begun = tokio::time::Instant::now();
    assert!(ask(&set, "ann").await.is_allowed());
    // Timers of tokio are up to a millisecond late.
    let took = begun.elapsed();
    assert!(took >= budget && took <= budget + Duration::from_millis(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_only_watches_refuses_nothing_and_spares_nobody() {
    let (store, faults) = store();
    let mut watching = far("watching", "2/h");
    (watching.shadow, watching.on_failure) = (true, OnFailure::Closed);
    let set = node(&store, vec![watching, far("far", "5/h")]);
    let refuses = |verdict: &Verdict| {
        verdict.policies().find(|matched| matched.is_shadow()).map(|matched| matched.refuses())
    };
    for request in 0..5 {
        let verdict = ask(&set, "ann").await;
        assert!(verdict.is_allowed());
        assert_eq!(refuses(&verdict), Some(request >= 2));
        let last = verdict.limits().last().unwrap();
        assert_eq!((last.name(), last.is_shadow()), ("watching", true));
    }
    assert!(!ask(&set, "ann").await.is_allowed());
    faults.always(Some(Fault::Refuse));
    let verdict = ask(&set, "bob").await;
    assert_eq!((verdict.is_allowed(), refuses(&verdict)), (true, Some(true)), "it would have been closed");
}

#[tokio::test(start_paused = true)]
async fn a_tier_has_a_limit_of_its_own_on_all_nodes() {
    let (store, _) = store();
    let mut api = far("api", "1/h");
    let gold = Conditions::new().with("user", ["acme"]);
    api.overrides = vec![Override::new(gold, Amount::Quota(Quota::per_hour(4)))];
    let [one, other] = [(); 2].map(|()| node(&store, vec![api.clone()]));
    assert_eq!((admitted(&one, "acme", 3).await, admitted(&other, "acme", 9).await), (3, 1));
    assert_eq!(admitted(&other, "ann", 9).await, 1);
    assert_eq!(left(&store, "api/override", "4/h", "user=acme").await, 0);
    assert_eq!(ask(&one, "acme").await.binding().map(|standing| standing.limit()), Some(4));
}

#[tokio::test(start_paused = true)]
async fn a_customer_that_is_looked_up_has_a_limit_of_its_own_on_all_nodes() {
    let (store, _) = store();
    let [one, other] = [(); 2].map(|()| {
        let quota = |user: &str| match user {
            "acme" => Some(Quota::per_hour(4)),
            // No store can count by it.
            "fast" => Some(Quota::per_second(50_000_000)),
            _ => None,
        };
        let set = PolicySet::builder()
            .clock(Clock::tokio())
            .backend("redis", &store)
            .lookup("user", move |user: &str| {
                Ok(quota(user).map(|quota| Customer::new().limit("api", Amount::Quota(quota))))
            });
        let set = set.build();
        set.apply(vec![far("api", "1/h")]).unwrap();
        for user in ["acme", "fast"] {
            set.look_up(user).unwrap();
        }
        set
    });
    assert_eq!((admitted(&one, "acme", 3).await, admitted(&other, "acme", 9).await), (3, 1));
    assert_eq!(admitted(&other, "fast", 9).await, 1, "as if nothing were special");
}

#[tokio::test(start_paused = true)]
async fn places_are_held_on_all_nodes_as_long_as_the_verdict_is() {
    let (store, _) = store();
    let mut api = far("api", "100/h");
    api.concurrency = Some(2);
    let [one, other] = [(); 2].map(|()| node(&store, vec![api.clone()]));
    let (first, second) = (ask(&one, "ann").await, ask(&other, "ann").await);
    assert!(first.is_allowed() && second.is_allowed());
    let names: Vec<_> = first.limits().map(|limit| (limit.name(), limit.is_concurrency())).collect();
    assert_eq!(names, [("api/1", false), ("api/at-once", true)]);
    let refused = ask(&other, "ann").await;
    assert_eq!(refused.binding().map(|limit| limit.name()), Some("api/at-once"));
    pass(10).await;
    assert_eq!(left(&store, "api/1", "100/h", "user=ann").await, 98, "who is refused pays nothing");
    // Longer than a place is held without a word of its node.
    pass(90_000).await;
    assert!(!ask(&one, "ann").await.is_allowed(), "they are renewed");
    drop(first);
    pass(10).await;
    assert!(ask(&other, "ann").await.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_costs_more_or_less_than_was_thought_is_charged_what_it_cost() {
    let (store, _) = store();
    let mut api = far("api", "100/h");
    api.cost = CostRule::Attribute(AttributeCost::new("tokens", 1));
    let set = node(&store, vec![api, far("requests", "100/h")]);
    for (actual, expected) in [(4, 96), (30, 66)] {
        let verdict = set.check_async(&Attributes::new().user("ann").with("tokens", 10)).await;
        assert!(verdict.is_allowed());
        verdict.settle(actual);
        pass(10).await;
        assert_eq!(left(&store, "api", "100/h", "user=ann").await, expected);
    }
    assert_eq!(left(&store, "requests", "100/h", "user=ann").await, 98);
}

#[tokio::test(start_paused = true)]
async fn without_waiting_the_failure_mode_decides_and_the_store_is_charged_later() {
    let (store, faults) = store();
    let with = |id, mode| {
        let mut policy = far(id, "10/h");
        policy.on_failure = mode;
        policy
    };
    let ann = Attributes::new().user("ann");
    let open = node(&store, vec![with("open", OnFailure::Open)]);
    let both = node(
        &store,
        vec![near("near", "9/h"), with("also", OnFailure::Open), with("closed", OnFailure::Closed)],
    );
    faults.delay(Duration::from_millis(5), Duration::ZERO);
    let begun = tokio::time::Instant::now();
    assert!(open.check(&ann).is_allowed() && open.check(&ann).is_allowed());
    let refused = both.check(&ann);
    assert_eq!((refused.reason(), refused.policy()), (Some(Reason::BackendFailed), Some("closed")));
    assert_eq!(remaining(&refused)[0], ("near", 9), "all or nothing");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    pass(50).await;
    assert_eq!(left(&store, "open", "10/h", "user=ann").await, 8);
    assert_eq!(left(&store, "also", "10/h", "user=ann").await, 10);
    assert_eq!(admitted(&open, "ann", 20).await, 8);
    assert_eq!(
        source(&open.check(&ann)),
        Some(Source::DenyCache),
        "what the store has refused stays refused"
    );
}

#[tokio::test(start_paused = true)]
async fn who_leaves_before_the_answer_has_taken_nothing() {
    let (store, faults) = store();
    let mut watching = far("watching", "10/h");
    watching.shadow = true;
    let mut far = far("far", "10/h");
    far.concurrency = Some(1);
    let set = node(&store, vec![near("near", "10/h"), far, watching]);
    faults.delay(Duration::from_millis(10), Duration::ZERO);
    for millis in 0..12 {
        let left = tokio::time::timeout(Duration::from_millis(millis), ask(&set, "ann")).await;
        drop(left);
        pass(100).await;
    }
    faults.clear();
    let verdict = ask(&set, "ann").await;
    // Those that waited for 10 or 11 milliseconds had their answer.
    let spent = 10 - remaining(&verdict)[0].1;
    assert!(spent <= 3, "{:?}", remaining(&verdict));
    assert_eq!(
        remaining(&verdict),
        [("near", 10 - spent), ("far/1", 10 - spent), ("far/at-once", 0), ("watching", 10 - spent)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_verdict_is_of_the_version_under_which_it_was_asked() {
    let (store, faults) = store();
    let set = node(&store, vec![near("near", "10/h"), far("far", "10/h")]);
    faults.delay(Duration::from_millis(10), Duration::ZERO);
    let change = async {
        pass(5).await;
        set.apply(vec![near("near", "50/h"), far("far", "50/h"), far("new", "50/h")]).unwrap();
    };
    let (verdict, ()) = tokio::join!(ask(&set, "ann"), change);
    assert_eq!((verdict.version(), set.version()), (1, 2));
    let limits: Vec<_> = verdict.limits().map(|standing| standing.limit()).collect();
    assert_eq!(limits, [10, 10]);
    assert_eq!(ask(&set, "ann").await.limits().map(|standing| standing.limit()).collect::<Vec<_>>(), [50; 3]);
}

#[test]
fn a_check_can_wait_on_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let set = PolicySet::new();
    is_send(&set.check_async(&Attributes::new()));
}
