//! What `tollgate::grpc` promises.
#![cfg(feature = "grpc")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "in helpers of tests, too, to fail is to panic")]

mod end_to_end;
#[cfg(feature = "distributed")]
mod global;
mod greeter;
mod layer;
mod status;
mod stream;

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// What a refusal tells of the time to wait: `RetryInfo`, and the pushback in milliseconds.
fn told_to_wait(status: &Status) -> (Option<Duration>, Option<i32>) {
    assert_eq!(status.code(), Code::ResourceExhausted);
    let pushback = status.metadata().get("grpc-retry-pushback-ms");
    (
        status.get_details_retry_info().and_then(|info| info.retry_delay),
        pushback.map(|millis| millis.to_str().unwrap().parse().unwrap()),
    )
}

/// The name and the value of the limit that a refusal tells of.
fn violated(status: &Status) -> (String, i64) {
    let [violation] = status.get_details_quota_failure().unwrap().violations.try_into().unwrap();
    (violation.quota_id, violation.quota_value)
}
