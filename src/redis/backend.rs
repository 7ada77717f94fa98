//! [`RedisBackend`]: a [`Backend`] whose store is Redis or Valkey.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use crate::distributed::{Applied, Backend, BackendError, BoxFuture, Hello, Operation, Reply, Subject};

use super::builder::RedisBuilder;
use super::cluster::{SLOTS, slot};
use super::dispatch::dispatch;
use super::latency::{Latencies, OperationLatency};
use super::request::{Request, Route};
use super::scripts::{self, Call};
use super::stats::{Counters, RedisStats, Warning};
use super::topology::Topology;

/// Slots of a failure domain: 64 domains are enough that one shard's trouble concerns few others, and few enough that
/// each can be probed.
const SLOTS_OF_A_DOMAIN: u16 = 256;
const DOMAINS: u16 = SLOTS / SLOTS_OF_A_DOMAIN;

/// For each failure domain a number that, as a hash tag, has its slot there.
static DOMAIN_TAGS: LazyLock<[u16; DOMAINS as usize]> = LazyLock::new(|| {
    std::array::from_fn(|domain| {
        let is_there =
            |number: &u16| usize::from(slot(number.to_string().as_bytes()) / SLOTS_OF_A_DOMAIN) == domain;
        (0..u16::MAX).find(is_there).unwrap_or(u16::MAX)
    })
});

/// A [`Backend`] whose store is Redis 6 or later, or Valkey: one server, a master watched by Sentinels, or a cluster.
///
/// Every operation is one script, run by the server as a whole; operations that are asked for together travel together.
/// None is sent again unless it surely was not carried out. Connections are made anew in the background; while there is
/// none, operations fail at once.
///
/// Clones are handles of the same backend. When the last is dropped, the connections are closed.
///
/// ```no_run
/// use tollgate::redis::RedisBackend;
///
/// # async fn start() -> Result<(), tollgate::redis::RedisError> {
/// let backend = RedisBackend::builder("redis://limits:password@10.0.0.1:6379/0").prefix("shop").build().await?;
/// for warning in backend.warnings() {
///     eprintln!("{warning}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisBackend {
    inner: Arc<Inner>,
}

struct Inner {
    topology: Topology,
    prefix: String,
    counters: Arc<Counters>,
    latencies: Latencies,
}

impl RedisBackend {
    /// One server: `redis://user:password@host:port/database`, `rediss://` for TLS, or `unix:///path`.
    pub fn builder(url: impl Into<String>) -> RedisBuilder {
        RedisBuilder::standalone(url)
    }

    /// The master that these Sentinels watch under this name. They are asked for each new connection, and listened to, so
    /// that a master that is replaced is left at once. With ACLs their user needs
    /// `+sentinel|get-master-addr-by-name +sentinel|master +subscribe &*`.
    ///
    /// ```no_run
    /// # use tollgate::redis::{RedisBackend, RedisError};
    /// # async fn start() -> Result<(), RedisError> {
    /// let sentinels = ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379", "redis://10.0.0.3:26379"];
    /// let backend = RedisBackend::sentinel(sentinels, "mymaster").password("of the master").build().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sentinel<U: Into<String>>(
        urls: impl IntoIterator<Item = U>,
        master: impl Into<String>,
    ) -> RedisBuilder {
        RedisBuilder::sentinel(urls, master)
    }

    /// The cluster that these servers are of: a few are enough, the others are found. What one server does concerns
    /// nobody but its own keys: each has connections and failure domains of its own.
    ///
    /// ```no_run
    /// # use tollgate::redis::{RedisBackend, RedisError};
    /// # async fn start() -> Result<(), RedisError> {
    /// let backend = RedisBackend::cluster(["rediss://10.0.0.1:7000", "rediss://10.0.0.2:7000"]).build().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn cluster<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> RedisBuilder {
        RedisBuilder::cluster(urls)
    }

    pub(super) fn new(topology: Topology, prefix: String, counters: Arc<Counters>) -> RedisBackend {
        let latencies = Latencies::new();
        RedisBackend { inner: Arc::new(Inner { topology, prefix, counters, latencies }) }
    }

    /// What should be changed about the servers, as far as it was seen: each once.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.inner.counters.warnings()
    }

    /// What became of connections and calls since the backend was built.
    #[must_use]
    pub fn stats(&self) -> RedisStats {
        self.inner.counters.read(self.inner.topology.connections() as u64)
    }

    /// How long the store took, by operation: those that were asked for at all.
    #[must_use]
    pub fn latency(&self) -> Vec<OperationLatency> {
        self.inner.latencies.read()
    }
}

impl Inner {
    async fn execute(&self, operations: &[Operation], deadline: Instant) -> Vec<Result<Reply, BackendError>> {
        let started = Instant::now();
        let mut requests: Vec<_> = operations.iter().map(|operation| self.request(operation)).collect();
        dispatch(&self.topology, &mut requests, deadline, &self.counters).await;
        let took = started.elapsed();
        let answered = operations.iter().zip(requests);
        answered
            .map(|(operation, request)| {
                let answer = request.into_answer();
                // What was not carried out tells nothing of the store.
                if !answer.as_ref().is_err_and(|error| error.applied() == Applied::No) {
                    self.latencies.record(operation, took);
                }
                scripts::reply(operation, answer?)
            })
            .collect()
    }

    fn request<'a>(&self, operation: &'a Operation) -> Request<'a> {
        let limit = operation.subject().map_or("", |subject| &*subject.limit);
        Request::new(limit, self.route(operation))
    }

    fn route(&self, operation: &Operation) -> Result<(Call, Route), BackendError> {
        let call = match (operation, &self.topology) {
            (Operation::Hello(hello), Topology::Cluster(_)) => {
                let hello = Hello::new(hello.node, hello.life, domain_tag(hello.domain));
                scripts::call(&Operation::Hello(hello), &self.prefix, None)
            }
            _ => scripts::call(operation, &self.prefix, None),
        }?;
        let node = self.topology.node(call.keys.first().map_or(&[], Vec::as_slice))?;
        Ok((call, Route::to(node)))
    }
}

impl Backend for RedisBackend {
    fn execute<'a>(
        &'a self,
        operations: &'a [Operation],
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<Result<Reply, BackendError>>> {
        Box::pin(self.inner.execute(operations, deadline))
    }

    /// In a cluster, the slot.
    fn place(&self, subject: &Subject) -> u32 {
        match self.inner.topology {
            Topology::One(_) | Topology::Watched { .. } => 0,
            // What fits no store has no key, and fails wherever it is asked.
            Topology::Cluster(_) => {
                scripts::key_of(subject, &self.inner.prefix).map_or(0, |key| u32::from(slot(&key)))
            }
        }
    }

    fn failure_domain(&self, place: u32) -> u16 {
        let slot = u16::try_from(place).unwrap_or(0);
        slot.min(SLOTS - 1) / SLOTS_OF_A_DOMAIN
    }

    fn failure_domains(&self) -> u16 {
        match self.inner.topology {
            Topology::One(_) | Topology::Watched { .. } => 1,
            Topology::Cluster(_) => DOMAINS,
        }
    }
}

impl fmt::Debug for RedisBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackend").field("prefix", &self.inner.prefix).finish_non_exhaustive()
    }
}

fn domain_tag(domain: u16) -> u16 {
    DOMAIN_TAGS.get(usize::from(domain)).copied().unwrap_or(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_domain_of_a_cluster_has_a_tag_whose_slot_is_in_it() {
        for domain in 0..DOMAINS {
            let key = format!("tollgate::nodes:{{{}}}", domain_tag(domain));
            assert_eq!(slot(key.as_bytes()) / SLOTS_OF_A_DOMAIN, domain);
        }
    }
}
