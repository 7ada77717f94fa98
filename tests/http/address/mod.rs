//! The address of a client: found where proxies tell it, and never chosen by the client.

mod bounds;
mod elements;
mod errors;
mod forwarded;
mod forwarded_for;
mod header;
mod hops;
mod network;
mod promises;

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use tollgate::http::{ClientAddress, Resolved};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED: HeaderName = http::header::FORWARDED;

/// The proxies of these tests: all of `10.0.0.0/8` and of `2001:db8:a::/48`.
fn behind() -> ClientAddress {
    ClientAddress::behind(["10.0.0.0/8", "2001:db8:a::/48"]).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn headers<Line: AsRef<[u8]>>(name: &HeaderName, lines: &[Line]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name, HeaderValue::from_bytes(line.as_ref()).unwrap());
    }
    headers
}

/// The network and, if there is any, the trouble.
fn answer(resolved: Resolved) -> String {
    match resolved.trouble() {
        Some(trouble) => format!("{resolved} {trouble}"),
        None => resolved.to_string(),
    }
}

/// Asserts of each row that these lines of the field, sent by 10.0.0.1, have this answer.
fn assert_answers(clients: &ClientAddress, name: &HeaderName, rows: &[(&[&str], &str)]) {
    for (lines, expected) in rows {
        let resolved = clients.resolve(&headers(name, lines), Some(ip("10.0.0.1")));
        assert_eq!(answer(resolved), *expected, "{name}: {lines:?}");
    }
}
