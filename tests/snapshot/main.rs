//! Snapshots: a limiter that is restored is the limiter that was saved, so much later.
#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, reason = "in helpers of tests, too, to fail is to panic")]

mod capacity;
mod changed_limits;
mod damage;
mod goes_on;
mod real_clock;
mod refused;
mod threads;

use std::time::Duration;

use tollgate::{Builder, Clock, Limiter, ManualClock, Snapshot, Snapshots};

const SECOND: u64 = 1_000_000_000;

/// A limiter whose clock stands at `now`.
fn limiter_at<A: Snapshots>(algorithm: A, now: u64) -> (Limiter<A>, ManualClock) {
    let (builder, hand) = builder_at(algorithm, now);
    (builder.build().unwrap(), hand)
}

fn restored_at<A: Snapshots>(algorithm: A, now: u64, snapshot: Snapshot) -> (Limiter<A>, ManualClock) {
    let (builder, hand) = builder_at(algorithm, now);
    (builder.restore(snapshot).build().unwrap(), hand)
}

fn builder_at<A: Snapshots>(algorithm: A, now: u64) -> (Builder<A>, ManualClock) {
    let (clock, hand) = Clock::manual();
    hand.set(Duration::from_nanos(now));
    (Limiter::builder(algorithm).clock(clock), hand)
}

fn through_json(snapshot: &Snapshot) -> Snapshot {
    serde_json::from_str(&serde_json::to_string(snapshot).unwrap()).unwrap()
}

fn through_postcard(snapshot: &Snapshot) -> Snapshot {
    postcard::from_bytes(&postcard::to_stdvec(snapshot).unwrap()).unwrap()
}
