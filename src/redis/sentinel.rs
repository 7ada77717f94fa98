//! [`Sentinels`]: who know where the master is.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::address::Address;
use super::connector::Connector;
use super::error::RedisError;
use super::info::ServerKind;
use super::live::Live;

/// The Sentinels that watch a master.
#[derive(Clone, Debug)]
pub(super) struct Sentinels {
    pub(super) addresses: Arc<[Address]>,
    pub(super) master: Arc<str>,
    /// How they are reached.
    pub(super) to_sentinels: Connector,
    /// How the master is.
    pub(super) to_master: Connector,
}

impl Sentinels {
    /// Connects to the master that one of them names. All are asked at once: one that hangs, or has not heard of a
    /// failover yet, holds nobody up.
    pub(super) async fn connect(&self) -> Result<Live, RedisError> {
        let mut asked = JoinSet::new();
        for address in self.addresses.iter().cloned() {
            asked.spawn(ask(self.to_sentinels.clone(), address, Arc::clone(&self.master)));
        }
        let mut tried = Vec::new();
        let mut of_sentinels = RedisError::UnknownMaster { name: self.master.to_string() };
        let mut of_master = None;
        // The tasks are ours and not aborted: only the end of the runtime ends them early.
        while let Some(Ok(answer)) = asked.join_next().await {
            match answer {
                Ok(master) if tried.contains(&master) => {}
                Ok(master) => {
                    match self.to_master.connect(&master, ServerKind::Standalone).await {
                        Ok(live) => return Ok(live),
                        Err(error) => of_master = Some(error),
                    }
                    tried.push(master);
                }
                Err(error) => of_sentinels = error,
            }
        }
        // What is said of the master is worth more than that some Sentinel is down.
        Err(of_master.unwrap_or(of_sentinels))
    }
}

/// Asks one of them where the master is.
async fn ask(connector: Connector, sentinel: Address, master: Arc<str>) -> Result<Address, RedisError> {
    let mut connection = connector.connect_to_sentinel(&sentinel).await?;
    let mut question = redis::cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(&*master);
    let late =
        |_| RedisError::ConnectTimeout { server: sentinel.to_string(), timeout: connector.connect_timeout() };
    let answer: Option<(String, u16)> =
        tokio::time::timeout(connector.connect_timeout(), question.query_async(&mut connection))
            .await
            .map_err(late)?
            .map_err(|error| RedisError::of_connecting(&sentinel, &error))?;
    match answer {
        Some((host, port)) => Ok(Address::tcp(&host, port)),
        None => Err(RedisError::UnknownMaster { name: master.to_string() }),
    }
}
