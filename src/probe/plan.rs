//! [`Plan`]: whom to ask, how much, and about what.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::Uri;
use serde::{Serialize, Serializer};

use crate::quota::Quota;

/// What a probe does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whom to ask.
    pub target: Target,
    /// Certificates in PEM that an `https` service is trusted by.
    pub authorities: Option<PathBuf>,
    /// Connections, each with one request at a time. At least 1.
    pub connections: usize,
    /// When it ends.
    pub until: Until,
    /// Checks a second, over all connections; `None` is as fast as they are answered.
    pub rate: Option<u32>,
    /// Which keys are checked.
    pub keys: Keys,
    /// The limit that each key has.
    pub limit: Quota,
    /// Checks in each request: a batch, or a pipeline. At least 1.
    pub batch: usize,
}

/// When a probe ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After so many checks.
    Checks(u64),
}

/// Which keys are checked.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// How many there are. At least 1.
    pub count: usize,
    /// The nth of them is asked for n to the power of so much less often than the first; 0 is all alike.
    pub skew: f64,
}

/// The address of a service, and the protocol that it is asked in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(super) protocol: Protocol,
    pub(super) host: String,
    pub(super) port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Https,
    Grpc,
    Resp,
}

/// The schemes, what they stand for, and the ports that are asked where none is given.
const SCHEMES: [(&str, Protocol, u16); 5] = [
    ("http", Protocol::Http, 8080),
    ("https", Protocol::Https, 8443),
    ("grpc", Protocol::Grpc, 8080),
    ("resp", Protocol::Resp, 6380),
    ("redis", Protocol::Resp, 6380),
];

/// Why a plan cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// The text is no URL of a service.
    Url(String),
    /// The certificates cannot be read, or are none.
    Authorities(String),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::Url(url) => {
                write!(
                    f,
                    "{url:?} is no service's address: give http://, https://, grpc:// or resp://HOST:PORT"
                )
            }
            PlanError::Authorities(problem) => write!(f, "--ca: {problem}"),
        }
    }
}

impl std::error::Error for PlanError {}

impl FromStr for Target {
    type Err = PlanError;

    fn from_str(url: &str) -> Result<Target, PlanError> {
        let unfit = || PlanError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| unfit())?;
        let scheme = uri.scheme_str().ok_or_else(unfit)?;
        let (_, protocol, port) =
            *SCHEMES.iter().find(|(name, ..)| name.eq_ignore_ascii_case(scheme)).ok_or_else(unfit)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(unfit)?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(unfit());
        }
        let port = match uri.port_u16() {
            Some(given) => given,
            None if uri.authority().is_some_and(|authority| authority.as_str().ends_with(host)) => port,
            // What stands there is no port.
            None => return Err(unfit()),
        };
        Ok(Target { protocol, host: host.to_owned(), port })
    }
}

impl Target {
    /// `127.0.0.1:8080`
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The host, without the brackets of an IPv6 address.
    pub(super) fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme =
            SCHEMES.iter().find(|(_, protocol, _)| *protocol == self.protocol).map_or("", |(name, ..)| name);
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_it_is_asked() {
        let shown = |url: &str| url.parse::<Target>().unwrap().to_string();
        assert_eq!(shown("http://127.0.0.1:9000/"), "http://127.0.0.1:9000");
        assert_eq!(shown("HTTPS://example.org"), "https://example.org:8443");
        assert_eq!(shown("grpc://[::1]:1"), "grpc://[::1]:1");
        assert_eq!(shown("redis://localhost"), "resp://localhost:6380");
        assert_eq!("resp://[::1]".parse::<Target>().unwrap().bare_host(), "::1");
        for unfit in
            ["", "localhost:80", "ftp://a", "http://", "http://a/check", "http://a/?b", "http://a:99999"]
        {
            let error = unfit.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(&format!("{unfit:?}")), "{error}");
        }
    }
}
