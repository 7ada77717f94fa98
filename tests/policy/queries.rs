//! What a query may be told, and what it does beside checking; in memory and where a backend counts.

use std::time::Duration;

use tollgate::distributed::{Fault, Source};
use tollgate::policy::{
    Amount, Attributes, Conditions, Limit, OnFailure, Override, Policy, PolicySet, Reason, Scope, Verdict,
};
use tollgate::{Outcome, Quota};

use crate::backends::{far, node, store};

fn near(id: &str, limit: &str) -> Policy {
    let mut policy = far(id, limit);
    policy.backend = None;
    policy
}

fn left(verdict: &Verdict) -> Vec<(&str, u64)> {
    verdict.limits().map(|standing| (standing.name(), standing.remaining())).collect()
}

/// One policy in memory, one in a store.
fn both() -> (PolicySet, tollgate::distributed::Faults) {
    let (store, faults) = store();
    (node(&store, vec![near("near", "10/min"), far("far", "20/min")]), faults)
}

#[tokio::test(start_paused = true)]
async fn a_cost_goes_before_what_the_policies_say() {
    let (store, _faults) = store();
    let mut policy = near("api", "10/min");
    policy.cost = tollgate::policy::CostRule::Fixed(5);
    let set = node(&store, vec![policy, far("far", "20/min")]);
    let ann = Attributes::new().user("ann");
    assert_eq!(left(&set.query(&ann).cost(3).check_async().await), [("api", 7), ("far", 17)]);
    assert_eq!(left(&set.query(&ann).cost(0).check_async().await), [("api", 7), ("far", 17)]);
    assert_eq!(left(&set.query(&ann).check_async().await), [("api", 2), ("far", 16)]);
}

#[tokio::test(start_paused = true)]
async fn only_the_policy_that_is_named_is_asked_and_charged() {
    let (set, _faults) = both();
    let ann = Attributes::new().user("ann");
    for (id, expected) in [("near", ("near", 9)), ("far", ("far", 19))] {
        assert_eq!(left(&set.query(&ann).only_policy(id).check_async().await), [expected]);
    }
    let nobody = set.query(&ann).only_policy("nobody").check_async().await;
    assert!(nobody.is_allowed() && nobody.policies().next().is_none());
    assert_eq!(left(&set.query(&ann).peek().await), [("near", 9), ("far", 19)]);
}

#[tokio::test(start_paused = true)]
async fn who_is_left_out_neither_spares_nor_refuses() {
    let (store, _faults) = store();
    let mut unlimited = near("unlimited", "1/s");
    (unlimited.limits, unlimited.priority) = (vec![Limit::new(Amount::Unlimited)], 2);
    let mut blocked = near("blocked", "1/s");
    (blocked.limits, blocked.priority) = (vec![Limit::new(Amount::Block)], 3);
    let set = node(&store, vec![near("api", "2/min"), unlimited, blocked]);
    let ann = Attributes::new().user("ann");
    assert_eq!(set.check(&ann).reason(), Some(Reason::Blocked));
    let only = |id| set.query(&ann).only_policy(id).check();
    assert_eq!(left(&only("api")), [("api", 1)]);
    assert!(only("unlimited").is_allowed() && !only("blocked").is_allowed());
}

#[tokio::test(start_paused = true)]
async fn a_peek_tells_what_a_check_would_and_spends_nothing() {
    let (set, _faults) = both();
    let ann = Attributes::new().user("ann");
    for _ in 0..3 {
        let peeked = set.query(&ann).cost(4).peek().await;
        assert!(peeked.is_allowed());
        assert_eq!(left(&peeked), [("near", 10), ("far", 20)]);
    }
    assert!(set.query(&ann).cost(8).check_async().await.is_allowed());
    let near = set.query(&ann).cost(4).peek().await;
    assert_eq!((near.is_allowed(), near.policy()), (false, Some("near")));
    assert_eq!(near.retry_after(), Some(Duration::from_secs(12)));
    let far = set.query(&ann).cost(15).only_policy("far").peek().await;
    assert_eq!((far.is_allowed(), far.policy()), (false, Some("far")));
    assert_eq!(far.retry_after(), Some(Duration::from_secs(9)));
    let never = set.query(&ann).cost(21).only_policy("far").peek().await;
    assert_eq!((never.is_allowed(), never.retry_after()), (false, None));
    far.settle(0);
    assert_eq!(left(&set.query(&ann).peek().await), [("near", 2), ("far", 12)]);
}

#[tokio::test(start_paused = true)]
async fn a_peek_holds_no_place() {
    let (store, _faults) = store();
    let (mut here, mut there) = (near("here", "10/min"), far("there", "10/min"));
    (here.concurrency, there.concurrency) = (Some(1), Some(1));
    let set = node(&store, vec![here, there]);
    let ann = Attributes::new().user("ann");
    let peeked = [set.query(&ann).peek().await, set.query(&ann).peek().await];
    assert!(peeked.iter().all(Verdict::is_allowed));
    let held = set.check_async(&ann).await;
    assert!(held.is_allowed());
    let refused = set.query(&ann).only_policy("there").peek().await;
    assert_eq!(refused.binding().map(|standing| standing.is_concurrency()), Some(true));
    assert!(!set.query(&ann).only_policy("here").peek().await.is_allowed());
    held.finish(Outcome::Success);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(set.query(&ann).peek().await.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn what_is_refunded_can_be_spent_again_and_no_more() {
    let (set, _faults) = both();
    let ann = Attributes::new().user("ann");
    assert!(set.query(&ann).cost(10).check_async().await.is_allowed());
    set.query(&ann).refund(3).await.unwrap();
    assert_eq!(left(&set.query(&ann).peek().await), [("near", 3), ("far", 13)]);
    set.query(&ann).only_policy("near").refund(u64::MAX).await.unwrap();
    assert_eq!(left(&set.query(&ann).peek().await), [("near", 10), ("far", 13)]);
}

#[tokio::test(start_paused = true)]
async fn a_reset_forgets_what_one_request_s_keys_have_spent() {
    let (set, _faults) = both();
    let (ann, bob) = (Attributes::new().user("ann"), Attributes::new().user("bob"));
    for user in [&ann, &bob] {
        assert!(set.query(user).cost(10).check_async().await.is_allowed());
    }
    assert_eq!(set.query(&ann).reset().await.unwrap(), 2);
    assert_eq!(left(&set.query(&ann).peek().await), [("near", 10), ("far", 20)]);
    assert_eq!(left(&set.query(&bob).cost(0).peek().await), [("near", 0), ("far", 10)]);
    assert_eq!(set.query(&bob).only_policy("far").reset().await.unwrap(), 1);
    assert_eq!(left(&set.query(&bob).cost(0).peek().await), [("near", 0), ("far", 20)]);
}

#[tokio::test(start_paused = true)]
async fn a_customer_with_a_limit_of_its_own_is_peeked_at_and_reset_there() {
    let (store, _faults) = store();
    let (mut here, mut there) = (near("here", "10/min"), far("there", "10/min"));
    let gold = Override::new(Conditions::new().with("user", ["ann"]), Amount::Quota(Quota::per_minute(30)));
    (here.overrides, there.overrides) = (vec![gold.clone()], vec![gold]);
    let set = node(&store, vec![here, there]);
    let ann = Attributes::new().user("ann");
    assert!(set.query(&ann).cost(25).check_async().await.is_allowed());
    assert_eq!(left(&set.query(&ann).peek().await), [("here", 5), ("there", 5)]);
    assert_eq!(set.query(&ann).reset().await.unwrap(), 2);
    assert_eq!(left(&set.query(&ann).peek().await), [("here", 30), ("there", 30)]);
}

#[tokio::test(start_paused = true)]
async fn a_cost_that_was_told_is_settled_at_all_limits() {
    let (set, _faults) = both();
    let ann = Attributes::new().user("ann");
    set.query(&ann).cost(8).check_async().await.settle(5);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(left(&set.query(&ann).peek().await), [("near", 5), ("far", 15)]);
    set.check_async(&ann).await.settle(9);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(
        left(&set.query(&ann).peek().await),
        [("near", 4), ("far", 14)],
        "a fixed cost is no estimate"
    );
}

#[tokio::test(start_paused = true)]
async fn where_the_backend_is_away_a_peek_is_as_the_failure_mode_has_it() {
    let (store, faults) = store();
    let mode = |id: &str, on_failure| {
        let mut policy = far(id, "10/min");
        policy.on_failure = on_failure;
        policy
    };
    let set = node(&store, vec![mode("open", OnFailure::Open), mode("closed", OnFailure::Closed)]);
    faults.always(Some(Fault::Refuse));
    let ann = Attributes::new().user("ann");
    let open = set.query(&ann).only_policy("open").peek().await;
    assert_eq!((open.is_allowed(), open.limits().next().unwrap().source()), (true, Some(Source::FailOpen)));
    let closed = set.query(&ann).only_policy("closed").peek().await;
    assert_eq!(closed.reason(), Some(Reason::BackendFailed));
}

#[tokio::test(start_paused = true)]
async fn where_the_backend_is_away_memory_is_reset_all_the_same_and_the_limit_is_named_that_is_not() {
    let (set, faults) = both();
    let ann = Attributes::new().user("ann");
    assert!(set.query(&ann).cost(10).check_async().await.is_allowed());
    faults.always(Some(Fault::Refuse));
    let error = set.query(&ann).reset().await.unwrap_err();
    assert_eq!(error.limit, "far");
    assert!(error.to_string().starts_with("the limit far was not changed: "), "{error}");
    assert_eq!(left(&set.query(&ann).only_policy("near").peek().await), [("near", 10)]);
}

#[test]
fn the_scope_of_a_query_is_that_of_its_policy() {
    let set = PolicySet::new();
    let mut all = Policy::new("all");
    all.limits = vec![Limit::new(Amount::Quota(Quota::per_minute(3)))];
    let mut each = all.clone();
    (each.id, each.scope) = ("each".to_owned(), Scope::of(["user"]));
    set.apply(vec![all, each]).unwrap();
    for user in ["ann", "bob"] {
        assert!(set.query(&Attributes::new().user(user)).only_policy("each").cost(3).check().is_allowed());
    }
    assert_eq!(left(&set.check(&Attributes::new().user("cid"))), [("all", 2), ("each", 2)]);
}

/// It compiles.
#[test]
fn whatever_is_asked_can_be_awaited_in_a_task_that_moves() {
    fn moves<T: Send>(_: &T) {}
    let (set, ann) = (PolicySet::new(), Attributes::new().user("ann"));
    let query = set.query(&ann);
    moves(&query.check_async());
    moves(&query.peek());
    moves(&query.refund(1));
    moves(&query.reset());
    moves(&set.check_together(&[query]));
}

#[tokio::test(start_paused = true)]
async fn several_requests_that_are_one_all_pass_or_none_is_charged() {
    let (set, _faults) = both();
    let (ann, bob) = (Attributes::new().user("ann"), Attributes::new().user("bob"));
    let together = set.check_together(&[set.query(&ann).cost(2), set.query(&bob)]).await;
    assert!(together.iter().all(Verdict::is_allowed));
    assert_eq!(
        (left(&together[0]), left(&together[1])),
        (vec![("near", 8), ("far", 18)], vec![("near", 9), ("far", 19)])
    );
    for too_much in [10, 20] {
        let only = if too_much == 10 { "near" } else { "far" };
        let refused = set.query(&bob).cost(too_much).only_policy(only);
        let together = set.check_together(&[set.query(&ann), refused, set.query(&ann)]).await;
        let allowed: Vec<bool> = together.iter().map(Verdict::is_allowed).collect();
        assert_eq!(allowed, [true, false, true]);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(left(&set.query(&ann).peek().await), [("near", 8), ("far", 18)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_one_request_replaces_those_of_the_others() {
    let (store, _faults) = store();
    let mut policies = Vec::new();
    for (id, api) in [("one", "one"), ("two", "two"), ("three", "three")] {
        let mut policy = near(id, "10/min");
        policy.matches = Conditions::new().with("api", [api]);
        policies.push(policy);
    }
    policies[0].replaces = vec!["two".to_owned()];
    let set = node(&store, policies);
    let requests = ["one", "two", "three"].map(|api| Attributes::new().user("ann").api(api));
    let queries: Vec<_> = requests.iter().map(|request| set.query(request)).collect();
    let together = set.check_together(&queries).await;
    let asked: Vec<_> = together.iter().map(left).collect();
    assert_eq!(asked, [vec![("one", 9)], vec![], vec![("three", 9)]]);
    assert_eq!(left(&set.check_together(&queries[1..]).await[0]), [("two", 9)]);
}

#[tokio::test(start_paused = true)]
async fn dropped_before_the_backend_answers_it_gives_back_what_memory_had_spent() {
    let (store, faults) = store();
    let set = node(&store, vec![near("near", "10/min"), far("far", "20/min")]);
    let ann = Attributes::new().user("ann");
    faults.delay(Duration::from_millis(5), Duration::ZERO);
    let both = [set.query(&ann), set.query(&ann).only_policy("near")];
    let dropped = tokio::time::timeout(Duration::from_millis(1), set.check_together(&both)).await;
    assert!(dropped.is_err());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(left(&set.query(&ann).peek().await), [("near", 10), ("far", 20)]);
}
