//! [`RedisError`]: why a backend could not be built, or a server not be used.

use std::fmt;
use std::time::Duration;

use crate::distributed::{Applied, BackendError, BackendErrorKind};

/// Why there is no backend, or no connection.
///
/// [`RedisBuilder::build`](super::RedisBuilder::build) tells one. Messages name servers by their address; no password is ever in one. For an example see [`RedisBackend`](super::RedisBackend).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisError {
    /// This is not the URL of a server.
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// A setting is out of range.
    Setting {
        /// Which one.
        field: &'static str,
        /// What was given.
        value: String,
        /// What is possible.
        expected: &'static str,
    },
    /// The certificates or the key cannot be used.
    Certificates {
        /// What is wrong with them.
        reason: String,
    },
    /// It was not built in a Tokio runtime.
    NoRuntime,
    /// No connection came about.
    Unreachable {
        /// To which server.
        server: String,
        /// Why not.
        reason: String,
    },
    /// No connection in time.
    ConnectTimeout {
        /// To which server.
        server: String,
        /// In which time.
        timeout: Duration,
    },
    /// The server does not accept the user or the password.
    Authentication {
        /// Which server.
        server: String,
        /// What it said.
        reason: String,
    },
    /// The server does not speak RESP3, or may not be asked to.
    NoResp3 {
        /// Which server.
        server: String,
    },
    /// The user may not do what is needed.
    Permission {
        /// On which server.
        server: String,
        /// What it said.
        reason: String,
    },
    /// The server is a replica.
    Replica {
        /// Which server.
        server: String,
    },
    /// The server is of another kind than the backend was built for.
    WrongKind {
        /// Which server.
        server: String,
        /// What it is: `standalone`, `cluster` or `sentinel`.
        found: String,
        /// What it was taken for.
        expected: &'static str,
    },
    /// The server does not run Lua scripts.
    NoScripts {
        /// Which server.
        server: String,
        /// What it said.
        reason: String,
    },
    /// No Sentinel knows this master.
    UnknownMaster {
        /// The name that was asked for.
        name: String,
    },
    /// No server serves any slot.
    NoSlots {
        /// The server that was asked.
        server: String,
    },
    /// The server answered with an error, or made no sense.
    Server {
        /// Which server.
        server: String,
        /// What it said.
        reason: String,
    },
}

impl RedisError {
    /// What operations fail with while this is why there is no connection.
    pub(super) fn to_backend_error(&self) -> BackendError {
        let kind = match self {
            RedisError::Replica { .. } => BackendErrorKind::NotPrimary,
            RedisError::Unreachable { .. }
            | RedisError::ConnectTimeout { .. }
            | RedisError::NoSlots { .. }
            | RedisError::Server { .. } => BackendErrorKind::Unavailable,
            _ => BackendErrorKind::Configuration,
        };
        BackendError::new(kind, Applied::No, self.to_string())
    }

    /// What a server or redis-rs said while the connection was being made.
    pub(super) fn of_connecting(server: &dyn fmt::Display, error: &redis::RedisError) -> RedisError {
        let (server, reason) = (server.to_string(), reason_of(error));
        match (error.code(), error.kind()) {
            (Some("NOPROTO"), _) | (_, redis::ErrorKind::RESP3NotSupported) => RedisError::NoResp3 { server },
            _ if unknown_command(error).is_some_and(|text| text.to_ascii_uppercase().contains("HELLO")) => {
                RedisError::NoResp3 { server }
            }
            (Some("WRONGPASS" | "NOAUTH"), _) | (_, redis::ErrorKind::AuthenticationFailed) => {
                RedisError::Authentication { server, reason }
            }
            (Some("NOPERM"), _) => RedisError::Permission { server, reason },
            (Some("ERR"), _) if reason.contains("AUTH") => RedisError::Authentication { server, reason },
            (_, redis::ErrorKind::Io) => RedisError::Unreachable { server, reason },
            _ => RedisError::Server { server, reason },
        }
    }

    /// The same, without this password should the server have repeated it.
    pub(super) fn without(mut self, password: Option<&str>) -> RedisError {
        if let RedisError::Unreachable { reason, .. }
        | RedisError::Authentication { reason, .. }
        | RedisError::Permission { reason, .. }
        | RedisError::Server { reason, .. } = &mut self
            && let Some(password) = password.filter(|password| !password.is_empty())
        {
            *reason = reason.replace(password, "***");
        }
        self
    }
}

/// What was said, without the arguments of a command that the server does not know.
pub(super) fn reason_of(error: &redis::RedisError) -> String {
    unknown_command(error).map_or_else(|| error.to_string(), str::to_owned)
}

/// That the server does not know a command, and which, if that is what it says. It is cut off there: servers repeat the
/// arguments, and one of them may be the password.
pub(super) fn unknown_command(error: &redis::RedisError) -> Option<&str> {
    let text = error.detail().filter(|text| text.starts_with("unknown command"))?;
    let three_words = text.match_indices(' ').nth(2).map_or(text.len(), |(end, _)| end);
    Some(text[..three_words].trim_end_matches(','))
}

impl fmt::Display for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RedisError::Url { reason } => {
                write!(f, "{reason}; write redis://host:port, or rediss://host:port for TLS")
            }
            RedisError::Setting { field, value, expected } => {
                write!(f, "{field} is {value}; give {expected}")
            }
            RedisError::Certificates { reason } => write!(f, "{reason}; give certificates and keys in PEM"),
            RedisError::NoRuntime => {
                f.write_str("there is no Tokio runtime here; build the backend inside of one")
            }
            RedisError::Unreachable { server, reason } => {
                write!(
                    f,
                    "{server} cannot be reached ({reason}); start it, correct the address, or build with lazy()"
                )
            }
            RedisError::ConnectTimeout { server, timeout } => write!(
                f,
                "{server} did not let us in within {timeout:?}; check address and firewall, raise connect_timeout, or build with lazy()"
            ),
            RedisError::Authentication { server, reason } => {
                write!(
                    f,
                    "{server} does not accept the user or password ({reason}); correct username and password"
                )
            }
            RedisError::NoResp3 { server } => {
                write!(
                    f,
                    "{server} does not speak RESP3; use Redis 6 or later there, and allow its command HELLO"
                )
            }
            RedisError::Permission { server, reason } => write!(
                f,
                "the user may not do on {server} what is needed ({reason}); grant it by ACL SETUSER: {}, and ~ with the prefix",
                super::ACL_RULE
            ),
            RedisError::Replica { server } => {
                write!(
                    f,
                    "{server} is a replica and cannot write; give the master's address, or use RedisBackend::sentinel"
                )
            }
            RedisError::WrongKind { server, found, expected } => write!(
                f,
                "{server} is {found}, not {expected}; use RedisBackend::builder for standalone servers, ::sentinel and ::cluster for those"
            ),
            RedisError::NoScripts { server, reason } => {
                write!(f, "{server} does not run scripts ({reason}); allow EVAL and EVALSHA there")
            }
            RedisError::UnknownMaster { name } => {
                write!(
                    f,
                    "no Sentinel knows a master named {name:?}; give the name of its `sentinel monitor` line"
                )
            }
            RedisError::NoSlots { server } => {
                write!(
                    f,
                    "{server} knows of no master that serves a slot; create the cluster (redis-cli --cluster create)"
                )
            }
            RedisError::Server { server, reason } => write!(f, "{server} answered: {reason}"),
        }
    }
}

impl std::error::Error for RedisError {}
