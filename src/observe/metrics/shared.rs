//! The figures of stores and limits that many nodes share.

use metrics::{Counter, Gauge, SharedString, Unit};
use metrics::{counter, describe_counter, describe_gauge, gauge};

use super::MetricsObserver;
use crate::distributed::{BreakerState, GlobalLimiter, GlobalStats, SharedStore, Source, StoreStats};

const DECISIONS: &str = "tollgate_shared_decisions_total";
const OWING_KEYS: &str = "tollgate_shared_owing_keys";
const FORGIVEN: &str = "tollgate_shared_forgiven_tokens_total";

/// A figure of a leased limit: its metric, what it means, and where to find it.
type LeaseFigure = (&'static str, &'static str, fn(&GlobalStats) -> u64);

const LEASE_FIGURES: [LeaseFigure; 4] = [
    ("tollgate_shared_lease_calls_total", "How often tokens were asked for in advance.", |stats| {
        stats.lease_calls
    }),
    ("tollgate_shared_leased_tokens_total", "Tokens that were leased.", |stats| stats.leased),
    ("tollgate_shared_returned_tokens_total", "Leased tokens that were brought back.", |stats| {
        stats.returned
    }),
    (
        "tollgate_shared_burned_tokens_total",
        "Leased tokens neither spent nor brought back in time.",
        |stats| stats.burned,
    ),
];

const BREAKER_OPEN: &str = "tollgate_store_breaker_open";
const BREAKER_OPENED: &str = "tollgate_store_breaker_opened_total";
const IN_FLIGHT: &str = "tollgate_store_in_flight";
const NODES: &str = "tollgate_store_nodes";

/// A figure of a store: its metric, what it means, and where to find it.
type StoreFigure = (&'static str, &'static str, fn(&StoreStats) -> u64);

const STORE_FIGURES: [StoreFigure; 8] = [
    ("tollgate_store_operations_total", "Operations sent to a store.", |stats| stats.operations),
    ("tollgate_store_batches_total", "Batches in which they were sent.", |stats| stats.batches),
    ("tollgate_store_timeouts_total", "Operations not answered in time.", |stats| stats.timeouts),
    (
        "tollgate_store_maybe_applied_total",
        "Operations that failed and may have been carried out.",
        |stats| stats.maybe_applied,
    ),
    ("tollgate_store_bulkhead_refusals_total", "Operations not sent: too many were under way.", |stats| {
        stats.bulkhead_refusals
    }),
    (
        "tollgate_store_given_back_total",
        "Answers that nobody heard, whose tokens were given back.",
        |stats| stats.given_back,
    ),
    ("tollgate_store_untold_total", "Refunds and releases that could not be sent.", |stats| stats.untold),
    ("tollgate_store_probes_total", "Probes while a breaker was open.", |stats| stats.probes),
];

impl MetricsObserver {
    /// Watches a shared store, under a name of which there should be few: how its breakers are, and what it has sent.
    #[must_use]
    pub fn watch_store(mut self, store: impl Into<SharedString>, watched: &SharedStore) -> MetricsObserver {
        describe_gauge!(BREAKER_OPEN, Unit::Count, "Whether a failure domain of a store is not asked.");
        describe_counter!(BREAKER_OPENED, Unit::Count, "How often a breaker opened.");
        describe_gauge!(IN_FLIGHT, Unit::Count, "Operations under way or waiting.");
        describe_gauge!(NODES, Unit::Count, "Nodes that use a store, as it says.");
        let (store, watched) = (store.into(), watched.clone());
        let domains = watched.stats().domains;
        let domains: Vec<_> =
            domains.iter().map(|stats| DomainHandles::register(&store, stats.domain)).collect();
        let figures = STORE_FIGURES.map(|(name, description, figure)| {
            describe_counter!(name, Unit::Count, description);
            (counter!(name, "store" => store.clone()), figure)
        });
        self.shared.push(Box::new(move || {
            let stats = watched.stats();
            for (counter, figure) in &figures {
                counter.absolute(figure(&stats));
            }
            for (handles, stats) in domains.iter().zip(&stats.domains) {
                handles.open.set(if stats.breaker == BreakerState::Open { 1.0 } else { 0.0 });
                handles.opened.absolute(stats.opened);
                handles.in_flight.set(u32::try_from(stats.in_flight).unwrap_or(u32::MAX));
                handles.nodes.set(stats.nodes.unwrap_or(0));
            }
        }));
        self
    }

    /// Watches a shared limit, under its own name: who decides for it. One limiter for each name.
    ///
    /// ```
    /// use tollgate::Quota;
    /// use tollgate::distributed::{GlobalLimiter, MemoryBackend, Rule, SharedStore};
    /// use tollgate::observe::MetricsObserver;
    ///
    /// let store = SharedStore::new(MemoryBackend::new());
    /// let limiter = GlobalLimiter::builder("api", Rule::Gcra(Quota::per_second(10)), &store).build()?;
    /// let observer = MetricsObserver::new(["api"]).watch_store("memory", &store).watch_global(&limiter);
    /// // Before each scrape:
    /// observer.refresh();
    /// # Ok::<(), tollgate::distributed::GlobalBuildError>(())
    /// ```
    #[must_use]
    pub fn watch_global(mut self, limiter: &GlobalLimiter) -> MetricsObserver {
        describe_counter!(DECISIONS, Unit::Count, "Decisions of shared limits, by who made them.");
        describe_gauge!(
            OWING_KEYS,
            Unit::Count,
            "Keys admitted without the store and not charged there yet."
        );
        describe_counter!(
            FORGIVEN,
            Unit::Count,
            "Tokens admitted without the store and never charged there."
        );
        let policy = SharedString::from(limiter.name().to_owned());
        let decisions = |outcome: &'static str| {
            Source::ALL.map(|source| {
                let labels = [
                    ("policy", policy.clone()),
                    ("source", source.as_str().into()),
                    ("outcome", outcome.into()),
                ];
                (source, counter!(DECISIONS, &labels))
            })
        };
        let (allowed, denied) = (decisions("allowed"), decisions("denied"));
        let owing_keys = gauge!(OWING_KEYS, "policy" => policy.clone());
        let forgiven = counter!(FORGIVEN, "policy" => policy.clone());
        let leases = LEASE_FIGURES.map(|(name, description, figure)| {
            describe_counter!(name, Unit::Count, description);
            (counter!(name, "policy" => policy.clone()), figure)
        });
        let limiter = limiter.clone();
        self.shared.push(Box::new(move || {
            let stats = limiter.stats();
            absolute(&allowed, |source| GlobalStats::allowed(&stats, source));
            absolute(&denied, |source| GlobalStats::denied(&stats, source));
            owing_keys.set(u32::try_from(stats.owing_keys).unwrap_or(u32::MAX));
            forgiven.absolute(stats.forgiven);
            for (counter, figure) in &leases {
                counter.absolute(figure(&stats));
            }
        }));
        self
    }
}

fn absolute(counters: &[(Source, Counter)], count: impl Fn(Source) -> u64) {
    for (source, counter) in counters {
        counter.absolute(count(*source));
    }
}

/// Where the figures of a failure domain go.
struct DomainHandles {
    open: Gauge,
    opened: Counter,
    in_flight: Gauge,
    nodes: Gauge,
}

impl DomainHandles {
    fn register(store: &SharedString, domain: u16) -> DomainHandles {
        let labels = [("store", store.clone()), ("domain", domain.to_string().into())];
        DomainHandles {
            open: gauge!(BREAKER_OPEN, &labels),
            opened: counter!(BREAKER_OPENED, &labels),
            in_flight: gauge!(IN_FLIGHT, &labels),
            nodes: gauge!(NODES, &labels),
        }
    }
}
