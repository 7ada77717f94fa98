//! To find a client's address costs no allocation, whatever the headers are.
//!
//! One test, so that nobody else allocates meanwhile.
#![cfg(feature = "tower")]
#![allow(clippy::unwrap_used, reason = "in helpers of tests, too, to fail is to panic")]

use std::alloc::System;

use http::HeaderMap;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tollgate::http::ClientAddress;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn nothing_is_allocated_for_any_header() {
    let behind = || ClientAddress::behind(["10.0.0.0/8"]).unwrap();
    let kinds = [
        ClientAddress::peer(),
        behind(),
        behind().forwarded(),
        ClientAddress::behind_hops(3).unwrap(),
        ClientAddress::behind_hops(3).unwrap().forwarded(),
        ClientAddress::from_header("x-forwarded-for").unwrap(),
    ];
    let lines = [
        ("203.0.113.7", "for=203.0.113.7".to_owned()),
        (
            "203.0.113.7, 10.0.0.2, 10.0.0.3",
            r#"for="\[2001:db8::7]:80";host="a,\"", for=10.0.0.2"#.to_owned(),
        ),
        ("nonsense, 10.0.0.2", format!("for=\"{}\"", "\\a".repeat(1000))),
    ];
    let mut many = HeaderMap::new();
    for (bare, named) in &lines {
        for _ in 0..100 {
            many.append("x-forwarded-for", bare.repeat(100).parse().unwrap());
            many.append("forwarded", named.repeat(100).parse().unwrap());
        }
    }
    let mut requests = vec![HeaderMap::new(), many];
    for (bare, named) in lines {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", bare.parse().unwrap());
        headers.insert("forwarded", named.parse().unwrap());
        requests.push(headers);
    }
    let peer = Some("10.0.0.1".parse().unwrap());
    for clients in &kinds {
        for headers in &requests {
            let region = Region::new(ALLOCATOR);
            let resolved = clients.resolve(headers, peer);
            let change = region.change();
            assert_eq!(change.allocations + change.reallocations, 0, "{resolved:?}");
        }
    }
}
