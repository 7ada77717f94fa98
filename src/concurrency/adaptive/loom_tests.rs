//! Every interleaving of requests that are admitted and return, in loom.

use super::in_flight::{Claim, InFlight};
use crate::sync::{Arc, model, thread};

/// Two threads and this one each try for a place; gives how many held one at once, at most, and are left.
fn three_try(partitions: usize, claim: Claim, most: u32) {
    model(move || {
        let counts = Arc::new(InFlight::new(partitions));
        let attempt = move |counts: &InFlight| {
            if let Ok(in_flight) = counts.acquire(claim) {
                assert!(in_flight <= most, "{in_flight} in flight");
                counts.release(claim.partition.map(|(index, _)| index), 1);
            }
        };
        let others: Vec<_> = (0..2)
            .map(|_| {
                let counts = Arc::clone(&counts);
                thread::spawn(move || attempt(&counts))
            })
            .collect();
        attempt(&counts);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(counts.total(), 0);
    });
}

#[test]
fn a_limit_is_never_exceeded_in_any_interleaving() {
    three_try(0, Claim { limit: 2, places: 1, partition: None }, 2);
}

#[test]
fn a_partition_that_is_all_of_the_limit_never_exceeds_it_in_any_interleaving() {
    three_try(1, Claim { limit: 2, places: 1, partition: Some((0, 2)) }, 2);
}
