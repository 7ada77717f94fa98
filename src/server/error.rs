//! [`ServerError`]: why the service does not start.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::settings::SettingsError;
use crate::policy::WatchError;
use crate::redis::RedisError;

/// Why the service does not start.
///
/// [`Server::start`](super::Server::start) tells one; [`Server`](super::Server) has an example.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// A setting is wrong.
    Settings(SettingsError),
    /// The policies cannot be used.
    Policies(WatchError),
    /// A backend cannot be built as its settings say.
    Backend {
        /// Its name.
        name: String,
        /// Why not.
        error: RedisError,
    },
    /// The certificate or its key cannot be used.
    Tls {
        /// The file.
        file: PathBuf,
        /// Why not.
        message: String,
    },
    /// An address cannot be listened on.
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// The snapshot cannot be used, or not be written.
    Snapshot {
        /// The file.
        file: PathBuf,
        /// Why not, and what to do.
        message: String,
    },
    /// Metrics cannot be kept.
    Metrics(String),
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerError::Settings(error) => error.fmt(f),
            ServerError::Policies(error) => error.fmt(f),
            ServerError::Backend { name, error } => write!(f, "backends.{name}: {error}"),
            ServerError::Listen { address, error } => {
                write!(f, "cannot listen on {address}: {error}; choose another with --listen, or --resp")
            }
            ServerError::Tls { file, message } | ServerError::Snapshot { file, message } => {
                write!(f, "{}: {message}", file.display())
            }
            ServerError::Metrics(message) => write!(f, "metrics: {message}"),
        }
    }
}

impl std::error::Error for ServerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ServerError::Settings(error) => Some(error),
            ServerError::Policies(error) => Some(error),
            ServerError::Backend { error, .. } => Some(error),
            ServerError::Listen { error, .. } => Some(error),
            ServerError::Tls { .. } | ServerError::Snapshot { .. } | ServerError::Metrics(_) => None,
        }
    }
}

impl From<SettingsError> for ServerError {
    fn from(error: SettingsError) -> ServerError {
        ServerError::Settings(error)
    }
}
