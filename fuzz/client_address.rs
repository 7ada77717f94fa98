//! What holds for both header fields in which proxies tell whom a request came from.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};
use tollgate::http::{ClientAddress, Resolved};

/// Behind proxies in 10.0.0.0/8.
pub fn behind() -> ClientAddress {
    ClientAddress::behind(["10.0.0.0/8"]).unwrap().ipv6_prefix(48).unwrap()
}

/// Resolves the lines of a text alone, and then before what two proxies appended for 203.0.113.7.
pub fn check(name: &'static str, behind: ClientAddress, appended: &str, text: &[u8]) {
    // Bytes that no header may have separate lines, which are no more than a map holds.
    let lines = text.split(|byte| HeaderValue::from_bytes(&[*byte]).is_err());
    let lines: Vec<&[u8]> = lines.take(1_000).collect();
    let peer: IpAddr = "10.0.0.1".parse().unwrap();

    let alone = resolve(name, &behind, &lines, peer);
    let address = alone.address().unwrap();
    if let IpAddr::V6(address) = address {
        assert_eq!(address.to_bits() << 48, 0);
    }
    let is_proxy = matches!(address, IpAddr::V4(address) if address.octets()[0] == 10);
    assert!(is_proxy || alone.trouble().is_none());

    let mut on_a_line_of_its_own = lines.clone();
    on_a_line_of_its_own.push(appended.as_bytes());
    let last = [lines.last().copied().unwrap_or_default(), b",", appended.as_bytes()].concat();
    let mut on_the_last_line = lines;
    on_the_last_line.pop();
    on_the_last_line.push(&last);
    for lines in [on_a_line_of_its_own, on_the_last_line] {
        let resolved = resolve(name, &behind, &lines, peer);
        assert_eq!((resolved.to_string().as_str(), resolved.trouble()), ("203.0.113.7", None));
    }
}

fn resolve(name: &'static str, behind: &ClientAddress, lines: &[&[u8]], peer: IpAddr) -> Resolved {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name, HeaderValue::from_bytes(line).unwrap());
    }
    behind.resolve(&headers, Some(peer))
}
