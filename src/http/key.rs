//! [`Key`]: by what requests are told apart.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::{ClientAddress, Head, Trouble};

/// What a request is counted under. It hashes as what it holds, so that `limiter.peek("alice")` finds what the middleware has spent for a header `alice`.
///
/// ```
/// use tollgate::http::KeyValue;
/// use tollgate::{Limiter, Quota};
///
/// let limiter = Limiter::new(Quota::per_hour(2));
/// assert!(limiter.check(&KeyValue::Text("alice".into())).is_ok());
/// assert_eq!(limiter.peek("alice").remaining(), 1);
/// ```
#[derive(Clone)]
pub enum KeyValue<'a> {
    /// One for all.
    Shared,
    /// As `str`.
    Text(Cow<'a, str>),
    /// As `[u8]`: a header that is not text.
    Bytes(Cow<'a, [u8]>),
    /// As [`IpAddr`].
    Address(IpAddr),
    /// As `u64`.
    Number(u64),
    /// As `str` (or `[u8]`), and never shown. (A shared store gets its digest.)
    Secret(&'a [u8]),
    /// One after the other.
    Several(Vec<KeyValue<'a>>),
}

impl Hash for KeyValue<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        match self {
            // As `()`.
            KeyValue::Shared => {}
            KeyValue::Text(text) => text.hash(hasher),
            KeyValue::Bytes(bytes) => bytes.hash(hasher),
            KeyValue::Address(address) => address.hash(hasher),
            KeyValue::Number(number) => number.hash(hasher),
            KeyValue::Secret(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => text.hash(hasher),
                Err(_) => bytes.hash(hasher),
            },
            KeyValue::Several(values) => {
                for value in values {
                    std::mem::discriminant(value).hash(hasher);
                    value.hash(hasher);
                }
            }
        }
    }
}

/// For lists of the most refused keys. A secret shows that it is one, and nothing of itself.
impl fmt::Display for KeyValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyValue::Shared => f.write_str("(all)"),
            KeyValue::Text(text) => f.write_str(text),
            KeyValue::Bytes(bytes) => write!(f, "{}", bytes.escape_ascii()),
            KeyValue::Address(address) => address.fmt(f),
            KeyValue::Number(number) => number.fmt(f),
            KeyValue::Secret(_) => f.write_str("(secret)"),
            KeyValue::Several(values) => {
                for (place, value) in values.iter().enumerate() {
                    let between = if place == 0 { "" } else { " " };
                    write!(f, "{between}{value}")?;
                }
                Ok(())
            }
        }
    }
}

/// As it is shown: a secret must not get into a log by accident.
impl fmt::Debug for KeyValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyValue({self})")
    }
}

impl From<String> for KeyValue<'_> {
    fn from(text: String) -> Self {
        KeyValue::Text(Cow::Owned(text))
    }
}

impl<'a> From<&'a str> for KeyValue<'a> {
    fn from(text: &'a str) -> Self {
        KeyValue::Text(Cow::Borrowed(text))
    }
}

impl From<IpAddr> for KeyValue<'_> {
    fn from(address: IpAddr) -> Self {
        KeyValue::Address(address)
    }
}

impl From<u64> for KeyValue<'_> {
    fn from(number: u64) -> Self {
        KeyValue::Number(number)
    }
}

/// What to do with a request that has no key.
///
/// [`Key::or`] takes one; for examples see [`Key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Missing {
    /// All such requests together are one key.
    Shared,
    /// It is answered 400 Bad Request (gRPC: `INVALID_ARGUMENT`).
    Refuse,
    /// The limit does not concern it.
    Pass,
}

type Find = dyn for<'a> Fn(&Head<'a>) -> Option<KeyValue<'a>> + Send + Sync;

/// By what a limit tells requests apart.
///
/// Where a request may have no key, say what then: [`or`](Key::or).
///
/// ```
/// use tollgate::http::{ClientAddress, Key, Missing};
///
/// let by_customer = Key::header("x-customer").or(Missing::Refuse);
/// let by_address = Key::client(ClientAddress::behind(["10.0.0.0/8"])?).or(Missing::Shared);
/// let by_both = Key::all([Key::header("x-customer"), Key::method()]).or(Missing::Shared);
/// # Ok::<(), tollgate::http::AddressError>(())
/// ```
#[derive(Clone)]
#[must_use = "give it to a `Limit`"]
pub struct Key {
    source: Source,
    pub(super) missing: Option<Missing>,
}

#[derive(Clone)]
enum Source {
    One,
    Client(ClientAddress),
    Header(HeaderName),
    Secret(HeaderName),
    Bearer,
    /// Not a header's name.
    Misnamed(String),
    Path,
    Route,
    Method,
    Closure(&'static str, Arc<Find>),
    All(Vec<Key>),
}

/// What is found of a request.
pub(super) enum Found<'a> {
    Key(KeyValue<'a>),
    /// And why it is not what one would expect, in a word for metrics.
    Troubled(KeyValue<'a>, Trouble),
    Nothing,
}

impl Key {
    const fn of(source: Source) -> Key {
        Key { source, missing: None }
    }

    /// All requests are one key.
    pub const fn global() -> Key {
        Key::of(Source::One)
    }

    /// The address of the client. It is missing only if the server does not tell who is at the other end of the connection: see [`Peer`](super::Peer).
    pub const fn client(address: ClientAddress) -> Key {
        Key::of(Source::Client(address))
    }

    /// A header's value, the first if there are several. A name that no header can have is an error when the layer is built.
    pub fn header(name: &str) -> Key {
        Key::of(named(name, Source::Header))
    }

    /// A header's value that must not be shown anywhere: an API key. Only its hash is kept.
    pub fn secret_header(name: &str) -> Key {
        Key::of(named(name, Source::Secret))
    }

    /// The token of `Authorization: Bearer <token>`; only its hash is kept. Other schemes count as missing.
    pub const fn bearer() -> Key {
        Key::of(Source::Bearer)
    }

    /// The path: of a gRPC request `/package.Service/Method`. Clients choose it: prefer [`route`](Key::route) where paths have parts that vary.
    pub const fn path() -> Key {
        Key::of(Source::Path)
    }

    /// The path's template, as [`Head::route`] tells it.
    pub const fn route() -> Key {
        Key::of(Source::Route)
    }

    /// The method.
    pub const fn method() -> Key {
        Key::of(Source::Method)
    }

    /// Whatever `find` makes of what others have left in the request's extensions as a `T`: who is logged in.
    ///
    /// ```
    /// use tollgate::http::{Key, Missing};
    ///
    /// #[derive(Clone)]
    /// struct User {
    ///     id: u64,
    /// }
    /// let by_user = Key::extension(|user: &User| user.id.into()).or(Missing::Refuse);
    /// ```
    pub fn extension<T: Send + Sync + 'static>(
        find: impl for<'a> Fn(&'a T) -> KeyValue<'a> + Send + Sync + 'static,
    ) -> Key {
        Key::closure("extension", move |head| head.extensions().get::<T>().map(&find))
    }

    /// Whatever `find` makes of the request.
    ///
    /// ```
    /// use tollgate::http::{Key, Missing};
    ///
    /// let by_host = Key::by(|head| Some(head.uri().host()?.into())).or(Missing::Shared);
    /// ```
    pub fn by(find: impl for<'a> Fn(&Head<'a>) -> Option<KeyValue<'a>> + Send + Sync + 'static) -> Key {
        Key::closure("closure", find)
    }

    fn closure(
        kind: &'static str,
        find: impl for<'a> Fn(&Head<'a>) -> Option<KeyValue<'a>> + Send + Sync + 'static,
    ) -> Key {
        Key::of(Source::Closure(kind, Arc::new(find)))
    }

    /// All of these together: one count for each combination. It is missing where one of them is.
    pub fn all(keys: impl IntoIterator<Item = Key>) -> Key {
        Key::of(Source::All(keys.into_iter().collect()))
    }

    /// What to do with a request that has no such key.
    pub fn or(self, missing: Missing) -> Key {
        Key { missing: Some(missing), ..self }
    }

    /// What it is, in a word, for metrics and messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.source {
            Source::One => "global",
            Source::Client(_) => "client_address",
            Source::Header(_) | Source::Misnamed(_) => "header",
            Source::Secret(_) => "secret_header",
            Source::Bearer => "bearer",
            Source::Path => "path",
            Source::Route => "route",
            Source::Method => "method",
            Source::Closure(kind, _) => kind,
            Source::All(_) => "combination",
        }
    }

    /// The header's name that is none, if there is one.
    pub(super) fn misnamed(&self) -> Option<&str> {
        match &self.source {
            Source::Misnamed(name) => Some(name),
            Source::All(keys) => keys.iter().find_map(Key::misnamed),
            _ => None,
        }
    }

    /// Whether a request may have none.
    pub(super) fn may_be_missing(&self) -> bool {
        match &self.source {
            Source::One | Source::Path | Source::Method => false,
            Source::All(keys) => keys.iter().any(Key::may_be_missing),
            _ => true,
        }
    }

    /// What a client may do who was refused for having none.
    pub(super) fn needs(&self) -> String {
        match &self.source {
            Source::Header(name) | Source::Secret(name) => format!("the header field {name}"),
            Source::Bearer => "the header field authorization with a bearer token".to_owned(),
            Source::All(keys) => keys
                .iter()
                .filter(|key| key.may_be_missing())
                .map(Key::needs)
                .collect::<Vec<_>>()
                .join(" and "),
            _ => format!("something that the server could not find ({})", self.kind()),
        }
    }

    pub(super) fn find<'a>(&self, head: &Head<'a>) -> Found<'a> {
        let found = match &self.source {
            Source::One => Some(KeyValue::Shared),
            Source::Client(address) => return client(address, head),
            Source::Header(name) => head.headers().get(name).map(|value| text(value.as_bytes())),
            Source::Secret(name) => head.headers().get(name).map(|value| KeyValue::Secret(value.as_bytes())),
            Source::Bearer => bearer(head).map(KeyValue::Secret),
            Source::Misnamed(_) => None,
            Source::Path => Some(head.path().into()),
            Source::Route => head.route().map(KeyValue::from),
            Source::Method => Some(head.method().as_str().into()),
            Source::Closure(_, find) => find(head),
            Source::All(keys) => return all(keys, head),
        };
        found.map_or(Found::Nothing, Found::Key)
    }
}

fn named(name: &str, source: fn(HeaderName) -> Source) -> Source {
    name.parse().map_or_else(|_| Source::Misnamed(name.to_owned()), source)
}

pub(super) fn text(bytes: &[u8]) -> KeyValue<'_> {
    std::str::from_utf8(bytes).map_or(KeyValue::Bytes(Cow::Borrowed(bytes)), KeyValue::from)
}

fn client<'a>(address: &ClientAddress, head: &Head<'a>) -> Found<'a> {
    let resolved = address.resolve(head.headers(), head.peer());
    match (resolved.address(), resolved.trouble()) {
        (Some(address), Some(trouble)) => Found::Troubled(address.into(), trouble),
        (Some(address), None) => Found::Key(address.into()),
        (None, _) => Found::Nothing,
    }
}

/// The scheme's name is not case-sensitive: RFC 9110, section 11.1.
fn bearer<'a>(head: &Head<'a>) -> Option<&'a [u8]> {
    let value = head.headers().get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

fn all<'a>(keys: &[Key], head: &Head<'a>) -> Found<'a> {
    let (mut values, mut troubled) = (Vec::with_capacity(keys.len()), None);
    for key in keys {
        match key.find(head) {
            Found::Key(value) => values.push(value),
            Found::Troubled(value, trouble) => {
                values.push(value);
                troubled = Some(trouble);
            }
            Found::Nothing => return Found::Nothing,
        }
    }
    let value = KeyValue::Several(values);
    match troubled {
        Some(trouble) => Found::Troubled(value, trouble),
        None => Found::Key(value),
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kind", &self.kind())
            .field("missing", &self.missing)
            .finish_non_exhaustive()
    }
}
