//! [`Settings`]: all that can be said to the service before it starts.

mod backend;
mod check;
mod duration;
mod error;
mod file;
mod grpc;
mod secret;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::policy::{Budget, OnFailure};
use crate::server::caller::Bounds;

pub use backend::BackendSettings;
pub use error::SettingsError;
pub use grpc::GrpcSettings;
pub use secret::Secret;

/// What the service is told before it starts: what a settings file holds, each field under its name.
///
/// Fields that a file does not have are as in [`Settings::default`]; paths in a file are relative to its directory. Durations are text as `"30s"` or `"1min"`.
///
/// ```
/// use tollgate::server::Settings;
///
/// let directory = std::env::temp_dir().join(format!("tollgate-settings-{}", std::process::id()));
/// std::fs::create_dir_all(&directory)?;
/// let file = directory.join("tollgate.toml");
/// std::fs::write(&file, "listen = \"127.0.0.1:9000\"\n[limits]\nidle = \"30s\"")?;
///
/// let settings = Settings::read(&file)?;
/// assert_eq!(settings.listen.port(), 9000);
/// assert_eq!(settings.limits.idle.as_secs(), 30);
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Settings {
    /// Where HTTP/1.1, HTTP/2 and gRPC are served; default `127.0.0.1:8080`. Port 0 is any that is free.
    pub listen: SocketAddr,
    /// Where the protocol of Redis is served; nowhere unless given. It has nothing that the token guards, so it needs none.
    pub resp: Option<SocketAddr>,
    /// The file of policies; without one there are none until the configuration API makes them.
    pub policies: Option<PathBuf>,
    /// The bearer token that the configuration API asks for.
    pub token: Option<Secret>,
    /// A file with the token, in place of `token`; blanks around it do not count.
    pub token_file: Option<PathBuf>,
    /// Speak TLS, with this certificate.
    pub tls: Option<TlsSettings>,
    /// Stores that nodes share, by the names that policies have for them.
    pub backends: BTreeMap<String, BackendSettings>,
    /// Limits that come with the request.
    pub callers: CallerSettings,
    /// What gRPC clients may take up, and what Envoy is told.
    pub grpc: GrpcSettings,
    /// Bounds on what clients may take up.
    pub limits: ConnectionLimits,
    /// What is counted in memory survives a restart.
    pub snapshot: SnapshotSettings,
    /// The ending of the service.
    pub shutdown: ShutdownSettings,
    /// Threads that `tollgate serve` answers with; as many as the machine has cores unless given. [`Server::start`](super::Server::start) runs on its caller's.
    pub workers: Option<usize>,
    /// Origins whose pages may call the API from a browser: `https://admin.example.com`, or `*` for all; none unless given.
    pub cors: Vec<String>,
}

/// A certificate and its key.
///
/// A part of [`Settings`], which have an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TlsSettings {
    /// The file of the certificate and those that vouch for it, in PEM.
    pub certificate: PathBuf,
    /// The file of its private key, in PEM.
    pub key: PathBuf,
}

impl TlsSettings {
    /// With these files.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> TlsSettings {
        TlsSettings { certificate: certificate.into(), key: key.into() }
    }
}

/// Limits that come with the request: what callers may choose.
///
/// A part of [`Settings`], which have an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct CallerSettings {
    /// Whether callers may choose limits at all; they may unless told otherwise.
    pub enabled: bool,
    /// The backend that counts them; memory if none is named.
    pub backend: Option<String>,
    /// How long a request may wait for it; 25 ms if not given.
    pub budget: Option<Budget>,
    /// What becomes of requests while it cannot be asked; they are counted in memory, by this node's share, unless told otherwise.
    pub on_failure: OnFailure,
    /// At least so many nodes share a limit then, whatever the backend last said; default 1.
    pub expected_nodes: u32,
    /// Tokens that a limit may give in a second; default 100 000 000.
    pub max_rate: u64,
    /// The longest window, and time in which a burst comes back; default 366 days.
    #[serde(deserialize_with = "duration::positive")]
    pub max_window: Duration,
    /// Tokens that a limit may give at once; default 1 000 000 000.
    pub max_burst: u64,
    /// Keys held in memory at the same time, of `gcra` and `token_bucket` so many, and so many of all others together; default 1 000 000, some 43 MB. Further
    /// ones are refused.
    pub max_keys: usize,
    /// Different limits in use at the same time, of algorithms that need a table each; default 1 000.
    pub max_limits: usize,
    /// Bytes of a key; default 4 096. The protocol of Redis has no longer ones than 64 KiB here.
    pub max_key_bytes: usize,
}

impl CallerSettings {
    pub(crate) fn bounds(&self) -> Bounds {
        let &CallerSettings { max_rate, max_window, max_burst, max_keys, max_limits, max_key_bytes, .. } =
            self;
        Bounds { max_rate, max_window, max_burst, max_keys, max_limits, longest_key: max_key_bytes }
    }
}

impl Default for CallerSettings {
    fn default() -> CallerSettings {
        let Bounds { max_rate, max_window, max_burst, max_keys, max_limits, longest_key } = Bounds::default();
        CallerSettings {
            enabled: true,
            backend: None,
            budget: None,
            on_failure: OnFailure::Local,
            expected_nodes: 1,
            max_rate,
            max_window,
            max_burst,
            max_keys,
            max_limits,
            max_key_bytes: longest_key,
        }
    }
}

/// Bounds on what clients may take up.
///
/// A part of [`Settings`], which have an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ConnectionLimits {
    /// Connections at the same time, on all listeners together; default 10 000. More are closed at once.
    pub connections: usize,
    /// Bytes of a request's head; default 16 KiB, at least 8 KiB. A larger one is answered with 431.
    pub head_bytes: usize,
    /// Bytes of a request's body; default 1 MiB. A larger one is answered with 413.
    pub body_bytes: usize,
    /// The same for `POST /check/batch`, and for a message of `tollgate.v1`; default 4 MiB.
    pub batch_bytes: usize,
    /// How long a request with its body may take to arrive and be answered, streams not counted; default 30 seconds.
    #[serde(deserialize_with = "duration::positive")]
    pub request_time: Duration,
    /// How long a connection is kept on which nothing is answered; default 75 seconds. Whoever sends the head of a request more slowly is cut off, too. Over
    /// HTTP/2 the service pings its clients, and who answers stays.
    #[serde(deserialize_with = "duration::positive")]
    pub idle: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits {
            connections: 10_000,
            head_bytes: 16 << 10,
            body_bytes: 1 << 20,
            // Room for the most keys at once, 10 000, at 400 bytes each.
            batch_bytes: 4 << 20,
            // Longer than any backend's budget, and shorter than most proxies wait.
            request_time: Duration::from_secs(30),
            // Longer than the minute after which most clients and proxies give up a connection: they go first, so that none is closed under a request.
            idle: Duration::from_secs(75),
        }
    }
}

/// What is counted in memory survives a restart.
///
/// A part of [`Settings`], which have an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SnapshotSettings {
    /// The file: read at the start if it is there, written at the end. Nothing is kept unless it is given.
    pub file: Option<PathBuf>,
    /// How often it is written while the service runs; default 1 minute.
    #[serde(deserialize_with = "duration::positive")]
    pub every: Duration,
}

impl Default for SnapshotSettings {
    fn default() -> SnapshotSettings {
        SnapshotSettings { file: None, every: Duration::from_secs(60) }
    }
}

/// The ending of the service.
///
/// A part of [`Settings`], which have an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ShutdownSettings {
    /// How long it goes on to take connections, while `/health/ready` says that it will not; default not at all. A few seconds behind a load balancer.
    #[serde(deserialize_with = "duration::any")]
    pub delay: Duration,
    /// How long what is under way may take then; default 30 seconds.
    #[serde(deserialize_with = "duration::any")]
    pub grace: Duration,
}

impl Default for ShutdownSettings {
    fn default() -> ShutdownSettings {
        ShutdownSettings { delay: Duration::ZERO, grace: Duration::from_secs(30) }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            resp: None,
            policies: None,
            token: None,
            token_file: None,
            tls: None,
            backends: BTreeMap::new(),
            callers: CallerSettings::default(),
            grpc: GrpcSettings::default(),
            limits: ConnectionLimits::default(),
            snapshot: SnapshotSettings::default(),
            shutdown: ShutdownSettings::default(),
            workers: None,
            cors: Vec::new(),
        }
    }
}
