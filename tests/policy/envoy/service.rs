//! Envoy's rate limit service and the imported policies: random configurations, random requests.

use std::collections::HashMap;

use proptest::prelude::*;
use tollgate::policy::{Attributes, Descriptor, Policies, PolicySet};

use super::evaluate::concerned;
use super::reference::{self, Asked, Rule, yaml};

/// Three levels of lists.
fn rules() -> impl Strategy<Value = Vec<Rule>> {
    list(list(list(Just(Vec::new()))))
}

fn list(nested: impl Strategy<Value = Vec<Rule>> + 'static) -> BoxedStrategy<Vec<Rule>> {
    let key = prop::sample::select(vec!["k", "k", "l"]);
    let value =
        prop::sample::select(vec!["", "", "a", "b", "ab", "a*", "*b", "*", "a*b", r"a\", r"\*", "a*b*"]);
    let rule = (key, value, prop::bool::weighted(0.8), any::<bool>(), nested)
        .prop_map(|(key, value, limit, share, rules)| Rule { rules, ..Rule::new(key, value, limit, share) });
    prop::collection::vec(rule, 0..7).prop_map(distinct).boxed()
}

/// The service refuses the same key and value twice in a list.
fn distinct(mut rules: Vec<Rule>) -> Vec<Rule> {
    let mut seen = Vec::new();
    rules.retain(|rule| {
        let name = (rule.key.clone(), rule.value.clone());
        let is_new = !seen.contains(&name);
        seen.push(name);
        is_new
    });
    rules
}

fn asked() -> impl Strategy<Value = Asked> {
    let key = prop::sample::select(vec!["k", "k", "l", "l", "m"]);
    let value = prop::sample::select(vec![
        "", "a", "b", "ab", "aab", "abb", "c", "a*", "*b", "*", "a*b", r"a\", r"\*",
    ]);
    prop::collection::vec((key, value), 0..4).prop_map(|entries| {
        entries.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_service_and_the_policies_choose_the_same_limit_and_the_same_counter(
        rules in rules(),
        requests in prop::collection::vec(asked(), 1..24),
    ) {
        let (rules, text) = yaml("d", rules);
        let policies = Policies::from_envoy(&text).unwrap();
        let set = PolicySet::new();
        set.apply(policies.clone()).unwrap();
        let (mut counters, mut cache_keys) = (HashMap::new(), HashMap::new());
        for entries in requests {
            let expected = reference::get_limit(&rules, &entries);
            let found = concerned(&policies, &Descriptor::new("d", entries.clone()));
            let names: Vec<_> = found.iter().map(|(policy, _)| policy.name.as_deref()).collect();
            let expected_name: Vec<_> = expected.iter().map(|chosen| Some(chosen.name.as_str())).collect();
            prop_assert_eq!(&names, &expected_name, "{:?} {}", entries, text);
            let descriptor = Descriptor::new("d", entries.clone());
            let verdict = set.check(&Attributes::from(&descriptor));
            let names: Vec<_> = verdict.policies().map(|found| found.policy().name.as_deref()).collect();
            prop_assert_eq!(&names, &expected_name, "{:?} {}", entries, text);
            prop_assert!(concerned(&policies, &Descriptor::new("e", entries.clone())).is_empty());
            if let (Some(chosen), Some((policy, key))) = (expected, found.into_iter().next()) {
                let counted = (policy.id.clone(), key);
                let counter = counters.entry(chosen.cache_key.clone()).or_insert(counted.clone());
                let cache_key = cache_keys.entry(counted.clone()).or_insert(chosen.cache_key.clone());
                prop_assert_eq!(&*counter, &counted, "{:?} {}", entries, text);
                prop_assert_eq!(&*cache_key, &chosen.cache_key, "{:?} {}", entries, text);
            }
        }
    }

    #[test]
    fn no_text_panics(text in "(?s).{0,200}|(domain: d\n|descriptors:\n|  ?- key: [a-z*]?\n|    rate_limit: |\\{unit: day\\}\n){0,12}") {
        let _ = Policies::from_envoy(&text);
    }
}
