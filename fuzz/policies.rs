//! What is true of all policies that were read, and of all texts that were not.

use tollgate::policy::{Attributes, Format, Policies, PolicySet, Problem};

/// Policies that were read are in force when they are applied, and are the same when they are written and read again.
pub fn check(policies: &Policies) {
    let set = PolicySet::new();
    // A backend that was not handed in is the only thing that a file cannot know.
    let has_backend = policies.policy.iter().any(|policy| policy.backend.is_some());
    match set.apply(policies.clone()) {
        Ok(_) => drop(set.check(&Attributes::new().user("ann").with("method", "POST"))),
        Err(error) => assert!(has_backend, "{error}"),
    }
    let json = serde_json::to_string(policies).unwrap();
    assert_eq!(&Policies::parse(&json, Format::Json).unwrap(), policies);
    // TOML has no numbers above those of 64 bits with a sign.
    if let Ok(toml) = toml::to_string(policies) {
        assert_eq!(&Policies::parse(&toml, Format::Toml).unwrap(), policies);
    }
}

/// What is wrong is told in few lines, with places in the text.
pub fn check_problems(problems: &[Problem], text: &str) {
    assert!((1..=100).contains(&problems.len()));
    // YAML begins a line after a bare carriage return, too.
    let lines = text.split(['\n', '\r']).count();
    for problem in problems {
        assert!(problem.line as usize <= lines, "{problem}");
        let shown = problem.to_string();
        assert!(shown.len() < 4_000 && !shown.contains(char::is_control), "{shown:?}");
    }
}
