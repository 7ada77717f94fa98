//! `MetricsObserver` told of decisions, seen by the recorder of `metrics-util`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::Unit;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tollgate::observe::{Decided, DecisionOutcome, MetricsObserver, Observer};
use tollgate::{Clock, Gcra, Limiter, Quota};

use crate::OUTCOMES;

/// What was recorded: by name and labels, as `name{label=value,...}`.
struct Recorded(BTreeMap<String, (Option<Unit>, Option<String>, DebugValue)>);

impl Recorded {
    fn count(&self, metric: &str) -> u64 {
        let DebugValue::Counter(count) = self.0[metric].2 else { panic!("{metric} is no counter") };
        count
    }

    fn gauge(&self, metric: &str) -> f64 {
        let DebugValue::Gauge(value) = self.0[metric].2 else { panic!("{metric} is no gauge") };
        value.into_inner()
    }

    fn samples(&self, metric: &str) -> Vec<f64> {
        let DebugValue::Histogram(samples) = &self.0[metric].2 else { panic!("{metric} is no histogram") };
        samples.iter().map(|sample| sample.into_inner()).collect()
    }

    /// The names without labels, each once.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.keys().filter_map(|metric| metric.split('{').next()).collect();
        names.dedup();
        names
    }
}

/// What `work` records.
fn recorded_by(work: impl FnOnce()) -> Recorded {
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, work);
    let metrics = recorder.snapshotter().snapshot().into_vec().into_iter().map(|(key, unit, text, value)| {
        let labels: Vec<_> = key.key().labels().map(|l| format!("{}={}", l.key(), l.value())).collect();
        let name = format!("{}{{{}}}", key.key().name(), labels.join(","));
        (name, (unit, text.map(|text| text.to_string()), value))
    });
    Recorded(metrics.collect())
}

#[test]
fn decisions_are_counted_by_policy_and_outcome() {
    let recorded = recorded_by(|| {
        let observer = MetricsObserver::new(["per-client", "per-route"]);
        for (times, (outcome, ..)) in (1..).zip(OUTCOMES) {
            for _ in 0..times {
                observer.decided(&Decided::new("per-client", outcome).with_cost(7));
            }
        }
    });
    for (times, (_, word, ..)) in (1..).zip(OUTCOMES) {
        let count =
            |policy| recorded.count(&format!("tollgate_decisions_total{{policy={policy},outcome={word}}}"));
        assert_eq!((count("per-client"), count("per-route"), count("other")), (times, 0, 0), "{word}");
    }
}

#[test]
fn whatever_strangers_choose_makes_no_label() {
    let recorded = recorded_by(|| {
        let observer = MetricsObserver::new(["per-client"]).aliases(true);
        for n in 0..100 {
            let (policy, key) = (format!("policy {n}"), format!("key {n}"));
            let decision =
                Decided::new(&policy, DecisionOutcome::Denied).with_key(&key).with_route(policy.as_str());
            observer.decided(&decision.with_tier(key.as_str()).with_took(Duration::from_micros(1)));
            observer.failed(&policy, "timeout");
        }
    });
    assert_eq!(recorded.count("tollgate_decisions_total{policy=other,outcome=denied}"), 100);
    assert_eq!(recorded.count("tollgate_errors_total{policy=other,kind=timeout}"), 100);
    assert_eq!(recorded.samples("tollgate_decision_duration_seconds{policy=other}").len(), 100);
    let fixed = |metric: &&String| metric.contains("policy=other") || metric.contains("policy=per-client");
    assert_eq!(recorded.0.keys().filter(fixed).count(), recorded.0.len());
    assert!(recorded.0.keys().all(|metric| !metric.contains("key ") && !metric.contains("policy ")));
}

#[test]
fn durations_are_in_seconds_and_asked_for_unless_told_otherwise() {
    let recorded = recorded_by(|| {
        let observer = MetricsObserver::new(["per-client"]);
        assert!(observer.wants_duration());
        let decision = Decided::new("per-client", DecisionOutcome::Allowed);
        observer.decided(&decision.with_took(Duration::from_millis(250)));
        observer.decided(&decision);

        let observer = observer.durations(false);
        assert!(!observer.wants_duration());
        observer.decided(&decision.with_took(Duration::from_millis(500)));
    });
    assert_eq!(recorded.samples("tollgate_decision_duration_seconds{policy=per-client}"), [0.25, 0.5]);
}

#[test]
fn failures_are_counted_by_policy_and_kind() {
    let recorded = recorded_by(|| {
        let observer = MetricsObserver::new(["per-client"]);
        for (policy, kind) in
            [("per-client", "timeout"), ("per-client", "timeout"), ("per-client", "connect")]
        {
            observer.failed(policy, kind);
        }
    });
    assert_eq!(recorded.count("tollgate_errors_total{policy=per-client,kind=timeout}"), 2);
    assert_eq!(recorded.count("tollgate_errors_total{policy=per-client,kind=connect}"), 1);
}

#[test]
fn a_watched_limiter_is_read_when_it_is_refreshed() {
    let (clock, _hand) = Clock::manual();
    let limiter =
        Limiter::builder(Gcra::new(Quota::per_day(1))).clock(clock).max_keys(1_000).build().unwrap();
    let limiter = Arc::new(limiter);
    let mut at_refresh = None;
    let recorded = recorded_by(|| {
        let watched = Arc::clone(&limiter);
        let observer = MetricsObserver::new(["per-client"]).watch("per-client", move || watched.stats());
        for key in 0_u64..20_000 {
            assert!(limiter.check(&key).is_ok());
            if key % 10_000 == 0 {
                observer.refresh();
                at_refresh = Some(limiter.stats());
            }
        }
    });
    let at_refresh = at_refresh.unwrap();
    assert!(0 < at_refresh.forgotten && at_refresh.forgotten < limiter.stats().forgotten);
    assert_eq!(recorded.count("tollgate_forgotten_keys_total{policy=per-client}"), at_refresh.forgotten);
    let keys = f64::from(u32::try_from(at_refresh.keys).unwrap());
    assert!((recorded.gauge("tollgate_tracked_keys{policy=per-client}") - keys).abs() < 0.5);
}

#[test]
fn aliases_count_the_same_under_plain_names() {
    let recorded = recorded_by(|| {
        let observer = MetricsObserver::new(["per-client"]).aliases(true);
        for (outcome, ..) in OUTCOMES {
            observer.decided(&Decided::new("per-client", outcome).with_took(Duration::from_millis(250)));
        }
        observer.failed("per-client", "timeout");
    });
    let goes_on = OUTCOMES.iter().filter(|(_, _, goes_on, _)| *goes_on).count() as u64;
    assert_eq!(recorded.count("allowed_total{policy=per-client}"), goes_on);
    assert_eq!(recorded.count("denied_total{policy=per-client}"), OUTCOMES.len() as u64 - goes_on);
    assert_eq!(recorded.count("limiter_errors_total{policy=per-client}"), 1);
    assert_eq!(recorded.samples("limiter_latency_ms{policy=per-client}"), [250.0; OUTCOMES.len()]);
    // And besides, not instead.
    assert_eq!(recorded.count("tollgate_decisions_total{policy=per-client,outcome=allowed}"), 1);
}

#[test]
fn without_aliases_every_name_is_the_crates_own() {
    let names_of = |observer: fn() -> MetricsObserver| {
        let recorded = recorded_by(|| observer().failed("per-client", "timeout"));
        recorded.names().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let own = ["tollgate_decision_duration_seconds", "tollgate_decisions_total", "tollgate_errors_total"];
    assert_eq!(names_of(|| MetricsObserver::new(["per-client"])), own);
    assert_eq!(names_of(|| MetricsObserver::new(["per-client"]).aliases(false)), own);
}

#[test]
fn every_metric_is_described_and_has_its_unit() {
    let recorded = recorded_by(|| {
        let limiter = Limiter::new(Quota::per_day(1));
        let observer = MetricsObserver::new(["per-client"]).aliases(true);
        observer.watch("per-client", move || limiter.stats()).failed("per-client", "timeout");
    });
    assert_eq!(recorded.names().len(), 9, "five and four aliases: {:?}", recorded.names());
    for (metric, (unit, text, _)) in &recorded.0 {
        let expected = match metric.split('{').next().unwrap() {
            "tollgate_decision_duration_seconds" => Unit::Seconds,
            "limiter_latency_ms" => Unit::Milliseconds,
            _ => Unit::Count,
        };
        assert_eq!(*unit, Some(expected), "{metric}");
        assert!(text.as_ref().is_some_and(|text| !text.is_empty()), "{metric}");
    }
}

#[cfg(feature = "distributed")]
#[test]
fn shared_stores_and_limits_that_are_watched_tell_their_figures_when_refreshed() {
    use tollgate::distributed::{
        FailurePolicy, Fault, FaultBackend, GlobalLimiter, MemoryBackend, Rule, SharedStore,
    };

    let recorded = recorded_by(|| {
        let backend = FaultBackend::new(MemoryBackend::new(), 1);
        let faults = backend.faults();
        let store = SharedStore::new(backend);
        let rule = Rule::Gcra(Quota::per_hour(1));
        let limiter =
            GlobalLimiter::builder("api", rule, &store).on_failure(FailurePolicy::Closed).build().unwrap();
        let observer = MetricsObserver::new(["api"]).watch_store("memory", &store).watch_global(&limiter);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            for _ in 0..3 {
                let _ = limiter.check("ann").await;
            }
            faults.always(Some(Fault::Reset));
            for _ in 0..40 {
                let _ = limiter.check("bob").await;
            }
        });
        observer.refresh();
    });
    let decisions = |source, outcome| {
        let metric = "tollgate_shared_decisions_total";
        recorded.count(&format!("{metric}{{policy=api,source={source},outcome={outcome}}}"))
    };
    assert_eq!((decisions("remote", "allowed"), decisions("remote", "denied")), (1, 1));
    assert_eq!((decisions("deny_cache", "denied"), decisions("fail_closed", "denied")), (1, 40));
    assert_eq!(
        recorded.gauge("tollgate_store_breaker_open{store=memory,domain=0}").to_bits(),
        1_f64.to_bits()
    );
    assert_eq!(recorded.count("tollgate_store_breaker_opened_total{store=memory,domain=0}"), 1);
    let maybe_applied = recorded.count("tollgate_store_maybe_applied_total{store=memory}");
    assert_eq!(recorded.count("tollgate_store_operations_total{store=memory}"), 2 + maybe_applied);
}
