//! One named header that the edge sets.

use http::{HeaderMap, HeaderName};
use tollgate::http::ClientAddress;

use super::{answer, assert_answers, headers, ip};

const NAME: HeaderName = HeaderName::from_static("cf-connecting-ip");

fn from_header() -> ClientAddress {
    ClientAddress::from_header("CF-Connecting-IP").unwrap()
}

#[test]
fn it_holds_one_address() {
    assert_answers(
        &from_header(),
        &NAME,
        &[
            (&["203.0.113.7"], "203.0.113.7"),
            (&[" 203.0.113.7:4711\t"], "203.0.113.7"),
            (&["2001:db8::7"], "2001:db8::/64"),
            (&["::ffff:203.0.113.7"], "203.0.113.7"),
        ],
    );
}

#[test]
fn what_is_not_one_address_leads_to_the_peer() {
    assert_answers(
        &from_header(),
        &NAME,
        &[
            (&[], "10.0.0.1 header_missing"),
            (&[""], "10.0.0.1 header_missing"),
            (&["nonsense"], "10.0.0.1 unparsable"),
            (&["unknown"], "10.0.0.1 hidden"),
            (&["198.51.100.9", "203.0.113.7"], "10.0.0.1 header_repeated"),
            (&["203.0.113.7", "203.0.113.7"], "10.0.0.1 header_repeated"),
            (&["nonsense", "203.0.113.7"], "10.0.0.1 header_repeated"),
            (&["203.0.113.7", "nonsense"], "10.0.0.1 header_repeated"),
            (&["198.51.100.9, 203.0.113.7"], "10.0.0.1 header_repeated"),
        ],
    );
}

#[test]
fn other_headers_do_not_take_its_place() {
    let mut sent = HeaderMap::new();
    sent.insert("x-forwarded-for", "203.0.113.7".parse().unwrap());
    sent.insert("forwarded", "for=203.0.113.7".parse().unwrap());
    sent.insert("x-real-ip", "203.0.113.7".parse().unwrap());
    for clients in [from_header(), from_header().forwarded()] {
        assert_eq!(answer(clients.resolve(&sent, Some(ip("10.0.0.1")))), "10.0.0.1 header_missing");
    }
}

#[test]
fn only_from_some_proxies_it_is_read_from_no_one_else() {
    let sent = headers(&NAME, &["203.0.113.7"]);
    let clients = from_header().only_from(["173.245.48.0/20"]).unwrap();
    for (peer, expected) in [
        ("173.245.48.1", "203.0.113.7"),
        ("::ffff:173.245.63.255", "203.0.113.7"),
        ("173.245.64.0", "173.245.64.0"),
        ("2001:db8::1", "2001:db8::/64"),
    ] {
        assert_eq!(answer(clients.resolve(&sent, Some(ip(peer)))), expected, "{peer}");
    }
    let replaced = clients.only_from(["192.0.2.1"]).unwrap();
    assert_eq!(answer(replaced.resolve(&sent, Some(ip("173.245.48.1")))), "173.245.48.1");
}

#[test]
fn without_a_peer_it_is_read_unless_only_from_leaves_unix_out() {
    let sent = headers(&NAME, &["203.0.113.7"]);
    assert_eq!(answer(from_header().resolve(&sent, None)), "203.0.113.7");
    assert_eq!(answer(from_header().resolve(&HeaderMap::new(), None)), "unknown header_missing");
    let clients = from_header().only_from(["173.245.48.0/20"]).unwrap();
    assert_eq!(answer(clients.resolve(&sent, None)), "unknown no_peer");
    let clients = from_header().only_from(["unix"]).unwrap();
    assert_eq!(answer(clients.resolve(&sent, None)), "203.0.113.7");
}
