//! [`write_policies`]: what a file of policies puts in force, for people.

use std::io::{self, Write};

use comfy_table::ContentArrangement;

use super::table::plain_table;
use crate::policy::{
    Amount, BackendMode, Conditions, CostRule, Limit, Missing, OnFailure, Pattern, Percent, Policies, Policy,
    State,
};

/// The width of the table: what is longer goes on in the next line of its cell.
const WIDTH: u16 = 120;

const COLUMNS: [&str; 8] = ["id", "state", "priority", "scope", "match", "limits", "concurrency", "notes"];

/// Every state, with what is said of so many policies in it.
const STATES: [(State, &str); 4] = [
    (State::Active, "in force"),
    (State::Draft, "draft"),
    (State::Suspended, "suspended"),
    (State::Inactive, "inactive"),
];

/// Writes a table of the policies, and how many of them are in force.
///
/// # Errors
///
/// What `out` returns.
pub fn write_policies(policies: &Policies, out: &mut impl Write) -> io::Result<()> {
    if !policies.policy.is_empty() {
        let rows: Vec<Vec<String>> = policies.policy.iter().map(row).collect();
        // A column in which no policy has anything is left out.
        let kept: Vec<usize> =
            (0..COLUMNS.len()).filter(|column| rows.iter().any(|row| !row[*column].is_empty())).collect();
        let header = kept.iter().map(|column| COLUMNS[*column].to_owned()).collect();
        let rows = rows.iter().map(|row| kept.iter().map(|column| row[*column].clone()).collect());
        let mut table = plain_table(header, rows);
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
        writeln!(out, "{}\n", table.trim_fmt())?;
    }
    for tier in &policies.tier {
        let members: Vec<String> = tier.members.iter().map(ToString::to_string).collect();
        writeln!(out, "tier {}: {}", tier.name, members.join("; "))?;
    }
    writeln!(out, "{}", counts(policies))
}

/// `3 policies in force, 1 draft`.
fn counts(policies: &Policies) -> String {
    let count = |state: State| policies.policy.iter().filter(|policy| policy.state == state).count();
    let active = count(State::Active);
    let noun = if active == 1 { "policy" } else { "policies" };
    let mut text = format!("{active} {noun} {}", STATES[0].1);
    for (state, name) in STATES.into_iter().skip(1) {
        if count(state) > 0 {
            text = format!("{text}, {} {name}", count(state));
        }
    }
    text
}

/// A cell for each column.
fn row(policy: &Policy) -> Vec<String> {
    let condition = |(attribute, patterns): (&str, &[Pattern])| {
        Conditions::new().with(attribute, patterns.iter().map(Pattern::as_str)).to_string()
    };
    let matches: Vec<String> = policy.matches.iter().map(condition).collect();
    let limits: Vec<String> = policy.limits.iter().map(limit).collect();
    vec![
        policy.id.clone(),
        policy.state.to_string(),
        policy.priority.to_string(),
        policy.scope.to_string(),
        if matches.is_empty() { "everything".to_owned() } else { matches.join("\n") },
        limits.join("\n"),
        policy.concurrency.map(|places| places.to_string()).unwrap_or_default(),
        notes(policy).join("\n"),
    ]
}

/// How much, and by which rule if that is not the usual one.
fn limit(limit: &Limit) -> String {
    let amount = match limit.quota() {
        Ok(Some(quota)) => quota.to_string(),
        _ => limit.limit.to_string(),
    };
    let word = matches!(limit.limit, Amount::Unlimited | Amount::Block);
    let name = limit.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
    if word || limit.algorithm == Limit::new(limit.limit).algorithm {
        format!("{name}{amount}")
    } else {
        format!("{name}{amount} {}", limit.algorithm)
    }
}

/// All else that makes it what it is.
fn notes(policy: &Policy) -> Vec<String> {
    let mut notes = Vec::new();
    if policy.shadow {
        notes.push("shadow".to_owned());
    }
    if policy.enforce_percent != Percent::ALL {
        notes.push(format!(
            "enforced for {}% of keys",
            f64::from(policy.enforce_percent.hundredths()) / 100.0
        ));
    }
    match &policy.cost {
        CostRule::Fixed(1) => {}
        CostRule::Fixed(cost) => notes.push(format!("costs {cost}")),
        CostRule::Attribute(cost) => notes.push(format!("costs {}, else {}", cost.attribute, cost.otherwise)),
    }
    notes.extend(count(policy.allow.len(), "allow"));
    notes.extend(count(policy.deny.len(), "deny"));
    notes.extend(count(policy.overrides.len(), "overrides"));
    if !policy.replaces.is_empty() {
        notes.push(format!("replaces: {}", policy.replaces.join(", ")));
    }
    match policy.missing {
        Missing::Shared => {}
        Missing::Refuse => notes.push("missing: refuse".to_owned()),
        Missing::Pass => notes.push("missing: pass".to_owned()),
    }
    if let Some(backend) = &policy.backend {
        let failure = match policy.on_failure {
            OnFailure::Open => "open",
            OnFailure::Closed => "closed",
            OnFailure::Local => "local",
        };
        notes.push(format!("backend {backend}, on failure {failure}"));
        if policy.mode == BackendMode::Leased {
            notes.push("leased".to_owned());
        }
        notes.extend(policy.budget.map(|budget| format!("budget: {budget}")));
        notes.extend(policy.expected_nodes.map(|nodes| format!("expected nodes: {nodes}")));
    }
    notes.extend(policy.max_keys.map(|keys| format!("max keys: {keys}")));
    notes
}

fn count(count: usize, what: &str) -> Option<String> {
    (count > 0).then(|| format!("{what}: {count}"))
}
