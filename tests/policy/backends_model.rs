//! The same policies in memory, and some of them in a store: by the same clock both say the same.
//!
//! What those in memory say is held to the exact models elsewhere. Rates and waits here are whole microseconds, in which stores count.

use std::cell::Cell;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tollgate::distributed::{MemoryBackend, SharedStore, Source};
use tollgate::policy::{
    AlgorithmName, Attributes, CostRule, Limit, Missing, Policy, PolicySet, Scope, Standing, Verdict,
};
use tollgate::{Clock, ManualClock, Quota};

const IDS: [&str; 4] = ["one", "two", "three", "four"];
const USERS: [&str; 3] = ["ann", "bob", ""];

#[derive(Clone, Copy, Debug)]
enum How {
    Check,
    Peek,
    Refund(u64),
    Reset,
}

#[derive(Clone, Debug)]
enum Op {
    Apply(Vec<Policy>),
    Ask(Option<&'static str>, Option<&'static str>, Option<u64>, How),
    Wait(u64),
}

fn a_limit() -> impl Strategy<Value = Limit> {
    let algorithms =
        prop::sample::select(&[AlgorithmName::Gcra, AlgorithmName::TokenBucket, AlgorithmName::SlidingLog]);
    // Each divides a second into whole microseconds.
    let counts = prop::sample::select(&[1_u64, 2, 4, 5, 8]);
    let seconds = prop::sample::select(&[1_u64, 10, 60]);
    (algorithms, counts, seconds, prop::option::of(1..8_u64)).prop_map(
        |(algorithm, count, seconds, burst)| {
            let quota = Quota::new(count, Duration::from_secs(seconds)).unwrap();
            let burst = burst.filter(|_| algorithm.has_burst());
            Limit::of(algorithm, burst.map_or(quota, |burst| quota.burst(burst)))
        },
    )
}

fn a_policy(id: &'static str) -> impl Strategy<Value = Policy> {
    let scopes = prop::sample::subsequence(&["user", "route"], 0..=2);
    let rest = (0..3_u64, prop::bool::weighted(0.2), prop::bool::weighted(0.6), 0..2_i32);
    (vec(a_limit(), 1..3), scopes, rest).prop_map(move |(limits, scope, (cost, shadow, is_far, priority))| {
        let mut policy = Policy::new(id);
        (policy.limits, policy.scope) = (limits, Scope::of(scope));
        (policy.cost, policy.shadow, policy.priority) = (CostRule::Fixed(cost), shadow, priority);
        policy.missing = Missing::Shared;
        policy.backend = is_far.then(|| "store".to_owned());
        policy
    })
}

fn policies() -> impl Strategy<Value = Vec<Policy>> {
    let all = (a_policy(IDS[0]), a_policy(IDS[1]), a_policy(IDS[2]), a_policy(IDS[3]));
    (all, 1..=4_usize).prop_map(|((one, two, three, four), count)| {
        vec![one, two, three, four].into_iter().take(count).collect()
    })
}

fn op() -> impl Strategy<Value = Op> {
    let user = prop::option::weighted(0.9, prop::sample::select(&USERS));
    let route = prop::option::of(Just("/a"));
    let how = prop_oneof![
        20 => Just(How::Check),
        3 => Just(How::Peek),
        2 => (0..4_u64).prop_map(How::Refund),
        1 => Just(How::Reset),
    ];
    let cost = prop::option::weighted(0.2, 0..4_u64);
    prop_oneof![
        20 => (user, route, cost, how).prop_map(|(user, route, cost, how)| Op::Ask(user, route, cost, how)),
        4 => prop_oneof![0..3_u64, 0..1_000_000_u64, 0..70_000_000_u64].prop_map(Op::Wait),
    ]
}

struct Pair {
    here: PolicySet,
    there: PolicySet,
    hand: ManualClock,
    /// Then what was refused for less is refused without asking, by the wait for less.
    costs_differ: Cell<bool>,
}

impl Pair {
    fn new() -> Pair {
        let (clock, hand) = Clock::manual();
        let store = SharedStore::new(MemoryBackend::with_clock(clock.clone()));
        let here = PolicySet::builder().clock(clock.clone()).build();
        let there = PolicySet::builder().clock(clock).backend("store", &store).build();
        Pair { here, there, hand, costs_differ: Cell::new(false) }
    }

    async fn run(&self, op: Op) -> Result<(), TestCaseError> {
        match op {
            Op::Apply(policies) => {
                self.there.apply(policies.clone()).unwrap();
                let mut policies = policies;
                for policy in &mut policies {
                    policy.backend = None;
                }
                self.here.apply(policies).unwrap();
            }
            Op::Wait(micros) => self.hand.advance(Duration::from_micros(micros)),
            Op::Ask(user, route, cost, how) => {
                let mut request = Attributes::new();
                for (name, value) in [("user", user), ("route", route)] {
                    if let Some(value) = value {
                        request = request.with(name, value);
                    }
                }
                let query = |set| {
                    let query = PolicySet::query(set, &request);
                    cost.map_or(query, |cost| query.cost(cost))
                };
                let (here, there) = (query(&self.here), query(&self.there));
                self.costs_differ.set(self.costs_differ.get() || cost.is_some());
                let asked = |told: &Standing<'_>| told.source() != Some(Source::DenyCache);
                match how {
                    How::Check => {
                        let (here, there) = (here.check(), there.check_async().await);
                        prop_assert_eq!(there.is_allowed(), here.is_allowed(), "{:?}", here);
                        prop_assert_eq!(watched(&there), watched(&here));
                        compare(&here, &there, |told| asked(told) || !self.costs_differ.get())?;
                    }
                    How::Peek => {
                        let (here, there) = (here.peek().await, there.peek().await);
                        prop_assert_eq!(there.is_allowed(), here.is_allowed(), "{:?}", here);
                        prop_assert_eq!(watched(&there), watched(&here));
                        compare(&here, &there, |told| told.cost() == 1)?;
                    }
                    How::Refund(tokens) => {
                        prop_assert!(here.refund(tokens).await.is_ok() && there.refund(tokens).await.is_ok());
                    }
                    How::Reset => {
                        prop_assert_eq!(there.reset().await.ok(), here.reset().await.ok());
                    }
                }
            }
        }
        Ok(())
    }
}

fn watched(verdict: &Verdict) -> Vec<(String, bool)> {
    verdict.policies().map(|matched| (matched.policy().id.clone(), matched.refuses())).collect()
}

/// Rounded up: memory counts time in finer parts.
fn micros(time: Duration) -> u128 {
    time.as_nanos().div_ceil(1_000)
}

/// The same figures at each limit that was asked. (What is refused without asking is known by its wait.)
fn compare(
    here: &Verdict,
    there: &Verdict,
    knows_wait: impl Fn(&Standing<'_>) -> bool,
) -> Result<(), TestCaseError> {
    for told in there.limits() {
        let same = here.limits().find(|standing| standing.name() == told.name());
        let Some(same) = same else { return Err(TestCaseError::fail(format!("{told:?}"))) };
        let figures = |standing: &Standing<'_>| {
            let wait = standing.retry_after().filter(|_| knows_wait(&told)).map(micros);
            (standing.limit(), standing.cost(), standing.refuses(), wait)
        };
        prop_assert_eq!(figures(&told), figures(&same), "{}", told.name());
        if told.source() != Some(Source::DenyCache) {
            prop_assert_eq!(told.remaining(), same.remaining(), "{}", told.name());
            prop_assert_eq!(micros(told.reset_after()), micros(same.reset_after()), "{}", told.name());
        }
    }
    let knew_before = there.limits().any(|told| told.source() == Some(Source::DenyCache));
    if there.is_allowed() && !knew_before {
        prop_assert_eq!(there.limits().count(), here.limits().count());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_says_what_memory_says(policies in policies(), ops in vec(op(), 1..100)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let pair = Pair::new();
            for op in std::iter::once(Op::Apply(policies)).chain(ops) {
                pair.run(op).await?;
            }
            Ok::<_, TestCaseError>(())
        })?;
    }
}
