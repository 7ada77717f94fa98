//! [`BackendSettings`]: a store that nodes share.

use serde::Deserialize;

use super::Secret;
use crate::redis::{RedisBackend, RedisBuilder};

/// A store that nodes share: a Redis by itself, one that Sentinels watch, or a cluster.
///
/// [`Settings`](super::Settings) are read from a file, with an example.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BackendSettings {
    /// A server by itself: `redis://user:password@host:port/database`, `rediss://` for TLS, or `unix:///path`.
    pub url: Option<Secret>,
    /// The Sentinels that watch the master.
    pub sentinel: Vec<Secret>,
    /// The name that they have for the master.
    pub master: Option<String>,
    /// Some servers of a cluster.
    pub cluster: Vec<Secret>,
    /// What keys begin with; `tollgate` if not given.
    pub prefix: Option<String>,
    /// The user, if the URL does not say; with Sentinels the master's.
    pub username: Option<String>,
    /// The password, likewise.
    pub password: Option<Secret>,
}

impl BackendSettings {
    /// A server by itself.
    pub fn url(url: impl Into<String>) -> BackendSettings {
        BackendSettings { url: Some(Secret::new(url)), ..BackendSettings::default() }
    }

    /// How it is connected to; else the field that is wrong and what to change.
    pub(crate) fn builder(&self) -> Result<RedisBuilder, (&'static str, &'static str)> {
        let texts = |urls: &[Secret]| urls.iter().map(|url| url.text().to_owned()).collect::<Vec<_>>();
        let builder = match (&self.url, &*self.sentinel, &*self.cluster) {
            (Some(url), [], []) => RedisBackend::builder(url.text()),
            (None, sentinels @ [_, ..], []) => {
                let master = self
                    .master
                    .as_deref()
                    .ok_or(("master", "is missing: give the name by which the Sentinels know the master"))?;
                RedisBackend::sentinel(texts(sentinels), master)
            }
            (None, [], servers @ [_, ..]) => RedisBackend::cluster(texts(servers)),
            (None, [], []) => {
                return Err(("url", "is missing: give url, or sentinel and master, or cluster"));
            }
            _ => return Err(("url", "only one of url, sentinel and cluster can be given")),
        };
        if self.master.is_some() && self.sentinel.is_empty() {
            return Err((
                "master",
                "is the name that Sentinels have for a server: give sentinel, too, or leave it out",
            ));
        }
        let builder = match &self.prefix {
            Some(prefix) => builder.prefix(prefix),
            None => builder,
        };
        let builder = match &self.username {
            Some(username) => builder.username(username),
            None => builder,
        };
        Ok(match &self.password {
            Some(password) => builder.password(password.text()),
            None => builder,
        })
    }
}
