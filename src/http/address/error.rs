//! [`AddressError`]: why a way to find clients cannot be built.

use std::fmt;

use super::forwarded_for::MOST_ELEMENTS;

/// Why a [`ClientAddress`](super::ClientAddress) could not be built. The message names the value and says what to change.
///
/// ```
/// use tollgate::http::{AddressError, ClientAddress};
///
/// let error = ClientAddress::behind(["0.0.0.0/0"]).unwrap_err();
/// assert_eq!(error, AddressError::TrustsEveryone { proxy: "0.0.0.0/0".into() });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// A trusted proxy is neither an address nor a network.
    Proxy {
        /// What was given.
        proxy: String,
    },
    /// A network of trusted proxies has every address in it.
    TrustsEveryone {
        /// What was given.
        proxy: String,
    },
    /// The list of trusted proxies is empty.
    NoProxies,
    /// The number of proxies is zero or above 32.
    Hops {
        /// What was given.
        hops: u8,
    },
    /// The name is not that of a header field.
    HeaderName {
        /// What was given.
        name: String,
    },
    /// [`only_from`](super::ClientAddress::only_from) on an address that is not read from a header of its own.
    OnlyFrom,
    /// A prefix of IPv4 addresses is shorter than 8 bits or longer than 32.
    Ipv4Prefix {
        /// What was given.
        prefix: u8,
    },
    /// A prefix of IPv6 addresses is shorter than 32 bits or longer than 128.
    Ipv6Prefix {
        /// What was given.
        prefix: u8,
    },
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::Proxy { proxy } => write!(
                f,
                "trusted proxy {proxy:?} cannot be read: use an address (\"192.0.2.1\"), a network (\"10.0.0.0/8\", \"2001:db8::/32\") or \"unix\""
            ),
            AddressError::TrustsEveryone { proxy } => write!(
                f,
                "trusted proxy {proxy:?} is every address, so clients could choose their own: name the proxies' networks, or use behind_hops if only their number is known"
            ),
            AddressError::NoProxies => f.write_str(
                "the list of trusted proxies is empty: name at least one, or use ClientAddress::peer if there is none",
            ),
            AddressError::Hops { hops } => write!(
                f,
                "hops {hops} is out of range: use 1 to {MOST_ELEMENTS}, or ClientAddress::peer if there is no proxy"
            ),
            AddressError::HeaderName { name } => {
                write!(f, "header name {name:?} is not possible: use a name like \"cf-connecting-ip\"")
            }
            AddressError::OnlyFrom => f.write_str(
                "only_from is for ClientAddress::from_header: give the proxies to ClientAddress::behind instead",
            ),
            AddressError::Ipv4Prefix { prefix } => {
                write!(f, "ipv4_prefix {prefix} is out of range: use 8 to 32 bits")
            }
            AddressError::Ipv6Prefix { prefix } => {
                write!(f, "ipv6_prefix {prefix} is out of range: use 32 to 128 bits")
            }
        }
    }
}

impl std::error::Error for AddressError {}
