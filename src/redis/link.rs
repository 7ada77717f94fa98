//! [`Link`]: a connection that is made anew for as long as anybody wants it.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::backoff::Backoff;
use super::error::RedisError;
use super::live::Live;
use super::source::Source;
use super::stats::Counters;

/// What there is of a connection.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Nothing yet.
    Connecting,
    /// It is up.
    Up(Arc<Live>),
    /// It is not, and this is why the last attempt failed.
    Down(RedisError),
}

/// A connection that is made anew for as long as anybody wants it, by a task of its own: no call ever waits for that.
#[derive(Debug)]
pub(super) struct Link {
    state: watch::Receiver<State>,
    task: AbortHandle,
}

impl Link {
    /// Keeps a connection to this source, beginning with one that is up already, if there is one.
    pub(super) fn keep(source: Source, first: Option<Live>, counters: Arc<Counters>) -> Link {
        let first = first.map(Arc::new);
        let (publish, state) = watch::channel(first.clone().map_or(State::Connecting, State::Up));
        let task = tokio::spawn(keep(source, first, publish, counters)).abort_handle();
        Link { state, task }
    }

    /// What there is of it now.
    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// The connection, if it is up.
    pub(super) fn live(&self) -> Option<Arc<Live>> {
        match &*self.state.borrow() {
            State::Up(live) => Some(Arc::clone(live)),
            State::Connecting | State::Down(_) => None,
        }
    }

    /// Waits until it is up, or an attempt has failed.
    pub(super) async fn first_attempt(&self) -> State {
        let mut state = self.state.clone();
        match state.wait_for(|state| !matches!(state, State::Connecting)).await {
            Ok(state) => state.clone(),
            Err(_) => State::Connecting,
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(
    source: Source,
    first: Option<Arc<Live>>,
    publish: watch::Sender<State>,
    counters: Arc<Counters>,
) {
    let mut backoff = Backoff::new();
    let mut current = first;
    loop {
        let begun = Instant::now();
        let attempt = match current.take() {
            Some(live) => Ok(live),
            None => source.connect().await.map(Arc::new),
        };
        match attempt {
            Ok(live) => {
                publish.send_replace(State::Up(Arc::clone(&live)));
                live.until_lost().await;
                counters.lost();
                publish.send_replace(State::Connecting);
                // Connections that are lost as soon as they are made must not be made over and over without a rest.
                if begun.elapsed() >= Backoff::LONGEST {
                    backoff = Backoff::new();
                    continue;
                }
            }
            Err(error) => {
                publish.send_replace(State::Down(error));
            }
        }
        // An attempt that took its time was a wait itself.
        sleep(backoff.next().saturating_sub(begun.elapsed())).await;
    }
}
