//! [`ServerInfo`]: what a server says of itself.

use redis::aio::MultiplexedConnection;

use super::address::Address;
use super::error::RedisError;

/// What a server says of itself, by `INFO`: one command that tells all that is to be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerInfo {
    /// Redis' version that it is compatible with; Valkey says 7.2 here.
    pub(super) major_version: u32,
    pub(super) is_master: bool,
    pub(super) mode: String,
    pub(super) maxmemory_policy: Option<String>,
}

/// What a server is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerKind {
    Standalone,
    Cluster,
}

impl ServerKind {
    /// As `redis_mode` of `INFO`.
    fn as_str(self) -> &'static str {
        match self {
            ServerKind::Standalone => "standalone",
            ServerKind::Cluster => "cluster",
        }
    }
}

impl ServerInfo {
    pub(super) async fn ask(
        connection: &mut MultiplexedConnection,
        address: &Address,
    ) -> Result<ServerInfo, RedisError> {
        let text: String = redis::cmd("INFO")
            .query_async(connection)
            .await
            .map_err(|error| RedisError::of_connecting(address, &error))?;
        Ok(ServerInfo::parse(&text))
    }

    fn parse(text: &str) -> ServerInfo {
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(|value| value.trim().to_owned())
        };
        let version = field("redis_version").unwrap_or_default();
        ServerInfo {
            // What does not tell is taken for old: old scripts run everywhere.
            major_version: version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0),
            is_master: field("role").is_none_or(|role| role == "master"),
            // Valkey 8 says `server_mode` besides.
            mode: field("redis_mode")
                .or_else(|| field("server_mode"))
                .unwrap_or_else(|| "standalone".to_owned()),
            maxmemory_policy: field("maxmemory_policy"),
        }
    }

    /// Whether it knows the `#!lua` line of scripts. Older ones take it for an error.
    pub(super) fn knows_shebang(&self) -> bool {
        self.major_version >= 7
    }

    /// Fails unless it is a master, and of this kind.
    pub(super) fn expect(&self, kind: ServerKind, address: &Address) -> Result<(), RedisError> {
        let server = address.to_string();
        if self.mode != kind.as_str() {
            return Err(RedisError::WrongKind { server, found: self.mode.clone(), expected: kind.as_str() });
        }
        // In a cluster a replica is told apart by its MOVED.
        if !self.is_master && kind == ServerKind::Standalone {
            return Err(RedisError::Replica { server });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_7_is_known_by_its_info() {
        let info = ServerInfo::parse(
            "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n# Memory\r\nmaxmemory_policy:allkeys-lru\r\n# Replication\r\nrole:slave\r\n",
        );
        let expected = ServerInfo {
            major_version: 7,
            is_master: false,
            mode: "standalone".to_owned(),
            maxmemory_policy: Some("allkeys-lru".to_owned()),
        };
        assert_eq!(info, expected);
        assert!(info.knows_shebang());
    }

    #[test]
    fn valkey_counts_as_the_redis_that_it_is_compatible_with() {
        let info = ServerInfo::parse(
            "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\nserver_mode:cluster\r\nrole:master\r\n",
        );
        assert_eq!((info.major_version, info.mode.as_str()), (7, "cluster"));
    }

    #[test]
    fn redis_6_gets_scripts_without_shebang() {
        assert!(!ServerInfo::parse("redis_version:6.2.14\r\nrole:master\r\n").knows_shebang());
    }
}
