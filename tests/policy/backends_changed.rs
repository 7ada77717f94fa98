//! What becomes of what keys have spent in a store when policies change; and who may name which backend.

use tollgate::distributed::Source;
use tollgate::policy::{AlgorithmName, BackendMode, Limit, Policy, PolicySet, Restart, Scope};

use crate::backends::{admitted, ask, far, left, node, store};

fn limited(id: &str, algorithm: AlgorithmName, quota: &str) -> Policy {
    let mut policy = far(id, "1/h");
    policy.limits = vec![Limit::of(algorithm, quota.parse().unwrap())];
    policy
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_changes_goes_on_with_what_was_spent() {
    let (store, _) = store();
    // Of what gcra has spent a store knows when it will have come back: 0.8 days, which are 8 of 10 tokens.
    let cases = [(AlgorithmName::Gcra, 2), (AlgorithmName::FixedWindow, 6), (AlgorithmName::SlidingLog, 6)];
    for (algorithm, left) in cases {
        let set = node(&store, vec![limited(algorithm.as_str(), algorithm, "5/d")]);
        assert_eq!(admitted(&set, "ann", 4).await, 4);
        let change = set.apply(vec![limited(algorithm.as_str(), algorithm, "10/d")]).unwrap();
        assert_eq!(change.restarted, []);
        assert_eq!(admitted(&set, "ann", 99).await, left, "{algorithm}");
        assert_eq!(set.rollback(1).unwrap().restarted, []);
        assert_eq!(admitted(&set, "ann", 9).await, 0, "{algorithm}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_limit_keeps_what_this_node_knows() {
    let (store, _) = store();
    let set = node(&store, vec![far("api", "1/h")]);
    assert_eq!(admitted(&set, "ann", 2).await, 1);
    let mut renamed = far("api", "1/h");
    renamed.name = Some("The interface".to_owned());
    renamed.concurrency = None;
    assert_eq!(set.apply(vec![renamed, far("other", "9/h")]).unwrap().restarted, []);
    let known = ask(&set, "ann").await;
    assert_eq!(known.binding().and_then(|standing| standing.source()), Some(Source::DenyCache));
}

#[tokio::test(start_paused = true)]
async fn what_has_to_begin_anew_is_said() {
    let (store, _) = store();
    let first = || limited("api", AlgorithmName::FixedWindow, "5/d");
    let mut two = first();
    two.limits.push(Limit::of(AlgorithmName::Gcra, "9/d".parse().unwrap()));
    let mut scoped = first();
    scoped.scope = Scope::of(["user", "route"]);
    let mut here = first();
    here.backend = None;
    let cases = [
        (limited("api", AlgorithmName::FixedWindow, "5/h"), Some("api"), Restart::OtherKind),
        (limited("api", AlgorithmName::Gcra, "5/d"), Some("api"), Restart::OtherKind),
        (two, Some("api/1"), Restart::OtherName),
        (scoped, None, Restart::OtherKeys),
        (here, None, Restart::OtherBackend),
    ];
    for (changed, limit, reason) in cases {
        let set = node(&store, vec![first()]);
        let change = set.apply(vec![changed]).unwrap();
        let said = &change.restarted[0];
        assert_eq!((said.limit.as_deref(), said.reason), (limit, reason), "{change}");
        let back = set.apply(vec![first()]).unwrap();
        assert_eq!(back.restarted.len(), 1, "{back}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_can_be_read_in_the_store() {
    let (store, _) = store();
    let (mut two, global) = (far("pairs", "9/h"), far("all", "9/h"));
    two.scope = Scope::of(["user", "plan"]);
    let mut global = global;
    global.scope = Scope::global();
    let set = node(&store, vec![two, global]);
    assert!(ask(&set, "ann&bob").await.is_allowed());
    assert_eq!(left(&store, "pairs", "9/h", "user=ann%26bob&plan").await, 8);
    assert_eq!(left(&store, "all", "9/h", "global").await, 8);
}

#[test]
fn a_backend_that_was_not_handed_in_is_refused_with_those_that_were() {
    let (store, _) = store();
    let mut policy = far("api", "5/min");
    policy.backend = Some("valkey".to_owned());
    let message = |set: &PolicySet| set.apply(vec![policy.clone()]).unwrap_err().to_string();
    let expected = "policy \"api\", backend: \"valkey\" is not known: ";
    assert_eq!(message(&PolicySet::new()), format!("{expected}none was handed in"));
    let set = PolicySet::builder().backend("redis", &store).backend("far away", &store).build();
    assert_eq!(message(&set), format!("{expected}there is far away, redis"));
    assert_eq!(set.version(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_leased_policy_lets_through_what_it_says() {
    let (store, _) = store();
    let mut leased = far("api", "20/h");
    leased.mode = BackendMode::Leased;
    let [one, other] = [(); 2].map(|()| node(&store, vec![leased.clone()]));
    let together = admitted(&one, "ann", 15).await + admitted(&other, "ann", 15).await;
    assert!((15..=20).contains(&together), "{together}");
}
