//! `status_of`: what clients decode is what the refusal said.

use std::time::Duration;

use proptest::prelude::*;
use tollgate::{AtCapacity, Clock, Gcra, Limiter, Quota, grpc};
use tonic_types::StatusExt;

use super::{told_to_wait, violated};

fn at_a_standstill(quota: Quota) -> Limiter {
    let (clock, _hand) = Clock::manual();
    Limiter::builder(Gcra::new(quota)).clock(clock).build().unwrap()
}

/// Nanoseconds of every order of magnitude, up to the longest period of a quota.
fn nanos() -> impl Strategy<Value = u64> {
    const LONGEST: u64 = 3_155_760_000_000_000_000;
    (0..62_u32, any::<u64>()).prop_map(|(bits, value)| (value >> 2 >> bits).clamp(1, LONGEST))
}

proptest! {
    #[test]
    fn the_wait_is_told_to_the_nanosecond_and_as_pushback_in_milliseconds_rounded_up(nanos in nanos()) {
        let wait = Duration::from_nanos(nanos);
        let limiter = at_a_standstill(Quota::new(1, wait).unwrap());
        prop_assert!(limiter.check("key").is_ok());
        let denied = limiter.check("key").unwrap_err();
        prop_assert_eq!(denied.retry_after(), Some(wait));
        let (retry_delay, pushback) = told_to_wait(&grpc::status_of(&denied, "key"));
        prop_assert_eq!(retry_delay, Some(wait));
        let pushback = i64::from(pushback.unwrap());
        let millis = i64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap();
        prop_assert_eq!(pushback, millis.min(i64::from(i32::MAX)));
    }
}

#[test]
fn a_pushback_is_clamped_where_the_protocol_ends() {
    let pushback_of = |wait: Duration| {
        let limiter = at_a_standstill(Quota::new(1, wait).unwrap());
        assert!(limiter.check("key").is_ok());
        told_to_wait(&grpc::status_of(&limiter.check("key").unwrap_err(), "key")).1
    };
    let before_last = Duration::from_millis(u64::from(i32::MAX.unsigned_abs()) - 1);
    assert_eq!(pushback_of(before_last), Some(i32::MAX - 1));
    assert_eq!(pushback_of(before_last + Duration::from_nanos(1)), Some(i32::MAX));
    assert_eq!(pushback_of(before_last + Duration::from_secs(1)), Some(i32::MAX));
    assert_eq!(pushback_of(Duration::from_nanos(1)), Some(1));
}

#[test]
fn what_waiting_cannot_help_is_not_to_be_tried_again() {
    let limiter = at_a_standstill(Quota::per_second(5));
    let status = grpc::status_of(&limiter.check_n("key", 6).unwrap_err(), "uploads");
    assert_eq!(told_to_wait(&status), (None, Some(-1)));
    assert!(status.message().contains("ask for less"), "{}", status.message());
}

#[test]
fn the_violation_names_the_limit_and_the_message_says_when_to_come_back() {
    let limiter = at_a_standstill(Quota::per_second(5));
    assert!(limiter.check_n("key", 5).is_ok());
    let status = grpc::status_of(&limiter.check("key").unwrap_err(), "uploads");
    assert_eq!(violated(&status), ("uploads".to_owned(), 5));
    assert_eq!(status.message(), "rate limit reached: 0 of 5 tokens left, retry in 200ms");
    let violation = &status.get_details_quota_failure().unwrap().violations[0];
    assert_eq!((&*violation.quota_metric, &*violation.subject), ("tokens", ""));
}

#[test]
fn a_key_without_room_is_told_so() {
    let (clock, _hand) = Clock::manual();
    let builder = Limiter::builder(Gcra::new(Quota::per_hour(1))).clock(clock);
    let limiter = builder.max_keys(1).at_capacity(AtCapacity::DenyNew).build().unwrap();
    let denied = (0..10_000).find_map(|key| limiter.check(&key).err()).unwrap();
    let status = grpc::status_of(&denied, "uploads");
    assert!(status.message().contains("too many keys"), "{}", status.message());
    assert!(told_to_wait(&status).0.is_some());
}
