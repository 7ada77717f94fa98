//! One element of `X-Forwarded-For`: what is an address, and what is none.

use super::{FORWARDED_FOR, assert_answers, behind};

fn assert_read_as(rows: &[(&str, &str)]) {
    // By whole addresses, to see all of them.
    let clients = behind().ipv6_prefix(128).unwrap();
    for (element, expected) in rows {
        assert_answers(&clients, &FORWARDED_FOR, &[(&[element], expected)]);
    }
}

#[test]
fn addresses_are_read_with_and_without_ports_and_brackets() {
    assert_read_as(&[
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("203.0.113.7:0", "203.0.113.7"),
        ("203.0.113.7:_hidden", "203.0.113.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("2001:DB8:0:0:0:0:0:7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
    ]);
}

#[test]
fn a_zone_is_dropped() {
    assert_read_as(&[
        ("fe80::7%eth0", "fe80::7"),
        ("fe80::7%25en-1.2", "fe80::7"),
        ("[fe80::7%2]:4711", "fe80::7"),
        ("fe80::7%", "10.0.0.1 unparsable"),
        ("fe80::7%eth0]", "10.0.0.1 unparsable"),
        ("203.0.113.7%eth0", "10.0.0.1 unparsable"),
    ]);
}

#[test]
fn ipv4_within_ipv6_is_told_by_its_bits() {
    assert_read_as(&[
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:cb00:7107", "203.0.113.7"),
        ("0:0:0:0:0:FFFF:203.0.113.7", "203.0.113.7"),
        ("[::ffff:cb00:7107]:4711", "203.0.113.7"),
        ("::ffff:203.0.113.7%eth0", "203.0.113.7"),
        ("2001:db8::203.0.113.7", "2001:db8::cb00:7107"),
        ("64:ff9b::203.0.113.7", "64:ff9b::cb00:7107"),
        ("::203.0.113.7", "::cb00:7107"),
    ]);
}

#[test]
fn names_in_place_of_addresses_hide_the_client() {
    assert_read_as(&[
        ("unknown", "10.0.0.1 hidden"),
        ("Unknown", "10.0.0.1 hidden"),
        ("unknown:4711", "10.0.0.1 hidden"),
        ("_gazonk", "10.0.0.1 hidden"),
        ("_SEVKISEK.a-b_c:_port", "10.0.0.1 hidden"),
    ]);
}

#[test]
fn everything_else_is_unparsable() {
    let elements = [
        "203.0.113",
        "203.0.113.256",
        "203.0.113.07",
        "0xcb007107",
        "3405803783",
        "203.0.113.7:",
        "203.0.113.7:123456",
        "203.0.113.7:http",
        "203.0.113.7:+80",
        "203.0.113.7:80:80",
        "[203.0.113.7]",
        "[2001:db8::7",
        "2001:db8::7]",
        "[2001:db8::7]4711",
        "[2001:db8::7]:",
        "[[2001:db8::7]]",
        "[]",
        "[]:80",
        ":80",
        ":",
        "%eth0",
        "2001:db8::7::1",
        "2001:db8:::7",
        "2001:db8::12345",
        "_",
        "_:80",
        "_a b",
        "unknown_",
        "localhost",
        "unix:",
        "\"203.0.113.7\"",
        "203.0.113.7;",
        "203.0.113.7/32",
        "\u{ff12}03.0.113.7",
    ];
    for element in elements {
        assert_read_as(&[(element, "10.0.0.1 unparsable")]);
    }
}
