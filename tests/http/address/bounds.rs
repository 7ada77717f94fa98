//! At most 32 elements and 4 KiB of a header are read, from the right.

use tollgate::http::ClientAddress;

use super::{FORWARDED, FORWARDED_FOR, assert_answers, behind};

fn chain(left: &str, times: usize, element: &str) -> String {
    format!("{left}{}", format!(",{element}").repeat(times))
}

#[test]
fn the_client_is_found_behind_31_proxies_and_not_behind_32() {
    for (proxies, expected) in [(31, "203.0.113.7"), (32, "10.0.0.2 too_long"), (10_000, "10.0.0.2 too_long")]
    {
        let line = chain("203.0.113.7", proxies, "10.0.0.2");
        assert_answers(&behind(), &FORWARDED_FOR, &[(&[&line], expected)]);
        let line = chain("for=203.0.113.7", proxies, "for=10.0.0.2");
        assert_answers(&behind().forwarded(), &FORWARDED, &[(&[&line], expected)]);
        let lines: Vec<&str> = std::iter::once("203.0.113.7").chain(vec!["10.0.0.2"; proxies]).collect();
        assert_answers(&behind(), &FORWARDED_FOR, &[(&lines, expected)]);
    }
}

#[test]
fn ten_thousand_elements_of_a_client_change_nothing() {
    let line = chain("198.51.100.9", 10_000, "198.51.100.9") + ", 203.0.113.7, 10.0.0.2";
    assert_answers(&behind(), &FORWARDED_FOR, &[(&[&line], "203.0.113.7")]);
    let mut lines = vec!["198.51.100.9"; 10_000];
    lines.push("203.0.113.7, 10.0.0.2");
    assert_answers(&behind(), &FORWARDED_FOR, &[(&lines, "203.0.113.7")]);
    let line = chain("for=\"\\\"", 10_000, "\\\",\"") + ", for=203.0.113.7, for=10.0.0.2";
    assert_answers(&behind().forwarded(), &FORWARDED, &[(&[&line], "203.0.113.7")]);
}

#[test]
fn ten_thousand_proxies_on_the_way_lead_to_the_peer_by_count() {
    let line = chain("203.0.113.7", 10_000, "10.0.0.2");
    let clients = ClientAddress::behind_hops(32).unwrap();
    assert_answers(&clients, &FORWARDED_FOR, &[(&[&line], "10.0.0.2")]);
    let empty = chain("203.0.113.7", 10_000, "");
    assert_answers(&clients, &FORWARDED_FOR, &[(&[&empty], "10.0.0.1 too_long")]);
}

#[test]
fn empty_elements_and_empty_lines_count() {
    let line = chain("203.0.113.7", 31, "");
    assert_answers(&behind(), &FORWARDED_FOR, &[(&[&line], "203.0.113.7")]);
    let line = chain("203.0.113.7", 32, "");
    assert_answers(&behind(), &FORWARDED_FOR, &[(&[&line], "10.0.0.1 too_long")]);
    let mut lines = vec!["203.0.113.7"];
    lines.resize(10_000, "");
    assert_answers(&behind(), &FORWARDED_FOR, &[(&lines, "10.0.0.1 too_long")]);
}

#[test]
fn the_client_is_found_within_4_kib_and_not_beyond() {
    // All but the space are 21 bytes, the comma before the client among them.
    for (space, expected) in [(0, "203.0.113.7"), (4075, "203.0.113.7"), (4076, "10.0.0.2 too_long")] {
        let line = format!("198.51.100.9,203.0.113.7,{}10.0.0.2", " ".repeat(space));
        assert_answers(&behind(), &FORWARDED_FOR, &[(&[&line], expected)]);
    }
}

#[test]
fn a_string_longer_than_4_kib_is_too_long_whatever_is_in_it() {
    for filling in ["a", ",", "\\\"", "\\\\", ";"] {
        let line = format!("for=203.0.113.7;host=\"{}\", for=10.0.0.2", filling.repeat(4096));
        assert_answers(&behind().forwarded(), &FORWARDED, &[(&[&line], "10.0.0.2 too_long")]);
        let line = format!("for=203.0.113.7;host=\"{}\", for=10.0.0.2", filling.repeat(2000));
        assert_answers(&behind().forwarded(), &FORWARDED, &[(&[&line], "203.0.113.7")]);
    }
}

#[test]
fn a_node_longer_than_any_address_is_unparsable() {
    let name = format!("_{}", "a".repeat(127));
    assert_answers(&behind(), &FORWARDED_FOR, &[(&[&name], "10.0.0.1 hidden")]);
    assert_answers(&behind().forwarded(), &FORWARDED, &[(&[&format!("for=\"{name}\"")], "10.0.0.1 hidden")]);
    let name = name + "a";
    assert_answers(&behind(), &FORWARDED_FOR, &[(&[&name], "10.0.0.1 unparsable")]);
    assert_answers(
        &behind().forwarded(),
        &FORWARDED,
        &[(&[&format!("for=\"{name}\"")], "10.0.0.1 unparsable")],
    );
}
