//! [`Source`]: where a master is to be found, each time anew.

use super::address::Address;
use super::connector::Connector;
use super::error::RedisError;
use super::info::ServerKind;
use super::live::Live;
use super::sentinel::Sentinels;

/// Where a master is to be found, each time anew.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// At an address, whose name is resolved each time.
    Server { address: Address, kind: ServerKind, connector: Connector },
    /// Where the Sentinels say.
    Sentinels(Sentinels),
}

impl Source {
    pub(super) async fn connect(&self) -> Result<Live, RedisError> {
        match self {
            Source::Server { address, kind, connector } => connector.connect(address, *kind).await,
            Source::Sentinels(sentinels) => sentinels.connect().await,
        }
    }
}
