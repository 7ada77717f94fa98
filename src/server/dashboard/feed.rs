//! [`Feed`]: a sample a second, taken once for all pages that are open.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event;
use futures_util::stream::{self, Stream};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::MissedTickBehavior;

use super::sample::{Now, PolicyList, Traffic};
use crate::server::service::Service;

/// People read no faster.
const EVERY: Duration = Duration::from_secs(1);
/// What a page shows when it is opened: two minutes, and the sample that the first rate is reckoned from.
const KEPT: usize = 121;

/// What all pages that are open are told.
#[derive(Debug)]
pub(super) struct Feed {
    latest: watch::Receiver<Told>,
    past: Mutex<VecDeque<Traffic>>,
    places: Arc<Semaphore>,
}

/// One second's sample, written already: who lags behind skips to the latest.
#[derive(Clone, Debug, Default)]
struct Told {
    sample: Arc<str>,
    policies: Arc<str>,
    /// The version of the policies, and nothing before the first sample.
    version: Option<u64>,
}

impl Feed {
    /// Few people look at one node at a time; each costs a connection and some kilobytes a second.
    pub(super) const MOST_CLIENTS: usize = 32;

    /// Takes samples until the service stops.
    pub(super) fn start(service: Arc<Service>) -> Arc<Feed> {
        let (tell, latest) = watch::channel(Told::default());
        let past = Mutex::new(VecDeque::with_capacity(KEPT));
        let places = Arc::new(Semaphore::new(Feed::MOST_CLIENTS));
        let feed = Arc::new(Feed { latest, past, places });
        tokio::spawn(Arc::clone(&feed).take_samples(service, tell));
        feed
    }

    async fn take_samples(self: Arc<Feed>, service: Arc<Service>, tell: watch::Sender<Told>) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = Told::default();
        // With `tell` end the streams of all pages.
        while service.stop.run_until_cancelled(tick.tick()).await.is_some() {
            self.take_sample(&service, &mut told);
            tell.send_replace(told.clone());
        }
    }

    fn take_sample(&self, service: &Service, told: &mut Told) {
        let version = service.policies.version();
        let policies = service.policies.policies();
        if told.version != Some(version) {
            told.policies = written(&PolicyList::of(&policies, service.settings.callers.enabled));
            told.version = Some(version);
        }
        let at = u64::try_from(service.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let traffic = Traffic::of(service, at, &policies);
        told.sample = written(&Now::of(service, &traffic));
        let mut past = self.past.lock();
        if past.len() == KEPT {
            past.pop_front();
        }
        past.push_back(traffic);
    }

    /// The events for one page; none if too many are open.
    pub(super) fn follow(&self) -> Option<impl Stream<Item = Event> + use<>> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let history = written(self.past.lock().make_contiguous());
        let mut latest = self.latest.clone();
        // The first sample is told at once.
        latest.mark_changed();
        let client = Client {
            latest,
            version: None,
            waiting: VecDeque::from([event("history", &history)]),
            _place: place,
        };
        Some(stream::unfold(client, Client::next))
    }
}

/// A page that is open.
struct Client {
    latest: watch::Receiver<Told>,
    /// The version of the policies that it has been told.
    version: Option<u64>,
    waiting: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Client {
    async fn next(mut self) -> Option<(Event, Client)> {
        while self.waiting.is_empty() {
            self.latest.changed().await.ok()?;
            let told = self.latest.borrow_and_update();
            if told.version.is_none() {
                continue;
            }
            if told.version != self.version {
                self.version = told.version;
                self.waiting.push_back(event("policies", &told.policies));
            }
            self.waiting.push_back(event("sample", &told.sample));
        }
        let event = self.waiting.pop_front()?;
        Some((event, self))
    }
}

fn event(name: &str, data: &str) -> Event {
    Event::default().event(name).data(data)
}

/// As JSON, which holds no line breaks. What is written here has no map keys that are not text, the one thing that fails.
fn written(value: &(impl Serialize + ?Sized)) -> Arc<str> {
    serde_json::to_string(value).unwrap_or_default().into()
}
