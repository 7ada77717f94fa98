//! [`ClientAddress`]: how the address of a client is found behind proxies.

mod error;
mod forwarded;
mod forwarded_for;
mod node;
mod proxies;
mod resolved;
mod walk;

use std::net::IpAddr;

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};

pub use error::AddressError;
use forwarded_for::{MOST_ELEMENTS, X_FORWARDED_FOR};
use node::Node;
use proxies::Proxies;
pub use resolved::{Resolved, Trouble};
use walk::{End, Trust};

/// The smallest network that providers hand out: by whole addresses one host would be 2⁶⁴ clients.
const IPV6_PREFIX: u8 = 64;

/// A single address: with IPv4 one address often stands for many clients already.
const IPV4_PREFIX: u8 = 32;

/// How the address of a client is found. The default is the peer of the socket.
///
/// Behind a proxy every request has the proxy's address, and who sent it is in a header field, which the client may have
/// begun to fill in by itself. So a header is read only where you say which proxies there are, and only as far as they
/// wrote it: from the right.
///
/// | before the server is | use |
/// |---|---|
/// | nothing | [`peer`](ClientAddress::peer) |
/// | proxies whose networks are known | [`behind`](ClientAddress::behind) |
/// | proxies of which the number is known | [`behind_hops`](ClientAddress::behind_hops) |
/// | an edge that sets a header of its own | [`from_header`](ClientAddress::from_header), [`only_from`](ClientAddress::only_from) |
///
/// One field is read, never a second one in place of the first: a client could choose which.
///
/// Where the client cannot be found, the address is one that is certain, a trusted proxy's or the peer's, and
/// [`Resolved::trouble`] says why. Clients then share a limit; they never get to choose their own.
///
/// IPv6 addresses are cut to their network of 64 bits, since one host has that many addresses;
/// [`ipv6_prefix`](ClientAddress::ipv6_prefix) changes that. IPv4 addresses within IPv6 count as IPv4 before.
///
/// ```
/// use http::HeaderMap;
/// use tollgate::http::ClientAddress;
///
/// let clients = ClientAddress::behind(["10.0.0.0/8", "2001:db8:1::/48"])?;
///
/// let mut headers = HeaderMap::new();
/// // The first address is the client's invention: the proxies appended the two others.
/// headers.insert("x-forwarded-for", "198.51.100.9, 203.0.113.7, 10.0.0.2".parse()?);
/// let client = clients.resolve(&headers, Some("10.0.0.1".parse()?));
/// assert_eq!(client.to_string(), "203.0.113.7");
///
/// // Not one of the proxies: its headers are not read.
/// let client = clients.resolve(&headers, Some("192.0.2.1".parse()?));
/// assert_eq!(client.to_string(), "192.0.2.1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientAddress {
    source: Source,
    ipv4_prefix: u8,
    ipv6_prefix: u8,
}

#[derive(Clone, Debug)]
enum Source {
    Peer,
    Chain { field: Field, trust: Trust },
    Header { name: HeaderName, only_from: Option<Proxies> },
}

/// The field in which proxies tell whom a request came from.
#[derive(Clone, Copy, Debug)]
enum Field {
    ForwardedFor,
    Forwarded,
}

impl Default for ClientAddress {
    fn default() -> ClientAddress {
        ClientAddress::peer()
    }
}

impl ClientAddress {
    /// The peer of the socket; no header is read.
    #[must_use]
    pub fn peer() -> ClientAddress {
        ClientAddress::new(Source::Peer)
    }

    /// Behind proxies that are known by address: networks (`"10.0.0.0/8"`, `"2001:db8::/32"`) or single addresses (`"::1"`).
    ///
    /// If the peer is one of them, `X-Forwarded-For` is walked from the right, all its lines, and the first address that is
    /// none of them is the client. The walk stops at the last proxy before something that is no address. If there are only
    /// proxies, the farthest one is the client. From any other peer the header is not read.
    ///
    /// A request without the address of a peer, as over a Unix socket, counts as sent by a proxy only if `"unix"` is one of
    /// `proxies`; otherwise it is [`Trouble::NoPeer`].
    ///
    /// Every address is compared with each of `proxies`, in order.
    ///
    /// # Errors
    ///
    /// [`AddressError::Proxy`] for what is no address and no network, [`AddressError::TrustsEveryone`] for a network of all
    /// addresses, [`AddressError::NoProxies`] if there is none.
    pub fn behind(proxies: impl IntoIterator<Item = impl AsRef<str>>) -> Result<ClientAddress, AddressError> {
        let proxies = Proxies::new(proxies)?;
        Ok(ClientAddress::through(Trust::Proxies(proxies)))
    }

    /// Behind so many proxies, 1 to 32, each of which appends one element to `X-Forwarded-For`: the client is the one that
    /// the farthest of them appended, `hops` from the right.
    ///
    /// With fewer elements than that, and with any that cannot be read on the way, it is the peer. Count appended elements
    /// rather than machines: there are load balancers that append two.
    ///
    /// Every peer is trusted, and a request without one, too. So the server must be reachable through the proxies only:
    /// who gets around one chooses an address at will.
    ///
    /// # Errors
    ///
    /// [`AddressError::Hops`] for 0, which is [`peer`](ClientAddress::peer), and for more than 32.
    ///
    /// ```
    /// use http::HeaderMap;
    /// use tollgate::http::{ClientAddress, Trouble};
    ///
    /// let clients = ClientAddress::behind_hops(2)?;
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-forwarded-for", "198.51.100.9, 203.0.113.7, 10.0.0.2".parse()?);
    /// let client = clients.resolve(&headers, Some("10.0.0.1".parse()?));
    /// assert_eq!(client.to_string(), "203.0.113.7");
    ///
    /// headers.insert("x-forwarded-for", "203.0.113.7".parse()?);
    /// let client = clients.resolve(&headers, Some("10.0.0.1".parse()?));
    /// assert_eq!(client.to_string(), "10.0.0.1");
    /// assert_eq!(client.trouble(), Some(Trouble::ChainTooShort));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn behind_hops(hops: u8) -> Result<ClientAddress, AddressError> {
        if hops == 0 || hops > MOST_ELEMENTS {
            return Err(AddressError::Hops { hops });
        }
        Ok(ClientAddress::through(Trust::Hops(hops)))
    }

    /// The header field that the edge sets for every request, whatever the client sent: `CF-Connecting-IP`, `Fly-Client-IP`,
    /// `X-Real-IP`. It holds one address, with or without a port.
    ///
    /// If it is missing or empty, there more than once, or not readable, the peer is the client. Every peer is trusted to send it,
    /// and a request without one, too; see [`only_from`](ClientAddress::only_from).
    ///
    /// # Errors
    ///
    /// [`AddressError::HeaderName`] if no field can have the name.
    ///
    /// ```
    /// use http::HeaderMap;
    /// use tollgate::http::ClientAddress;
    ///
    /// let clients = ClientAddress::from_header("cf-connecting-ip")?.only_from(["173.245.48.0/20"])?;
    /// let mut headers = HeaderMap::new();
    /// headers.insert("cf-connecting-ip", "203.0.113.7".parse()?);
    /// let client = clients.resolve(&headers, Some("173.245.48.1".parse()?));
    /// assert_eq!(client.to_string(), "203.0.113.7");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_header(name: &str) -> Result<ClientAddress, AddressError> {
        let name = name.parse().map_err(|_| AddressError::HeaderName { name: name.to_owned() })?;
        Ok(ClientAddress::new(Source::Header { name, only_from: None }))
    }

    /// Reads the header of [`from_header`](ClientAddress::from_header) only if the peer is one of these, written as for
    /// [`behind`](ClientAddress::behind); any other peer is itself the client. A second call replaces the first.
    ///
    /// # Errors
    ///
    /// Those of [`behind`](ClientAddress::behind), and [`AddressError::OnlyFrom`] if this is not `from_header`.
    pub fn only_from(
        mut self,
        proxies: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<ClientAddress, AddressError> {
        match &mut self.source {
            Source::Header { only_from, .. } => *only_from = Some(Proxies::new(proxies)?),
            _ => return Err(AddressError::OnlyFrom),
        }
        Ok(self)
    }

    /// Reads `Forwarded` (RFC 7239) instead of `X-Forwarded-For`, which then is not read at all.
    ///
    /// The client is the `for` of an element; an element without one, or with a name in place of an address, is
    /// [`Trouble::Hidden`]. Changes nothing where no chain is read: with [`peer`](ClientAddress::peer) and
    /// [`from_header`](ClientAddress::from_header).
    ///
    /// ```
    /// use http::HeaderMap;
    /// use tollgate::http::ClientAddress;
    ///
    /// let clients = ClientAddress::behind(["10.0.0.0/8"])?.forwarded();
    /// let mut headers = HeaderMap::new();
    /// headers.insert("forwarded", r#"for="[2001:db8::7]:4711";proto=https, for=10.0.0.2"#.parse()?);
    /// let client = clients.resolve(&headers, Some("10.0.0.1".parse()?));
    /// assert_eq!(client.to_string(), "2001:db8::/64");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn forwarded(mut self) -> ClientAddress {
        if let Source::Chain { field, .. } = &mut self.source {
            *field = Field::Forwarded;
        }
        self
    }

    /// The same, and addresses stay whole.
    #[cfg(feature = "policy")]
    pub(super) fn whole(self) -> ClientAddress {
        ClientAddress { ipv4_prefix: 32, ipv6_prefix: 128, ..self }
    }

    /// The bits of an IPv6 address that make a client, 32 to 128; 64 unless changed.
    ///
    /// # Errors
    ///
    /// [`AddressError::Ipv6Prefix`] outside of this range.
    pub fn ipv6_prefix(self, prefix: u8) -> Result<ClientAddress, AddressError> {
        if !(32..=128).contains(&prefix) {
            return Err(AddressError::Ipv6Prefix { prefix });
        }
        Ok(ClientAddress { ipv6_prefix: prefix, ..self })
    }

    /// The bits of an IPv4 address that make a client, 8 to 32; 32 unless changed.
    ///
    /// # Errors
    ///
    /// [`AddressError::Ipv4Prefix`] outside of this range.
    pub fn ipv4_prefix(self, prefix: u8) -> Result<ClientAddress, AddressError> {
        if !(8..=32).contains(&prefix) {
            return Err(AddressError::Ipv4Prefix { prefix });
        }
        Ok(ClientAddress { ipv4_prefix: prefix, ..self })
    }

    /// The address by which the client of a request is known, cut to its network.
    ///
    /// `peer` is the other end of the connection; `None` if it has no address, as a Unix socket. Allocates nothing, and
    /// reads at most the last 32 elements and 4 KiB of a header.
    #[must_use]
    pub fn resolve(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Resolved {
        let peer = peer.map(|address| address.to_canonical());
        let (address, trouble) = self.find(headers, peer);
        Resolved::new(address, trouble, self.ipv4_prefix, self.ipv6_prefix)
    }

    fn find(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> End {
        match &self.source {
            Source::Chain { field, trust } if trust.includes(peer) => match field {
                Field::ForwardedFor => {
                    trust.walk(peer, forwarded_for::nodes(headers.get_all(X_FORWARDED_FOR).iter()))
                }
                Field::Forwarded => trust.walk(peer, forwarded::nodes(headers.get_all(FORWARDED).iter())),
            },
            Source::Header { name, only_from }
                if only_from.as_ref().is_none_or(|proxies| proxies.sent_by(peer)) =>
            {
                match only_node(headers, name) {
                    Ok(Node::Address(address)) => (Some(address), None),
                    Ok(Node::Hidden) => (peer, Some(Trouble::Hidden)),
                    Err(trouble) => (peer, Some(trouble)),
                }
            }
            _ => (peer, peer.is_none().then_some(Trouble::NoPeer)),
        }
    }

    fn through(trust: Trust) -> ClientAddress {
        ClientAddress::new(Source::Chain { field: Field::ForwardedFor, trust })
    }

    fn new(source: Source) -> ClientAddress {
        ClientAddress { source, ipv4_prefix: IPV4_PREFIX, ipv6_prefix: IPV6_PREFIX }
    }
}

/// The node in a field that is to be there once. Two lines and one line with a comma are the same to HTTP.
fn only_node(headers: &HeaderMap, name: &HeaderName) -> Result<Node, Trouble> {
    let mut nodes = forwarded_for::nodes(headers.get_all(name).iter());
    let node = nodes.next().ok_or(Trouble::HeaderMissing)?;
    if nodes.next().is_some() { Err(Trouble::HeaderRepeated) } else { node }
}
