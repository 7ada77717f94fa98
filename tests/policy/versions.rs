//! Changes under load, and what they mean for keys that have spent already.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tollgate::policy::{AlgorithmName, Attributes, Limit, Policy, PolicySet, Scope, Verdict};
use tollgate::{Clock, Quota};

const RATES: [AlgorithmName; 6] = [
    AlgorithmName::Gcra,
    AlgorithmName::TokenBucket,
    AlgorithmName::LeakyBucket,
    AlgorithmName::FixedWindow,
    AlgorithmName::SlidingWindow,
    AlgorithmName::SlidingLog,
];

/// One policy for each algorithm, the limit of each being `limit`; and a concurrency cap of as many.
fn of_all_kinds(limit: u64) -> Vec<Policy> {
    let policies = RATES.iter().map(|algorithm| {
        let mut policy = Policy::new(algorithm.as_str());
        let quota = Quota::new(limit, Duration::from_secs(3_600)).unwrap();
        policy.limits = vec![Limit::of(*algorithm, quota)];
        policy.scope = Scope::of(["user"]);
        policy.concurrency = Some(limit);
        policy
    });
    policies.collect()
}

fn limit_of(version: u64) -> u64 {
    3 + version % 11
}

fn assert_of_one_version(verdict: &Verdict) {
    let limit = limit_of(verdict.version());
    let mut standings = 0;
    for standing in verdict.limits() {
        assert_eq!(standing.limit(), limit, "{} in version {}", standing.name(), verdict.version());
        standings += 1;
    }
    assert_eq!(standings, 2 * RATES.len());
}

#[test]
fn a_verdict_is_wholly_of_one_version_while_others_come_and_go() {
    const CHANGES: u64 = 10_000;
    let set = PolicySet::new();
    set.apply(of_all_kinds(limit_of(1))).unwrap();
    let (done, seen) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for worker in 0..8_u64 {
            let (set, done, seen) = (&set, &done, &seen);
            scope.spawn(move || {
                let mut last = 0;
                for round in 0.. {
                    let user = format!("user {}", (round * 8 + worker) % 50);
                    let verdict = set.check(&Attributes::new().user(&user));
                    assert_of_one_version(&verdict);
                    assert!(verdict.version() >= last, "time goes forward");
                    seen.fetch_add(u64::from(verdict.version() != last), Ordering::Relaxed);
                    last = verdict.version();
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        for version in 2..=CHANGES {
            let change = set.apply(of_all_kinds(limit_of(version))).unwrap();
            assert_eq!((change.version, change.restarted.len()), (version, 0), "{change}");
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(set.version(), CHANGES);
    assert!(seen.into_inner() > 8, "the threads met several versions");
}

#[test]
fn the_same_policies_in_a_loop_change_no_decision() {
    let (clock, _hand) = Clock::manual();
    let set = PolicySet::builder().clock(clock).build();
    let limit = 5_000;
    set.apply(of_all_kinds(limit)).unwrap();
    let (done, admitted) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let (set, done) = (&set, &done);
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                assert!(set.apply(of_all_kinds(limit)).unwrap().is_empty());
            }
        });
        let checks = (0..4).map(|_| {
            let admitted = &admitted;
            scope.spawn(move || {
                let all = (0..limit).filter(|_| set.check(&Attributes::new().user("ann")).is_allowed());
                admitted.fetch_add(all.count() as u64, Ordering::Relaxed);
            })
        });
        let checks: Vec<_> = checks.collect();
        checks.into_iter().for_each(|check| check.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    // Two that meet at the last token may both be refused by `check_all`'s look at the other limits, never admitted.
    let left = limit - admitted.into_inner();
    assert!(left < 4, "{left} tokens were left");
}

/// What is in force while the limit goes up and down never exceeds the highest: no version grants what another has spent.
#[test]
fn flapping_limits_admit_no_more_than_the_highest_and_what_the_changes_grant() {
    let (clock, _hand) = Clock::manual();
    let set = PolicySet::builder().clock(clock).build();
    let of = |limit: u64| {
        let mut policy = Policy::new("log");
        policy.limits =
            vec![Limit::of(AlgorithmName::SlidingLog, Quota::new(limit, Duration::from_secs(60)).unwrap())];
        vec![policy]
    };
    set.apply(of(1_000)).unwrap();
    let done = AtomicBool::new(false);
    let admitted: usize = thread::scope(|scope| {
        let (set, done) = (&set, &done);
        scope.spawn(move || {
            for limit in (900..1_000).cycle() {
                set.apply(of(limit)).unwrap();
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let checks: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(move || (0..5_000).filter(|_| set.check(&Attributes::new()).is_allowed()).count())
            })
            .collect();
        let admitted = checks.into_iter().map(|check| check.join().unwrap()).sum();
        done.store(true, Ordering::Relaxed);
        admitted
    });
    assert!((900..=1_000).contains(&admitted), "{admitted}");
}

fn one(limit: Limit) -> Vec<Policy> {
    let mut policy = Policy::new("api");
    policy.limits = vec![limit];
    vec![policy]
}

fn gcra(text: &str) -> Limit {
    Limit::of(AlgorithmName::Gcra, text.parse().unwrap())
}

#[test]
fn a_key_that_would_wait_an_hour_waits_one_new_interval_after_the_limit_is_raised_tenfold() {
    let (clock, hand) = Clock::manual();
    let set = PolicySet::builder().clock(clock).build();
    let anyone = Attributes::new();
    set.apply(one(gcra("1/h"))).unwrap();
    assert!(set.check(&anyone).is_allowed());
    assert_eq!(set.check(&anyone).retry_after(), Some(Duration::from_secs(3_600)));

    set.apply(one(gcra("10/h burst 1"))).unwrap();
    let interval = Duration::from_secs(360);
    let wait = set.check(&anyone).retry_after().unwrap();
    assert_eq!(wait, interval);
    hand.advance(wait - Duration::from_nanos(1));
    assert!(!set.check(&anyone).is_allowed());
    hand.advance(Duration::from_nanos(1));
    assert!(set.check(&anyone).is_allowed());
}

#[test]
fn a_lower_limit_is_in_force_at_the_next_check_and_its_waits_are_true() {
    for algorithm in RATES {
        let (clock, hand) = Clock::manual();
        let set = PolicySet::builder().clock(clock).build();
        let anyone = Attributes::new();
        let of = |count| one(Limit::of(algorithm, Quota::new(count, Duration::from_secs(60)).unwrap()));
        set.apply(of(100)).unwrap();
        assert_eq!((0..5).filter(|_| set.check(&anyone).is_allowed()).count(), 5, "{algorithm}");
        let change = set.apply(of(3)).unwrap();
        assert!(change.restarted.is_empty(), "{change}");
        while set.check(&anyone).is_allowed() {}
        let refused = set.check(&anyone);
        assert_eq!(refused.binding().unwrap().limit(), 3, "{algorithm}");
        let wait = refused.retry_after().unwrap();
        assert!(wait > Duration::ZERO, "{algorithm}");
        hand.advance(wait - Duration::from_nanos(1));
        assert!(!set.check(&anyone).is_allowed(), "{algorithm}: not before");
        hand.advance(Duration::from_nanos(1));
        assert!(set.check(&anyone).is_allowed(), "{algorithm}: but then");
    }
}

#[test]
fn what_cannot_go_on_begins_anew_and_says_so() {
    let (clock, _hand) = Clock::manual();
    let set = PolicySet::builder().clock(clock).build();
    let window =
        |seconds| Limit::of(AlgorithmName::FixedWindow, Quota::new(2, Duration::from_secs(seconds)).unwrap());
    let said = |policies: Vec<Policy>| set.apply(policies).unwrap().to_string();
    assert_eq!(said(one(window(60))), "version 1 is in force; added: api");
    assert_eq!(
        said(one(window(61))),
        "version 2 is in force; changed: api; api begins anew: it counts in another way than any limit there was"
    );
    assert_eq!(
        said(one(gcra("1/h"))),
        "version 3 is in force; changed: api; api begins anew: it counts in another way than any limit there was"
    );
    assert_eq!(
        said(one(gcra("4000000000/s"))),
        "version 4 is in force; changed: api; api begins anew: the change is too large for the keys that are there"
    );
    let mut scoped = one(gcra("4000000000/s"));
    scoped[0].scope = Scope::of(["user"]);
    assert_eq!(
        said(scoped),
        "version 5 is in force; changed: api; api begins anew: its scope or max_keys is another"
    );
    assert_eq!(said(Vec::new()), "version 6 is in force; removed: api");
}

#[test]
fn places_stay_taken_when_the_cap_changes() {
    let set = PolicySet::new();
    let of = |places| {
        let mut policy = Policy::new("api");
        policy.concurrency = Some(places);
        vec![policy]
    };
    set.apply(of(2)).unwrap();
    let held = [set.check(&Attributes::new()), set.check(&Attributes::new())];
    set.apply(of(3)).unwrap();
    let third = set.check(&Attributes::new());
    assert!(third.is_allowed() && !set.check(&Attributes::new()).is_allowed());
    set.apply(of(1)).unwrap();
    drop(held);
    assert!(!set.check(&Attributes::new()).is_allowed(), "the third is still there");
    drop(third);
    assert!(set.check(&Attributes::new()).is_allowed());
}
