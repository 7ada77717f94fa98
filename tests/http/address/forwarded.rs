//! `Forwarded`, RFC 7239.

use super::{FORWARDED, answer, assert_answers, behind, headers, ip};

fn assert_forwarded(rows: &[(&[&str], &str)]) {
    assert_answers(&behind().forwarded(), &FORWARDED, rows);
}

#[test]
fn the_client_is_the_for_of_an_element() {
    assert_forwarded(&[
        (&["for=203.0.113.7"], "203.0.113.7"),
        (&["for=203.0.113.7, for=10.0.0.2"], "203.0.113.7"),
        (&["for=198.51.100.9, for=203.0.113.7, for=10.0.0.2"], "203.0.113.7"),
        (&["for=198.51.100.9", "for=203.0.113.7", "for=10.0.0.2"], "203.0.113.7"),
        (&["by=198.51.100.9;for=203.0.113.7;host=example.com;proto=https"], "203.0.113.7"),
        (&["FOR=203.0.113.7;Proto=https, For=10.0.0.2"], "203.0.113.7"),
        (&["forty=198.51.100.9;for=203.0.113.7"], "203.0.113.7"),
        (&["for=\"203.0.113.7:4711\""], "203.0.113.7"),
        (&["for=\"[2001:db8:7:8:9::1]:4711\", for=\"[2001:db8:a::1]\""], "2001:db8:7:8::/64"),
        (&["for=\"[::ffff:203.0.113.7]\""], "203.0.113.7"),
    ]);
}

#[test]
fn commas_and_semicolons_within_quotes_separate_nothing() {
    assert_forwarded(&[
        (&["for=203.0.113.7;host=\"a,for=198.51.100.9\""], "203.0.113.7"),
        (&["for=203.0.113.7;host=\"a;for=198.51.100.9;b=c\""], "203.0.113.7"),
        (&["host=\"a, for=198.51.100.9, b\";for=203.0.113.7, for=10.0.0.2;by=\",\""], "203.0.113.7"),
        (&["for=203.0.113.7;a=\"\";b=\",\", for=10.0.0.2"], "203.0.113.7"),
    ]);
}

#[test]
fn escapes_are_undone() {
    assert_forwarded(&[
        (&[r#"for="\2\0\3.0.113.7""#], "203.0.113.7"),
        (&[r#"for="[2001:db8::\7\]""#], "2001:db8::/64"),
        (&[r#"for=203.0.113.7;host="a\",for=198.51.100.9""#], "203.0.113.7"),
        (&[r#"for=203.0.113.7;host="a\\", for=10.0.0.2"#], "203.0.113.7"),
        (&[r#"for=203.0.113.7;host="\\\",for=198.51.100.9,\\\"\\""#], "203.0.113.7"),
        (&[r#"for=203.0.113.7;host="\"""#], "203.0.113.7"),
        (&[r#"for=203.0.113.7;host="\\\"", for=10.0.0.2;by="\\""#], "203.0.113.7"),
        // An address of 15 bytes, escaped where it need not be, is not longer for it.
        (&[r#"for="\2\0\3\.\1\1\3\.\1\1\3\.\1\1\3""#], "203.113.113.113"),
    ]);
}

#[test]
fn empty_elements_empty_pairs_and_space_mean_nothing() {
    assert_forwarded(&[
        (&[" ,for=203.0.113.7\t,, for=10.0.0.2 ,"], "203.0.113.7"),
        (&["for=203.0.113.7", "", "for=10.0.0.2"], "203.0.113.7"),
        (&[";for=203.0.113.7;;proto=http;"], "203.0.113.7"),
        (&["proto=http; for=203.0.113.7 ;\tby=_a"], "203.0.113.7"),
        (&[""], "10.0.0.1 header_missing"),
        (&[", ,"], "10.0.0.1 header_missing"),
    ]);
}

#[test]
fn an_element_that_names_no_address_hides_the_client() {
    assert_forwarded(&[
        (&["for=203.0.113.7, for=unknown"], "10.0.0.1 hidden"),
        (&["for=203.0.113.7, for=_gazonk, for=10.0.0.2"], "10.0.0.2 hidden"),
        (&["for=203.0.113.7, for=\"_gazonk:_port\""], "10.0.0.1 hidden"),
        (&["for=203.0.113.7, proto=https;by=10.0.0.2"], "10.0.0.1 hidden"),
        (&["for=203.0.113.7, ;"], "10.0.0.1 hidden"),
    ]);
}

#[test]
fn a_malformed_element_stops_the_walk() {
    let elements = [
        "203.0.113.7",
        "for",
        "for=",
        "for=\"\"",
        "=203.0.113.7",
        "for =203.0.113.7",
        "for= 203.0.113.7",
        "for='203.0.113.7'",
        "for=nonsense",
        // Not tokens, so the grammar asks for quotes.
        "for=203.0.113.7:80",
        "for=[2001:db8::7]",
        "for=203.0.113.7;for=203.0.113.8",
        "for=203.0.113.7;FOR=203.0.113.7",
        "for=203.0.113.7 proto=http",
        "for=203.0.113.7;proto=\"http\"s",
        "for=203.0.113.7;proto=a@b",
        "for=203.0.113.7;proto",
        "for=\"203.0.113.7",
        "for=203.0.113.7\"",
        "for=203.0.113.7;host=\"",
        "for=203.0.113.7;host=\"\\\"",
        "for=203.0.113.7;host=\"a\\",
        "for=203.0.113.7;host=a\\",
    ];
    for element in elements {
        let line = format!("for=198.51.100.9, {element}, for=10.0.0.2");
        assert_forwarded(&[(&[&line], "10.0.0.2 unparsable")]);
    }
}

#[test]
fn a_quote_that_a_client_leaves_open_does_not_swallow_what_proxies_append() {
    assert_forwarded(&[
        (&["for=\"198.51.100.9, for=203.0.113.7"], "203.0.113.7"),
        (&["for=\"198.51.100.9, for=203.0.113.7;host=\"a\", for=10.0.0.2"], "203.0.113.7"),
        (&["for=198.51.100.9;host=\"\\, for=203.0.113.7;host=\"\\\"\", for=10.0.0.2"], "203.0.113.7"),
        (&["for=\"198.51.100.9", "for=\"203.0.113.7\"", "for=10.0.0.2"], "203.0.113.7"),
    ]);
}

#[test]
fn other_parameters_may_have_any_bytes_within_quotes() {
    let line = b"for=203.0.113.7;host=\"\xff\xfe\t,\", for=10.0.0.2".as_slice();
    let resolved = behind().forwarded().resolve(&headers(&FORWARDED, &[line]), Some(ip("10.0.0.1")));
    assert_eq!(answer(resolved), "203.0.113.7");
    let line = b"for=203.0.113.7;host=\xff\xfe, for=10.0.0.2".as_slice();
    let resolved = behind().forwarded().resolve(&headers(&FORWARDED, &[line]), Some(ip("10.0.0.1")));
    assert_eq!(answer(resolved), "10.0.0.2 unparsable");
}

#[test]
fn from_a_peer_that_is_no_proxy_it_is_not_read() {
    let sent = headers(&FORWARDED, &["for=198.51.100.9"]);
    assert_eq!(answer(behind().forwarded().resolve(&sent, Some(ip("203.0.113.7")))), "203.0.113.7");
    assert_eq!(answer(behind().forwarded().resolve(&sent, None)), "unknown no_peer");
}
