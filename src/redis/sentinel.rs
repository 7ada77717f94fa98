//! [`Sentinels`]: who know where the master is.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use redis::RedisResult;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::address::Address;
use super::backoff::Backoff;
use super::connector::Connector;
use super::error::RedisError;
use super::info::ServerKind;
use super::live::Live;
use super::node::Node;

/// When one has answered, the others have so long: in one data centre it takes them a millisecond.
const OTHERS: Duration = Duration::from_millis(100);
/// Where they tell of a new master: its name, the old host and port, the new host and port.
const CHANNEL: &str = "+switch-master";

/// The Sentinels that watch a master.
#[derive(Clone, Debug)]
pub(super) struct Sentinels {
    pub(super) addresses: Arc<[Address]>,
    pub(super) master: Arc<str>,
    pub(super) sentinel_connector: Connector,
    pub(super) master_connector: Connector,
}

/// Where the master is, and all that is known of it.
type Answers = (RedisResult<Option<(String, u16)>>, RedisResult<HashMap<String, String>>);

/// What a Sentinel says.
#[derive(Debug)]
struct Master {
    address: Address,
    /// It grows by every failover.
    epoch: u64,
}

impl Sentinels {
    /// Connects to the master.
    pub(super) async fn connect(&self) -> Result<Live, RedisError> {
        let mut failure = RedisError::UnknownMaster { name: self.master.to_string() };
        for master in self.masters().await? {
            match self.master_connector.connect(&master, ServerKind::Standalone).await {
                Ok(live) => return Ok(live),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Gives up connections to a master that is replaced. It may take a while to learn of that itself, and admits as if
    /// nothing were.
    pub(super) fn follow(&self, node: &Arc<Node>) -> Following {
        Following(tokio::spawn(follow(self.clone(), Arc::downgrade(node))).abort_handle())
    }

    /// Whom they name. All are asked at once: one that hangs, or has not heard of a failover yet,
    /// holds nobody up.
    async fn masters(&self) -> Result<Vec<Address>, RedisError> {
        let mut asked = JoinSet::new();
        for address in self.addresses.iter().cloned() {
            asked.spawn(ask(self.sentinel_connector.clone(), address, Arc::clone(&self.master)));
        }
        let mut masters: Vec<Master> = Vec::new();
        let mut failure = RedisError::UnknownMaster { name: self.master.to_string() };
        loop {
            let patience = if masters.is_empty() { Duration::MAX } else { OTHERS };
            match timeout(patience, asked.join_next()).await {
                Ok(Some(Ok(Ok(master)))) => masters.push(master),
                Ok(Some(Ok(Err(error)))) => failure = error,
                // All have answered, or those that have not take too long.
                Ok(Some(Err(_)) | None) | Err(_) => break,
            }
        }
        let addresses = newest(masters);
        if addresses.is_empty() { Err(failure) } else { Ok(addresses) }
    }
}

/// The master of the last failover: those before it are replaced, and would admit as if nothing were. Several only if
/// the Sentinels disagree about one failover, or do not tell of which they speak.
fn newest(masters: Vec<Master>) -> Vec<Address> {
    let newest = masters.iter().map(|master| master.epoch).max();
    let mut addresses = Vec::new();
    for master in masters {
        if Some(master.epoch) == newest && !addresses.contains(&master.address) {
            addresses.push(master.address);
        }
    }
    addresses
}

/// Asks one of them where the master is.
async fn ask(connector: Connector, sentinel: Address, name: Arc<str>) -> Result<Master, RedisError> {
    let mut connection = connector.connect_to_sentinel(&sentinel).await?;
    let mut questions = redis::pipe();
    questions.ignore_errors();
    questions.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&*name);
    questions.cmd("SENTINEL").arg("MASTER").arg(&*name);
    let late =
        |_| RedisError::ConnectTimeout { server: sentinel.to_string(), timeout: connector.connect_timeout() };
    let failed = |error: redis::RedisError| RedisError::of_connecting(&sentinel, &error);
    let answers = timeout(connector.connect_timeout(), questions.query_async::<Answers>(&mut connection));
    let (address, details) = answers.await.map_err(late)?.map_err(failed)?;
    let (host, port) =
        address.map_err(failed)?.ok_or_else(|| RedisError::UnknownMaster { name: name.to_string() })?;
    // One that does not tell is believed if no other does.
    let epoch = details.ok().and_then(|details| details.get("config-epoch")?.parse().ok()).unwrap_or(0);
    Ok(Master { address: Address::tcp(&host, port), epoch })
}

/// Listens to Sentinels until it is dropped.
#[derive(Debug)]
pub(super) struct Following(AbortHandle);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn follow(sentinels: Sentinels, node: Weak<Node>) {
    let mut backoff = Backoff::new();
    for address in sentinels.addresses.iter().cycle() {
        if let Ok(mut listening) = sentinels.sentinel_connector.listen_to_sentinel(address, CHANNEL).await {
            backoff = Backoff::new();
            // It may have happened while nobody listened.
            if let Ok(masters) = sentinels.masters().await {
                keep_only(&node, masters.first());
            }
            let mut messages = listening.on_message();
            while let Some(message) = messages.next().await {
                let text: String = message.get_payload().unwrap_or_default();
                keep_only(&node, new_master(&text, &sentinels.master).as_ref());
            }
        }
        sleep(backoff.next()).await;
    }
}

fn keep_only(node: &Weak<Node>, master: Option<&Address>) {
    if let (Some(node), Some(master)) = (node.upgrade(), master) {
        node.give_up_all_but(master);
    }
}

/// Where this master is, if that is what the message tells.
fn new_master(message: &str, name: &str) -> Option<Address> {
    let words: Vec<_> = message.split(' ').collect();
    let [told, _, _, host, port] = words.as_slice() else { return None };
    (*told == name).then_some(Address::tcp(host, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_that_is_known_to_be_replaced_is_not_asked() {
        let master = |port, epoch| Master { address: Address::tcp("10.0.0.1", port), epoch };
        let ports =
            |ports: &[u16]| ports.iter().map(|port| Address::tcp("10.0.0.1", *port)).collect::<Vec<_>>();
        assert_eq!(newest(vec![master(1, 6), master(2, 7), master(1, 6), master(2, 7)]), ports(&[2]));
        assert_eq!(newest(vec![master(1, 0), master(2, 0), master(1, 0)]), ports(&[1, 2]));
        assert_eq!(newest(Vec::new()), []);
    }

    #[test]
    fn a_new_master_is_read_from_the_message_if_it_is_ours() {
        let message = "mymaster 10.0.0.1 6379 10.0.0.2 6380";
        assert_eq!(new_master(message, "mymaster"), Some(Address::tcp("10.0.0.2", 6380)));
        assert_eq!(new_master(message, "other"), None);
        assert_eq!(new_master("mymaster 10.0.0.1", "mymaster"), None);
    }
}
