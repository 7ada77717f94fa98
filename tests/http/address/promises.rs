//! Promises that hold for every header, whoever wrote it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderName};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tollgate::http::ClientAddress;

use super::{FORWARDED, FORWARDED_FOR, behind, headers, ip};

/// What headers are made of, well and badly.
const FRAGMENTS: [&str; 26] = [
    ",",
    ", ",
    ";",
    "\"",
    "\\",
    "\\\"",
    "=",
    " ",
    "\t",
    "for=",
    "FOR=\"",
    "by=_a",
    "host=\"",
    "198.51.100.9",
    "10.0.0.9",
    "[2001:db8::9]",
    "2001:db8:a::9",
    "::ffff:10.0.0.9",
    ":4711",
    "%eth0",
    "unknown",
    "_hidden",
    "for=198.51.100.9",
    "for=10.0.0.9",
    "for=\"[2001:db8::9]:80\"",
    "a=\"b\";",
];

/// A line of fragments, or of bytes that a header may have.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8];
    prop_oneof![
        8 => vec(select(&FRAGMENTS[..]), 0..40).prop_map(|fragments| fragments.concat().into_bytes()),
        1 => vec(bytes, 0..200),
        1 => vec(select(&FRAGMENTS[..]), 1000).prop_map(|fragments| fragments.concat().into_bytes()),
    ]
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits >> 8 | 10 << 24))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
        any::<u32>().prop_map(|bits| IpAddr::V6(Ipv4Addr::from_bits(bits).to_ipv6_mapped())),
    ]
}

fn is_proxy(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.octets()[0] == 10)
        || matches!(address, IpAddr::V6(address) if address.segments()[..3] == [0x2001, 0xdb8, 0xa])
}

fn no_proxy() -> impl Strategy<Value = IpAddr> {
    address().prop_filter("no proxy", |address| !is_proxy(address.to_canonical()))
}

/// An element of `Forwarded` as a proxy may write it: `for` anywhere among other parameters, in quotes, with needless escapes.
fn element(address: IpAddr) -> impl Strategy<Value = String> {
    let other =
        select(&["by=_a", "proto=https", "host=\"a,b;for=1.1.1.1\"", "x=\"\\\"\\\\\"", "y=\"\"", ""][..]);
    let name = select(&["for", "For", "FOR"][..]);
    let port = select(&["", ":80", ":_port"][..]);
    let separator = select(&[";", " ;", ";\t"][..]);
    let parts = (vec(other.clone(), 0..3), name, any::<u64>(), port, vec(other, 0..3), separator);
    parts.prop_map(move |(before, name, escapes, port, after, separator)| {
        let node = match address {
            IpAddr::V4(address) if port.is_empty() && escapes % 2 == 0 => address.to_string(),
            IpAddr::V4(address) => quoted(&format!("{address}{port}"), escapes),
            IpAddr::V6(address) => quoted(&format!("[{address}]{port}"), escapes),
        };
        let named = format!("{name}={node}");
        let pairs: Vec<&str> = before.into_iter().chain([named.as_str()]).chain(after).collect();
        pairs.join(separator)
    })
}

/// A quoted string with a backslash before each byte whose bit says so.
fn quoted(text: &str, escapes: u64) -> String {
    let within = text.char_indices().flat_map(|(at, c)| {
        let backslash = (escapes >> (at % 64) & 1 == 1).then_some('\\');
        backslash.into_iter().chain([c])
    });
    format!("\"{}\"", within.collect::<String>())
}

fn every_kind() -> impl Strategy<Value = (HeaderName, ClientAddress)> {
    let header = || ClientAddress::from_header("x-forwarded-for").unwrap();
    (1..=32_u8).prop_flat_map(move |hops| {
        let by_count = ClientAddress::behind_hops(hops).unwrap();
        select(vec![
            (FORWARDED_FOR, behind()),
            (FORWARDED, behind().forwarded()),
            (FORWARDED_FOR, by_count.clone()),
            (FORWARDED, by_count.forwarded()),
            (FORWARDED_FOR, header()),
            (FORWARDED_FOR, header().only_from(["10.0.0.0/8"]).unwrap()),
        ])
    })
}

/// A client and the proxies between it and the one that is the peer, as the elements that these append.
fn chain() -> impl Strategy<Value = (IpAddr, Vec<IpAddr>)> {
    let proxy = any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits >> 8 | 10 << 24)));
    (no_proxy().prop_map(|address| address.to_canonical()), vec(proxy, 0..6))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_a_client_sends_before_never_changes_the_answer(
        (client, proxies) in chain(),
        elements in vec(line(), 0..4),
        same_line in any::<bool>(),
    ) {
        let count = u8::try_from(proxies.len() + 1).unwrap();
        let by_count = ClientAddress::behind_hops(count).unwrap();
        let bare: Vec<String> = [client].iter().chain(&proxies).map(ToString::to_string).collect();
        let node = |address: &IpAddr| match address {
            IpAddr::V4(address) => format!("for={address};host=\"a,\\\"b\\\\\""),
            IpAddr::V6(address) => format!("for=\"[{address}]\";by=_a"),
        };
        let named: Vec<String> = [client].iter().chain(&proxies).map(node).collect();
        let peer = Some(ip("10.0.0.1"));
        for (name, appended, clients) in [
            (FORWARDED_FOR, &bare, [behind(), by_count.clone()]),
            (FORWARDED, &named, [behind().forwarded(), by_count.forwarded()]),
        ] {
            let appended = appended.join(", ");
            let mut lines = elements.clone();
            match lines.last_mut() {
                Some(line) if same_line => line.extend(format!(",{appended}").bytes()),
                _ => lines.push(appended.into_bytes()),
            }
            let sent = headers(&name, &lines);
            for clients in clients {
                let resolved = clients.ipv6_prefix(128).unwrap().resolve(&sent, peer);
                prop_assert_eq!((resolved.address(), resolved.trouble()), (Some(client), None));
            }
        }
    }

    #[test]
    fn both_fields_tell_the_same_of_the_same_chain(
        (chain, elements) in vec(address(), 0..8).prop_flat_map(|chain| {
            let elements: Vec<_> = chain.iter().map(|address| element(*address)).collect();
            (Just(chain), elements)
        }),
        breaks in any::<u8>(),
        hops in 1..=8_u8,
    ) {
        let into_lines = |elements: Vec<String>| {
            let mut lines = vec![String::new()];
            for (n, element) in elements.into_iter().enumerate() {
                if breaks >> n & 1 == 1 {
                    lines.push(element);
                } else if let Some(line) = lines.last_mut() {
                    *line = format!("{line} ,\t{element}");
                }
            }
            lines
        };
        let bare = headers(&FORWARDED_FOR, &into_lines(chain.iter().map(ToString::to_string).collect()));
        let named = headers(&FORWARDED, &into_lines(elements));
        let peer = Some(ip("10.0.0.1"));
        for clients in [behind(), ClientAddress::behind_hops(hops).unwrap()] {
            prop_assert_eq!(clients.resolve(&bare, peer), clients.clone().forwarded().resolve(&named, peer));
        }
    }

    #[test]
    fn every_header_has_an_answer_that_is_cut_to_its_network(
        (name, clients) in every_kind(),
        lines in vec(line(), 0..5),
        peer in proptest::option::of(address()),
        ipv4 in 8..=32_u8,
        ipv6 in 32..=128_u8,
    ) {
        let clients = clients.ipv4_prefix(ipv4).unwrap().ipv6_prefix(ipv6).unwrap();
        let resolved = clients.resolve(&headers(&name, &lines), peer);
        match resolved.address() {
            Some(IpAddr::V4(address)) => {
                prop_assert_eq!(u64::from(address.to_bits()) << ipv4 & u64::from(u32::MAX), 0);
            }
            Some(IpAddr::V6(address)) => {
                prop_assert_eq!(address.to_bits().checked_shl(u32::from(ipv6)).unwrap_or(0), 0);
                prop_assert!(address.to_ipv4_mapped().is_none());
            }
            None => prop_assert!(peer.is_none() && resolved.trouble().is_some()),
        }
    }

    #[test]
    fn with_trouble_the_address_is_that_of_a_proxy_or_the_peer(
        (name, clients) in every_kind(),
        lines in vec(line(), 0..5),
        peer in address(),
    ) {
        let peer = peer.to_canonical();
        let resolved = clients.ipv6_prefix(128).unwrap().resolve(&headers(&name, &lines), Some(peer));
        let address = resolved.address().unwrap();
        prop_assert!(resolved.trouble().is_none() || address == peer || is_proxy(address));
    }

    #[test]
    fn from_a_peer_that_is_no_proxy_no_header_is_read(
        lines in vec(line(), 0..5),
        peer in no_proxy(),
    ) {
        let direct = ClientAddress::peer().resolve(&HeaderMap::new(), Some(peer));
        let header = ClientAddress::from_header("forwarded").unwrap().only_from(["10.0.0.0/8"]).unwrap();
        for (name, clients) in
            [(FORWARDED_FOR, behind()), (FORWARDED, behind().forwarded()), (FORWARDED, header)]
        {
            prop_assert_eq!(clients.resolve(&headers(&name, &lines), Some(peer)), direct);
        }
    }

    #[test]
    fn an_address_is_the_same_client_in_the_header_as_on_the_socket(address in no_proxy()) {
        let direct = behind().resolve(&HeaderMap::new(), Some(address));
        for written in match address {
            IpAddr::V4(v4) => [format!("{v4}"), format!("{v4}:80"), format!("::ffff:{v4}")],
            IpAddr::V6(v6) => [format!("{v6}"), format!("[{v6}]:80"), format!("{v6}%eth0")],
        } {
            let sent = headers(&FORWARDED_FOR, &[written]);
            prop_assert_eq!(behind().resolve(&sent, Some(ip("10.0.0.1"))), direct);
        }
    }
}
