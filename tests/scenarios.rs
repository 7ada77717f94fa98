//! What limits are for, in virtual time.
#![allow(clippy::unwrap_used, reason = "in helpers of tests, too, to fail is to panic")]

use std::time::Duration;

use tollgate::{Clock, Limiter, TokenBucket};

const SECOND: Duration = Duration::from_secs(1);

/// A bucket of one token, though ten would come back every second, lets one go each second.
#[test]
fn slots_of_a_bucket_that_is_refilled_at_once_never_go_beyond_its_capacity() {
    let (clock, _hand) = Clock::manual();
    let bucket = TokenBucket::new(1).refill(10, SECOND).refill_at_once();
    let limiter = Limiter::builder(bucket).clock(clock).build().unwrap();
    let delay = || limiter.schedule("mail", 1, Duration::MAX).unwrap().delay();
    assert_eq!([delay(), delay(), delay()], [Duration::ZERO, SECOND, 2 * SECOND]);
}
