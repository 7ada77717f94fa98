//! What the page is told, as JSON.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::policy::{BackendMode, Limit, Policies, Policy, State};
use crate::server::counting::{CALLER, Sample};
use crate::server::operate::BackendHealth;
use crate::server::service::Service;

/// As many policies are shown: beyond it a list is better read with the configuration API.
pub(super) const MOST_POLICIES: usize = 200;
/// As many keys are shown: who is refused most is seen among the first few.
const MOST_KEYS: usize = 10;

/// What has been counted since the service started.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Traffic {
    /// Milliseconds since the service started.
    pub(super) at: u64,
    /// Of all policies: admitted, refused.
    total: (u64, u64),
    /// Of the policies that are shown.
    #[serde(rename = "traffic")]
    policies: Vec<Counted>,
}

/// Name, admitted, refused.
#[derive(Clone, Debug)]
struct Counted(Arc<str>, u64, u64);

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&*self.0, self.1, self.2).serialize(serializer)
    }
}

impl Traffic {
    pub(super) fn of(service: &Service, at: u64, shown: &Policies) -> Traffic {
        let samples = service.samples();
        let total = samples.iter().fold((0, 0), |(admitted, refused), sample| {
            (admitted + sample.admitted, refused + sample.refused)
        });
        let names = shown.policy.iter().take(MOST_POLICIES).map(|policy| policy.id.as_str()).chain([CALLER]);
        let by_name =
            |name: &str| samples.binary_search_by(|sample: &Sample| (*sample.policy).cmp(name)).ok();
        let policies = names
            .filter_map(|name| samples.get(by_name(name)?))
            .map(|sample| Counted(Arc::clone(&sample.policy), sample.admitted, sample.refused))
            .collect();
        Traffic { at, total, policies }
    }
}

/// What the page is told each second.
#[derive(Debug, Serialize)]
pub(super) struct Now<'a> {
    #[serde(flatten)]
    traffic: &'a Traffic,
    service: Running,
    top: Vec<RefusedKey>,
    backends: Vec<Backend>,
}

#[derive(Debug, Serialize)]
struct Running {
    state: &'static str,
    uptime: u64,
    version: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RefusedKey {
    policy: String,
    key: String,
    refused: u64,
    too_many_by: u64,
}

#[derive(Debug, Serialize)]
struct Backend {
    name: String,
    state: &'static str,
    /// Parts that can fail by themselves, and how many of them are not asked because their breaker is open.
    domains: usize,
    open: usize,
    /// How many nodes count there, if the backend has said so.
    nodes: Option<u32>,
    connections: u64,
    losses: u64,
    timeouts: u64,
    warnings: Vec<String>,
}

impl<'a> Now<'a> {
    pub(super) fn of(service: &Service, traffic: &'a Traffic) -> Now<'a> {
        let health = service.health.report(&service.backends);
        let running = Running {
            state: health.state.as_str(),
            uptime: traffic.at / 1000,
            version: env!("CARGO_PKG_VERSION"),
        };
        let top = service.activity.top(MOST_KEYS).into_iter().map(|entry| RefusedKey {
            policy: entry.policy,
            key: entry.key,
            refused: entry.refused,
            too_many_by: entry.at_most_too_many_by,
        });
        let backends = health.backends.into_iter().map(|health| Backend::of(service, health));
        Now { traffic, service: running, top: top.collect(), backends: backends.collect() }
    }
}

impl Backend {
    fn of(service: &Service, health: BackendHealth) -> Backend {
        let backend = service.backends.get(&health.name);
        let warnings = backend.map(|backend| backend.redis.warnings()).unwrap_or_default();
        Backend {
            state: health.state.as_str(),
            domains: health.domains,
            open: health.open,
            nodes: health.nodes,
            connections: health.connections,
            losses: backend.map_or(0, |backend| backend.redis.stats().losses),
            timeouts: backend.map_or(0, |backend| backend.store.stats().timeouts),
            warnings: warnings.iter().map(ToString::to_string).collect(),
            name: health.name,
        }
    }
}

/// The policies, told when they change.
#[derive(Debug, Serialize)]
pub(super) struct PolicyList<'a> {
    total: usize,
    /// Whether limits may come with a request.
    callers: bool,
    policies: Vec<Shown<'a>>,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    id: &'a str,
    name: Option<&'a str>,
    state: &'static str,
    /// The states that it can go to.
    next: Vec<&'static str>,
    limits: Vec<String>,
    notes: Vec<String>,
}

impl<'a> PolicyList<'a> {
    pub(super) fn of(policies: &'a Policies, callers: bool) -> PolicyList<'a> {
        let shown = policies.policy.iter().take(MOST_POLICIES).map(|policy| Shown {
            id: &policy.id,
            name: policy.name.as_deref(),
            state: policy.state.as_str(),
            next: policy.state.successors().iter().copied().map(State::as_str).collect(),
            limits: policy.limits.iter().map(limit_in_words).collect(),
            notes: notes(policy),
        });
        PolicyList { total: policies.policy.len(), callers, policies: shown.collect() }
    }
}

fn limit_in_words(limit: &Limit) -> String {
    let window = limit.window.as_ref().map(|window| format!("in {window}"));
    let burst = limit.burst.map(|burst| format!("burst {burst}"));
    let words = [Some(limit.algorithm.to_string()), Some(limit.limit.to_string()), window, burst];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// What else is worth knowing at a glance.
fn notes(policy: &Policy) -> Vec<String> {
    let by: Vec<_> = policy.scope.attributes().collect();
    let scope = if by.is_empty() { "all together".to_owned() } else { format!("by {}", by.join(" and ")) };
    let backend = policy.backend.as_ref().map(|backend| match policy.mode {
        BackendMode::Leased => format!("in {backend}, leased"),
        BackendMode::Direct => format!("in {backend}"),
    });
    [
        Some(scope),
        policy.concurrency.map(|most| format!("{most} at a time")),
        policy.shadow.then(|| "shadow: refuses nobody".to_owned()),
        backend,
    ]
    .into_iter()
    .flatten()
    .collect()
}
