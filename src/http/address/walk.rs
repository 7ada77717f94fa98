//! The walk from the server towards the client, over the nodes of either header field, the last one first.

use std::net::IpAddr;

use super::node::Node;
use super::proxies::Proxies;
use super::resolved::Trouble;

/// Where a walk ended, and why there if it was not at the client.
pub(super) type End = (Option<IpAddr>, Option<Trouble>);

/// Whose nodes are believed.
#[derive(Clone, Debug)]
pub(super) enum Trust {
    /// Those of the proxies in a list.
    Proxies(Proxies),
    /// So many from the right.
    Hops(u8),
}

impl Trust {
    /// Whether what this peer sent is believed at all.
    pub(super) fn includes(&self, peer: Option<IpAddr>) -> bool {
        match self {
            Trust::Proxies(proxies) => proxies.sent_by(peer),
            Trust::Hops(_) => true,
        }
    }

    /// The client of a request that such a peer sent with these nodes.
    pub(super) fn walk(
        &self,
        peer: Option<IpAddr>,
        nodes: impl Iterator<Item = Result<Node, Trouble>>,
    ) -> End {
        match self {
            Trust::Proxies(proxies) => past_proxies(proxies, peer, nodes),
            Trust::Hops(hops) => past_hops(*hops, peer, nodes),
        }
    }
}

/// Past the proxies of a list: the first node that is none of them is the client. It ends at the last
/// proxy before a node that tells no address, and at the farthest one if there are only proxies.
fn past_proxies(
    proxies: &Proxies,
    peer: Option<IpAddr>,
    nodes: impl Iterator<Item = Result<Node, Trouble>>,
) -> End {
    let mut last = peer;
    let mut trouble = Some(Trouble::HeaderMissing);
    for node in nodes {
        match node {
            Ok(Node::Address(address)) if proxies.contain(address) => last = Some(address),
            Ok(Node::Address(address)) => return (Some(address), None),
            Ok(Node::Hidden) => return (last, Some(Trouble::Hidden)),
            Err(error) => return (last, Some(error)),
        }
        trouble = None;
    }
    (last, trouble)
}

/// Past so many proxies: the node that the farthest of them appended. Whatever keeps from reaching it leads back to the
/// peer. What the proxies say of each other is counted only, so one may hide another.
fn past_hops(hops: u8, peer: Option<IpAddr>, nodes: impl Iterator<Item = Result<Node, Trouble>>) -> End {
    for (node, hop) in nodes.zip(1..) {
        match node {
            Err(error) => return (peer, Some(error)),
            Ok(_) if hop < hops => {}
            Ok(Node::Address(address)) => return (Some(address), None),
            Ok(Node::Hidden) => return (peer, Some(Trouble::Hidden)),
        }
    }
    (peer, Some(Trouble::ChainTooShort))
}
