//! [`Topology`]: which server has which keys.

use std::sync::Arc;

use crate::distributed::{Applied, BackendError, BackendErrorKind};

use super::address::Address;
use super::cluster::{Cluster, slot};
use super::node::Node;
use super::sentinel::Following;

/// Which server has which keys.
#[derive(Debug)]
pub(super) enum Topology {
    /// One has all.
    One(Arc<Node>),
    /// One has all, and Sentinels tell when it is another.
    Watched { node: Arc<Node>, _following: Following },
    /// They are spread.
    Cluster(Cluster),
}

impl Topology {
    /// The server that has this key.
    pub(super) fn node(&self, key: &[u8]) -> Result<Arc<Node>, BackendError> {
        match self {
            Topology::One(node) | Topology::Watched { node, .. } => Ok(Arc::clone(node)),
            Topology::Cluster(cluster) => cluster.owner(slot(key)),
        }
    }

    /// The server at the address that another one named, because the slot is there now.
    pub(super) fn moved(&self, address: &Address) -> Result<Arc<Node>, BackendError> {
        self.doubt();
        self.asked(address)
    }

    /// The server at the address that another one named, for this once.
    pub(super) fn asked(&self, address: &Address) -> Result<Arc<Node>, BackendError> {
        match self {
            Topology::One(_) | Topology::Watched { .. } => {
                let message =
                    format!("keys are at {address} too, so this is a cluster; use RedisBackend::cluster");
                Err(BackendError::new(BackendErrorKind::Configuration, Applied::No, message))
            }
            Topology::Cluster(cluster) => Ok(cluster.node_at(address)),
        }
    }

    /// Something is not where it was thought to be.
    pub(super) fn doubt(&self) {
        if let Topology::Cluster(cluster) = self {
            cluster.refresh();
        }
    }

    /// All servers that are known.
    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        match self {
            Topology::One(node) | Topology::Watched { node, .. } => vec![Arc::clone(node)],
            Topology::Cluster(cluster) => cluster.nodes(),
        }
    }

    /// How many connections are up.
    pub(super) fn connections(&self) -> usize {
        self.nodes().iter().map(|node| node.connections()).sum()
    }
}
