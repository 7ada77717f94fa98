//! The simulation in a small size: whatever goes wrong, limits hold as the documentation says.
#![cfg(feature = "distributed")]
#![allow(clippy::expect_used, reason = "tests")]

mod model;

use model::{Fault, Mode, Outcome, Size, simulate};

const SMALL: Size = Size {
    nodes: 100,
    keys: 1_000_000,
    seconds: 5,
    requests_per_second: 40_000,
    rate: 1_000,
    keys_of_a_node: 1_000,
};

fn check(mode: Mode) {
    println!("{}", Outcome::HEADER);
    for fault in Fault::ALL {
        let outcome = simulate(mode, fault, SMALL, 7);
        println!("{outcome}");
        assert!(outcome.excess <= outcome.bound(), "{outcome}");
    }
}

#[test]
fn direct_checks_keep_the_bounds_whatever_goes_wrong() {
    check(Mode::Direct);
}

#[test]
fn leases_keep_the_bounds_whatever_goes_wrong() {
    check(Mode::Leased);
}
