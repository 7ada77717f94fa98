//! [`Node`]: one member of a chain of proxies, as both header fields write it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest node that is read, in bytes: almost twice the longest address with brackets, a zone and a port, and an even share
/// of what is read of a header (4 KiB for 32 elements).
pub(super) const LONGEST: usize = 128;

/// The most digits of a port (RFC 7239, section 6).
const PORT_DIGITS: usize = 5;

/// Who sent a request to a proxy, in the proxy's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// By address; an IPv4 address within IPv6 as IPv4, whatever the notation.
    Address(IpAddr),
    /// The proxy does not know or does not tell: `unknown`, `_gazonk`, no `for` at all.
    Hidden,
}

impl Node {
    /// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`, `unknown`, `_hidden`; `None` for
    /// anything else.
    ///
    /// A zone (`fe80::1%eth0`) is dropped: it has a meaning on the proxy only. IPv6 without brackets is no node of RFC 7239,
    /// but the only way in which most proxies write it in `X-Forwarded-For`.
    pub(super) fn parse(bytes: &[u8]) -> Option<Node> {
        if bytes.len() > LONGEST {
            return None;
        }
        let text = std::str::from_utf8(bytes).ok()?;
        if let Some(address) = v6(text) {
            return Some(Node::from(IpAddr::V6(address)));
        }
        let (name, port) = split_port(text)?;
        if !port.is_none_or(is_port) {
            return None;
        }
        if let Some(bracketed) = name.strip_prefix('[') {
            return v6(bracketed.strip_suffix(']')?).map(|address| Node::from(IpAddr::V6(address)));
        }
        if is_obfuscated(name) || name.eq_ignore_ascii_case("unknown") {
            return Some(Node::Hidden);
        }
        name.parse::<Ipv4Addr>().ok().map(|address| Node::from(IpAddr::V4(address)))
    }
}

impl From<IpAddr> for Node {
    fn from(address: IpAddr) -> Node {
        Node::Address(address.to_canonical())
    }
}

/// An IPv6 address, with or without a zone.
fn v6(text: &str) -> Option<Ipv6Addr> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    if zone.is_some_and(|zone| zone.is_empty() || !zone.bytes().all(is_zone_byte)) {
        return None;
    }
    address.parse().ok()
}

/// The unreserved characters of URIs, of which zones are made (RFC 6874), and the percent sign: some write `%25eth0`.
fn is_zone_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)
}

/// The name and what follows the colon after it; a colon within brackets is none.
fn split_port(text: &str) -> Option<(&str, Option<&str>)> {
    let name = match text.find(']') {
        Some(bracket) => bracket + 1,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (name, rest) = text.split_at(name);
    if rest.is_empty() { Some((name, None)) } else { Some((name, Some(rest.strip_prefix(':')?))) }
}

fn is_port(port: &str) -> bool {
    let digits = (1..=PORT_DIGITS).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    digits || is_obfuscated(port)
}

/// `_` and a name: what a proxy says instead of an address or a port (RFC 7239, section 6.3).
fn is_obfuscated(text: &str) -> bool {
    text.strip_prefix('_').is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    })
}
