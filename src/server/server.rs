//! [`Server`]: the service, from its start to its end.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use super::counting::Counting;
use super::error::ServerError;
use super::operate::{self, Connections, Front, Health, Http, Listening};
use super::routes;
use super::service::Service;
use super::settings::Settings;
use crate::policy::{PolicySet, Watcher};

/// Longer than a handshake across the world takes, and not so long that it pays to begin one and leave it.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often metrics are put into their buckets, and backends are looked at: outages of that length are seen.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The service.
///
/// ```
/// use tollgate::server::{Server, Settings};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let mut settings = Settings::default();
/// settings.listen = ([127, 0, 0, 1], 0).into();
/// let running = Server::start(settings).await?;
/// println!("http://{}", running.http_address());
/// running.shut_down().await?;
/// # Ok::<(), tollgate::server::ServerError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server(());

/// A service that runs until it is shut down. Dropped, it stops at once.
#[derive(Debug)]
#[must_use = "the service ends when this is dropped"]
pub struct Running {
    service: Arc<Service>,
    http_address: SocketAddr,
    resp_address: Option<SocketAddr>,
    connections: Connections,
    /// No more connections are taken.
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts the service. When this returns, its ports are open. Backends need not be there yet.
    ///
    /// Must be called within a tokio runtime with time and I/O enabled.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is wrong and what to change; nothing runs then.
    pub async fn start(settings: Settings) -> Result<Running, ServerError> {
        settings.check()?;
        let tls = settings.tls.as_ref().map(operate::acceptor).transpose()?;
        let service = Arc::new(service(settings).await?);
        let settings = &service.settings;
        let http = listen(settings.listen).await?;
        let resp = match settings.resp {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let mut running = Running {
            http_address: http.address(),
            resp_address: resp.as_ref().map(Listening::address),
            connections: Connections::at_most(settings.limits.connections),
            stop: CancellationToken::new(),
            tasks: Vec::new(),
            service,
        };
        tracing::info!(address = %running.http_address, tls = tls.is_some(), "listening for HTTP and gRPC");
        running.take_http(http, tls);
        running.look_after();
        running.service.health.serves();
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");
        Ok(running)
    }
}

/// What all fronts share, from settings that were checked.
async fn service(settings: Settings) -> Result<Service, ServerError> {
    let counting = Arc::new(Counting::new().map_err(|error| ServerError::Metrics(error.to_string()))?);
    let backends = operate::connect(&settings.backends, &counting).await?;
    let builder = backends
        .iter()
        .fold(PolicySet::builder(), |builder, (name, backend)| builder.backend(name, &backend.store));
    let policies = Arc::new(builder.build());
    let watcher = OnceLock::new();
    if let Some(file) = &settings.policies {
        let watching = Watcher::builder(file).observer(Arc::clone(&counting) as _);
        #[cfg(unix)]
        let watching = watching.on_sighup();
        let _ = watcher.set(watching.start(&policies).map_err(ServerError::Policies)?);
    }
    Ok(Service {
        token: settings.the_token()?,
        callers: settings
            .callers
            .enabled
            .then(|| {
                super::caller::CallerLimits::in_memory(
                    super::caller::Bounds::default(),
                    crate::Clock::default(),
                )
                .ok()
            })
            .flatten(),
        policies,
        backends,
        health: Health::default(),
        activity: Activity::default(),
        counting,
        watcher,
        settings,
    })
}

async fn listen(address: SocketAddr) -> Result<Listening, ServerError> {
    Listening::on(address).await.map_err(|error| ServerError::Listen { address, error })
}

impl Running {
    /// Where HTTP and gRPC are served.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// Where the protocol of Redis is served, if it is.
    #[must_use]
    pub fn resp_address(&self) -> Option<SocketAddr> {
        self.resp_address
    }

    /// Ends the service as its [settings](super::ShutdownSettings) say: it says that it is not ready, takes no more connections, and finishes what is
    /// under way.
    ///
    /// # Errors
    ///
    /// [`ServerError::Snapshot`] if a snapshot was asked for and cannot be written.
    pub async fn shut_down(self) -> Result<(), ServerError> {
        let shutdown = &self.service.settings.shutdown;
        tracing::info!("shutting down");
        self.service.health.drains();
        sleep(shutdown.delay).await;
        self.stop.cancel();
        if !self.connections.end_within(shutdown.grace).await {
            tracing::warn!("connections closed: they took longer than shutdown.grace");
        }
        Ok(())
    }

    fn take_http(&mut self, listening: Listening, tls: Option<TlsAcceptor>) {
        let limits = &self.service.settings.limits;
        let http = Http::new(Front::new(routes::all(&self.service), limits), limits);
        let stop = self.stop.clone();
        let hand_on = move |stream: TcpStream, place| {
            let (http, tls, stop) = (http.clone(), tls.clone(), stop.clone());
            tokio::spawn(async move {
                let _place = place;
                match tls {
                    None => http.serve(stream, &stop).await,
                    Some(tls) => {
                        if let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(stream)).await {
                            http.serve(stream, &stop).await;
                        }
                    }
                }
            });
        };
        self.tasks.push(tokio::spawn(listening.take(self.connections.clone(), self.stop.clone(), hand_on)));
    }

    /// What is done every now and then.
    fn look_after(&mut self) {
        let service = Arc::clone(&self.service);
        self.tasks.push(tokio::spawn(async move {
            let mut ticks = interval(LOOK_EVERY);
            loop {
                ticks.tick().await;
                service.counting.tidy();
                service.health.report(&service.backends);
            }
        }));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
