//! [`RequestAttributes`]: how is found what policies ask of a request.

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};

use crate::http::key::{Found, text};
use crate::http::{ClientAddress, Head, Key, KeyValue, LayerError};

/// What the names of attributes begin with that are header fields.
pub(super) const HEADER: &str = "header:";

/// How the attributes of a request are found, for policies: only those are looked for that a policy in force mentions, or by which
/// customers are [looked up](crate::policy::Builder::lookup).
///
/// | attribute | |
/// |---|---|
/// | `route` | the path's template as [`Head::route`] tells it, else the path; of a gRPC request `/package.Service/Method` |
/// | `method` | `GET`, `POST` |
/// | `api` | of a gRPC request `package.Service` (feature `grpc`); of others there is none, unless you say |
/// | `header:<name>` | the value of that header field, the first if there are several |
/// | `ip` | none, unless you say how: [`client`](RequestAttributes::client) |
/// | `user`, `tier`, and any other | none, unless you say: [`attribute`](RequestAttributes::attribute) |
///
/// Clients choose paths: where no router tells a template, a scope with `route` in it counts whatever they ask for. And they write the fields of a request: a policy that trusts `header:x-tier` trusts everyone, unless a proxy sets that field for all.
///
/// ```
/// use tollgate::http::{ClientAddress, Key, RequestAttributes};
///
/// let attributes = RequestAttributes::new()
///     .client(ClientAddress::peer())
///     .attribute("user", Key::bearer())
///     .attribute("host", Key::by(|head| Some(head.uri().host()?.into())));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "give it to `Builder::policies`"]
pub struct RequestAttributes {
    keys: Vec<(String, Key)>,
}

impl RequestAttributes {
    /// What a request says of itself.
    pub fn new() -> RequestAttributes {
        RequestAttributes::default()
    }

    /// The attribute `ip` is the client's address.
    ///
    /// It is the whole address, whatever prefixes `address` was given, so that policies can name networks of any size. As part of a scope they count an IPv6
    /// address as its network of 64 bits.
    pub fn client(self, address: ClientAddress) -> RequestAttributes {
        self.attribute("ip", Key::client(address.whole()))
    }

    /// The attribute `name` is what `key` finds, in place of what is found without it (as of `route`) or was given before.
    ///
    /// Requests where it finds nothing do not have the attribute: each policy says in its field `missing` what then. A key that is secret is shown
    /// nowhere; what is no text counts as its escaped form, and the values of [`Key::all`] as one text.
    pub fn attribute(mut self, name: impl Into<String>, key: Key) -> RequestAttributes {
        let name = name.into();
        self.keys.retain(|(other, _)| *other != name);
        self.keys.push((name, key));
        self
    }

    /// Whether all keys can be attributes.
    pub(super) fn check(&self) -> Result<(), LayerError> {
        for (attribute, key) in &self.keys {
            let attribute = || attribute.clone();
            if let Some(header) = key.misnamed() {
                return Err(LayerError::AttributeHeader {
                    attribute: attribute(),
                    header: header.to_owned(),
                });
            }
            if key.missing.is_some() {
                return Err(LayerError::AttributeMissing { attribute: attribute() });
            }
        }
        Ok(())
    }

    fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|(other, _)| other == name).map(|(_, key)| key)
    }

    /// What a request has as the attribute of this name.
    pub(super) fn find<'a>(&self, name: &str, head: &Head<'a>) -> Found<'a> {
        if let Some(key) = self.key(name) {
            return key.find(head);
        }
        let found = match name {
            "route" => Some(route(head).into()),
            "method" => Some(head.method().as_str().into()),
            "api" => service(head).map(KeyValue::from),
            _ => name.strip_prefix(HEADER).and_then(|header| field(header, head)),
        };
        found.map_or(Found::Nothing, Found::Key)
    }

    /// What a client may do who was refused for lack of an attribute.
    pub(super) fn needs(&self, name: &str) -> String {
        match (self.key(name), name.strip_prefix(HEADER)) {
            (Some(key), _) => key.needs(),
            (None, Some(header)) => format!("the header field {header}"),
            (None, None) => format!("something that the server could not find ({name})"),
        }
    }
}

/// gRPC has its routes in its paths; what a router that leads to it calls them is of no interest.
fn route<'a>(head: &Head<'a>) -> &'a str {
    if is_grpc(head) { head.path() } else { head.route().unwrap_or(head.path()) }
}

/// The service that a gRPC request calls.
fn service<'a>(head: &Head<'a>) -> Option<&'a str> {
    let (service, _method) = head.path().strip_prefix('/')?.rsplit_once('/')?;
    is_grpc(head).then_some(service)
}

#[cfg(feature = "grpc")]
fn is_grpc(head: &Head<'_>) -> bool {
    crate::grpc::is_grpc(head.headers())
}

#[cfg(not(feature = "grpc"))]
fn is_grpc(_: &Head<'_>) -> bool {
    false
}

/// Fields that are there to hold secrets are taken for such, whether anybody said so or not.
fn field<'a>(name: &str, head: &Head<'a>) -> Option<KeyValue<'a>> {
    let value = head.headers().get(name)?;
    let secret = value.is_sensitive()
        || [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE]
            .iter()
            .any(|secret| name.eq_ignore_ascii_case(secret.as_str()));
    Some(if secret { KeyValue::Secret(value.as_bytes()) } else { text(value.as_bytes()) })
}
