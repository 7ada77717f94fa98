//! `TopRefused` against an exact counter.

use std::collections::HashMap;
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;
use tollgate::observe::{Decided, DecisionOutcome, Observer, RefusedKey, TopRefused};

use crate::OUTCOMES;

const POLICIES: [&str; 2] = ["per-client", "per-route"];

/// How often each key was refused, by policy and key.
type Exact = HashMap<(String, String), u64>;

fn refuse(refused: &TopRefused, policy: &str, key: &str) {
    refused.decided(&Decided::new(policy, DecisionOutcome::Denied).with_key(&key));
}

fn find<'a>(top: &'a [RefusedKey], policy: &str, key: &str) -> Option<&'a RefusedKey> {
    top.iter().find(|entry| entry.policy == policy && entry.key == key)
}

/// Fails unless everything holds that the documentation says under "How right it is".
#[track_caller]
fn assert_right(refused: &TopRefused, capacity: usize, exact: &Exact) {
    let (counted, missed, top) = (refused.counted(), refused.missed(), refused.top(usize::MAX));
    assert_eq!(counted + missed, exact.values().sum::<u64>(), "every refusal is counted or missed");
    assert!(top.len() <= capacity);
    assert!(top.is_sorted_by(|one, next| one.refused >= next.refused));

    let share = counted / capacity as u64;
    for entry in &top {
        let times = exact[&(entry.policy.clone(), entry.key.clone())];
        assert!(times <= entry.refused + missed, "{entry:?} of {times}, {missed} missed");
        assert!(entry.refused - entry.at_most_too_many_by <= times, "{entry:?} of {times}");
        assert!(entry.at_most_too_many_by <= share, "{entry:?} of {counted}");
    }
    for ((policy, key), &times) in exact {
        let is_listed = find(&top, policy, key).is_some();
        assert!(times <= share + missed || is_listed, "{policy} {key}: {times} of {counted}");
    }
}

proptest! {
    #[test]
    fn what_it_says_is_as_right_as_promised(
        capacity in 1_usize..20,
        // Some keys come often and most seldom.
        decisions in vec((0..OUTCOMES.len(), 0..POLICIES.len(), 0_u32..8, any::<u8>()), 0..500),
    ) {
        let refused = TopRefused::new(capacity);
        let mut exact = Exact::new();
        for (outcome, policy, bits, key) in decisions {
            let ((outcome, _, _, is_over_limit), policy) = (OUTCOMES[outcome], POLICIES[policy]);
            let key = (key >> bits).to_string();
            refused.decided(&Decided::new(policy, outcome).with_key(&key).with_cost(9));
            if is_over_limit {
                *exact.entry((policy.to_owned(), key)).or_default() += 1;
            }
        }
        prop_assert_eq!(refused.missed(), 0, "nobody else was counting");
        assert_right(&refused, capacity, &exact);
    }
}

#[test]
fn it_is_right_about_threads_that_are_refused_at_once() {
    const CAPACITY: usize = 50;
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 20_000;
    let refused = TopRefused::new(CAPACITY);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let refused = &refused;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    refuse(refused, "limit", "everybody's");
                    refuse(refused, "limit", &format!("once {thread} {round}"));
                }
            });
        }
    });

    let once = (0..THREADS).flat_map(|thread| (0..ROUNDS).map(move |round| format!("once {thread} {round}")));
    let mut exact: Exact = once.map(|key| (("limit".to_owned(), key), 1)).collect();
    exact.insert(("limit".to_owned(), "everybody's".to_owned()), THREADS * ROUNDS);
    assert_right(&refused, CAPACITY, &exact);
}

#[test]
fn the_same_key_under_two_policies_is_two() {
    let refused = TopRefused::new(10);
    refuse(&refused, "per-client", "ann");
    refuse(&refused, "per-client", "ann");
    refuse(&refused, "per-route", "ann");
    let top = refused.top(10);
    assert_eq!(top.len(), 2);
    assert_eq!(find(&top, "per-client", "ann").unwrap().refused, 2);
    assert_eq!(find(&top, "per-route", "ann").unwrap().refused, 1);
}

#[test]
fn policy_and_key_do_not_run_into_one_another() {
    let refused = TopRefused::new(10);
    refuse(&refused, "ab", "c");
    refuse(&refused, "a", "bc");
    assert_eq!(refused.top(10).len(), 2);
}

#[test]
fn long_keys_that_begin_alike_are_told_apart_and_shown_cut() {
    let refused = TopRefused::new(10);
    let common = "x".repeat(64);
    for end in ["", "a", "b", "b"] {
        refuse(&refused, "limit", &format!("{common}{end}"));
    }
    let top = refused.top(10);
    let shown = |n: usize| (top[n].key.clone(), top[n].refused);
    assert_eq!(shown(0), (format!("{common}…"), 2));
    assert_eq!(top.iter().filter(|entry| entry.key == format!("{common}…")).count(), 2);
    assert_eq!(find(&top, "limit", &common).unwrap().refused, 1);
}

#[test]
fn a_decision_about_no_key_is_not_counted() {
    let refused = TopRefused::new(10);
    refused.decided(&Decided::new("limit", DecisionOutcome::Denied));
    assert_eq!((refused.counted(), refused.top(1)), (0, vec![]));
}

#[test]
fn no_room_is_room_for_one_and_any_room_may_be_asked_for() {
    for (asked, listed) in [(0, 1), (1, 1), (usize::MAX, 3)] {
        let refused = TopRefused::new(asked);
        for key in ["ann", "bob", "eve"] {
            refuse(&refused, "limit", key);
        }
        assert_eq!(refused.top(usize::MAX).len(), listed, "room for {asked}");
        assert_eq!(refused.counted(), 3);
        assert!(refused.top(0).is_empty());
    }
}

#[test]
fn clearing_begins_anew_with_the_same_room() {
    let refused = TopRefused::new(2);
    for _ in 0..2 {
        for key in ["ann", "bob", "eve"] {
            refuse(&refused, "limit", key);
        }
        assert_eq!((refused.counted(), refused.top(9).len()), (3, 2));
        refused.clear();
        assert_eq!((refused.counted(), refused.missed(), refused.top(9)), (0, 0, vec![]));
    }
}

#[test]
fn printing_it_gives_no_key_away() {
    let refused = TopRefused::new(2);
    refuse(&refused, "limit", "ann@example.org");
    assert!(!format!("{refused:?}").contains("ann@example.org"));
}
