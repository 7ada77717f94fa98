//! [`Server`]: the service, from its start to its end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use super::caller::{Backend, CallerLimits, CallerSnapshot};
use super::counting::{CALLER, Counting};
use super::error::ServerError;
use super::operate::{self, Connections, Front, Health, Http, Listening, Stream, snapshot};
use super::policy_file::PolicyFile;
use super::routes;
use super::service::{NamedBackend, Service};
use super::settings::{CallerSettings, Settings, SettingsError};
use crate::clock::Clock;
use crate::policy::{Builder, Policies, PolicySet, WatchError, Watcher};

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
///
/// [`Server::start`] gives it; [`Server`] has an example.
#[derive(Debug)]
#[must_use = "the service ends when this is dropped"]
pub struct Running {
    service: Arc<Service>,
    http_address: SocketAddr,
    resp_address: Option<SocketAddr>,
    connections: Connections,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Finds what is wrong with settings, and the policies that they name, without listening or asking any backend.
    ///
    /// Must be called within a tokio runtime with time and I/O enabled.
    ///
    /// # Errors
    ///
    /// As [`start`](Server::start), but for what only shows then: a port that is taken, a snapshot that is broken.
    pub async fn check(settings: &Settings) -> Result<(), ServerError> {
        settings.validate()?;
        settings.tls.as_ref().map(operate::acceptor).transpose()?;
        let backends = operate::connect(&settings.backends, &counting()?).await?;
        let Some(file) = &settings.policies else { return Ok(()) };
        let policies = Policies::read(file).map_err(WatchError::File).map_err(ServerError::Policies)?;
        let applied = set(&backends).build().apply(policies);
        applied.map(drop).map_err(WatchError::Policies).map_err(ServerError::Policies)
    }

    /// Starts the service. When this returns, its ports are open. Backends need not be there: they are waited for, but for no longer than two seconds.
    ///
    /// Must be called within a tokio runtime with time and I/O enabled.
    ///
    /// # Errors
    ///
    /// [`ServerError`] says what is wrong and what to change; nothing runs then.
    pub async fn start(settings: Settings) -> Result<Running, ServerError> {
        settings.validate()?;
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
            tasks: Vec::new(),
            service,
        };
        tracing::info!(address = %running.http_address, tls = tls.is_some(), "listening for HTTP and gRPC");
        if let Some(resp) = resp {
            tracing::info!(address = %resp.address(), tls = tls.is_some(), "listening for RESP");
            running.take_resp(resp, tls.clone());
        }
        running.take_http(http, tls);
        running.look_after();
        running.service.health.settles(&running.service.backends).await;
        running.service.health.serves();
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");
        Ok(running)
    }
}

/// What all fronts share, from settings that were checked.
async fn service(settings: Settings) -> Result<Service, ServerError> {
    let counting = Arc::new(counting()?);
    let backends = operate::connect(&settings.backends, &counting).await?;
    let saved = settings.snapshot.file.as_deref().map(snapshot::read).transpose()?.flatten();
    let (saved_policies, saved_callers) = saved.map(|saved| (saved.policies, saved.callers)).unzip();
    let callers = callers(&settings.callers, &backends, &counting, saved_callers.flatten())?;
    let mut builder = set(&backends);
    if let Some(saved) = saved_policies {
        builder = builder.restore(saved);
    }
    let service = Service {
        token: settings.the_token()?,
        policies: Arc::new(builder.build()),
        policy_file: settings.policies.as_ref().map_or_else(PolicyFile::none, PolicyFile::at),
        callers,
        backends,
        health: Health::default(),
        activity: Activity::default(),
        counting,
        watcher: OnceLock::new(),
        saving: Mutex::default(),
        started: Instant::now(),
        stop: CancellationToken::new(),
        settings,
    };
    if let Some(file) = &service.settings.policies {
        let watching = Watcher::builder(file).observer(Arc::clone(&service.counting) as _);
        #[cfg(unix)]
        let watching = watching.on_sighup();
        let watcher = watching.start(&service.policies).map_err(ServerError::Policies)?;
        // It is set only here.
        let _ = service.watcher.set(watcher);
    }
    Ok(service)
}

fn counting() -> Result<Counting, ServerError> {
    Counting::new().map_err(|error| ServerError::Metrics(error.to_string()))
}

/// A set whose policies may name these backends.
fn set(backends: &BTreeMap<String, NamedBackend>) -> Builder {
    // A store would count both under one name, and whoever may ask about a limit of his own could spend what is the policy's.
    let builder = PolicySet::builder().reserve(CALLER, "limits that come with the request");
    backends.iter().fold(builder, |builder, (name, backend)| builder.backend(name, &backend.store))
}

/// Limits that come with the request, where the settings say that they are counted.
fn callers(
    settings: &CallerSettings,
    backends: &BTreeMap<String, NamedBackend>,
    counting: &Arc<Counting>,
    saved: Option<CallerSnapshot>,
) -> Result<Option<CallerLimits>, ServerError> {
    if !settings.enabled {
        return Ok(None);
    }
    let (bounds, clock) = (settings.bounds(), Clock::default());
    if let Some(backend) = settings.backend.as_ref().and_then(|name| backends.get(name)) {
        let backend = Backend {
            store: backend.store.clone(),
            budget: settings.budget.map(Duration::from),
            on_failure: settings.on_failure.into(),
            expected_nodes: settings.expected_nodes,
            observer: Some(Arc::clone(counting) as _),
        };
        return Ok(Some(CallerLimits::at_backend(bounds, backend, clock)));
    }
    let limits = match saved {
        None => CallerLimits::in_memory(bounds, clock),
        Some(saved) => CallerLimits::restored(bounds, clock, saved).map(|(limits, lost)| {
            if lost > 0 {
                tracing::warn!(
                    limits = lost,
                    "limits of callers begin anew: the snapshot has what cannot go on"
                );
            }
            limits
        }),
    };
    limits.map(Some).map_err(|error| SettingsError::value("callers.max_keys", error.to_string()).into())
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
        self.service.stop.cancel();
        if !self.connections.end_within(shutdown.grace).await {
            self.end_tasks();
            tracing::warn!("connections closed: they took longer than shutdown.grace");
        }
        snapshot::write(&self.service).await
    }

    fn take_http(&mut self, listening: Listening, tls: Option<TlsAcceptor>) {
        let limits = &self.service.settings.limits;
        let http = Http::new(Front::new(routes::all(&self.service), limits), limits);
        let stop = self.service.stop.clone();
        self.take(listening, tls, move |stream| {
            let (http, stop) = (http.clone(), stop.child_token());
            async move { http.serve(stream, &stop).await }
        });
    }

    fn take_resp(&mut self, listening: Listening, tls: Option<TlsAcceptor>) {
        let service = Arc::clone(&self.service);
        self.take(listening, tls, move |stream| {
            operate::serve_resp(stream, Arc::clone(&service), service.stop.child_token())
        });
    }

    /// Takes connections, and serves them: each with a token of its own to stop by, since whoever looks at one takes its lock.
    fn take<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        listening: Listening,
        tls: Option<TlsAcceptor>,
        serve: impl Fn(Stream) -> F + Clone + Send + 'static,
    ) {
        let begin = move |connection: TcpStream| {
            let (tls, serve) = (tls.clone(), serve.clone());
            async move {
                if let Some(stream) = operate::stream(connection, tls.as_ref()).await {
                    serve(stream).await;
                }
            }
        };
        let taking = listening.take(self.connections.clone(), self.service.stop.clone(), begin);
        self.tasks.push(tokio::spawn(taking));
    }

    /// With the tasks that take connections these end, too.
    fn end_tasks(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }

    /// What is done every now and then.
    fn look_after(&mut self) {
        if self.service.settings.snapshot.file.is_some() {
            self.tasks.push(tokio::spawn(save_every_now_and_then(Arc::clone(&self.service))));
        }
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

async fn save_every_now_and_then(service: Arc<Service>) {
    let every = service.settings.snapshot.every;
    loop {
        sleep(every).await;
        if let Err(error) = snapshot::write(&service).await {
            tracing::error!("{error}");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.service.stop.cancel();
        self.end_tasks();
    }
}
