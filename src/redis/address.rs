//! [`Address`]: where a server is.

use std::fmt;
use std::path::PathBuf;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::error::RedisError;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl Address {
    /// Of another server of the same cluster: they are all reached by TCP.
    pub(super) fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp { host: host.to_owned(), port }
    }

    /// From `host:port` as servers write it in redirections, where IPv6 has no brackets. Without a host it is the host
    /// of the one who wrote it.
    pub(super) fn from_redirection(text: &str, written_by: &Address) -> Option<Address> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok()?;
        match (host, written_by) {
            ("", Address::Tcp { host, .. }) => Some(Address::tcp(host, port)),
            ("", Address::Unix(_)) => None,
            (host, _) => Some(Address::tcp(host, port)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What a URL says.
#[derive(Clone, Debug)]
pub(super) struct Url {
    pub(super) address: Address,
    pub(super) tls: bool,
    pub(super) info: ConnectionInfo,
}

impl Url {
    /// Reads a URL; without a scheme it is `redis://`.
    pub(super) fn parse(text: &str) -> Result<Url, RedisError> {
        let whole = if text.contains("://") { text.to_owned() } else { format!("redis://{text}") };
        // The text may hold a password: it is in no message.
        let info = whole.into_connection_info().map_err(|error| RedisError::Url {
            reason: format!("a server's URL cannot be read ({error})"),
        })?;
        let (address, tls) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (Address::tcp(host, *port), false),
            ConnectionAddr::TcpTls { host, port, insecure: false, .. } => (Address::tcp(host, *port), true),
            ConnectionAddr::Unix(path) => (Address::Unix(path.clone()), false),
            _ => {
                let reason =
                    "certificates are always verified, so #insecure is not possible: give root_certificates";
                return Err(RedisError::Url { reason: reason.to_owned() });
            }
        };
        Ok(Url { address, tls, info })
    }
}
