//! `TracingObserver` told of decisions, seen by a layer of `tracing-subscriber`.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tollgate::observe::{Decided, DecisionOutcome, Observer, TracingObserver};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::OUTCOMES;

/// What an event says.
#[derive(Clone, Debug)]
struct Seen {
    target: String,
    level: Level,
    fields: BTreeMap<&'static str, String>,
}

#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Seen>>>);

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (target, level) = (event.metadata().target().to_owned(), *event.metadata().level());
        let mut seen = Seen { target, level, fields: BTreeMap::new() };
        event.record(&mut seen);
        self.0.lock().unwrap().push(seen);
    }
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

/// The events that `work` causes.
fn events_of(work: impl FnOnce()) -> Vec<Seen> {
    let recorder = Recorder::default();
    let subscriber = tracing_subscriber::registry().with(recorder.clone());
    tracing::subscriber::with_default(subscriber, work);
    recorder.0.lock().unwrap().clone()
}

#[test]
fn a_refusal_is_told_with_every_field_but_the_key() {
    let decision =
        Decided::new("per-client", DecisionOutcome::Denied).with_key(&"203.0.113.9").with_key_kind("ip");
    let decision = decision.with_route("/users/{id}").with_tier("free").with_cost(5);
    let events = events_of(|| TracingObserver::new().decided(&decision));
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].target.as_str(), events[0].level), ("tollgate", Level::WARN));
    let said = events[0].fields.iter().map(|(name, value)| (*name, value.as_str()));
    let expected = [
        ("cost", "5"),
        ("key_kind", "ip"),
        ("left_out", "0"),
        ("message", "rate limit refusal"),
        ("outcome", "denied"),
        ("policy", "per-client"),
        ("route", "/users/{id}"),
        ("tier", "free"),
    ];
    assert_eq!(said.collect::<Vec<_>>(), expected);
}

#[test]
fn a_route_or_tier_that_is_not_known_is_absent() {
    let events =
        events_of(|| TracingObserver::new().decided(&Decided::new("limit", DecisionOutcome::Denied)));
    assert!(!events[0].fields.contains_key("route") && !events[0].fields.contains_key("tier"));
}

#[test]
fn whatever_was_not_simply_let_through_is_told() {
    let observer = TracingObserver::default();
    let events = events_of(|| {
        for (outcome, ..) in OUTCOMES {
            observer.decided(&Decided::new("limit", outcome));
        }
    });
    let told: Vec<&str> = events.iter().map(|event| event.fields["outcome"].as_str()).collect();
    assert_eq!(told, ["denied", "shadow_denied", "error_denied"]);
}

#[test]
fn the_first_and_then_each_nth_refusal_is_told_with_how_many_were_left_out() {
    let told_of_ten = |n| {
        let observer = TracingObserver::new().every(n);
        let events = events_of(|| {
            for number in 1..=10 {
                // Allowed ones in between do not count, and policies are not told apart.
                observer.decided(&Decided::new("limit", DecisionOutcome::Allowed));
                let policy = if number % 2 == 0 { "even" } else { "odd" };
                observer.decided(&Decided::new(policy, DecisionOutcome::Denied).with_cost(number));
            }
        });
        let number = |event: &Seen, field: &str| event.fields[field].parse::<u64>().unwrap();
        events.iter().map(|event| (number(event, "cost"), number(event, "left_out"))).collect::<Vec<_>>()
    };
    assert_eq!(told_of_ten(4), [(1, 0), (5, 3), (9, 3)]);
    assert_eq!(told_of_ten(u64::MAX), [(1, 0)]);
    let all: Vec<_> = (1..=10).map(|number| (number, 0)).collect();
    assert_eq!((told_of_ten(1), told_of_ten(0)), (all.clone(), all));
}

#[test]
fn the_level_is_the_one_that_was_asked_for() {
    for level in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE] {
        let observer = TracingObserver::new().level(level);
        let events = events_of(|| observer.decided(&Decided::new("limit", DecisionOutcome::Denied)));
        assert_eq!(events.iter().map(|event| event.level).collect::<Vec<_>>(), [level]);
    }
}

#[test]
fn nobody_is_asked_to_time_decisions_for_events() {
    assert!(!TracingObserver::new().wants_duration());
}
