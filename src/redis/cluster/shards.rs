//! [`Cluster`]: the servers of a cluster, each with connections of its own.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use parking_lot::Mutex;
use redis::Value;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::slots::{SLOTS, SlotRange, most_told, parse};
use crate::distributed::{Applied, BackendError, BackendErrorKind};
use crate::redis::address::Address;
use crate::redis::backoff::up_to;
use crate::redis::connector::Connector;
use crate::redis::error::RedisError;
use crate::redis::info::ServerKind;
use crate::redis::live::Live;
use crate::redis::node::Node;
use crate::redis::source::Source;

/// Slots are read at most ten times a second: while they move, redirections say where each is.
const REST: Duration = Duration::from_millis(100);
/// While a server is down, for its successor: as often as a connection to it is tried.
const WHILE_DOWN: Duration = Duration::from_millis(250);
/// While all is well, in case that a server was added.
const WHILE_WELL: Duration = Duration::from_secs(30);
/// Who does not tell its slots in this time is busy, and has no say.
const PATIENCE: Duration = Duration::from_millis(250);
/// So many are asked at once: two that are behind are outvoted, and a large cluster is not kept busy.
const VOICES: usize = 5;

/// The servers of a cluster, each with connections of its own: what one does concerns no other.
#[derive(Debug)]
pub(in crate::redis) struct Cluster {
    shared: Arc<Shared>,
    refreshing: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    seeds: Vec<Address>,
    connector: Connector,
    connections: usize,
    nodes: Mutex<HashMap<Address, Arc<Node>>>,
    owners: ArcSwap<Vec<Option<Arc<Node>>>>,
    refresh: Notify,
    /// Counts refreshes: each begins with another server.
    turn: AtomicUsize,
    /// Why the slots could not be read the last time.
    failure: Mutex<Option<RedisError>>,
}

impl Cluster {
    /// The cluster that these servers are of; each server gets so many connections.
    pub(in crate::redis) fn new(seeds: Vec<Address>, connector: Connector, connections: usize) -> Cluster {
        let shared = Arc::new(Shared {
            seeds,
            connector,
            connections,
            nodes: Mutex::default(),
            owners: ArcSwap::from_pointee(vec![None; usize::from(SLOTS)]),
            refresh: Notify::new(),
            turn: AtomicUsize::new(0),
            failure: Mutex::default(),
        });
        let refreshing = tokio::spawn(keep_fresh(Arc::clone(&shared))).abort_handle();
        Cluster { shared, refreshing }
    }

    /// Reads the slots and waits for a connection to every master.
    pub(in crate::redis) async fn reach(&self) -> Result<(), RedisError> {
        let shared = &self.shared;
        shared.take(shared.ask_seeds().await?);
        for node in shared.known() {
            node.first_attempt().await?;
        }
        Ok(())
    }

    /// The server that has this slot.
    pub(in crate::redis) fn owner(&self, slot: u16) -> Result<Arc<Node>, BackendError> {
        let owners = self.shared.owners.load();
        owners.get(usize::from(slot)).and_then(Clone::clone).ok_or_else(|| {
            self.refresh();
            if let Some(failure) = &*self.shared.failure.lock() {
                return failure.to_backend_error();
            }
            let message =
                format!("no server is known that has slot {slot}; see CLUSTER SLOTS of the cluster");
            BackendError::new(BackendErrorKind::Unavailable, Applied::No, message)
        })
    }

    /// The server at this address; its connection may have to be made first.
    pub(in crate::redis) fn node_at(&self, address: &Address) -> Arc<Node> {
        self.shared.node_at(address)
    }

    /// Slots are read anew, soon.
    pub(in crate::redis) fn refresh(&self) {
        self.shared.refresh.notify_one();
    }

    /// All servers that are known.
    pub(in crate::redis) fn nodes(&self) -> Vec<Arc<Node>> {
        self.shared.known()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.refreshing.abort();
    }
}

/// Reads the slots when somebody asks for it, and now and then.
async fn keep_fresh(shared: Arc<Shared>) {
    loop {
        let wait = if shared.is_well() { WHILE_WELL } else { up_to(WHILE_DOWN) };
        // Either way it is time.
        let _ = timeout(wait, shared.refresh.notified()).await;
        match shared.ask_around().await {
            Ok(slots) => shared.take(slots),
            Err(error) => *shared.failure.lock() = Some(error),
        }
        sleep(REST).await;
    }
}

impl Shared {
    fn known(&self) -> Vec<Arc<Node>> {
        self.nodes.lock().values().cloned().collect()
    }

    fn is_well(&self) -> bool {
        let known = self.known();
        !known.is_empty() && known.iter().all(|node| node.connections() > 0)
    }

    fn node_at(&self, address: &Address) -> Arc<Node> {
        let mut nodes = self.nodes.lock();
        if let Some(node) = nodes.get(address) {
            return Arc::clone(node);
        }
        let source = Source::Server {
            address: address.clone(),
            kind: ServerKind::Cluster,
            connector: self.connector.clone(),
        };
        let node = Arc::new(Node::keep(&source, self.connections, None, self.connector.counters()));
        nodes.insert(address.clone(), Arc::clone(&node));
        node
    }

    /// From now on these are the masters. Others are left, when the last call to them is over.
    fn take(&self, slots: Vec<SlotRange>) {
        let mut owners = vec![None; usize::from(SLOTS)];
        let mut masters = HashSet::new();
        for range in slots {
            let node = self.node_at(&range.master);
            owners[usize::from(range.first)..=usize::from(range.last)].fill(Some(node));
            masters.insert(range.master);
        }
        self.owners.store(Arc::new(owners));
        *self.failure.lock() = None;
        self.nodes.lock().retain(|address, _| masters.contains(address));
    }

    /// What most of the servers say that there is a connection to, or else what one of the first does. A master that is
    /// cut off from the others tells for ever what it knew before.
    async fn ask_around(&self) -> Result<Vec<SlotRange>, RedisError> {
        let mut connected: Vec<_> = self.known().iter().filter_map(|node| node.live().ok()).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let first = turn.checked_rem(connected.len()).unwrap_or(0);
        connected.rotate_left(first);
        let asked = connected.iter().take(VOICES).map(|live| timeout(PATIENCE, self.ask(live)));
        let told = join_all(asked).await.into_iter().filter_map(|answer| answer.ok()?.ok()).collect();
        match most_told(told) {
            Some(slots) => Ok(slots),
            None => self.ask_seeds().await,
        }
    }

    async fn ask_seeds(&self) -> Result<Vec<SlotRange>, RedisError> {
        let mut failure = RedisError::NoSlots { server: "nobody".to_owned() };
        for seed in &self.seeds {
            let attempt = async {
                let live = self.connector.connect(seed, ServerKind::Cluster).await?;
                self.ask(&live).await
            };
            match attempt.await {
                Ok(slots) => return Ok(slots),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn ask(&self, live: &Live) -> Result<Vec<SlotRange>, RedisError> {
        let server = live.address();
        let mut connection = live.connection();
        let question = redis::cmd("CLUSTER").arg("SLOTS").to_owned();
        let bound = self.connector.connect_timeout();
        let answer: Value = timeout(bound, question.query_async(&mut connection))
            .await
            .map_err(|_| RedisError::ConnectTimeout { server: server.to_string(), timeout: bound })?
            .map_err(|error| RedisError::of_connecting(server, &error))?;
        let slots = parse(&answer, server);
        self.connector.counters().refreshed();
        if slots.is_empty() { Err(RedisError::NoSlots { server: server.to_string() }) } else { Ok(slots) }
    }
}
