//! What a set of policies decides.

use std::net::IpAddr;
use std::time::Duration;

use tollgate::policy::{
    AlgorithmName, Amount, AttributeCost, Attributes, Conditions, CostRule, Limit, Override, Percent,
    Policies, Policy, PolicySet, Reason, Scope, Tier, Verdict,
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

#[test]
fn a_share_of_the_keys_is_the_same_in_every_set_and_a_larger_one_takes_it_in() {
    let enforced = |hundredths: u16| -> Vec<u64> {
        let mut none = policy("none", &[gcra("0/min")]);
        none.scope = Scope::of(["user"]);
        none.enforce_percent = Percent::from_hundredths(hundredths);
        let (set, _hand) = set_of(vec![none]);
        let refused = |user: &u64| !set.check(&Attributes::new().user(&user.to_string())).is_allowed();
        (0..10_000).filter(refused).collect()
    };
    let (tenth, half) = (enforced(1_000), enforced(5_000));
    assert!((900..1_100).contains(&tenth.len()) && (4_800..5_200).contains(&half.len()));
    assert!(tenth.iter().all(|user| half.contains(user)), "a larger share takes in the smaller one");
    assert_eq!(enforced(1_000), tenth, "in another set, which hashes keys with another seed");
    // Restarts and releases keep it: these are the first, written down once.
    assert_eq!(tenth[..5], [0, 13, 27, 36, 44]);
    assert_eq!((enforced(0).len(), enforced(10_000).len()), (0, 10_000));
}

#[test]
fn addresses_are_matched_by_network_and_counted_by_customer() {
    let mut clients = policy("clients", &[gcra("1/h")]);
    clients.scope = Scope::of(["ip"]);
    clients.allow = vec![Conditions::new().with("ip", ["10.0.0.0/8", "2001:db8:a::/48"])];
    clients.deny = vec![Conditions::new().with("ip", ["203.0.113.0/24", "198.51.100.7"])];
    let (set, _hand) = set_of(vec![clients]);
    let asks = |ip: &str| {
        let ip: IpAddr = ip.parse().unwrap();
        set.check(&Attributes::new().ip(ip)).reason()
    };
    assert_eq!(asks("10.1.2.3"), None);
    assert_eq!(asks("10.1.2.3"), None, "not concerned");
    assert_eq!(asks("::ffff:10.1.2.3"), None, "the same address");
    assert_eq!(asks("2001:db8:a::1"), None);
    assert_eq!(asks("203.0.113.200"), Some(Reason::Denied));
    assert_eq!((asks("198.51.100.7"), asks("198.51.100.8")), (Some(Reason::Denied), None));
    assert_eq!(asks("2001:db8:1:2::1"), None);
    assert_eq!(asks("2001:db8:1:2::9"), Some(Reason::LimitReached), "one customer has a /64");
    assert_eq!(asks("2001:db8:1:3::1"), None);
    let text = set.check(&Attributes::new().with("ip", "203.0.113.9"));
    assert_eq!(text.reason(), Some(Reason::Denied), "a text that is an address is one");
}

#[test]
fn an_attribute_may_say_the_cost_which_is_settled_when_the_work_is_done() {
    let mut tokens = policy("tokens", &[gcra("1000/h")]);
    tokens.cost = CostRule::Attribute(AttributeCost::new("tokens", 10));
    let (set, _hand) = set_of(vec![tokens, policy("requests", &[gcra("100/h")])]);
    let left = |verdict: &Verdict| verdict.limits().map(|standing| standing.remaining()).collect::<Vec<_>>();
    let known = set.check(&Attributes::new().with("tokens", 300_u64));
    assert_eq!(left(&known), [700, 99]);
    known.settle(120);
    assert_eq!(left(&set.check(&Attributes::new().with("tokens", "30"))), [850, 98]);
    assert_eq!(left(&set.check(&Attributes::new())), [840, 97], "what is said if nothing is");
    let all = set.check(&Attributes::new().with("tokens", 841_u64));
    assert_eq!((all.reason(), all.policy()), (Some(Reason::LimitReached), Some("tokens")));
    assert_eq!(set.check(&Attributes::new().with("tokens", u64::MAX)).retry_after(), None);
}

#[test]
fn a_policy_that_only_watches_says_what_it_would_have_refused() {
    let mut strict = policy("strict", &[gcra("1/h")]);
    strict.shadow = true;
    let (set, _hand) = set_of(vec![strict, policy("loose", &[gcra("3/h")])]);
    let said = |verdict: &Verdict| {
        let policies = verdict.policies().map(|policy| (policy.is_shadow(), policy.refuses()));
        (verdict.is_allowed(), policies.collect::<Vec<_>>())
    };
    assert_eq!(said(&set.check(&Attributes::new())), (true, vec![(true, false), (false, false)]));
    assert_eq!(said(&set.check(&Attributes::new())), (true, vec![(true, true), (false, false)]));
    assert!(set.check(&Attributes::new()).is_allowed());
    let refused = set.check(&Attributes::new());
    assert!(!refused.is_allowed());
    assert_eq!((refused.policy(), refused.remaining()), (Some("loose"), 0));
}

#[test]
fn numbers_about_keys_are_told_by_limit() {
    let mut each =
        policy("each", &[gcra("10/min"), Limit::of(AlgorithmName::SlidingLog, Quota::per_day(10))]);
    each.scope = Scope::of(["user"]);
    let (set, _hand) = set_of(vec![each]);
    for user in ["ann", "bob", "ann"] {
        assert!(set.check(&Attributes::new().user(user)).is_allowed());
    }
    let stats: Vec<_> = set.stats().into_iter().map(|limit| (limit.limit, limit.stats.keys)).collect();
    assert_eq!(stats, [("each/1".to_owned(), 2), ("each/2".to_owned(), 2)]);
}

#[test]
fn a_limit_that_nobody_asks_takes_little_memory() {
    let policies: Vec<_> = (0..10_000)
        .map(|number| {
            let mut one = policy(&format!("policy-{number}"), &[gcra("10/min")]);
            one.matches = Conditions::new().with("route", [format!("/{number}")]);
            one
        })
        .collect();
    let (set, _hand) = set_of(policies);
    let bytes: usize = set.stats().iter().map(|limit| limit.stats.bytes).sum();
    assert!(bytes < 10_000 * (14 << 10), "{bytes}");
}
