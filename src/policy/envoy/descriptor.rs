//! [`Descriptor`]: what Envoy asks about, as a request's attributes.

use crate::policy::Attributes;

/// The attribute that holds a descriptor's domain.
pub(super) const DOMAIN: &str = "envoy.domain";

/// The attribute that holds how many entries a descriptor has.
pub(super) const ENTRIES: &str = "envoy.entries";

/// The attribute that holds the value of the entry with this key at this place, from 1.
pub(super) fn entry_attribute(place: usize, key: &str) -> String {
    format!("envoy.{place}.{key}")
}

/// A descriptor of Envoy's rate limit API as the attributes that policies from
/// [`Policies::from_envoy`](super::Policies::from_envoy) are about.
///
/// These are `envoy.domain`, `envoy.entries` (how many there are), and for each entry `envoy.<place>.<key>` with its
/// value; places count from 1. A request to Envoy's service has one or several descriptors: each is checked for itself.
///
/// ```
/// use tollgate::policy::Descriptor;
///
/// let descriptor = Descriptor::new("messaging", [("message_type", "marketing"), ("to_number", "2061234567")]);
/// let attributes: Vec<_> = descriptor.attributes().collect();
/// assert_eq!(attributes, [
///     ("envoy.domain", "messaging"),
///     ("envoy.entries", "2"),
///     ("envoy.1.message_type", "marketing"),
///     ("envoy.2.to_number", "2061234567"),
/// ]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Descriptor {
    attributes: Vec<(String, String)>,
}

impl Descriptor {
    /// A descriptor of this domain with these entries, each a key and a value, in their order.
    pub fn new<K: AsRef<str>, V: Into<String>>(
        domain: impl Into<String>,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Descriptor {
        let mut attributes = vec![(DOMAIN.to_owned(), domain.into()), (ENTRIES.to_owned(), String::new())];
        let places = 1..;
        attributes.extend(
            places
                .zip(entries)
                .map(|(place, (key, value))| (entry_attribute(place, key.as_ref()), value.into())),
        );
        attributes[1].1 = (attributes.len() - 2).to_string();
        Descriptor { attributes }
    }

    /// Its attributes: names and values.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<'a> From<&'a Descriptor> for Attributes<'a> {
    fn from(descriptor: &'a Descriptor) -> Attributes<'a> {
        descriptor
            .attributes()
            .fold(Attributes::new(), |attributes, (name, value)| attributes.with(name, value))
    }
}
