//! The network to which an address is cut, and how it prints.

use http::HeaderMap;
use tollgate::http::{ClientAddress, Resolved};

use super::{behind, headers, ip};

fn of_peer(clients: &ClientAddress, peer: &str) -> Resolved {
    clients.resolve(&HeaderMap::new(), Some(ip(peer)))
}

#[test]
fn addresses_are_cut_to_64_bits_of_ipv6_and_left_whole_in_ipv4() {
    for (peer, address, printed) in [
        ("192.0.2.255", "192.0.2.255", "192.0.2.255"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::", "::/64"),
        ("::ffff:192.0.2.255", "192.0.2.255", "192.0.2.255"),
    ] {
        let resolved = of_peer(&ClientAddress::peer(), peer);
        assert_eq!(resolved.address(), Some(ip(address)));
        assert_eq!(resolved.to_string(), printed);
        assert_eq!(resolved.trouble(), None);
    }
}

#[test]
fn prefixes_can_be_of_every_length_in_their_ranges() {
    let peer = ClientAddress::peer;
    for (prefix, expected) in [
        (32, "2001:db8::/32"),
        (48, "2001:db8:ffff::/48"),
        (63, "2001:db8:ffff:fffe::/63"),
        (128, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
    ] {
        let clients = peer().ipv6_prefix(prefix).unwrap();
        assert_eq!(of_peer(&clients, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff").to_string(), expected);
        assert_eq!(of_peer(&clients, "192.0.2.255").to_string(), "192.0.2.255");
    }
    for (prefix, expected) in
        [(8, "192.0.0.0/8"), (24, "192.0.2.0/24"), (31, "192.0.2.254/31"), (32, "192.0.2.255")]
    {
        let clients = peer().ipv4_prefix(prefix).unwrap();
        assert_eq!(of_peer(&clients, "192.0.2.255").to_string(), expected);
        assert_eq!(of_peer(&clients, "::ffff:192.0.2.255").to_string(), expected);
        assert_eq!(of_peer(&clients, "2001:db8::1").to_string(), "2001:db8::/64");
    }
}

#[test]
fn addresses_from_headers_and_proxies_that_stand_for_clients_are_cut_too() {
    let clients = behind().ipv4_prefix(16).unwrap();
    let sent = headers(&super::FORWARDED_FOR, &["203.0.113.7, 10.7.7.7"]);
    assert_eq!(clients.resolve(&sent, Some(ip("10.0.0.1"))).to_string(), "203.0.0.0/16");
    let sent = headers(&super::FORWARDED_FOR, &["nonsense, 10.7.7.7"]);
    assert_eq!(clients.resolve(&sent, Some(ip("10.0.0.1"))).to_string(), "10.7.0.0/16");
}

#[test]
fn addresses_are_compared_with_proxies_before_they_are_cut() {
    let clients = ClientAddress::behind(["10.0.0.1"]).unwrap().ipv4_prefix(8).unwrap();
    let sent = headers(&super::FORWARDED_FOR, &["203.0.113.7, 10.0.0.2"]);
    assert_eq!(clients.resolve(&sent, Some(ip("10.0.0.1"))).to_string(), "10.0.0.0/8");
    assert_eq!(clients.resolve(&sent, Some(ip("10.0.0.1"))).trouble(), None);
}

#[test]
fn an_unknown_client_has_no_address() {
    let resolved = ClientAddress::peer().resolve(&HeaderMap::new(), None);
    assert_eq!(resolved.address(), None);
    assert_eq!(resolved.to_string(), "unknown");
}
