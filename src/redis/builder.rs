//! [`RedisBuilder`]: settings of a backend.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::{ClientTlsConfig, RedisConnectionInfo, TlsCertificates};

use super::address::Url;
use super::backend::RedisBackend;
use super::cluster::Cluster;
use super::connector::Connector;
use super::error::RedisError;
use super::info::ServerKind;
use super::node::Node;
use super::sentinel::Sentinels;
use super::source::Source;
use super::startup;
use super::stats::Counters;
use super::topology::Topology;

/// What keys begin with unless told otherwise.
const PREFIX: &str = "tollgate";
/// Across a continent a handshake with TLS takes half of it. An attempt that hangs since before the server was back
/// must not use up the second in which we are back, too.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
const LONGEST_CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// One alone would make every call wait behind whatever large batch is on its way.
const CONNECTIONS: usize = 2;
/// In a cluster there is one of each server already.
const CONNECTIONS_IN_CLUSTER: usize = 1;
/// Far more than one server's single thread has a use for.
const MOST_CONNECTIONS: usize = 64;

/// Settings of a [`RedisBackend`], which has examples.
#[derive(Clone)]
#[must_use]
pub struct RedisBuilder {
    urls: Vec<String>,
    deployment: Deployment,
    prefix: String,
    username: Option<String>,
    password: Option<String>,
    database: Option<i64>,
    root_certificates: Option<Vec<u8>>,
    client: Option<ClientTlsConfig>,
    connect_timeout: Duration,
    connections: usize,
    lazy: bool,
}

/// What the URLs are of.
#[derive(Clone, Debug)]
enum Deployment {
    Standalone,
    Sentinel { master: String },
    Cluster,
}

impl RedisBuilder {
    pub(super) fn standalone(url: impl Into<String>) -> RedisBuilder {
        RedisBuilder::new(vec![url.into()], Deployment::Standalone, CONNECTIONS)
    }

    pub(super) fn sentinel<U: Into<String>>(
        urls: impl IntoIterator<Item = U>,
        master: impl Into<String>,
    ) -> RedisBuilder {
        let urls = urls.into_iter().map(Into::into).collect();
        RedisBuilder::new(urls, Deployment::Sentinel { master: master.into() }, CONNECTIONS)
    }

    pub(super) fn cluster<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> RedisBuilder {
        let urls = urls.into_iter().map(Into::into).collect();
        RedisBuilder::new(urls, Deployment::Cluster, CONNECTIONS_IN_CLUSTER)
    }

    fn new(urls: Vec<String>, deployment: Deployment, connections: usize) -> RedisBuilder {
        RedisBuilder {
            urls,
            deployment,
            prefix: PREFIX.to_owned(),
            username: None,
            password: None,
            database: None,
            root_certificates: None,
            client: None,
            connect_timeout: CONNECT_TIMEOUT,
            connections,
            lazy: false,
        }
    }

    /// What all keys in the store begin with, followed by a colon: 1 to 64 letters, digits, `-`, `_`, `.` and `/`;
    /// `tollgate` if not given. Nodes share limits if they have the same prefix.
    pub fn prefix(mut self, prefix: impl Into<String>) -> RedisBuilder {
        self.prefix = prefix.into();
        self
    }

    /// The ACL user; otherwise the first URL's. With Sentinels it is the user of the master, and theirs is in their
    /// URLs.
    pub fn username(mut self, username: impl Into<String>) -> RedisBuilder {
        self.username = Some(username.into());
        self
    }

    /// The password; otherwise the first URL's. With Sentinels it is the master's, and theirs is in their URLs.
    pub fn password(mut self, password: impl Into<String>) -> RedisBuilder {
        self.password = Some(password.into());
        self
    }

    /// The number of the database; otherwise the first URL's, or 0. A cluster has only 0.
    pub fn database(mut self, number: u32) -> RedisBuilder {
        self.database = Some(number.into());
        self
    }

    /// The certificates, in PEM, of whom to trust in place of those that the system trusts. For `rediss://` only.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> RedisBuilder {
        self.root_certificates = Some(pem.into());
        self
    }

    /// The certificate and its key, in PEM, by which servers know us. For `rediss://` only.
    pub fn client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> RedisBuilder {
        self.client = Some(ClientTlsConfig { client_cert: certificate.into(), client_key: key.into() });
        self
    }

    /// How long an attempt to connect may take, with TLS, password and first questions: above 0, at most 60 seconds;
    /// 500 ms if not given; more for a server across an ocean. No check waits for it.
    pub fn connect_timeout(mut self, timeout: Duration) -> RedisBuilder {
        self.connect_timeout = timeout;
        self
    }

    /// Connections to each server: 1 to 64. If not given, 2, and in a cluster 1.
    pub fn connections(mut self, connections: usize) -> RedisBuilder {
        self.connections = connections;
        self
    }

    /// Builds even if no server can be reached, and connects in the background. Until then operations fail at once.
    pub fn lazy(mut self) -> RedisBuilder {
        self.lazy = true;
        self
    }

    /// Connects, and checks that the server is one that can be used: a master, of this kind, which runs the scripts for
    /// this user.
    ///
    /// # Errors
    ///
    /// [`RedisError`] says what is wrong and what to change. A [lazy](RedisBuilder::lazy) backend fails only for wrong
    /// settings; what is wrong with servers is then what its operations fail with.
    pub async fn build(self) -> Result<RedisBackend, RedisError> {
        let urls = self.urls.iter().map(|url| Url::parse(url)).collect::<Result<Vec<_>, _>>()?;
        self.validate(&urls)?;
        tokio::runtime::Handle::try_current().map_err(|_| RedisError::NoRuntime)?;
        let counters = Arc::new(Counters::default());
        let connector = self.connector(&urls, &counters)?;
        let topology = self.topology(&urls, connector, &counters).await?;
        if !self.lazy {
            startup::check(&topology, &self.prefix, self.connect_timeout).await?;
        }
        Ok(RedisBackend::new(topology, self.prefix, counters))
    }

    async fn topology(
        &self,
        urls: &[Url],
        connector: Connector,
        counters: &Arc<Counters>,
    ) -> Result<Topology, RedisError> {
        let addresses = || urls.iter().map(|url| url.address.clone());
        let source = match &self.deployment {
            Deployment::Standalone => {
                Source::Server { address: urls[0].address.clone(), kind: ServerKind::Standalone, connector }
            }
            Deployment::Sentinel { master } => Source::Sentinels(Sentinels {
                addresses: addresses().collect(),
                master: master.as_str().into(),
                sentinel_connector: self.connector_as(
                    urls[0].info.redis_settings().clone().set_db(0),
                    urls,
                    counters,
                )?,
                master_connector: connector,
            }),
            Deployment::Cluster => {
                let cluster = Cluster::new(addresses().collect(), connector, self.connections);
                if !self.lazy {
                    cluster.reach().await?;
                }
                return Ok(Topology::Cluster(cluster));
            }
        };
        let first = if self.lazy { None } else { Some(source.connect().await?) };
        let node = Arc::new(Node::keep(&source, self.connections, first, counters));
        Ok(match source {
            Source::Server { .. } => Topology::One(node),
            Source::Sentinels(sentinels) => {
                let following = sentinels.follow(&node);
                Topology::Watched { node, _following: following }
            }
        })
    }

    /// How masters are reached.
    fn connector(&self, urls: &[Url], counters: &Arc<Counters>) -> Result<Connector, RedisError> {
        let mut user = match self.deployment {
            Deployment::Sentinel { .. } => {
                RedisConnectionInfo::default().set_db(urls[0].info.redis_settings().db())
            }
            Deployment::Standalone | Deployment::Cluster => urls[0].info.redis_settings().clone(),
        };
        if let Some(username) = &self.username {
            user = user.set_username(username);
        }
        if let Some(password) = &self.password {
            user = user.set_password(password);
        }
        if let Some(database) = self.database {
            user = user.set_db(database);
        }
        self.connector_as(user, urls, counters)
    }

    fn connector_as(
        &self,
        user: RedisConnectionInfo,
        urls: &[Url],
        counters: &Arc<Counters>,
    ) -> Result<Connector, RedisError> {
        let certificates = urls[0].tls.then(|| TlsCertificates {
            client_tls: self.client.clone(),
            root_cert: self.root_certificates.clone(),
        });
        let connector = Connector::new(
            user.set_skip_set_lib_name(),
            certificates,
            self.connect_timeout,
            Arc::clone(counters),
        );
        connector.check_certificates()?;
        Ok(connector)
    }

    fn validate(&self, urls: &[Url]) -> Result<(), RedisError> {
        let wrong = |field, value: String, expected| Err(RedisError::Setting { field, value, expected });
        let fits = |character: char| character.is_ascii_alphanumeric() || "-_./".contains(character);
        if self.prefix.is_empty() || self.prefix.len() > 64 || !self.prefix.chars().all(fits) {
            let expected = "1 to 64 letters, digits, '-', '_', '.' and '/'";
            return wrong("prefix", format!("{:?}", self.prefix), expected);
        }
        if self.connections == 0 || self.connections > MOST_CONNECTIONS {
            return wrong("connections", self.connections.to_string(), "1 to 64");
        }
        if self.connect_timeout.is_zero() || self.connect_timeout > LONGEST_CONNECT_TIMEOUT {
            let given = format!("{:?}", self.connect_timeout);
            return wrong("connect_timeout", given, "more than 0 and at most 60 seconds");
        }
        if urls.is_empty() {
            return wrong("urls", "empty".to_owned(), "the URL of one server at least");
        }
        let secure = urls.iter().filter(|url| url.tls).count();
        if secure != 0 && secure != urls.len() {
            return wrong(
                "urls",
                "some with TLS and some without".to_owned(),
                "rediss:// for all of them, or none",
            );
        }
        if secure == 0 && (self.root_certificates.is_some() || self.client.is_some()) {
            return wrong("certificates", "given without TLS".to_owned(), "rediss:// URLs");
        }
        Ok(())
    }
}

impl fmt::Debug for RedisBuilder {
    /// Without URLs and passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RedisBuilder");
        debug.field("deployment", &self.deployment).field("prefix", &self.prefix);
        debug.field("connections", &self.connections).field("connect_timeout", &self.connect_timeout);
        debug.field("lazy", &self.lazy).finish_non_exhaustive()
    }
}
