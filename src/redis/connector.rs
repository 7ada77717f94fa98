//! [`Connector`]: how servers are reached, and that they are what they should be.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind,
    RedisConnectionInfo, TlsCertificates,
};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::address::Address;
use super::error::RedisError;
use super::info::{ServerInfo, ServerKind};
use super::live::Live;
use super::stats::Counters;

/// A silent peer is asked after so long, and as often again, before the connection counts as lost: about 20 seconds.
/// Calls that find it silent give it up far sooner.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3));
const KEEPALIVE_RETRIES: u32 = 3;
/// What was sent and not acknowledged for so long is lost; the kernel alone would try for a quarter of an hour.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(5);

/// How the servers of a backend are reached: user, TLS, timeouts.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    user: RedisConnectionInfo,
    /// `Some` is TLS.
    certificates: Option<TlsCertificates>,
    connect_timeout: Duration,
    counters: Arc<Counters>,
}

impl Connector {
    pub(super) fn new(
        user: RedisConnectionInfo,
        certificates: Option<TlsCertificates>,
        connect_timeout: Duration,
        counters: Arc<Counters>,
    ) -> Connector {
        Connector { user, certificates, connect_timeout, counters }
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Connects to a master of this kind.
    pub(super) async fn connect(&self, address: &Address, kind: ServerKind) -> Result<Live, RedisError> {
        let lost = Arc::new(Notify::new());
        let attempt = async {
            let on_loss = Arc::clone(&lost);
            // Only RESP3 tells of a loss that no call has noticed yet; servers speak it since 6.0.
            let config = Self::config().set_push_sender(move |push: PushInfo| -> Result<(), ()> {
                if push.kind == PushKind::Disconnection {
                    on_loss.notify_one();
                }
                Ok(())
            });
            let user = self.user.clone().set_protocol(ProtocolVersion::RESP3);
            let mut connection = self.open(address, user, &config).await?;
            let info = ServerInfo::ask(&mut connection, address).await?;
            Ok((connection, info))
        };
        let (connection, info) = self.in_time(address, attempt).await?;
        info.expect(kind, address)?;
        self.counters.connected();
        self.counters.warn_of(&info, address);
        Ok(Live::new(connection, address.clone(), &info, lost, Arc::clone(&self.counters)))
    }

    /// Connects to a Sentinel, to ask it one thing.
    pub(super) async fn connect_to_sentinel(
        &self,
        address: &Address,
    ) -> Result<MultiplexedConnection, RedisError> {
        // The oldest Sentinels that are still about speak RESP2 only.
        let user = self.user.clone().set_protocol(ProtocolVersion::RESP2);
        self.in_time(address, self.open(address, user, &Self::config())).await
    }

    /// Listens to what a Sentinel tells of on this channel.
    pub(super) async fn listen_to_sentinel(
        &self,
        address: &Address,
        channel: &str,
    ) -> Result<PubSub, RedisError> {
        let of_connecting = |error: redis::RedisError| self.failure(address, &error);
        let user = self.user.clone().set_protocol(ProtocolVersion::RESP2);
        let attempt = async {
            let client = self.client(address, user).map_err(of_connecting)?;
            let mut listening = client.get_async_pubsub().await.map_err(of_connecting)?;
            listening.subscribe(channel).await.map_err(of_connecting)?;
            Ok(listening)
        };
        self.in_time(address, attempt).await
    }

    /// Fails when the certificates cannot be used.
    pub(super) fn check_certificates(&self) -> Result<(), RedisError> {
        if self.certificates.is_some() {
            use_a_provider_of_cryptography();
            self.client(&Address::tcp("localhost", 0), self.user.clone())
                .map_err(|error| RedisError::Certificates { reason: error.to_string() })?;
        }
        Ok(())
    }

    async fn in_time<T>(
        &self,
        address: &Address,
        attempt: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        let late =
            || RedisError::ConnectTimeout { server: address.to_string(), timeout: self.connect_timeout };
        timeout(self.connect_timeout, attempt).await.unwrap_or_else(|_| Err(late()))
    }

    async fn open(
        &self,
        address: &Address,
        user: RedisConnectionInfo,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisError> {
        let client = self.client(address, user).map_err(|error| self.failure(address, &error))?;
        client
            .get_multiplexed_async_connection_with_config(config)
            .await
            .map_err(|error| self.failure(address, &error))
    }

    /// Why no connection came about, without the password that was sent.
    fn failure(&self, address: &Address, error: &redis::RedisError) -> RedisError {
        RedisError::of_connecting(address, error).without(self.user.password())
    }

    /// Every wait is bounded by us: redis-rs' own bounds would leave out some.
    fn config() -> AsyncConnectionConfig {
        AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None)
    }

    fn client(&self, address: &Address, user: RedisConnectionInfo) -> redis::RedisResult<Client> {
        let address = match (address, &self.certificates) {
            (Address::Unix(path), _) => ConnectionAddr::Unix(path.clone()),
            (Address::Tcp { host, port }, None) => ConnectionAddr::Tcp(host.clone(), *port),
            (Address::Tcp { host, port }, Some(_)) => {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
            }
        };
        let info = address.into_connection_info()?.set_redis_settings(user).set_tcp_settings(tcp_settings());
        match &self.certificates {
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
            None => Client::open(info),
        }
    }
}

fn tcp_settings() -> TcpSettings {
    let (idle, interval) = KEEPALIVE;
    let keepalive =
        TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(KEEPALIVE_RETRIES);
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(USER_TIMEOUT);
    settings
}

/// rustls would panic where a program brings two providers and has chosen none.
fn use_a_provider_of_cryptography() {
    use rustls::crypto::{CryptoProvider, ring};
    if CryptoProvider::get_default().is_none() {
        // Failing means that somebody else was quicker, which is as good.
        let _ = ring::default_provider().install_default();
    }
}
