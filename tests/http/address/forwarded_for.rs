//! `X-Forwarded-For` behind proxies that are known by address.

use http::HeaderMap;
use tollgate::http::ClientAddress;

use super::{FORWARDED, FORWARDED_FOR, answer, assert_answers, behind, headers, ip};

#[test]
fn the_first_from_the_right_that_is_no_proxy_is_the_client() {
    assert_answers(
        &behind(),
        &FORWARDED_FOR,
        &[
            (&["203.0.113.7"], "203.0.113.7"),
            (&["203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            (&["203.0.113.7,10.0.0.3,10.0.0.2"], "203.0.113.7"),
            (&["203.0.113.7, 2001:db8:a::1, 10.0.0.2"], "203.0.113.7"),
            (&["2001:db8::7, 10.0.0.2"], "2001:db8::/64"),
            (&["203.0.113.7, ::ffff:10.0.0.2"], "203.0.113.7"),
        ],
    );
}

#[test]
fn what_a_client_wrote_before_is_not_read() {
    assert_answers(
        &behind(),
        &FORWARDED_FOR,
        &[
            (&["198.51.100.9, 203.0.113.7"], "203.0.113.7"),
            (&["198.51.100.9, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            (&["10.0.0.9, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            (&["nonsense, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            (&["\"198.51.100.9, 203.0.113.7"], "203.0.113.7"),
            (&["198.51.100.9", "203.0.113.7"], "203.0.113.7"),
            (&["198.51.100.9, 10.0.0.3", "203.0.113.7", "10.0.0.2"], "203.0.113.7"),
        ],
    );
}

#[test]
fn lines_are_one_list_in_their_order() {
    assert_answers(
        &behind(),
        &FORWARDED_FOR,
        &[
            (&["203.0.113.7", "10.0.0.2"], "203.0.113.7"),
            (&["203.0.113.7, 10.0.0.3", "10.0.0.2"], "203.0.113.7"),
            (&["10.0.0.2", "203.0.113.7"], "203.0.113.7"),
        ],
    );
}

#[test]
fn empty_elements_and_the_space_around_elements_mean_nothing() {
    assert_answers(
        &behind(),
        &FORWARDED_FOR,
        &[
            (&["\t203.0.113.7\t ,\t10.0.0.2 \t"], "203.0.113.7"),
            (&["203.0.113.7,,10.0.0.2,"], "203.0.113.7"),
            (&[", , 203.0.113.7, \t, 10.0.0.2, ,"], "203.0.113.7"),
            (&["203.0.113.7", "", "10.0.0.2", ""], "203.0.113.7"),
        ],
    );
}

#[test]
fn the_walk_stops_at_the_last_proxy_before_what_is_no_address() {
    assert_answers(
        &behind(),
        &FORWARDED_FOR,
        &[
            (&["203.0.113.7, unknown"], "10.0.0.1 hidden"),
            (&["203.0.113.7, unknown, 10.0.0.2"], "10.0.0.2 hidden"),
            (&["203.0.113.7, _hidden, 10.0.0.2"], "10.0.0.2 hidden"),
            (&["203.0.113.7, nonsense"], "10.0.0.1 unparsable"),
            (&["203.0.113.7, 10.0.0, 10.0.0.3, 10.0.0.2"], "10.0.0.3 unparsable"),
            (&["203.0.113.7 10.0.0.2"], "10.0.0.1 unparsable"),
            (&["for=203.0.113.7, 10.0.0.2"], "10.0.0.2 unparsable"),
        ],
    );
}

#[test]
fn bytes_that_are_not_utf_8_stop_the_walk() {
    let spoilt = headers(&FORWARDED_FOR, &[b"203.0.113.7, \xff\xfe, 10.0.0.2".as_slice()]);
    assert_eq!(answer(behind().resolve(&spoilt, Some(ip("10.0.0.1")))), "10.0.0.2 unparsable");
    let before = headers(&FORWARDED_FOR, &[b"\xff\xfe, 203.0.113.7, 10.0.0.2".as_slice()]);
    assert_eq!(answer(behind().resolve(&before, Some(ip("10.0.0.1")))), "203.0.113.7");
}

#[test]
fn of_proxies_only_the_farthest_is_the_client() {
    assert_answers(
        &behind(),
        &FORWARDED_FOR,
        &[
            (&["10.0.0.2"], "10.0.0.2"),
            (&["10.0.0.4, 10.0.0.3", "10.0.0.2"], "10.0.0.4"),
            (&["2001:db8:a::5, 10.0.0.2"], "2001:db8:a::/64"),
        ],
    );
}

#[test]
fn a_proxy_that_tells_nothing_is_the_client_and_that_is_trouble() {
    assert_answers(
        &behind(),
        &FORWARDED_FOR,
        &[
            (&[], "10.0.0.1 header_missing"),
            (&[""], "10.0.0.1 header_missing"),
            (&[" , ,", "\t"], "10.0.0.1 header_missing"),
        ],
    );
}

#[test]
fn from_a_peer_that_is_no_proxy_the_header_is_not_read() {
    let sent = headers(&FORWARDED_FOR, &["198.51.100.9, 10.0.0.2"]);
    for (peer, expected) in [
        ("203.0.113.7", "203.0.113.7"),
        ("11.0.0.1", "11.0.0.1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8::7", "2001:db8::/64"),
        ("::10.0.0.1", "::/64"),
    ] {
        assert_eq!(answer(behind().resolve(&sent, Some(ip(peer)))), expected, "{peer}");
    }
}

#[test]
fn a_proxy_is_one_in_every_notation() {
    let sent = headers(&FORWARDED_FOR, &["203.0.113.7"]);
    for (proxy, peer) in [
        ("10.0.0.0/8", "::ffff:10.0.0.1"),
        ("10.9.8.7/8", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.0/104", "10.0.0.1"),
        (" 10.0.0.0/8 ", "::ffff:a00:1"),
        ("::1", "::1"),
        ("2001:DB8::/32", "2001:db8:ffff::1"),
    ] {
        let clients = ClientAddress::behind([proxy]).unwrap();
        assert_eq!(answer(clients.resolve(&sent, Some(ip(peer)))), "203.0.113.7", "{proxy} {peer}");
    }
}

#[test]
fn without_a_peer_the_header_is_read_only_if_unix_is_a_proxy() {
    let sent = headers(&FORWARDED_FOR, &["198.51.100.9, 203.0.113.7, 10.0.0.2"]);
    assert_eq!(answer(behind().resolve(&sent, None)), "unknown no_peer");
    let unix = ClientAddress::behind(["unix", "10.0.0.0/8"]).unwrap();
    assert_eq!(answer(unix.resolve(&sent, None)), "203.0.113.7");
    assert_eq!(answer(unix.resolve(&HeaderMap::new(), None)), "unknown header_missing");
    // It stands for no address.
    assert_eq!(answer(unix.resolve(&sent, Some(ip("192.0.2.1")))), "192.0.2.1");
}

#[test]
fn only_the_chosen_field_is_read() {
    let mut both = headers(&FORWARDED_FOR, &["203.0.113.7"]);
    both.insert(FORWARDED, "for=198.51.100.9".parse().unwrap());
    both.insert("x-real-ip", "198.51.100.10".parse().unwrap());
    let peer = Some(ip("10.0.0.1"));
    assert_eq!(answer(behind().resolve(&both, peer)), "203.0.113.7");
    assert_eq!(answer(behind().forwarded().resolve(&both, peer)), "198.51.100.9");
    both.remove(FORWARDED_FOR);
    assert_eq!(answer(behind().resolve(&both, peer)), "10.0.0.1 header_missing");
    both.remove(FORWARDED);
    assert_eq!(answer(behind().forwarded().resolve(&both, peer)), "10.0.0.1 header_missing");
}

#[test]
fn by_the_peer_no_header_is_read() {
    let mut all = headers(&FORWARDED_FOR, &["203.0.113.7"]);
    all.insert(FORWARDED, "for=198.51.100.9".parse().unwrap());
    for clients in [ClientAddress::peer(), ClientAddress::default(), ClientAddress::peer().forwarded()] {
        assert_eq!(answer(clients.resolve(&all, Some(ip("10.0.0.1")))), "10.0.0.1");
        assert_eq!(answer(clients.resolve(&all, None)), "unknown no_peer");
    }
}
