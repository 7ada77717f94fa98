//! `tollgate serve`: the service.

use std::error::Error;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tollgate::server::{BackendSettings, Running, Secret, Server, Settings, TlsSettings};
use tracing_subscriber::EnvFilter;

const SERVE_EXAMPLES: &str = "\
Examples:
  tollgate serve
  curl -d '{\"key\": \"alice\", \"rate\": 5, \"interval\": 60}' http://127.0.0.1:8080/check

  tollgate serve --policies policies.toml
  tollgate serve --policies policies.toml --redis redis://10.0.0.1:6379 --snapshot tollgate.snapshot
  tollgate serve --config tollgate.toml --listen 0.0.0.0:8080 --token-file token
  tollgate serve --config tollgate.toml --check

The policies are read again whenever their file changes, or the process receives SIGHUP; a file that is
wrong leaves in force what is. SIGTERM and SIGINT end the service once it has finished what is under
way; a second one ends it at once. A settings file in TOML, with the defaults:

  listen = \"127.0.0.1:8080\"
  # resp = \"127.0.0.1:6380\"
  # policies = \"policies.toml\"          # [[policy]] and [[tier]]: see `tollgate check-config --schema`
  # token_file = \"token\"                # made by `openssl rand -hex 24 > token`
  # workers = 1                         # threads that answer: one a core unless it is given
  # tls = { certificate = \"certificate.pem\", key = \"key.pem\" }
  # cors = [\"https://admin.example.com\"]

  [callers]                             # limits that come with the request
  enabled = true
  # backend = \"redis\"

  # [backends.redis]                    # policies name it: backend = \"redis\"
  # url = \"redis://10.0.0.1:6379\"       # or: sentinel = [\"redis://..\"], master = \"mymaster\"
                                        # or: cluster = [\"redis://..\", \"redis://..\"]
  [limits]
  connections = 10000
  head_bytes = 16384
  body_bytes = 1048576
  batch_bytes = 4194304
  request_time = \"30s\"
  idle = \"75s\"

  [snapshot]
  # file = \"tollgate.snapshot\"
  every = \"1min\"

  [shutdown]
  delay = \"0s\"                          # a few seconds behind a load balancer
  grace = \"30s\"";

/// Serve limits over HTTP, gRPC and the protocol of Redis.
///
/// Without any option it answers on this machine alone, with limits that come with each request, from memory. Flags count
/// over environment variables, these over the settings file, and that over the defaults.
#[derive(Debug, Args)]
#[command(after_long_help = SERVE_EXAMPLES, after_help = "See --help for examples and the settings file.")]
pub(crate) struct ServeArgs {
    /// The file of settings, in TOML, JSON or YAML; one that holds only policies is taken for --policies
    #[arg(long, value_name = "FILE", env = "TOLLGATE_CONFIG")]
    config: Option<PathBuf>,

    /// The file of policies, followed as it changes
    #[arg(long, value_name = "FILE", env = "TOLLGATE_POLICIES")]
    policies: Option<PathBuf>,

    /// Where to serve HTTP and gRPC: 127.0.0.1:8080 unless given; other machines need 0.0.0.0:8080, and a token
    #[arg(long, value_name = "ADDRESS", env = "TOLLGATE_LISTEN")]
    listen: Option<SocketAddr>,

    /// Where to serve the protocol of Redis (CL.THROTTLE), as 127.0.0.1:6380
    #[arg(long, value_name = "ADDRESS", env = "TOLLGATE_RESP")]
    resp: Option<SocketAddr>,

    /// A Redis that nodes share: the backend named redis, and the one of limits that come with the request
    #[arg(long, value_name = "URL", env = "TOLLGATE_REDIS", hide_env_values = true)]
    redis: Option<String>,

    /// The bearer token that the configuration API asks for; other processes may see flags, so rather use --token-file
    #[arg(
        long,
        value_name = "TOKEN",
        env = "TOLLGATE_TOKEN",
        hide_env_values = true,
        conflicts_with = "token_file"
    )]
    token: Option<Secret>,

    /// A file with the token, made by `openssl rand -hex 24`
    #[arg(long, value_name = "FILE", env = "TOLLGATE_TOKEN_FILE")]
    token_file: Option<PathBuf>,

    /// Speak TLS with this certificate, in PEM
    #[arg(long, value_name = "FILE", env = "TOLLGATE_TLS_CERTIFICATE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,

    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", env = "TOLLGATE_TLS_KEY", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,

    /// Keep what is counted in memory in this file, so that it survives a restart
    #[arg(long, value_name = "FILE", env = "TOLLGATE_SNAPSHOT")]
    snapshot: Option<PathBuf>,

    /// Threads that answer: as many as there are cores unless given; 1 beside a program on the same few cores
    #[arg(long, value_name = "NUMBER", env = "TOLLGATE_WORKERS")]
    workers: Option<usize>,

    /// How logs are written: json unless standard error is a terminal
    #[arg(long, value_name = "FORMAT", env = "TOLLGATE_LOG_FORMAT")]
    log_format: Option<LogFormat>,

    /// What is logged: error, warn, info, debug, or a filter as `info,tollgate=debug`
    #[arg(long, value_name = "LEVEL", env = "TOLLGATE_LOG", default_value = "info")]
    log: String,

    /// Say what is wrong with the settings and the policies, and start nothing
    #[arg(long)]
    check: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// Lines for people.
    Text,
    /// An object in each line.
    Json,
}

pub(crate) fn run(args: ServeArgs) -> Result<(), Box<dyn Error>> {
    let (log, format, only_check) = (args.log.clone(), args.log_format, args.check);
    let settings = args.into_settings()?;
    // What is wrong with settings is told to people, not logged.
    settings.validate()?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = settings.workers {
        runtime.worker_threads(workers);
    }
    let runtime = runtime.enable_all().build()?;
    if only_check {
        return Ok(runtime.block_on(Server::check(&settings))?);
    }
    begin_log(&log, format)?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<(), Box<dyn Error>> {
    // Before it starts: no signal is missed.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // A service that has no file to read again would end by it.
    let _hangup = signal(SignalKind::hangup())?;
    let running: Running = Server::start(settings).await?;
    let mut signalled = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    signalled().await;
    // Who asks twice will not wait for what is under way.
    tokio::select! {
        ended = running.shut_down() => Ok(ended?),
        () = signalled() => Err("ended by a second signal, without finishing what was under way".into()),
    }
}

fn begin_log(filter: &str, format: Option<LogFormat>) -> Result<(), Box<dyn Error>> {
    let levels = EnvFilter::try_new(filter)
        .map_err(|error| format!("--log {filter:?}: {error}: use error, warn, info or debug"))?;
    let format = format.unwrap_or(if io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json });
    let log = tracing_subscriber::fmt().with_env_filter(levels).with_writer(io::stderr);
    match format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).init(),
    }
    Ok(())
}

impl ServeArgs {
    /// What flags and environment say counts over the file.
    fn into_settings(self) -> Result<Settings, Box<dyn Error>> {
        let mut settings = self.config.map_or_else(|| Ok(Settings::default()), Settings::read)?;
        settings.listen = self.listen.unwrap_or(settings.listen);
        settings.resp = self.resp.or(settings.resp);
        settings.policies = self.policies.or(settings.policies);
        settings.workers = self.workers.or(settings.workers);
        settings.snapshot.file = self.snapshot.or(settings.snapshot.file);
        if self.token.is_some() || self.token_file.is_some() {
            (settings.token, settings.token_file) = (self.token, self.token_file);
        }
        if let (Some(certificate), Some(key)) = (self.tls_certificate, self.tls_key) {
            settings.tls = Some(TlsSettings::new(certificate, key));
        }
        if let Some(url) = self.redis {
            settings.backends.insert("redis".to_owned(), BackendSettings::url(url));
            settings.callers.backend.get_or_insert("redis".to_owned());
        }
        Ok(settings)
    }
}
