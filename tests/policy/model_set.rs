//! Any changes and checks against a model that knows nothing of indexes, versions or shared tables: it asks every policy about every request, and its
//! limits are the exact models of the algorithms.

use std::collections::HashMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tollgate::policy::{
    AlgorithmName, Amount, Attributes, Conditions, Limit, Missing, Override, Policy, PolicyError, PolicySet,
    Reason, Scope, State, Verdict,
};
use tollgate::{Clock, ManualClock, Quota};

use crate::model::rules::{Fixed, Log, Rule, Sliding, Tokens, Windows};

/// What a request says: user, route, tier. Few values, so that they meet again and again.
type Request = [Option<&'static str>; 3];

const NAMES: [&str; 3] = ["user", "route", "tier"];
const USERS: [&str; 3] = ["ann", "bob", "b*b"];
const ROUTES: [&str; 4] = ["/a", "/a/x", "/a/x/y", "/b"];
const TIERS: [&str; 2] = ["free", "gold"];
/// With what each fits: a star for any run without a slash, two for any run.
const ROUTE_PATTERNS: [(&str, &[&str]); 5] = [
    ("/a", &["/a"]),
    ("/a/*", &["/a/x"]),
    ("/a/**", &["/a/x", "/a/x/y"]),
    ("**", &["/a", "/a/x", "/a/x/y", "/b"]),
    ("/*/x", &["/a/x"]),
];
const USER_PATTERNS: [(&str, &[&str]); 4] =
    [("ann", &["ann"]), ("b*", &["bob", "b*b"]), ("*b", &["bob", "b*b"]), ("b\\*b", &["b*b"])];
const IDS: [&str; 4] = ["one", "two", "three", "four"];

fn fits(pattern: &str, value: &str) -> bool {
    let known = ROUTE_PATTERNS.iter().chain(&USER_PATTERNS).find(|(text, _)| *text == pattern);
    known.map_or(pattern == value, |(_, values)| values.contains(&value))
}

fn fit(conditions: &Conditions, request: &Request) -> bool {
    conditions.iter().all(|(name, patterns)| {
        let value = NAMES.iter().position(|known| *known == name).and_then(|place| request[place]);
        value.is_some_and(|value| patterns.iter().any(|pattern| fits(pattern.as_str(), value)))
    })
}

/// A limit by its exact model.
#[derive(Clone, Debug)]
enum Model {
    Tokens(Counted<Tokens>),
    Fixed(Counted<Fixed>),
    Sliding(Counted<Sliding>),
    Log(Counted<Log>),
}

type Key = Vec<Option<&'static str>>;

#[derive(Clone, Debug)]
struct Counted<R: Rule> {
    rule: R,
    keys: HashMap<Key, R::State>,
}

/// What a verdict says of a limit.
#[derive(Debug, PartialEq)]
struct Told {
    policy: String,
    limit: u64,
    remaining: u64,
    refuses: bool,
    retry_after: Option<Duration>,
}

impl<R: Rule> Counted<R> {
    fn new(rule: R) -> Counted<R> {
        Counted { rule, keys: HashMap::new() }
    }

    fn state(&self, key: &Key) -> R::State {
        self.keys.get(key).cloned().unwrap_or_default()
    }

    fn told(&self, policy: &str, key: &Key, now: u64, cost: u64, taken: bool) -> Told {
        let state = self.state(key);
        let fits = |time, cost| self.rule.fits(&state, time, cost);
        let remaining = greatest(self.rule.limit(), |tokens| fits(now, tokens));
        let first = first(now, |time| fits(time, cost));
        let retry_after = first.map(|time| Duration::from_nanos(time - now));
        let refuses = !taken && !fits(now, cost);
        Told { policy: policy.to_owned(), limit: self.rule.limit(), remaining, refuses, retry_after }
    }
}

fn greatest(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    (1..=most).take_while(|number| holds(*number)).last().unwrap_or(0)
}

fn first(now: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    if !holds(u64::MAX) {
        return None;
    }
    let (mut low, mut high) = (now, u64::MAX);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    Some(high)
}

macro_rules! of_any {
    ($model:expr, $counted:ident => $value:expr) => {
        match $model {
            Model::Tokens($counted) => $value,
            Model::Fixed($counted) => $value,
            Model::Sliding($counted) => $value,
            Model::Log($counted) => $value,
        }
    };
}

impl Model {
    fn new(algorithm: AlgorithmName, quota: Quota, now: u64) -> Model {
        let (limit, length) = (quota.count(), nanos(quota));
        match algorithm {
            AlgorithmName::Gcra | AlgorithmName::TokenBucket => {
                Model::Tokens(Counted::new(Tokens::evenly(quota, now)))
            }
            AlgorithmName::LeakyBucket => Model::Tokens(Counted::new(Tokens::queue(quota, now))),
            AlgorithmName::FixedWindow => {
                Model::Fixed(Counted::new(Fixed { limit, windows: Windows { length, start: now } }))
            }
            AlgorithmName::SlidingWindow => {
                Model::Sliding(Counted::new(Sliding { limit, windows: Windows { length, start: now } }))
            }
            _ => Model::Log(Counted::new(Log { limit, window: length })),
        }
    }

    /// Goes on under another quota, if a running limiter takes it.
    fn go_on(&mut self, quota: Quota, now: u64) -> bool {
        match self {
            Model::Tokens(counted) => return counted.rule.requote(quota, now).is_ok(),
            Model::Fixed(counted) => counted.rule.limit = quota.count(),
            Model::Sliding(counted) => counted.rule.limit = quota.count(),
            Model::Log(counted) => counted.rule.limit = quota.count(),
        }
        true
    }

    fn fits(&self, key: &Key, now: u64, cost: u64) -> bool {
        of_any!(self, counted => counted.rule.fits(&counted.state(key), now, cost))
    }

    fn charge(&mut self, key: &Key, now: u64, cost: u64) {
        of_any!(self, counted => {
            let mut state = counted.state(key);
            // To spend nothing changes nothing.
            if cost > 0 {
                counted.rule.charge(&mut state, now, cost);
            }
            counted.keys.insert(key.clone(), state);
        });
    }

    fn told(&self, policy: &str, key: &Key, now: u64, cost: u64, taken: bool) -> Told {
        of_any!(self, counted => counted.told(policy, key, now, cost, taken))
    }

    fn reset(&mut self, key: &Key) {
        of_any!(self, counted => { counted.keys.remove(key); });
    }
}

fn nanos(quota: Quota) -> u64 {
    u64::try_from(quota.period().as_nanos()).unwrap()
}

fn quota(limit: &Limit) -> Option<(AlgorithmName, Quota)> {
    match limit.limit {
        Amount::Quota(quota) => Some((limit.algorithm, quota)),
        _ => None,
    }
}

type Limits = Vec<((AlgorithmName, Quota), Model)>;

/// Policies in the order of a file, and the state of those that keep any.
#[derive(Clone, Debug, Default)]
struct ModelSet {
    policies: Vec<Policy>,
    states: HashMap<String, Limits>,
}

impl ModelSet {
    fn apply(&mut self, policies: Vec<Policy>, now: u64) {
        let mut states = HashMap::new();
        for policy in
            policies.iter().filter(|policy| matches!(policy.state, State::Active | State::Suspended))
        {
            let old = self.policies.iter().find(|old| old.id == policy.id && old.scope == policy.scope);
            let mut left = old.and_then(|old| self.states.remove(&old.id)).unwrap_or_default();
            let wanted: Vec<_> = policy.limits.iter().filter_map(quota).collect();
            let mut limits: Vec<Option<Model>> = vec![None; wanted.len()];
            for (spec, limit) in wanted.iter().zip(&mut limits) {
                *limit = left.iter().position(|(old, _)| old == spec).map(|place| left.remove(place).1);
            }
            let mut found: Vec<Option<Model>> = vec![None; wanted.len()];
            for any_period in [false, true] {
                for (place, (algorithm, quota)) in wanted.iter().enumerate() {
                    if limits[place].is_some() || found[place].is_some() {
                        continue;
                    }
                    let same = |((old, before), _): &((AlgorithmName, Quota), Model)| {
                        old == algorithm
                            && (any_period && algorithm.has_burst() || nanos(*before) == nanos(*quota))
                    };
                    found[place] = left.iter().position(same).map(|place| left.remove(place).1);
                }
            }
            for ((algorithm, quota), (limit, kept)) in wanted.iter().zip(limits.iter_mut().zip(found)) {
                if limit.is_none() {
                    let kept = kept.and_then(|mut model| model.go_on(*quota, now).then_some(model));
                    *limit = Some(kept.unwrap_or_else(|| Model::new(*algorithm, *quota, now)));
                }
            }
            let limits = wanted.into_iter().zip(limits.into_iter().flatten()).collect();
            states.insert(policy.id.clone(), limits);
        }
        (self.policies, self.states) = (policies, states);
    }

    /// Those that concern a request, of those that are wanted.
    fn concerned(&self, asked: &Asked) -> Vec<&Policy> {
        let request = &asked.request;
        let mut concerned: Vec<&Policy> =
            self.policies.iter().filter(|policy| concerns(policy, request)).collect();
        concerned.sort_by_key(|policy| std::cmp::Reverse(policy.priority));
        let enforced = concerned.iter().filter(|policy| !policy.shadow);
        let replaced: Vec<&String> = enforced.flat_map(|policy| &policy.replaces).collect();
        concerned.retain(|policy| !replaced.contains(&&policy.id) && asked.only.wants(policy));
        concerned
    }

    /// Says of how many limits.
    fn reset(&mut self, asked: &Asked) -> usize {
        let concerned: Vec<Policy> = self.concerned(asked).into_iter().cloned().collect();
        let counted = |policy: &&Policy| {
            let denied = policy.deny.iter().any(|conditions| fit(conditions, &asked.request));
            let lost = policy.missing == Missing::Refuse && key(policy, &asked.request).contains(&None);
            !denied && !lost
        };
        let mut reset = 0;
        for policy in concerned.iter().filter(counted) {
            for (_, model) in self.states.get_mut(&policy.id).unwrap() {
                model.reset(&key(policy, &asked.request));
                reset += 1;
            }
        }
        reset
    }

    fn check(&mut self, asked: &Asked, now: u64) -> (Option<Reason>, Vec<String>, Vec<Told>) {
        let request = &asked.request;
        let concerned: Vec<Policy> = self.concerned(asked).into_iter().cloned().collect();
        let mut matched = Vec::new();
        let (mut enforced, mut watched): (Vec<&Policy>, Vec<&Policy>) = (Vec::new(), Vec::new());
        let mut floor = i32::MIN;
        for policy in &concerned {
            if policy.priority < floor {
                break;
            }
            matched.push(policy.id.clone());
            let word = policy.limits.first().map(|limit| limit.limit);
            let denied = policy.deny.iter().any(|conditions| fit(conditions, request));
            let lost = policy.missing == Missing::Refuse && key(policy, request).contains(&None);
            let reason = if denied {
                Some(Reason::Denied)
            } else if word == Some(Amount::Block) {
                Some(Reason::Blocked)
            } else {
                lost.then_some(Reason::MissingKey)
            };
            match (reason, policy.shadow) {
                (Some(_), true) => {}
                (Some(reason), false) => return (Some(reason), matched, Vec::new()),
                (None, shadow) if word == Some(Amount::Unlimited) => {
                    floor = if shadow { floor } else { policy.priority };
                }
                (None, true) => watched.push(policy),
                (None, false) => enforced.push(policy),
            }
        }
        let (all, told) = take(&mut self.states, &enforced, asked, now);
        if !all {
            return (Some(Reason::LimitReached), matched, told);
        }
        let watched = watched.iter().flat_map(|policy| take(&mut self.states, &[*policy], asked, now).1);
        let watched: Vec<_> = watched.collect();
        (None, matched, told.into_iter().chain(watched).collect())
    }
}

/// From all limits or from none, and where they stand then.
fn take(
    states: &mut HashMap<String, Limits>,
    policies: &[&Policy],
    asked: &Asked,
    now: u64,
) -> (bool, Vec<Told>) {
    let request = &asked.request;
    let cost = |policy: &Policy| match policy.cost {
        _ if asked.cost.is_some() => asked.cost.unwrap_or(0),
        tollgate::policy::CostRule::Fixed(cost) => cost,
        _ => 1,
    };
    let spends = asked.how == How::Check;
    let all = policies.iter().all(|policy| {
        let key = key(policy, request);
        states[&policy.id].iter().all(|(_, model)| model.fits(&key, now, cost(policy)))
    });
    let mut told = Vec::new();
    for policy in policies {
        let key = key(policy, request);
        for (_, model) in states.get_mut(&policy.id).unwrap() {
            if all && spends {
                model.charge(&key, now, cost(policy));
            }
            told.push(model.told(&policy.id, &key, now, cost(policy), all && spends));
        }
    }
    (all, told)
}

fn concerns(policy: &Policy, request: &Request) -> bool {
    policy.state == State::Active
        && fit(&policy.matches, request)
        && !policy.allow.iter().any(|conditions| fit(conditions, request))
        && !(policy.missing == Missing::Pass && key(policy, request).contains(&None))
}

fn key(policy: &Policy, request: &Request) -> Key {
    let place = |name| NAMES.iter().position(|known| *known == name).unwrap();
    policy.scope.attributes().map(|name| request[place(name)]).collect()
}

/// A request, and what is asked about it.
#[derive(Clone, Debug)]
struct Asked {
    request: Request,
    cost: Option<u64>,
    only: Only,
    how: How,
}

#[derive(Clone, Copy, Debug)]
enum Only {
    All,
    Policy(&'static str),
    Algorithm(AlgorithmName),
}

impl Only {
    fn wants(self, policy: &Policy) -> bool {
        match self {
            Only::All => true,
            Only::Policy(id) => policy.id == id,
            Only::Algorithm(name) => {
                policy.limits.iter().filter_map(quota).any(|(algorithm, _)| algorithm == name)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Check,
    Peek,
    Reset,
}

#[derive(Clone, Debug)]
enum Op {
    Apply(Vec<Policy>),
    Again,
    Upsert(Box<Policy>),
    Remove(usize),
    Transition(usize, State),
    Rollback(usize),
    Ask(Asked),
    Wait(u64),
}

fn a_state() -> impl Strategy<Value = State> {
    prop_oneof![8 => Just(State::Active), 1 => Just(State::Suspended), 1 => Just(State::Inactive), 1 => Just(State::Draft)]
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let user = prop::sample::select(&USER_PATTERNS).prop_map(|(text, _)| text);
    let route = prop::sample::select(&ROUTE_PATTERNS).prop_map(|(text, _)| text);
    let tier = prop::sample::subsequence(&TIERS, 1..=2);
    (prop::option::weighted(0.3, user), prop::option::weighted(0.4, route), prop::option::weighted(0.3, tier))
        .prop_map(|(user, route, tier)| {
            let mut conditions = Conditions::new();
            for (name, pattern) in [("user", user), ("route", route)] {
                if let Some(pattern) = pattern {
                    conditions = conditions.with(name, [pattern]);
                }
            }
            tier.map_or(conditions.clone(), |tiers| conditions.with("tier", tiers))
        })
}

fn some_conditions() -> impl Strategy<Value = Vec<Conditions>> {
    let some = conditions().prop_filter("everybody", |conditions| !conditions.is_empty());
    prop_oneof![6 => Just(Vec::new()), 1 => vec(some, 1..3)]
}

fn a_limit() -> impl Strategy<Value = Limit> {
    let algorithm = prop::sample::select(&[
        AlgorithmName::Gcra,
        AlgorithmName::TokenBucket,
        AlgorithmName::FixedWindow,
        AlgorithmName::SlidingWindow,
        AlgorithmName::SlidingLog,
    ]);
    let seconds = prop::sample::select(&[1_u64, 7, 60]);
    (algorithm, 0..6_u64, seconds, prop::option::of(1..8_u64)).prop_map(
        |(algorithm, count, seconds, burst)| {
            let quota = Quota::new(count, Duration::from_secs(seconds)).unwrap();
            let burst = burst.filter(|_| algorithm.has_burst());
            Limit::of(algorithm, burst.map_or(quota, |burst| quota.burst(burst)))
        },
    )
}

fn place_of(id: &str) -> Option<usize> {
    IDS.iter().position(|known| *known == id)
}

fn limits() -> impl Strategy<Value = Vec<Limit>> {
    prop_oneof![
        12 => vec(a_limit(), 1..3),
        1 => Just(vec![Limit::new(Amount::Unlimited)]),
        1 => Just(vec![Limit::new(Amount::Block)]),
    ]
}

fn policy(id: &'static str) -> impl Strategy<Value = Policy> {
    let missing = prop::sample::select(&[Missing::Shared, Missing::Shared, Missing::Refuse, Missing::Pass]);
    let names = prop::sample::subsequence(&NAMES, 0..=2);
    let rest = (
        0..3_i32,
        prop::bool::weighted(0.15),
        0..3_u64,
        prop::option::weighted(0.15, prop::sample::select(&IDS)),
    );
    (a_state(), conditions(), some_conditions(), some_conditions(), names, missing, limits(), rest).prop_map(
        move |(state, matches, allow, deny, names, missing, limits, (priority, shadow, cost, replaced))| {
            let mut policy = Policy::new(id);
            (policy.state, policy.matches, policy.allow, policy.deny) = (state, matches, allow, deny);
            (policy.scope, policy.missing, policy.limits) = (Scope::of(names), missing, limits);
            (policy.priority, policy.shadow) = (priority, shadow);
            policy.cost = tollgate::policy::CostRule::Fixed(cost);
            // Only those that come later, so that none leads back.
            policy.replaces = replaced
                .into_iter()
                .filter(|other| place_of(other) > place_of(id))
                .map(|id| (*id).to_owned())
                .collect();
            policy
        },
    )
}

fn policies() -> impl Strategy<Value = Vec<Policy>> {
    let all = (policy(IDS[0]), policy(IDS[1]), policy(IDS[2]), policy(IDS[3]));
    (all, 1..16_usize).prop_map(|((one, two, three, four), which)| {
        let all = [one, two, three, four].into_iter().enumerate();
        let mut some: Vec<_> =
            all.filter(|(place, _)| which & (1 << place) > 0).map(|(_, policy)| policy).collect();
        let ids: Vec<_> = some.iter().map(|policy| policy.id.clone()).collect();
        for policy in &mut some {
            policy.replaces.retain(|id| ids.contains(id));
        }
        some
    })
}

fn request() -> impl Strategy<Value = Request> {
    let some = |values: &'static [&'static str]| prop::option::weighted(0.8, prop::sample::select(values));
    (some(&USERS), some(&ROUTES), some(&TIERS)).prop_map(|(user, route, tier)| [user, route, tier])
}

fn asked() -> impl Strategy<Value = Asked> {
    let only = prop_oneof![
        6 => Just(Only::All),
        1 => prop::sample::select(&IDS).prop_map(Only::Policy),
        1 => prop::sample::select(&[AlgorithmName::Gcra, AlgorithmName::FixedWindow]).prop_map(Only::Algorithm),
    ];
    let how = prop_oneof![20 => Just(How::Check), 3 => Just(How::Peek), 1 => Just(How::Reset)];
    (request(), prop::option::weighted(0.2, 0..4_u64), only, how)
        .prop_map(|(request, cost, only, how)| Asked { request, cost, only, how })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => policies().prop_map(Op::Apply),
        1 => Just(Op::Again),
        1 => prop::sample::select(&IDS).prop_flat_map(policy).prop_map(|policy| Op::Upsert(Box::new(policy))),
        1 => (0..4_usize).prop_map(Op::Remove),
        2 => (0..4_usize, a_state()).prop_map(|(place, state)| Op::Transition(place, state)),
        1 => (0..6_usize).prop_map(Op::Rollback),
        25 => asked().prop_map(Op::Ask),
        4 => prop_oneof![0..3_u64, 0..2_000_000_000_u64, 0..70_000_000_000_u64].prop_map(Op::Wait),
    ]
}

/// The set and its model.
struct Pair {
    set: PolicySet,
    hand: ManualClock,
    now: u64,
    model: ModelSet,
    versions: Vec<(u64, Vec<Policy>)>,
}

impl Pair {
    fn new() -> Pair {
        let (clock, hand) = Clock::manual();
        let set = PolicySet::builder().clock(clock).keep_versions(1_000).build();
        Pair { set, hand, now: 0, model: ModelSet::default(), versions: Vec::new() }
    }

    fn run(&mut self, op: Op) -> Result<(), TestCaseError> {
        match op {
            Op::Apply(mut policies) => {
                // A state to which there is no way is a test of its own.
                for policy in &mut policies {
                    let old = self.model.policies.iter().find(|old| old.id == policy.id);
                    policy.state = old
                        .map_or(policy.state, |old| old.state.transition(policy.state).unwrap_or(old.state));
                }
                let change = self.set.apply(policies.clone()).map_err(wrong)?;
                self.changed(change.version, policies);
            }
            Op::Again => {
                let policies = self.model.policies.clone();
                let change = self.set.apply(policies.clone()).map_err(wrong)?;
                prop_assert!(change.is_empty() && change.restarted.is_empty(), "{change}");
                self.changed(change.version, policies);
            }
            Op::Upsert(policy) => self.upsert(*policy)?,
            Op::Remove(place) => {
                let id = IDS[place];
                let policies: Vec<_> =
                    self.model.policies.iter().filter(|policy| policy.id != id).cloned().collect();
                let known = policies.len() < self.model.policies.len();
                let named = policies.iter().any(|policy| policy.replaces.iter().any(|other| other == id));
                match self.set.remove(id) {
                    Ok(change) if known && !named => self.changed(change.version, policies),
                    Err(PolicyError::UnknownPolicy { .. }) if !known => {}
                    Err(PolicyError::Invalid { .. }) if known && named => {}
                    other => return Err(TestCaseError::fail(format!("{other:?}"))),
                }
            }
            Op::Transition(place, state) => self.transition(IDS[place], state)?,
            Op::Rollback(back) => {
                let Some((version, policies)) = self.versions.iter().rev().nth(back).cloned() else {
                    return Ok(());
                };
                let change = self.set.rollback(version).map_err(wrong)?;
                self.changed(change.version, policies);
            }
            Op::Ask(asked) => self.ask(&asked)?,
            Op::Wait(nanos) => {
                self.now += nanos;
                self.hand.advance(Duration::from_nanos(nanos));
            }
        }
        Ok(())
    }

    fn changed(&mut self, version: u64, policies: Vec<Policy>) {
        self.model.apply(policies.clone(), self.now);
        self.versions.push((version, policies));
    }

    fn upsert(&mut self, mut policy: Policy) -> Result<(), TestCaseError> {
        let mut policies = self.model.policies.clone();
        policy.replaces.retain(|id| policies.iter().any(|other| other.id == *id));
        match policies.iter_mut().find(|other| other.id == policy.id) {
            Some(old) => {
                policy.state = old.state.transition(policy.state).unwrap_or(old.state);
                *old = policy.clone();
            }
            None => policies.push(policy.clone()),
        }
        let change = self.set.upsert(policy).map_err(wrong)?;
        self.changed(change.version, policies);
        Ok(())
    }

    fn transition(&mut self, id: &str, state: State) -> Result<(), TestCaseError> {
        let mut policies = self.model.policies.clone();
        let policy = policies.iter_mut().find(|policy| policy.id == id);
        let may = policy.map(|policy| {
            let may = policy.state == state || policy.state.successors().contains(&state);
            policy.state = state;
            may
        });
        match (self.set.transition(id, state), may) {
            (Ok(change), Some(true)) => self.changed(change.version, policies),
            (Err(PolicyError::Transition { .. }), Some(false))
            | (Err(PolicyError::UnknownPolicy { .. }), None) => {}
            (other, _) => return Err(TestCaseError::fail(format!("{other:?}"))),
        }
        Ok(())
    }

    fn ask(&mut self, asked: &Asked) -> Result<(), TestCaseError> {
        let mut attributes = Attributes::new();
        for (name, value) in NAMES.iter().zip(asked.request) {
            if let Some(value) = value {
                attributes = attributes.with(name, value);
            }
        }
        let mut query = self.set.query(&attributes);
        if let Some(cost) = asked.cost {
            query = query.cost(cost);
        }
        query = match asked.only {
            Only::All => query,
            Only::Policy(id) => query.only_policy(id),
            Only::Algorithm(name) => query.only_algorithm(name),
        };
        let verdict = match asked.how {
            // What is not told more precisely has a way of its own.
            How::Check if asked.cost.is_none() && matches!(asked.only, Only::All) => {
                self.set.check(&attributes)
            }
            How::Check => query.check(),
            How::Peek => at_once(query.peek()),
            How::Reset => {
                let reset = at_once(query.reset()).map_err(wrong)?;
                prop_assert_eq!(reset, self.model.reset(asked));
                return Ok(());
            }
        };
        let (reason, matched, told) = self.model.check(asked, self.now);
        prop_assert_eq!(verdict.reason(), reason, "{:?}", asked);
        let ids: Vec<_> = verdict.policies().map(|policy| policy.policy().id.clone()).collect();
        prop_assert_eq!(ids, matched);
        if !matches!(reason, None | Some(Reason::LimitReached)) {
            return Ok(());
        }
        prop_assert_eq!(said_by(&verdict), told);
        prop_assert_eq!(verdict.version(), self.set.version());
        Ok(())
    }
}

/// What needs nobody but memory is there when it is first asked for.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits"),
    }
}

fn said_by(verdict: &Verdict) -> Vec<Told> {
    let one = |standing: tollgate::policy::Standing<'_>| Told {
        policy: standing.policy().to_owned(),
        limit: standing.limit(),
        remaining: standing.remaining(),
        refuses: standing.refuses(),
        retry_after: standing.retry_after(),
    };
    verdict.limits().map(one).collect()
}

fn wrong(error: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_changes_and_checks_are_those_of_the_model(ops in vec(op(), 1..150)) {
        let mut pair = Pair::new();
        for op in ops {
            pair.run(op)?;
        }
    }
}

/// An override is a limit of its own.
#[test]
fn overrides_are_counted_apart() {
    let (clock, _hand) = Clock::manual();
    let set = PolicySet::builder().clock(clock).build();
    let mut policy = Policy::new("api");
    policy.limits = vec![Limit::of(AlgorithmName::SlidingLog, Quota::per_minute(2))];
    let gold = Override::new(Conditions::new().with("tier", ["gold"]), Amount::Quota(Quota::per_minute(3)));
    policy.overrides = vec![gold];
    set.apply(vec![policy]).unwrap();
    let admitted = |tier| (0..9).filter(|_| set.check(&Attributes::new().tier(tier)).is_allowed()).count();
    assert_eq!((admitted("free"), admitted("gold"), admitted("free")), (2, 3, 0));
}
