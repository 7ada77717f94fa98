//! [`Node`]: a server that is asked, over one connection or several.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::distributed::{Applied, BackendError, BackendErrorKind};

use super::address::Address;
use super::error::RedisError;
use super::link::{Link, State};
use super::live::Live;
use super::source::Source;
use super::stats::Counters;

/// A server that is asked, over one connection or several.
#[derive(Debug)]
pub(super) struct Node {
    links: Vec<Link>,
    turn: AtomicUsize,
}

impl Node {
    /// Keeps so many connections to this source, at least one.
    pub(super) fn keep(
        source: &Source,
        connections: usize,
        mut first: Option<Live>,
        counters: &Arc<Counters>,
    ) -> Node {
        let links = (0..connections.max(1))
            .map(|_| Link::keep(source.clone(), first.take(), Arc::clone(counters)))
            .collect();
        Node { links, turn: AtomicUsize::new(0) }
    }

    /// A connection that is up; they take turns. It never waits for one.
    pub(super) fn live(&self) -> Result<Arc<Live>, BackendError> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut in_turn = self.links.iter().cycle().skip(turn % self.links.len()).take(self.links.len());
        in_turn.find_map(Link::live).ok_or_else(|| self.trouble())
    }

    /// Waits until there is a connection, or no attempt was any use.
    pub(super) async fn first_attempt(&self) -> Result<(), RedisError> {
        let mut failure = Ok(());
        for link in &self.links {
            match link.first_attempt().await {
                State::Up(_) => return Ok(()),
                State::Down(error) => failure = Err(error),
                State::Connecting => {}
            }
        }
        failure
    }

    /// Gives up connections to other servers than this.
    pub(super) fn give_up_all_but(&self, master: &Address) {
        for live in self.links.iter().filter_map(Link::live) {
            if live.address() != master {
                live.give_up();
            }
        }
    }

    /// How many connections are up.
    pub(super) fn connections(&self) -> usize {
        self.links.iter().filter(|link| link.live().is_some()).count()
    }

    fn trouble(&self) -> BackendError {
        let known = self.links.iter().find_map(|link| match link.state() {
            State::Down(error) => Some(error.to_backend_error()),
            State::Connecting | State::Up(_) => None,
        });
        known.unwrap_or_else(|| {
            BackendError::new(BackendErrorKind::Unavailable, Applied::No, "the connection is being made")
        })
    }
}
