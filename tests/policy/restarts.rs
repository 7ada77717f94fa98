//! A set that goes on from a snapshot.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tollgate::policy::{
    AlgorithmName, Amount, Attributes, Change, Conditions, Limit, Override, Policies, Policy, PolicySet,
    PolicySnapshot, Restart, Scope, Verdict,
};
use tollgate::{Clock, Quota};

const ALGORITHMS: [AlgorithmName; 6] = [
    AlgorithmName::Gcra,
    AlgorithmName::TokenBucket,
    AlgorithmName::LeakyBucket,
    AlgorithmName::FixedWindow,
    AlgorithmName::SlidingWindow,
    AlgorithmName::SlidingLog,
];

fn policy(id: &str, limits: Vec<Limit>) -> Policy {
    let mut policy = Policy::new(id);
    (policy.scope, policy.limits) = (Scope::of(["user"]), limits);
    policy
}

fn limit(algorithm: AlgorithmName, quota: &str) -> Limit {
    Limit::of(algorithm, quota.parse().unwrap())
}

/// What is written can be read again, in a text and in a binary format.
fn stored(snapshot: &PolicySnapshot) -> PolicySnapshot {
    let text = serde_json::to_vec(snapshot).unwrap();
    let snapshot: PolicySnapshot = serde_json::from_slice(&text).unwrap();
    postcard::from_bytes(&postcard::to_allocvec(&snapshot).unwrap()).unwrap()
}

fn restarted(set: &PolicySet, clock: &Clock, policies: impl Into<Policies>) -> (PolicySet, Change) {
    let next = PolicySet::builder().clock(clock.clone()).restore(stored(&set.snapshot())).build();
    let change = next.apply(policies).unwrap();
    (next, change)
}

fn admitted(set: &PolicySet, user: &str) -> usize {
    (0..100).filter(|_| set.check(&Attributes::new().user(user)).is_allowed()).count()
}

fn said(verdict: &Verdict) -> Vec<(String, bool, u64, Duration, Option<Duration>)> {
    let one = |standing: tollgate::policy::Standing<'_>| {
        let (name, refuses) = (standing.name().to_owned(), standing.refuses());
        (name, refuses, standing.remaining(), standing.reset_after(), standing.retry_after())
    };
    verdict.limits().map(one).collect()
}

#[derive(Clone, Debug)]
enum Op {
    Check(u64, bool),
    Wait(u64),
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (0..3_u64, prop::bool::weighted(0.3)).prop_map(|(user, gold)| Op::Check(user, gold)),
        3 => prop_oneof![0..3_u64, 0..2_000_000_000_u64, 0..70_000_000_000_u64].prop_map(Op::Wait),
        1 => Just(Op::Restart),
    ]
}

fn a_limit() -> impl Strategy<Value = Limit> {
    let (counts, seconds) = (1..8_u64, prop::sample::select(&[1_u64, 7, 60]));
    (prop::sample::select(&ALGORITHMS), counts, seconds).prop_map(|(algorithm, count, seconds)| {
        Limit::of(algorithm, Quota::new(count, Duration::from_secs(seconds)).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_set_that_is_restarted_decides_as_one_that_is_not(
        limits in vec(vec(a_limit(), 1..3), 1..4),
        ops in vec(op(), 1..120),
    ) {
        let mut policies: Vec<Policy> =
            limits.into_iter().enumerate().map(|(place, limits)| policy(&format!("p{place}"), limits)).collect();
        policies[0].overrides =
            vec![Override::new(Conditions::new().with("tier", ["gold"]), Amount::Quota(Quota::per_minute(3)))];
        let (clock, hand) = Clock::manual();
        let build = || PolicySet::builder().clock(clock.clone()).build();
        let (steady, mut other) = (build(), build());
        steady.apply(policies.clone()).unwrap();
        other.apply(policies.clone()).unwrap();
        for op in ops {
            match op {
                Op::Wait(nanos) => hand.advance(Duration::from_nanos(nanos)),
                Op::Restart => {
                    let change;
                    (other, change) = restarted(&other, &clock, policies.clone());
                    prop_assert!(change.restarted.is_empty(), "{change}");
                }
                Op::Check(user, gold) => {
                    let user = user.to_string();
                    let request = Attributes::new().user(&user).tier(if gold { "gold" } else { "free" });
                    let (one, two) = (steady.check(&request), other.check(&request));
                    prop_assert_eq!(two.is_allowed(), one.is_allowed());
                    prop_assert_eq!(said(&two), said(&one));
                }
            }
        }
    }
}

#[test]
fn what_cannot_go_on_begins_anew_and_is_told() {
    let (clock, _hand) = Clock::manual();
    let set = PolicySet::builder().clock(clock.clone()).build();
    let ids = ["same", "faster", "window", "kind", "scope", "name", "gone"];
    let gcra = || vec![limit(AlgorithmName::Gcra, "4/h")];
    let mut policies: Vec<Policy> = ids.iter().map(|id| policy(id, gcra())).collect();
    policies[2].limits = vec![limit(AlgorithmName::FixedWindow, "4/h")];
    for policy in &mut policies {
        policy.matches = Conditions::new().with("api", [policy.id.as_str()]);
    }
    set.apply(policies.clone()).unwrap();
    let left = |set: &PolicySet, id: &str| {
        let request = Attributes::new().user("ann").api(id);
        (0..9).filter(|_| set.check(&request).is_allowed()).count()
    };
    assert!(ids.iter().all(|id| left(&set, id) == 4));
    policies.truncate(6);
    policies[1].limits = vec![limit(AlgorithmName::Gcra, "4/h burst 6")];
    policies[2].limits = vec![limit(AlgorithmName::FixedWindow, "4/d")];
    policies[3].limits = vec![limit(AlgorithmName::SlidingLog, "4/h")];
    policies[4].scope = Scope::of(["user", "api"]);
    policies[5].limits.push(limit(AlgorithmName::Gcra, "9/h"));
    let (set, change) = restarted(&set, &clock, policies);
    let told: Vec<_> =
        change.restarted.iter().map(|limit| (limit.limit.as_deref().unwrap(), limit.reason)).collect();
    let expected = [
        ("window", Restart::OtherKind),
        ("kind", Restart::OtherKind),
        ("scope", Restart::OtherKeys),
        ("name/1", Restart::OtherName),
        ("name/2", Restart::OtherName),
    ];
    assert_eq!(told, expected);
    assert_eq!(ids[..6].iter().map(|id| left(&set, id)).collect::<Vec<_>>(), [0, 2, 4, 4, 4, 4]);
}

#[test]
fn a_restart_takes_as_long_as_the_clock_on_the_wall_says() {
    let (clock, hand) = Clock::manual();
    let policies = || vec![policy("api", vec![limit(AlgorithmName::TokenBucket, "10/s")])];
    let set = PolicySet::builder().clock(clock.clone()).build();
    set.apply(policies()).unwrap();
    assert_eq!(admitted(&set, "ann"), 10);
    let saved = stored(&set.snapshot());
    hand.advance(Duration::from_millis(300));
    let next = PolicySet::builder().clock(clock).restore(saved).build();
    next.apply(policies()).unwrap();
    assert_eq!((admitted(&next, "ann"), admitted(&next, "bob")), (3, 10));
}

#[test]
fn suspended_policies_keep_what_was_spent_over_a_restart() {
    let (clock, _hand) = Clock::manual();
    let set = PolicySet::builder().clock(clock.clone()).build();
    set.apply(vec![policy("api", vec![limit(AlgorithmName::Gcra, "3/h")])]).unwrap();
    assert_eq!(admitted(&set, "ann"), 3);
    set.transition("api", tollgate::policy::State::Suspended).unwrap();
    let (set, change) = restarted(&set, &clock, Policies::clone(&set.policies()));
    assert!(change.restarted.is_empty(), "{change}");
    set.transition("api", tollgate::policy::State::Active).unwrap();
    assert_eq!(admitted(&set, "ann"), 0);
}

#[test]
fn a_snapshot_that_is_damaged_or_put_together_from_several_is_refused() {
    let saved = || {
        let set = PolicySet::new();
        set.apply(vec![policy("api", vec![limit(AlgorithmName::Gcra, "3/h")])]).unwrap();
        assert!(set.check(&Attributes::new().user("ann")).is_allowed());
        serde_json::to_value(set.snapshot()).unwrap()
    };
    let read = |value: &serde_json::Value| serde_json::from_value::<PolicySnapshot>(value.clone());
    let (one, other) = (saved(), saved());
    assert!(read(&one).is_ok());
    let mut of_both = one.clone();
    let limits = of_both["limits"].as_array_mut().unwrap();
    limits.push(other["limits"][0].clone());
    assert!(read(&of_both).unwrap_err().to_string().contains("several sets"));
    let mut newer = one.clone();
    newer["version"] = 2.into();
    assert!(read(&newer).unwrap_err().to_string().contains("version 2"));
    let mut changed = one;
    changed["limits"][0]["keys"]["content"]["unix"] = 7.into();
    assert!(read(&changed).unwrap_err().to_string().contains("checksum"));
}
