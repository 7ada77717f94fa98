//! What a check of a set of policies allocates: nothing.
#![cfg(feature = "policy")]
#![allow(clippy::unwrap_used, reason = "to fail is to panic")]

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tollgate::policy::{AlgorithmName, Attributes, Conditions, Limit, Policy, PolicySet, Scope};
use tollgate::{Clock, Quota};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_check_of_up_to_four_limits_allocates_nothing_admitted_or_refused() {
    let mut policies = Vec::new();
    for (number, route) in (0..100).map(|number| (number, format!("/routes/{number}/*"))) {
        let mut policy = Policy::new(format!("route-{number}"));
        policy.matches = Conditions::new().with("route", [route]).with("method", ["GET"]);
        policy.scope = Scope::of(["user", "route"]);
        policy.limits = vec![Limit::of(AlgorithmName::Gcra, Quota::per_minute(5))];
        policies.push(policy);
    }
    let mut all = Policy::new("all");
    all.limits = vec![Limit::of(AlgorithmName::FixedWindow, Quota::per_minute(1_000))];
    all.concurrency = Some(10);
    policies.push(all);
    let (clock, _hand) = Clock::manual();
    let set = PolicySet::builder().clock(clock).build();
    set.apply(policies).unwrap();
    let request = || Attributes::new().user("ann").route("/routes/7/x").method("GET");
    // The keys' places in the tables, and the thread's in the lists of readers.
    assert!(set.check(&request()).is_allowed());

    let region = Region::new(ALLOCATOR);
    let admitted = (0..10).filter(|_| set.check(&request()).is_allowed()).count();
    let change = region.change();
    assert_eq!(admitted, 4);
    assert_eq!((change.allocations, change.reallocations), (0, 0));
}
