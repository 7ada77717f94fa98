//! [`Cluster`]: the servers of a cluster, each with connections of its own.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use redis::Value;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::slots::{SLOTS, SlotRange, parse};
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
/// Who does not tell its slots in this time is busy, and another is asked.
const PATIENCE: Duration = Duration::from_millis(250);

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
        if let Some(slots) = shared.ask_anybody().await {
            shared.take(slots);
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
        self.nodes.lock().retain(|address, _| masters.contains(address));
    }

    /// What any server says that there is a connection to, or else one of the first.
    async fn ask_anybody(&self) -> Option<Vec<SlotRange>> {
        // The order of a map is as good as any: one that is silent is given up by its calls.
        for live in self.known().iter().filter_map(|node| node.live().ok()) {
            if let Ok(Ok(slots)) = timeout(PATIENCE, self.ask(&live)).await {
                return Some(slots);
            }
        }
        self.ask_seeds().await.ok()
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
