//! Decisions, and observers made of observers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tollgate::observe::{Decided, DecisionOutcome, Observer};

/// Adds up the costs and counts the failures that it is told of.
#[derive(Default)]
struct Sums {
    costs: AtomicU64,
    failures: AtomicU64,
    wants_duration: bool,
}

impl Sums {
    fn timed() -> Sums {
        Sums { wants_duration: true, ..Sums::default() }
    }

    fn read(&self) -> (u64, u64) {
        (self.costs.load(Ordering::Relaxed), self.failures.load(Ordering::Relaxed))
    }
}

impl Observer for Sums {
    fn decided(&self, decision: &Decided<'_>) {
        self.costs.fetch_add(decision.cost, Ordering::Relaxed);
    }

    fn wants_duration(&self) -> bool {
        self.wants_duration
    }

    fn failed(&self, policy: &str, kind: &'static str) {
        assert_eq!((policy, kind), ("limit", "timeout"));
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

/// One decision of cost 3, one of cost 4, one failure.
fn tell(observer: &dyn Observer) {
    for cost in [3, 4] {
        observer.decided(&Decided::new("limit", DecisionOutcome::Allowed).with_cost(cost));
    }
    observer.failed("limit", "timeout");
}

const TOLD: (u64, u64) = (7, 1);

#[test]
fn every_member_of_a_tuple_is_told() {
    let sums: [Sums; 4] = Default::default();
    let [a, b, c, d] = &sums;
    tell(&(a, b));
    assert_eq!(sums.each_ref().map(Sums::read), [TOLD, TOLD, (0, 0), (0, 0)]);
    tell(&(c, d, ()));
    assert_eq!(sums.each_ref().map(Sums::read), [TOLD; 4]);
    tell(&(a, b, c, d));
    assert_eq!(sums.each_ref().map(Sums::read), [(14, 2); 4]);
}

#[test]
fn every_member_of_a_vector_is_told() {
    let (one, other) = (Arc::new(Sums::default()), Arc::new(Sums::default()));
    let all: Vec<Arc<dyn Observer>> = vec![one.clone(), other.clone(), Arc::new(())];
    tell(&all);
    assert_eq!((one.read(), other.read()), (TOLD, TOLD));
}

#[test]
fn a_duration_is_wanted_if_any_of_them_wants_it() {
    let (plain, timed) = (Sums::default, || Arc::new(Sums::timed()));
    assert!(!().wants_duration() && !(plain(), plain()).wants_duration());
    assert!(Observer::wants_duration(&timed()) && Observer::wants_duration(&&*timed()));
    assert!((plain(), timed()).wants_duration() && (timed(), plain()).wants_duration());
    assert!((plain(), plain(), timed()).wants_duration());
    assert!((plain(), plain(), plain(), timed()).wants_duration());

    let mut all: Vec<Arc<dyn Observer>> = vec![Arc::new(plain())];
    assert!(!all.wants_duration());
    all.push(timed());
    assert!(all.wants_duration());
}

#[test]
fn an_observer_need_write_nothing_out() {
    struct Idle;
    impl Observer for Idle {}
    tell(&Idle);
    assert!(!Idle.wants_duration());
}

#[test]
fn a_decision_says_what_it_was_given_and_defaults_otherwise() {
    let plain = Decided::new("limit", DecisionOutcome::Denied);
    assert_eq!((plain.policy, plain.outcome, plain.cost), ("limit", DecisionOutcome::Denied, 1));
    assert_eq!((plain.took, plain.key_kind, plain.route, plain.tier), (None, "", None, None));
    assert!(plain.key.is_none());

    let full = plain.with_cost(5).with_took(Duration::from_millis(2)).with_key(&42).with_key_kind("user");
    let full = full.with_route("/users/{id}").with_tier(Some("free"));
    assert_eq!((full.cost, full.took, full.key_kind), (5, Some(Duration::from_millis(2)), "user"));
    assert_eq!((full.route, full.tier), (Some("/users/{id}"), Some("free")));
    assert_eq!(full.key.unwrap().to_string(), "42");
}

#[test]
fn a_decision_that_is_printed_does_not_give_the_key_away() {
    let decision =
        Decided::new("limit", DecisionOutcome::Denied).with_key(&"ann@example.org").with_key_kind("mail");
    let printed = format!("{decision:?}");
    assert!(printed.contains("mail") && !printed.contains("ann@example.org"), "{printed}");
}
