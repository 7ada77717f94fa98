//! Behind so many proxies.

use http::HeaderMap;
use tollgate::http::ClientAddress;

use super::{FORWARDED, FORWARDED_FOR, answer, assert_answers, headers, ip};

fn hops(hops: u8) -> ClientAddress {
    ClientAddress::behind_hops(hops).unwrap()
}

#[test]
fn the_client_is_what_the_farthest_proxy_appended() {
    let sent = headers(&FORWARDED_FOR, &["192.0.2.4, 192.0.2.3", "192.0.2.2,192.0.2.1"]);
    for (proxies, expected) in [(1, "192.0.2.1"), (2, "192.0.2.2"), (3, "192.0.2.3"), (4, "192.0.2.4")] {
        assert_eq!(answer(hops(proxies).resolve(&sent, Some(ip("10.0.0.1")))), expected);
    }
}

#[test]
fn a_chain_that_is_too_short_leads_to_the_peer_and_not_to_its_leftmost() {
    assert_answers(
        &hops(3),
        &FORWARDED_FOR,
        &[
            (&[], "10.0.0.1 chain_too_short"),
            (&[""], "10.0.0.1 chain_too_short"),
            (&["198.51.100.9"], "10.0.0.1 chain_too_short"),
            (&["198.51.100.9, 203.0.113.7"], "10.0.0.1 chain_too_short"),
            (&["198.51.100.9", ", 203.0.113.7,"], "10.0.0.1 chain_too_short"),
            (&["198.51.100.9, 203.0.113.7, 10.0.0.2"], "198.51.100.9"),
        ],
    );
    let sent = headers(&FORWARDED_FOR, &["198.51.100.9"]);
    assert_eq!(answer(hops(32).resolve(&sent, Some(ip("10.0.0.1")))), "10.0.0.1 chain_too_short");
}

#[test]
fn proxies_on_the_way_are_counted_and_may_be_hidden() {
    assert_answers(
        &hops(2),
        &FORWARDED_FOR,
        &[
            (&["203.0.113.7, unknown"], "203.0.113.7"),
            (&["203.0.113.7, _proxy"], "203.0.113.7"),
            (&["unknown, 10.0.0.2"], "10.0.0.1 hidden"),
        ],
    );
    assert_answers(
        &hops(2).forwarded(),
        &FORWARDED,
        &[
            (&["for=198.51.100.9, for=203.0.113.7, proto=http"], "203.0.113.7"),
            (&["for=203.0.113.7, by=_a, for=10.0.0.2"], "10.0.0.1 hidden"),
            (&["for=203.0.113.7"], "10.0.0.1 chain_too_short"),
        ],
    );
}

#[test]
fn what_cannot_be_read_on_the_way_leads_to_the_peer() {
    assert_answers(
        &hops(2),
        &FORWARDED_FOR,
        &[
            (&["203.0.113.7, nonsense"], "10.0.0.1 unparsable"),
            (&["nonsense, 10.0.0.2"], "10.0.0.1 unparsable"),
            (&["nonsense, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        ],
    );
}

#[test]
fn a_request_without_a_peer_is_trusted_too() {
    let sent = headers(&FORWARDED_FOR, &["203.0.113.7"]);
    assert_eq!(answer(hops(1).resolve(&sent, None)), "203.0.113.7");
    assert_eq!(answer(hops(2).resolve(&sent, None)), "unknown chain_too_short");
    assert_eq!(answer(hops(1).resolve(&HeaderMap::new(), None)), "unknown chain_too_short");
}
