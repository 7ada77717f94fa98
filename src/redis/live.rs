//! [`Live`]: a connection that was up when last seen.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::address::Address;
use super::info::ServerInfo;
use super::stats::Counters;

/// After so many calls in a row without an answer the connection counts as lost: one may be an accident, and redis-rs
/// itself would wait for ever.
const TIMEOUTS: u32 = 3;

/// A connection that left a call without an answer is asked for a sign of life. One that takes longer than this is of no use to a check.
const SIGN_OF_LIFE: Duration = Duration::from_millis(250);

/// A connection that was up when last seen.
pub(super) struct Live {
    connection: MultiplexedConnection,
    address: Address,
    knows_shebang: bool,
    lost: Arc<Notify>,
    doubted: Notify,
    silence: Mutex<Silence>,
    counters: Arc<Counters>,
}

/// Calls without an answer since the last one that got one.
#[derive(Default)]
struct Silence {
    timeouts: u32,
    last: Option<Instant>,
}

impl Live {
    pub(super) fn new(
        connection: MultiplexedConnection,
        address: Address,
        info: &ServerInfo,
        lost: Arc<Notify>,
        counters: Arc<Counters>,
    ) -> Live {
        let silence = Mutex::new(Silence::default());
        let doubted = Notify::new();
        Live { connection, address, knows_shebang: info.knows_shebang(), lost, doubted, silence, counters }
    }

    /// A handle of the same connection: all of them share it.
    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn knows_shebang(&self) -> bool {
        self.knows_shebang
    }

    /// A call begins, and nobody listens after the deadline.
    pub(super) fn call(&self, deadline: Instant) -> CallInFlight<'_> {
        CallInFlight { live: self, started: Instant::now(), deadline, answered: false }
    }

    /// Gives the connection up: it is made anew.
    pub(super) fn give_up(&self) {
        self.lost.notify_one();
    }

    /// Waits until it is lost or given up, or gives no sign of life. It is asked for one after a call without an answer: while a breaker is
    /// open there are too few calls to find out by them.
    pub(super) async fn until_lost(&self) {
        loop {
            tokio::select! {
                () = self.lost.notified() => return,
                () = self.doubted.notified() => if !self.is_alive().await { return },
            }
        }
    }

    /// An error is a sign of life, too.
    async fn is_alive(&self) -> bool {
        let mut connection = self.connection();
        timeout(SIGN_OF_LIFE, redis::cmd("PING").query_async::<Value>(&mut connection)).await.is_ok()
    }

    fn timed_out(&self, started: Instant) {
        self.counters.timed_out();
        let mut silence = self.silence.lock();
        // Calls that were under way together are silent together, which says no more than one of them.
        if silence.last.is_some_and(|last| started < last) {
            return;
        }
        silence.timeouts += 1;
        silence.last = Some(Instant::now());
        if silence.timeouts >= TIMEOUTS {
            self.give_up();
        } else {
            self.doubted.notify_one();
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A call under way. It counts as timed out if it is dropped at the deadline without an answer, whoever drops it.
pub(super) struct CallInFlight<'a> {
    live: &'a Live,
    started: Instant,
    deadline: Instant,
    answered: bool,
}

impl CallInFlight<'_> {
    /// The server said something.
    pub(super) fn answered(mut self) {
        self.answered = true;
        *self.live.silence.lock() = Silence::default();
    }

    /// The connection was lost under it.
    pub(super) fn failed(mut self) {
        self.answered = true;
        self.live.give_up();
    }
}

impl Drop for CallInFlight<'_> {
    fn drop(&mut self) {
        if !self.answered && Instant::now() >= self.deadline {
            self.live.timed_out(self.started);
        }
    }
}
