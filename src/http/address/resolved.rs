//! [`Resolved`]: the address of a client, and [`Trouble`]: why it may not be the client's own.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address by which a client is known: [`ClientAddress::resolve`](super::ClientAddress::resolve).
///
/// Prints as `192.0.2.1`, as `2001:db8::/64` where bits were left out, and as `unknown` where there is no address.
///
/// ```
/// use std::net::IpAddr;
///
/// use http::HeaderMap;
/// use tollgate::http::ClientAddress;
///
/// let peer: IpAddr = "2001:db8::1:2:3:4".parse()?;
/// let client = ClientAddress::peer().resolve(&HeaderMap::new(), Some(peer));
/// assert_eq!(client.address(), Some("2001:db8::".parse()?));
/// assert_eq!(client.to_string(), "2001:db8::/64");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resolved {
    address: Option<IpAddr>,
    prefix: u8,
    trouble: Option<Trouble>,
}

impl Resolved {
    /// An address in its canonical form, of which `v4` or `v6` bits are kept: 1 to as many as it has.
    pub(super) fn new(address: Option<IpAddr>, trouble: Option<Trouble>, v4: u8, v6: u8) -> Resolved {
        let (address, prefix) = match address {
            Some(IpAddr::V4(address)) => {
                let mask = u32::MAX << (Ipv4Addr::BITS - u32::from(v4));
                (Some(IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))), v4)
            }
            Some(IpAddr::V6(address)) => {
                let mask = u128::MAX << (Ipv6Addr::BITS - u32::from(v6));
                (Some(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))), v6)
            }
            None => (None, 0),
        };
        Resolved { address, prefix, trouble }
    }

    /// The first address of the client's network; `None` only where the request has no peer and no header told a client.
    ///
    /// IPv4 addresses within IPv6 (`::ffff:192.0.2.1`) are IPv4 addresses here.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Why the address may be that of a proxy rather than of the client; `None` if all is well.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }
}

impl fmt::Display for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(address) = self.address else {
            return f.write_str("unknown");
        };
        let bits = if address.is_ipv4() { Ipv4Addr::BITS } else { Ipv6Addr::BITS };
        if u32::from(self.prefix) == bits {
            write!(f, "{address}")
        } else {
            write!(f, "{address}/{}", self.prefix)
        }
    }
}

/// Why the client was not found, so that a proxy or the peer stands for it: many clients then share one limit.
///
/// Often seen, it says that [`ClientAddress`](super::ClientAddress) does not fit the proxies before the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trouble {
    /// The request came without the address of a peer, and such requests are not trusted.
    NoPeer,
    /// A trusted proxy sent no header, or an empty one.
    HeaderMissing,
    /// The header that is to be there once is there more than once.
    HeaderRepeated,
    /// An element of the header is no address.
    Unparsable,
    /// A proxy keeps the address to itself: `unknown`, an obfuscated name, or no `for`.
    Hidden,
    /// The header has fewer elements than there are proxies.
    ChainTooShort,
    /// Only trusted proxies in the last 32 elements and the last 4 KiB of the header, and there is more.
    TooLong,
}

impl Trouble {
    /// A label for metrics: `no_peer`, `header_missing`, `header_repeated`, `unparsable`, `hidden`, `chain_too_short`,
    /// `too_long`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Trouble::NoPeer => "no_peer",
            Trouble::HeaderMissing => "header_missing",
            Trouble::HeaderRepeated => "header_repeated",
            Trouble::Unparsable => "unparsable",
            Trouble::Hidden => "hidden",
            Trouble::ChainTooShort => "chain_too_short",
            Trouble::TooLong => "too_long",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
