//! What cannot be built, and the messages, which name the value.

use tollgate::http::{AddressError, ClientAddress};

#[test]
fn a_proxy_that_is_no_address_and_no_network_is_an_error() {
    for proxy in
        ["", "10.0.0.0/33", "10.0.0", "10.0.0.0/8/8", "::/129", "localhost", "10.0.0.1:80", "fe80::1%eth0"]
    {
        let error = ClientAddress::behind(["10.0.0.0/8", proxy]).unwrap_err();
        assert_eq!(error, AddressError::Proxy { proxy: proxy.to_owned() });
        assert!(error.to_string().contains(&format!("{proxy:?}")));
    }
}

#[test]
fn a_network_of_every_address_is_an_error() {
    for proxy in ["0.0.0.0/0", "10.0.0.0/0", "::/0", "::ffff:0:0/96", "::ffff:10.0.0.1/96"] {
        let error = ClientAddress::behind([proxy]).unwrap_err();
        assert_eq!(error, AddressError::TrustsEveryone { proxy: proxy.to_owned() });
        assert!(error.to_string().contains(proxy));
    }
}

#[test]
fn a_list_without_proxies_is_an_error() {
    assert_eq!(ClientAddress::behind([""; 0]).unwrap_err(), AddressError::NoProxies);
    let header = ClientAddress::from_header("x-real-ip").unwrap();
    assert_eq!(header.only_from(Vec::<String>::new()).unwrap_err(), AddressError::NoProxies);
}

#[test]
fn hops_are_from_1_to_32() {
    for hops in 1..=32 {
        assert!(ClientAddress::behind_hops(hops).is_ok());
    }
    for hops in [0, 33, 255] {
        let error = ClientAddress::behind_hops(hops).unwrap_err();
        assert_eq!(error, AddressError::Hops { hops });
        assert!(error.to_string().contains(&format!("hops {hops} ")));
    }
}

#[test]
fn a_header_has_a_name_that_fields_can_have() {
    for name in ["", "cf connecting ip", "x:y", "\u{e9}"] {
        let error = ClientAddress::from_header(name).unwrap_err();
        assert_eq!(error, AddressError::HeaderName { name: name.to_owned() });
    }
}

#[test]
fn only_from_is_for_a_header_of_its_own() {
    let others = [
        ClientAddress::peer(),
        ClientAddress::behind(["10.0.0.0/8"]).unwrap(),
        ClientAddress::behind_hops(1).unwrap(),
    ];
    for other in others {
        assert_eq!(other.only_from(["10.0.0.0/8"]).unwrap_err(), AddressError::OnlyFrom);
    }
}

#[test]
fn prefixes_outside_of_their_ranges_are_errors() {
    for prefix in [0, 31, 129, 255] {
        let error = ClientAddress::peer().ipv6_prefix(prefix).unwrap_err();
        assert_eq!(error, AddressError::Ipv6Prefix { prefix });
        assert!(error.to_string().contains(&format!("ipv6_prefix {prefix} ")));
    }
    for prefix in [0, 7, 33, 255] {
        let error = ClientAddress::peer().ipv4_prefix(prefix).unwrap_err();
        assert_eq!(error, AddressError::Ipv4Prefix { prefix });
        assert!(error.to_string().contains(&format!("ipv4_prefix {prefix} ")));
    }
}
