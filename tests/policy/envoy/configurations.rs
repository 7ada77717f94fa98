//! Configurations of Envoy's rate limit service, one for each thing that its README shows, and what becomes of them.

use tollgate::policy::{Descriptor, Policies, Policy};

use super::evaluate::concerned;

/// What concerns a request, as `id: limit for key`.
fn outcome<const N: usize>(policies: &Policies, domain: &str, entries: [(&str, &str); N]) -> String {
    let show = |(policy, key): (&Policy, Vec<String>)| {
        let limits: Vec<_> = policy.limits.iter().map(|limit| limit.limit.to_string()).collect();
        let shadow = if policy.shadow { " in the shadow" } else { "" };
        format!("{}: {}{shadow} for {}", policy.id, limits.join(", "), key.join(", "))
    };
    let all = concerned(policies, &Descriptor::new(domain, entries));
    all.into_iter().map(show).collect::<Vec<_>>().join("; ")
}

fn import(yaml: &str) -> Policies {
    Policies::from_envoy(yaml).unwrap()
}

#[test]
fn exact_values_have_limits_of_their_own() {
    let policies = import(
        "
        domain: stores
        descriptors:
        - { key: table, value: people, rate_limit: { unit: second, requests_per_unit: 500 } }
        - { key: table, value: orders, rate_limit: { unit: second, requests_per_unit: 400 } }
        ",
    );
    assert_eq!(outcome(&policies, "stores", [("table", "people")]), "stores/table:people: 500/s for ");
    assert_eq!(outcome(&policies, "stores", [("table", "orders")]), "stores/table:orders: 400/s for ");
    assert_eq!(outcome(&policies, "stores", [("table", "other")]), "");
    assert_eq!(outcome(&policies, "shops", [("table", "people")]), "");
}

#[test]
fn every_value_of_a_bare_key_has_a_counter_of_its_own() {
    let policies = import(
        "
        domain: mail
        descriptors:
        - key: kind
          value: advert
          descriptors:
          - { key: to, rate_limit: { unit: day, requests_per_unit: 5 } }
        - { key: to, rate_limit: { unit: day, requests_per_unit: 100 } }
        ",
    );
    assert_eq!(
        outcome(&policies, "mail", [("kind", "advert"), ("to", "11")]),
        "mail/kind:advert/to: 5/d for 11"
    );
    assert_eq!(outcome(&policies, "mail", [("to", "11")]), "mail/to: 100/d for 11");
    assert_eq!(outcome(&policies, "mail", [("to", "22")]), "mail/to: 100/d for 22");
    assert_eq!(outcome(&policies, "mail", [("kind", "bill"), ("to", "11")]), "");
    assert_eq!(outcome(&policies, "mail", [("to", "11"), ("kind", "advert")]), "");
}

#[test]
fn an_exact_value_comes_before_the_bare_key_and_zero_requests_block() {
    let policies = import(
        "
        domain: edge
        descriptors:
        - { key: address, rate_limit: { unit: second, requests_per_unit: 10 } }
        - { key: address, value: 192.0.2.5, rate_limit: { unit: second, requests_per_unit: 0 } }
        ",
    );
    assert_eq!(outcome(&policies, "edge", [("address", "192.0.2.1")]), "edge/address: 10/s for 192.0.2.1");
    assert_eq!(outcome(&policies, "edge", [("address", "192.0.2.5")]), "edge/address:192.0.2.5: block for ");
}

#[test]
fn a_limit_concerns_requests_with_as_many_entries_as_it_is_deep() {
    let request = [("colour", "red"), ("size", "7")];
    let flat = import(
        "
        domain: d
        descriptors: [{ key: colour, value: red, rate_limit: { unit: second, requests_per_unit: 300 } }]
        ",
    );
    assert_eq!(outcome(&flat, "d", request), "");
    let deep = import(
        "
        domain: d
        descriptors:
        - key: colour
          value: red
          descriptors: [{ key: size, rate_limit: { unit: second, requests_per_unit: 300 } }]
        ",
    );
    assert_eq!(outcome(&deep, "d", request), "d/colour:red/size: 300/s for 7");
    assert_eq!(outcome(&deep, "d", [("colour", "red")]), "");
}

#[test]
fn unlimited_descriptors_are_told_from_those_that_do_not_exist() {
    let policies = import(
        "
        domain: inside
        descriptors:
        - { key: directory, rate_limit: { unlimited: true } }
        - { key: cloud, rate_limit: { unit: minute, requests_per_unit: 100 } }
        ",
    );
    assert_eq!(outcome(&policies, "inside", [("directory", "x")]), "inside/directory: unlimited for x");
    assert_eq!(outcome(&policies, "inside", [("cloud", "x")]), "inside/cloud: 100/min for x");
    assert_eq!(outcome(&policies, "inside", [("moon", "x")]), "");
}

#[test]
fn what_is_in_shadow_mode_only_watches() {
    let policies = import(
        "
        domain: d
        descriptors:
        - key: service
          descriptors:
          - key: user
            value: ann
            rate_limit: { unit: second, requests_per_unit: 10 }
            shadow_mode: true
          - { key: user, value: bob, rate_limit: { unit: second, requests_per_unit: 20 } }
        ",
    );
    let user = |name| outcome(&policies, "d", [("service", "login"), ("user", name)]);
    assert_eq!(user("ann"), "d/service/user:ann: 10/s in the shadow for login");
    assert_eq!(user("bob"), "d/service/user:bob: 20/s for login");
}

#[test]
fn replaced_names_become_ids_and_a_name_that_nothing_has_replaces_nothing() {
    let policies = import(
        "
        domain: d
        descriptors:
        - key: first
          value: x
          descriptors:
          - { key: user, value: ann, rate_limit: { name: narrow, unit: second, requests_per_unit: 5 } }
        - key: second
          value: y
          descriptors:
          - key: user
            value: ann
            rate_limit: { replaces: [{ name: narrow }, { name: none }], unit: second, requests_per_unit: 10 }
        ",
    );
    assert_eq!(policies.policy[0].name.as_deref(), Some("narrow"));
    assert_eq!(policies.policy[0].replaces, [""; 0]);
    assert_eq!(policies.policy[1].replaces, ["d/first:x/user:ann"]);
}

#[test]
fn how_statistics_are_named_changes_no_limit() {
    let policies = import(
        "
        domain: d
        descriptors:
        - key: k
          detailed_metric: true
          value_to_metric: true
          metadata: { owner: [us, { unit: 3 }] }
          rate_limit: { unit: minute, requests_per_unit: 10 }
        - { key: k, value: v, rate_limit: { unit: minute, requests_per_unit: 20 } }
        ",
    );
    assert_eq!(outcome(&policies, "d", [("k", "other")]), "d/k: 10/min for other");
    assert_eq!(outcome(&policies, "d", [("k", "v")]), "d/k:v: 20/min for ");
}

#[test]
fn values_with_a_star_count_each_value_apart_unless_they_share() {
    let policies = import(
        "
        domain: d
        descriptors:
        - key: file
          value: pub/*
          share_threshold: true
          rate_limit: { unit: hour, requests_per_unit: 10 }
        - { key: page, value: pub/*, rate_limit: { unit: hour, requests_per_unit: 10 } }
        - key: path
          value: a/*
          share_threshold: true
          descriptors:
          - key: name
            value: b/*
            descriptors:
            - { key: type, rate_limit: { unit: week, requests_per_unit: 7 } }
        ",
    );
    let ids: Vec<_> = policies.policy.iter().map(|policy| policy.id.as_str()).collect();
    let [shared, apart, mixed] = ids[..] else { panic!("{ids:?}") };
    assert!(shared.starts_with("d/file:pub/-."), "{shared}");
    assert_eq!(outcome(&policies, "d", [("file", "pub/1")]), format!("{shared}: 10/h for "));
    assert_eq!(outcome(&policies, "d", [("page", "pub/1")]), format!("{apart}: 10/h for pub/1"));
    assert_eq!(outcome(&policies, "d", [("page", "priv/1")]), "");
    assert_eq!(
        outcome(&policies, "d", [("path", "a/1"), ("name", "b/2"), ("type", "3")]),
        format!("{mixed}: 7/7d for b/2, 3")
    );
}

#[test]
fn every_level_without_a_value_of_its_own_counts_apart() {
    let policies = import(
        "
        domain: d
        descriptors:
        - key: route
          value_to_metric: true
          descriptors:
          - key: method
            value: G*
            value_to_metric: true
            descriptors: [{ key: user, rate_limit: { unit: minute, requests_per_unit: 60 } }]
          - key: method
            value_to_metric: true
            descriptors: [{ key: user, rate_limit: { unit: minute, requests_per_unit: 30 } }]
        ",
    );
    let of = |method| outcome(&policies, "d", [("route", "api"), ("method", method), ("user", "7")]);
    assert!(of("GET").ends_with(": 60/min for api, GET, 7"), "{}", of("GET"));
    assert_eq!(of("PUT"), "d/route/method/user: 30/min for api, PUT, 7");
}

#[test]
fn the_same_key_at_two_levels_shares_at_each_for_itself() {
    let policies = import(
        "
        domain: d
        descriptors:
        - key: file
          value: top/*
          share_threshold: true
          descriptors:
          - { key: file, value: low/*, rate_limit: { unit: minute, requests_per_unit: 3 } }
        - key: file
          value: top/1
          rate_limit: { unit: minute, requests_per_unit: 50 }
        ",
    );
    let nested = outcome(&policies, "d", [("file", "top/2"), ("file", "low/3")]);
    assert!(nested.ends_with(": 3/min for low/3"), "{nested}");
    assert_eq!(outcome(&policies, "d", [("file", "top/1"), ("file", "low/3")]), "");
    assert_eq!(outcome(&policies, "d", [("file", "top/1")]), "d/file:top/1: 50/min for ");
}

#[test]
fn a_rule_without_a_limit_frees_what_it_fits() {
    let policies = import(
        "
        domain: d
        descriptors:
        - { key: user, rate_limit: { unit: month, requests_per_unit: 2 } }
        - { key: user, value: root }
        - key: user
          value: ann*
          descriptors: [{ key: path, rate_limit: { unit: YEAR, requests_per_unit: 3 } }]
        ",
    );
    assert_eq!(outcome(&policies, "d", [("user", "bob")]), "d/user: 2/30d for bob");
    assert_eq!(outcome(&policies, "d", [("user", "root")]), "");
    assert_eq!(outcome(&policies, "d", [("user", "anna")]), "");
    let deeper = outcome(&policies, "d", [("user", "anna"), ("path", "/")]);
    assert!(deeper.ends_with(": 3/365d for anna, /"), "{deeper}");
}

#[test]
fn keys_and_values_stay_apart_where_the_service_joins_them() {
    let policies =
        import("---\n{ domain: d, descriptors: [{ key: a, value: b_c, rate_limit: { unlimited: true } }] }");
    assert_eq!(outcome(&policies, "d", [("a", "b_c")]), "d/a:b_c: unlimited for ");
    assert_eq!(outcome(&policies, "d", [("a_b", "c")]), "");
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_line_and_descriptor() {
    let text = "
domain: d
descriptors:
- key: a
  value: 404
- key: b
  rate_limit: { unit: fortnight, requests_per_unit: 1 }
- key: b
- key: c
  share_threshold: true
  value: x
  descriptors:
  - key: d
    quota_mode: true
    rate_limit:
      unlimited: true
      unit: day
  - key: e*
    rate_limit:
      unit: day
      name: me
      replaces:
      - name: me
- key: f
  colour: red
";
    let error = Policies::from_envoy(text).unwrap_err();
    let expected = [
        "line 5: descriptors[0].value: expected text in quotes, found the number 404",
        r#"line 7: policy "d/b", rate_limit.unit: "fortnight" is not a unit: use second, minute, hour, day, week, month, year"#,
        r#"line 8: policy "d/b": key and value, joined by `_`, are in this list already: leave one out"#,
        r#"line 10: policy "d/c:x", share_threshold: only a value with `*` can share: leave it out"#,
        r#"line 14: policy "d/c:x/d", quota_mode: a quota that refuses only together with others cannot be imported: leave it out"#,
        r#"line 17: policy "d/c:x/d", rate_limit.unit: what is unlimited has no unit: leave out unit, or unlimited"#,
        r#"line 18: policy "d/c:x/e*", key: a key with `*` cannot be imported: only values may have it"#,
        r#"line 23: policy "d/c:x/e*", rate_limit.replaces[0].name: a rate limit cannot replace itself: leave it out"#,
    ];
    let lines: Vec<_> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines[..8], expected);
    assert!(
        lines[8].starts_with(r#"line 25: descriptors[4].colour: unknown field "colour": "#),
        "{}",
        lines[8]
    );
    assert_eq!(lines.len(), 9);
}

/// A tab in a key made policies that no set took: reading said nothing of it.
#[test]
fn what_no_policy_can_say_is_refused_when_it_is_read() {
    let error = Policies::from_envoy("{ domain: d, descriptors: [{ key: \"a\\tb\" }] }").unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 1: policy \"d/a\\tb\", key: \"envoy.1.a\\tb\" is no name for an attribute: use 1 to 1024 printable characters"
    );
    let domain = "d".repeat(2_000);
    let rule = "{ key: k, rate_limit: { unit: day, requests_per_unit: 5 } }";
    let error = Policies::from_envoy(&format!("{{ domain: {domain}, descriptors: [{rule}] }}")).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("match.envoy.domain: a pattern of 2000 bytes is too long: at most 1024"), "{told}");
}

#[test]
fn what_must_be_given_is_asked_for() {
    for (text, expected) in [
        ("", "domain: a file needs a domain"),
        ("{ domain: d, descriptors: [{ value: v }] }", "policy \"d/:v\", key: a descriptor needs a key"),
        (
            "{ domain: d, descriptors: [{ key: k, rate_limit: {} }] }",
            "policy \"d/k\", rate_limit.unit: a rate limit needs a unit: second, minute, hour, day, week, month, year",
        ),
        (
            "{ domain: d, descriptors: [{ key: k, rate_limit: { unit: day, replaces: [{}] } }] }",
            "policy \"d/k\", rate_limit.replaces[0].name: which rate limit is replaced? Give its name",
        ),
    ] {
        let error = Policies::from_envoy(text).unwrap_err();
        assert_eq!(error.to_string(), format!("line 1: {expected}"));
    }
}

#[test]
fn a_file_whose_policies_would_fill_the_memory_is_refused() {
    let value = |number| format!("- {{ key: k, value: v{number} }}\n");
    let nested = |number| format!("  - {{ key: k{number}, rate_limit: {{ unlimited: true }} }}\n");
    let values: String = (0..2_000).map(value).collect();
    let nested: String = (0..2_000).map(nested).collect();
    let text = format!("domain: d\ndescriptors:\n{values}- key: k\n  descriptors:\n{nested}");
    let error = Policies::from_envoy(&text).unwrap_err();
    assert_eq!(error.problems.len(), 1, "{error}");
    assert!(error.to_string().contains("would take more than 134217728 bytes"), "{error}");
}
