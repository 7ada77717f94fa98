//! What a set of policies decides.

use std::time::Duration;

use tollgate::policy::{
    AlgorithmName, Amount, Attributes, Conditions, Limit, Override, Policies, Policy, PolicySet, Reason,
    Scope, Tier,
};
use tollgate::{Clock, ManualClock, Quota};

fn set_of(policies: impl Into<Policies>) -> (PolicySet, ManualClock) {
    let (clock, hand) = Clock::manual();
    let set = PolicySet::builder().clock(clock).build();
    set.apply(policies).unwrap();
    (set, hand)
}

fn policy(id: &str, limits: &[Limit]) -> Policy {
    let mut policy = Policy::new(id);
    policy.limits = limits.to_vec();
    policy
}

fn gcra(text: &str) -> Limit {
    Limit::of(AlgorithmName::Gcra, text.parse().unwrap())
}

#[test]
fn several_limits_are_one() {
    let mut each = policy("each", &[gcra("2/min"), Limit::of(AlgorithmName::SlidingLog, Quota::per_day(3))]);
    each.scope = Scope::of(["user"]);
    let (set, hand) = set_of(vec![each, policy("all", &[gcra("100/min")])]);
    let ann = Attributes::new().user("ann");
    assert!(set.check(&ann).is_allowed());
    assert!(set.check(&ann).is_allowed());
    let refused = set.check(&ann);
    assert_eq!(refused.reason(), Some(Reason::LimitReached));
    assert_eq!((refused.policy(), refused.binding().unwrap().name()), (Some("each"), "each/1"));
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(30)));
    let left: Vec<_> =
        refused.limits().map(|standing| (standing.name().to_owned(), standing.remaining())).collect();
    assert_eq!(left, [("each/1".to_owned(), 0), ("each/2".to_owned(), 1), ("all".to_owned(), 98)]);
    assert!(set.check(&Attributes::new().user("bob")).is_allowed());
    hand.advance(Duration::from_secs(30));
    assert!(set.check(&ann).is_allowed());
}

#[test]
fn a_tier_has_a_limit_of_its_own() {
    let mut api = policy("api", &[gcra("1/min")]);
    api.scope = Scope::of(["user"]);
    api.overrides = vec![
        Override::new(Conditions::new().with("user", ["root"]), Amount::Unlimited),
        Override::new(Conditions::new().with("tier", ["gold"]), Amount::Quota(Quota::per_minute(3))),
    ];
    let mut policies = Policies::from(vec![api]);
    policies.tier = vec![Tier::new("gold", [Conditions::new().with("user", ["acme", "umbrella-*"])])];
    let (set, _hand) = set_of(policies);
    let admitted =
        |user: &str| (0..10).filter(|_| set.check(&Attributes::new().user(user)).is_allowed()).count();
    assert_eq!(["ann", "acme", "umbrella-7", "umbrella", "root"].map(admitted), [1, 3, 3, 1, 10]);
}

#[test]
fn places_are_held_as_long_as_the_verdict_is() {
    let mut api = policy("api", &[gcra("10/min")]);
    api.concurrency = Some(2);
    let (set, _hand) = set_of(vec![api]);
    let anyone = Attributes::new();
    let (first, second) = (set.check(&anyone), set.check(&anyone));
    assert!(first.is_allowed() && second.is_allowed());
    assert_eq!(set.check(&anyone).binding().unwrap().name(), "api/at-once");
    drop(first);
    assert!(set.check(&anyone).is_allowed());
    assert_eq!(set.check(&anyone).remaining(), 0);
}
