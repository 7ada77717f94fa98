//! [`Health`]: how the service is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::time::sleep;

use crate::distributed::BreakerState;
use crate::server::service::NamedBackend;

/// A store that answers at all does so within its connect timeout of half a second; four times that is generous. Who has not answered by then has failed.
const FIRST_ANSWER: Duration = Duration::from_secs(2);
/// So soon after the answer the service is ready: no start is seen to be slower.
const LOOK_FOR_ANSWER: Duration = Duration::from_millis(5);
/// Nodes greet the store every five seconds: after as long, all of them know how many they are again.
const RECOVERY: Duration = Duration::from_secs(5);

/// How the service, or one of its backends, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// All is well.
    Active,
    /// It was failed a moment ago, and is asked again.
    Recovering,
    /// It has not begun, or a backend has not answered yet.
    Initializing,
    /// A backend cannot be asked: its policies' failure modes decide.
    Failed,
    /// It is ending: what is under way is finished.
    Draining,
}

impl State {
    pub(crate) const ALL: [State; 5] =
        [State::Initializing, State::Active, State::Failed, State::Recovering, State::Draining];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Recovering => "recovering",
            State::Initializing => "initializing",
            State::Failed => "failed",
            State::Draining => "draining",
        }
    }
}

/// How the service is, all of it.
#[derive(Clone, Debug)]
pub(crate) struct HealthReport {
    pub(crate) state: State,
    /// Whether it should be sent requests. It is ready with a failed backend, too: its policies say what happens then.
    pub(crate) ready: bool,
    pub(crate) backends: Vec<BackendHealth>,
}

/// How a backend is.
#[derive(Clone, Debug)]
pub(crate) struct BackendHealth {
    pub(crate) name: String,
    pub(crate) state: State,
    /// Connections that are up.
    pub(crate) connections: u64,
    /// Parts of it that can fail by themselves, as shards.
    pub(crate) domains: usize,
    /// Of these, how many are not asked, because their breaker is open.
    pub(crate) open: usize,
    /// How many nodes use it, if it has said so.
    pub(crate) nodes: Option<u32>,
}

/// How the service is, as seen whenever somebody asks, and every now and then besides.
#[derive(Debug)]
pub(crate) struct Health {
    begun: Instant,
    phase: AtomicU8,
    seen: Mutex<BTreeMap<String, Seen>>,
}

/// Phases in their order.
const STARTING: u8 = 0;
const SERVING: u8 = 1;
const DRAINING: u8 = 2;

/// How a backend was when somebody looked last.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Since when it is well again.
    well_since: Option<Instant>,
    failed: bool,
    opened: u64,
}

impl Default for Health {
    fn default() -> Health {
        Health { begun: Instant::now(), phase: AtomicU8::new(STARTING), seen: Mutex::default() }
    }
}

impl Health {
    /// From now on requests are answered.
    pub(crate) fn serves(&self) {
        self.phase.fetch_max(SERVING, Ordering::Relaxed);
    }

    /// Waits until each backend has answered, or is known not to.
    pub(crate) async fn settles(&self, backends: &BTreeMap<String, NamedBackend>) {
        while self.report(backends).backends.iter().any(|backend| backend.state == State::Initializing) {
            sleep(LOOK_FOR_ANSWER).await;
        }
    }

    /// From now on no more should come.
    pub(crate) fn drains(&self) {
        self.phase.fetch_max(DRAINING, Ordering::Relaxed);
    }

    /// How it is now.
    pub(crate) fn report(&self, backends: &BTreeMap<String, NamedBackend>) -> HealthReport {
        let backends: Vec<_> =
            backends.iter().map(|(name, backend)| self.look_at(name, backend, Instant::now())).collect();
        let worst = backends.iter().map(|backend| backend.state).max().unwrap_or(State::Active);
        let state = match self.phase.load(Ordering::Relaxed) {
            STARTING => State::Initializing,
            SERVING => worst,
            _ => State::Draining,
        };
        let ready = !matches!(state, State::Initializing | State::Draining);
        HealthReport { state, ready, backends }
    }

    fn look_at(&self, name: &str, backend: &NamedBackend, now: Instant) -> BackendHealth {
        let (store, redis) = (backend.store.stats(), backend.redis.stats());
        let open = store.domains.iter().filter(|domain| domain.breaker == BreakerState::Open).count();
        let opened = store.domains.iter().map(|domain| domain.opened).sum();
        let late = now.duration_since(self.begun) >= FIRST_ANSWER;
        let well = open == 0 && redis.connections > 0;
        let mut all_seen = self.seen.lock();
        let seen = all_seen.entry(name.to_owned()).or_default();
        let state = if !well && redis.connects == 0 && !late {
            State::Initializing
        } else {
            seen.look(well, opened, now)
        };
        BackendHealth {
            name: name.to_owned(),
            state,
            connections: redis.connections,
            domains: store.domains.len(),
            open,
            nodes: store.domains.iter().filter_map(|domain| domain.nodes).max(),
        }
    }
}

impl Seen {
    /// An outage between two looks shows in the number of times that a breaker opened.
    fn look(&mut self, well: bool, opened: u64, now: Instant) -> State {
        if self.failed || opened != self.opened {
            self.well_since = Some(now);
        }
        (self.failed, self.opened) = (!well, opened);
        match self.well_since {
            _ if !well => State::Failed,
            Some(since) if now.duration_since(since) < RECOVERY => State::Recovering,
            _ => State::Active,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_that_is_well_again_recovers_before_it_is_active() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(seen.look(true, 0, at(0)), State::Active);
        assert_eq!(seen.look(false, 1, at(100)), State::Failed);
        assert_eq!(seen.look(true, 1, at(200)), State::Recovering);
        assert_eq!(seen.look(true, 1, at(5_199)), State::Recovering);
        assert_eq!(seen.look(true, 1, at(5_200)), State::Active);
    }

    #[test]
    fn an_outage_that_nobody_saw_is_recovered_from_all_the_same() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        assert_eq!(seen.look(true, 0, start), State::Active);
        assert_eq!(seen.look(true, 1, start), State::Recovering);
        assert_eq!(seen.look(true, 1, start + RECOVERY), State::Active);
    }
}
