//! Policies in files: the same in every format, and there and back.

use std::fmt::Write as _;

use proptest::prelude::*;
use tollgate::Quota;
use tollgate::policy::{
    AlgorithmName, Amount, Conditions, CostRule, Format, Limit, Missing, OnFailure, Override, Percent,
    Policies, Policy, PolicySet, Scope, State, Tier,
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policy/sound");

#[test]
fn the_same_policies_read_equal_from_toml_json_and_yaml() {
    let [toml, json, yaml] =
        ["toml", "json", "yaml"].map(|ending| Policies::read(format!("{FOLDER}/shop.{ending}")).unwrap());
    assert_eq!(toml.policy.len(), 6);
    assert_eq!(toml, json);
    assert_eq!(toml, yaml);
}

#[test]
fn a_file_of_envoys_rate_limit_service_makes_policies_that_can_be_applied_and_written() {
    let file = format!("{FOLDER}/messaging.envoy.yaml");
    let policies = Policies::from_envoy(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(Policies::read(file).unwrap(), policies, "a file is known by what it has at its top");
    assert_eq!(policies.policy.len(), 5);
    PolicySet::new().apply(policies.clone()).unwrap();
    let toml = toml::to_string(&policies).unwrap();
    assert_eq!(Policies::parse(&toml, Format::Toml).unwrap(), policies, "{toml}");
}

#[test]
fn a_policy_for_issuing_cards_reads_as_it_is_written() {
    let text = r#"
        [[policy]]
        id = "issue-cards"
        scope = ["user"]
        match = { route = "/cards/issue", method = "POST", tier = "free" }
        limits = [{ algorithm = "gcra", limit = "5/min", burst = 10 }, { algorithm = "sliding_log", limit = "100/day" }]
        concurrency = 4
        on_failure = "closed"
        state = "active"
    "#;
    let mut expected = Policy::new("issue-cards");
    expected.scope = Scope::of(["user"]);
    expected.matches =
        Conditions::new().with("route", ["/cards/issue"]).with("method", ["POST"]).with("tier", ["free"]);
    let mut burst = Limit::of(AlgorithmName::Gcra, Quota::per_minute(5));
    burst.burst = Some(10);
    expected.limits = vec![burst, Limit::of(AlgorithmName::SlidingLog, Quota::per_day(100))];
    expected.concurrency = Some(4);
    expected.on_failure = OnFailure::Closed;
    expected.state = State::Active;
    assert_eq!(Policies::parse(text, Format::Toml).unwrap(), Policies::from(vec![expected]));
}

#[test]
fn an_empty_file_has_no_policies_but_json_needs_braces() {
    let none = Policies::default();
    for (text, format) in [
        ("", Format::Toml),
        ("# nothing yet\n", Format::Toml),
        ("", Format::Yaml),
        ("---\n", Format::Yaml),
        ("policy: []\n", Format::Yaml),
        ("{}", Format::Json),
    ] {
        assert_eq!(Policies::parse(text, format).ok(), Some(none.clone()), "{format} {text:?}");
    }
    assert!(Policies::parse("", Format::Json).is_err());
}

#[test]
fn a_byte_order_mark_and_the_line_ends_of_windows_change_nothing() {
    let text = "[[policy]]\nid = \"api\"\nlimit = \"5/min\"\n";
    let plain = Policies::parse(text, Format::Toml).unwrap();
    let marked = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(Policies::parse(&marked, Format::Toml).unwrap(), plain);
}

#[test]
fn a_file_with_a_hundred_problems_and_more_tells_a_hundred_and_counts_the_rest() {
    let mut text = String::new();
    for number in 0..150 {
        write!(text, "[[policy]]\nid = \"p{number}\"\nlimit = 5\n").unwrap();
    }
    let error = Policies::parse(&text, Format::Toml).unwrap_err();
    assert_eq!(error.problems().len(), 100);
    assert!(error.to_string().ends_with("\nand 50 more problems"), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_told_by_its_name() {
    let error = Policies::read("no-such-folder/limits.toml").unwrap_err();
    assert!(error.to_string().starts_with("no-such-folder/limits.toml: cannot be read: "), "{error}");
}

fn words() -> impl Strategy<Value = String> {
    // Texts that one of the formats writes in its own way.
    let odd = [
        "*",
        "**",
        "a\\\\b",
        "#",
        "yes",
        "1",
        "",
        " ",
        "ä\u{2028}",
        "\"",
        "'",
        "a: b",
        "- c",
        "\n",
        "\u{7f}",
    ];
    prop_oneof![prop::sample::select(odd.to_vec()).prop_map(String::from), "[a-z/*.]{1,8}"]
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let attribute = prop::sample::select(vec!["user", "route", "tier", "a.b", "x y", "0", "#"]);
    let one = (attribute, prop::collection::vec(words(), 1..3));
    prop::collection::vec(one, 1..3).prop_map(|all| {
        let with = |conditions: Conditions, (attribute, patterns)| conditions.with(attribute, patterns);
        all.into_iter().fold(Conditions::new(), with)
    })
}

fn quotas() -> impl Strategy<Value = Quota> {
    let period = prop::sample::select(vec![1_000_000, 1_500_000_000, 60_000_000_000, 86_400_000_000_000]);
    let parts = (0..10_000_u64, period, prop::option::of(0..100_u64));
    parts.prop_map(|(count, nanos, burst)| {
        let quota = Quota::new(count, std::time::Duration::from_nanos(nanos)).unwrap();
        burst.map_or(quota, |burst| quota.burst(burst))
    })
}

fn limits() -> impl Strategy<Value = Limit> {
    let algorithm = prop::sample::select(vec![
        AlgorithmName::Gcra,
        AlgorithmName::TokenBucket,
        AlgorithmName::LeakyBucket,
        AlgorithmName::FixedWindow,
        AlgorithmName::SlidingWindow,
        AlgorithmName::SlidingLog,
    ]);
    let window = prop::sample::select(vec!["1s", "15min", "7d"]);
    (algorithm, quotas(), prop::option::of((0..1_000_u64, window)), prop::option::of(0..100_u64)).prop_map(
        |(algorithm, quota, counted, burst)| {
            // Windows have no burst, and of a millisecond no room for more.
            let plain = Quota::new(quota.count() % 500, quota.period()).unwrap();
            let quota = if algorithm.has_burst() { quota } else { plain };
            let mut limit = Limit::of(algorithm, quota);
            if let Some((count, window)) = counted {
                limit.limit = Amount::Count(count);
                limit.window = Some(window.to_owned());
                limit.burst = burst.filter(|_| algorithm.has_burst());
            }
            limit
        },
    )
}

/// What is not about limits.
fn frames() -> impl Strategy<Value = Policy> {
    let scope = prop::collection::vec("[a-z. ]{1,5}|ä", 0..3);
    let state = prop::sample::select(vec![State::Draft, State::Active, State::Suspended, State::Inactive]);
    let missing = prop::sample::select(vec![Missing::Shared, Missing::Refuse, Missing::Pass]);
    let percent = (0..=10_000_u16).prop_map(Percent::from_hundredths);
    let parts = (words(), scope, state, missing, percent, any::<i32>(), any::<bool>());
    parts.prop_map(|(name, scope, state, missing, percent, priority, shadow)| {
        let mut policy = Policy::new("");
        policy.name = Some(name).filter(|name| !name.is_empty());
        policy.scope = Scope::of(scope);
        (policy.state, policy.missing, policy.enforce_percent) = (state, missing, percent);
        (policy.priority, policy.shadow) = (priority, shadow);
        policy
    })
}

fn policies() -> impl Strategy<Value = Policies> {
    let override_ = (conditions(), quotas());
    let lists = (
        prop::collection::vec(limits(), 1..3),
        prop::collection::vec(override_, 0..2),
        prop::collection::vec(conditions(), 0..2),
        prop::option::of(conditions()),
    );
    let policy = (frames(), lists, prop::option::of(0..9_u64), 0..9_u64);
    let policy = policy.prop_map(|(mut policy, (limits, overrides, deny, matches), concurrency, cost)| {
        policy.limits = limits;
        let own = |(matches, quota)| Override::new(matches, Amount::Quota(quota));
        policy.overrides = overrides.into_iter().map(own).collect();
        policy.deny = deny;
        policy.matches = matches.unwrap_or_default();
        policy.concurrency = concurrency;
        policy.cost = CostRule::Fixed(cost);
        policy
    });
    let all = (prop::collection::vec(policy, 0..4), prop::option::of("[a-z]{1,5}"));
    all.prop_map(|(mut all, tier)| {
        for (number, policy) in all.iter_mut().enumerate() {
            policy.id = format!("policy-{number}");
        }
        let mut policies = Policies::from(all);
        policies.tier = tier
            .map(|name| Tier::new(name, [Conditions::new().with("user", ["acme"])]))
            .into_iter()
            .collect();
        policies
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again_as_the_same(policies in policies()) {
        let toml = toml::to_string(&policies).unwrap();
        match Policies::parse(&toml, Format::Toml) {
            Ok(read) => prop_assert_eq!(&read, &policies, "{}", toml),
            Err(error) => prop_assert!(false, "{}\n{}", error, toml),
        }
        let json = serde_json::to_string_pretty(&policies).unwrap();
        match Policies::parse(&json, Format::Json) {
            Ok(read) => prop_assert_eq!(&read, &policies, "{}", json),
            Err(error) => prop_assert!(false, "{}\n{}", error, json),
        }
    }
}
