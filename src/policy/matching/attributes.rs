//! [`Attributes`]: what is known of a request.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The attributes that have a place of their own, so that they are found without a search.
const KNOWN: [&str; 6] = ["user", "api", "ip", "route", "method", "tier"];
const USER: usize = 0;
const API: usize = 1;
const IP: usize = 2;
const ROUTE: usize = 3;
const METHOD: usize = 4;
const TIER: usize = 5;

/// What is known of a request: names and values. Policies say which of them matter.
///
/// ```
/// use tollgate::policy::Attributes;
///
/// let attributes = Attributes::new()
///     .user("alice")
///     .route("/cards/issue")
///     .method("POST")
///     .ip([192, 0, 2, 1].into())
///     .with("region", "eu");
/// assert_eq!(attributes.get("region").map(|value| value.to_string()), Some("eu".to_owned()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Attributes<'a> {
    known: [Option<Value<'a>>; KNOWN.len()],
    others: Vec<(&'a str, Value<'a>)>,
}

/// The value of an attribute.
///
/// [`Attributes::with`] takes one.
///
/// ```
/// use tollgate::policy::{Attributes, Value};
///
/// let attributes = Attributes::new().with("token", Value::Secret("s3cret")).with("size", 7);
/// assert_eq!(attributes.get("token").unwrap().to_string(), "(secret)");
/// assert_eq!(attributes.get("size"), Some(Value::Number(7)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A text.
    Text(&'a str),
    /// A text that is not to be shown, as a token: policies match and count it as they would any text, but it is not
    /// printed, and a backend knows only its digest.
    Secret(&'a str),
    /// An address. An IPv4 address in IPv6 form is the IPv4 address.
    Address(IpAddr),
    /// A whole number.
    Number(u64),
}

impl<'a> Attributes<'a> {
    /// Nothing is known.
    #[must_use]
    #[inline]
    pub fn new() -> Attributes<'a> {
        Attributes::default()
    }

    /// Who asks.
    #[must_use]
    #[inline]
    pub fn user(self, user: &'a str) -> Attributes<'a> {
        self.known(USER, Value::Text(user))
    }

    /// What is asked: the name of an interface, of a service, of an operation.
    #[must_use]
    #[inline]
    pub fn api(self, api: &'a str) -> Attributes<'a> {
        self.known(API, Value::Text(api))
    }

    /// The client's address. As part of a scope an IPv6 address counts as its /64 network, which is what one customer has.
    #[must_use]
    #[inline]
    pub fn ip(self, ip: IpAddr) -> Attributes<'a> {
        self.known(IP, Value::Address(ip.to_canonical()))
    }

    /// The route: a path, or a router's pattern for it.
    #[must_use]
    #[inline]
    pub fn route(self, route: &'a str) -> Attributes<'a> {
        self.known(ROUTE, Value::Text(route))
    }

    /// The method, as `POST`.
    #[must_use]
    #[inline]
    pub fn method(self, method: &'a str) -> Attributes<'a> {
        self.known(METHOD, Value::Text(method))
    }

    /// The tier of who asks.
    #[must_use]
    #[inline]
    pub fn tier(self, tier: &'a str) -> Attributes<'a> {
        self.known(TIER, Value::Text(tier))
    }

    /// Any attribute, by its name. The names above mean the same here; a text for `ip` that is an address counts as one, and is no
    /// secret. O(attributes that are not among the names above).
    #[must_use]
    pub fn with(mut self, name: &'a str, value: impl Into<Value<'a>>) -> Attributes<'a> {
        let value = match value.into() {
            Value::Address(address) => address.into(),
            other => other,
        };
        match KNOWN.iter().position(|known| *known == name) {
            Some(IP) => {
                let address = value.address();
                self.known[IP] = Some(address.map_or(value, Value::Address));
            }
            Some(place) => self.known[place] = Some(value),
            None => match self.others.iter_mut().find(|(other, _)| *other == name) {
                Some((_, old)) => *old = value,
                None => self.others.push((name, value)),
            },
        }
        self
    }

    /// The value of an attribute.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        self.at(&Column::of(name))
    }

    #[inline]
    fn known(mut self, place: usize, value: Value<'a>) -> Attributes<'a> {
        self.known[place] = Some(value);
        self
    }

    #[inline]
    pub(in crate::policy) fn at(&self, column: &Column) -> Option<Value<'a>> {
        match column {
            Column::Known(place) => self.known[*place],
            Column::Other(name) => {
                self.others.iter().find(|(other, _)| *other == &**name).map(|(_, value)| *value)
            }
        }
    }
}

impl Value<'_> {
    /// As a text, whatever it is, be it secret.
    pub(in crate::policy) fn text(&self) -> Cow<'_, str> {
        match self {
            Value::Text(text) | Value::Secret(text) => Cow::Borrowed(text),
            other => Cow::Owned(other.to_string()),
        }
    }

    /// The address, if it is one.
    pub(in crate::policy) fn address(&self) -> Option<IpAddr> {
        match self {
            Value::Text(text) | Value::Secret(text) => {
                text.parse().ok().map(|address: IpAddr| address.to_canonical())
            }
            Value::Address(address) => Some(address.to_canonical()),
            Value::Number(_) => None,
        }
    }

    /// As a part of what is counted under: of an IPv6 address its /64 network, which is the least that a customer is given.
    #[inline]
    pub(crate) fn in_scope(self) -> Self {
        match self {
            Value::Address(IpAddr::V6(address)) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Value::Address(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
            other => other,
        }
    }

    /// The number, if it is one.
    pub(in crate::policy) fn number(&self) -> Option<u64> {
        match self {
            Value::Text(text) | Value::Secret(text) => text.parse().ok(),
            Value::Number(number) => Some(*number),
            Value::Address(_) => None,
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.debug_tuple("Text").field(text).finish(),
            Value::Secret(_) => f.write_str("Secret(..)"),
            Value::Address(address) => f.debug_tuple("Address").field(address).finish(),
            Value::Number(number) => f.debug_tuple("Number").field(number).finish(),
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.pad(text),
            Value::Secret(_) => f.pad("(secret)"),
            Value::Address(address) => address.fmt(f),
            Value::Number(number) => number.fmt(f),
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Value<'a> {
        Value::Text(text)
    }
}

impl From<IpAddr> for Value<'_> {
    fn from(address: IpAddr) -> Self {
        Value::Address(address.to_canonical())
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Value::Number(number)
    }
}

/// Where an attribute is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::policy) enum Column {
    Known(usize),
    Other(Box<str>),
}

impl Column {
    pub(in crate::policy) fn of(name: &str) -> Column {
        match KNOWN.iter().position(|known| *known == name) {
            Some(place) => Column::Known(place),
            None => Column::Other(name.into()),
        }
    }

    pub(in crate::policy) fn name(&self) -> &str {
        match self {
            Column::Known(place) => KNOWN[*place],
            Column::Other(name) => name,
        }
    }

    pub(in crate::policy) fn is_ip(&self) -> bool {
        *self == Column::Known(IP)
    }

    pub(in crate::policy) fn is_route(&self) -> bool {
        *self == Column::Known(ROUTE)
    }

    pub(in crate::policy) fn is_method(&self) -> bool {
        *self == Column::Known(METHOD)
    }

    pub(in crate::policy) fn is_tier(&self) -> bool {
        *self == Column::Known(TIER)
    }
}

/// Attributes, and the tier that they belong to if they do not say so.
#[derive(Clone, Copy)]
pub(in crate::policy) struct Seen<'s, 'a> {
    pub(in crate::policy) attributes: &'s Attributes<'a>,
    pub(in crate::policy) tier: Option<&'s str>,
}

impl<'s> Seen<'s, '_> {
    #[inline]
    pub(in crate::policy) fn get(&self, column: &Column) -> Option<Value<'s>> {
        let said = self.attributes.at(column);
        if said.is_none() && column.is_tier() { self.tier.map(Value::Text) } else { said }
    }
}
