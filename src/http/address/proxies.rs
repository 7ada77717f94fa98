//! [`Proxies`]: those whose word on others is taken.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::error::AddressError;

/// Stands in a list of proxies for requests without the address of a peer.
const UNIX: &str = "unix";

/// The leading bits of an IPv6 address that stands for an IPv4 one (`::ffff:0:0/96`).
const MAPPED_PREFIX: u8 = 96;

/// The networks of trusted proxies.
#[derive(Clone, Debug)]
pub(super) struct Proxies {
    networks: Box<[IpNet]>,
    unix: bool,
}

impl Proxies {
    pub(super) fn new(proxies: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Proxies, AddressError> {
        let mut networks = Vec::new();
        let mut unix = false;
        for proxy in proxies {
            match proxy.as_ref().trim() {
                UNIX => unix = true,
                text => networks.push(network(text)?),
            }
        }
        if networks.is_empty() && !unix {
            return Err(AddressError::NoProxies);
        }
        Ok(Proxies { networks: networks.into(), unix })
    }

    /// Whether the address, in its canonical form, is that of a proxy.
    pub(super) fn contain(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether a request that came from this peer came from a proxy.
    pub(super) fn sent_by(&self, peer: Option<IpAddr>) -> bool {
        peer.map_or(self.unix, |peer| self.contain(peer))
    }
}

/// A network or a single address, as it is compared: IPv4 within IPv6 is IPv4, as it is in the addresses.
fn network(text: &str) -> Result<IpNet, AddressError> {
    let unreadable = || AddressError::Proxy { proxy: text.to_owned() };
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().map_err(|_| unreadable())?,
    };
    let network = match (network, network.addr().to_canonical()) {
        (IpNet::V6(mapped), IpAddr::V4(address)) if mapped.prefix_len() >= MAPPED_PREFIX => {
            let length = mapped.prefix_len() - MAPPED_PREFIX;
            IpNet::V4(Ipv4Net::new(address, length).map_err(|_| unreadable())?)
        }
        _ => network,
    };
    if network.prefix_len() == 0 {
        return Err(AddressError::TrustsEveryone { proxy: text.to_owned() });
    }
    Ok(network)
}
