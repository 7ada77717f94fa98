//! [`Head`]: what rules see of a request.

use std::fmt;
use std::net::IpAddr;

use http::{Extensions, HeaderMap, Method, Request, Uri};

use super::peer;

/// All of a request but its body, borrowed: what keys, costs and skip rules are worked out from.
///
/// ```
/// use tollgate::http::Head;
///
/// let request = http::Request::post("/cards?draft=1").header("x-customer", "acme").body(())?;
/// let head = Head::of(&request);
/// assert_eq!((head.method().as_str(), head.path()), ("POST", "/cards"));
/// assert_eq!(head.headers()["x-customer"], "acme");
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Head<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl<'a> Head<'a> {
    /// The head of `request`.
    pub fn of<B>(request: &'a Request<B>) -> Head<'a> {
        Head {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The address asked for.
    #[must_use]
    pub fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// The path asked for; of a gRPC request `/package.Service/Method`.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.uri.path()
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// What servers and middleware outside this one have left with the request.
    #[must_use]
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }

    /// The address at the other end of the connection, if the server tells it. See [`Peer`](super::Peer).
    #[must_use]
    pub fn peer(&self) -> Option<IpAddr> {
        peer::of(self.extensions)
    }

    /// The path's template, `/users/{id}`: with feature `axum` from its router, or what was left as [`Route`].
    #[must_use]
    pub fn route(&self) -> Option<&'a str> {
        let told = self.extensions.get::<Route>().map(|route| &*route.0);
        #[cfg(feature = "axum")]
        let told = told.or_else(|| self.extensions.get().map(axum::extract::MatchedPath::as_str));
        told
    }
}

impl fmt::Debug for Head<'_> {
    /// Without header fields and query, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("method", self.method)
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

/// The template of a path, for routers other than axum's: insert it into a request's extensions.
///
/// ```
/// use tollgate::http::{Head, Route};
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(Route("/users/{id}".into()));
/// assert_eq!(Head::of(&request).route(), Some("/users/{id}"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route(pub std::sync::Arc<str>);
