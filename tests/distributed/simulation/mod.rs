//! The simulation in a small size: whatever goes wrong, limits hold as the documentation says.

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

/// Whether every message arrives in time.
fn loses_nothing(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::Nothing
            | Fault::NodesCrash
            | Fault::AllNodesRestart
            | Fault::ClocksDrift
            | Fault::DemandMoves
            | Fault::FlashCrowd
            | Fault::ManyKeys
    )
}

fn check(mode: Mode) {
    println!("{}", Outcome::HEADER);
    for fault in Fault::ALL {
        let outcome = simulate(mode, fault, SMALL, 7);
        println!("{outcome}");
        assert!(outcome.excess <= outcome.bound(), "{outcome}");
        if loses_nothing(fault) {
            // Of a burst and what comes back in five seconds, a third of a burst may lie where nobody asks for it.
            assert!(outcome.utilisation() >= 0.95, "{outcome}");
        }
        if fault == Fault::Nothing {
            assert!(outcome.fairness() >= 0.97, "{outcome}");
        }
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
