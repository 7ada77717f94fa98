//! [`LeakyBucket`]: a queue that drains at a steady rate; whoever is admitted is told how long to wait.

use super::Start;
use super::token_axis::{TokenAxis, algorithm_on_token_axis};
use crate::build_error::BuildError;
use crate::quota::Quota;

/// The leaky bucket as a queue: bursts are smoothed, each admitted request has a slot of its own and says when it comes.
///
/// One request may go at once and `queue` more may wait; what comes beyond that is refused. An admitted request goes after
/// [`Allowed::delay`](crate::Allowed::delay): when everything admitted before it has drained, at the rate. The caller does the
/// waiting. A cost of n takes n places and n intervals, and goes when the first of them comes.
///
/// **State**: one word per key, the position on the token axis at which its queue will have drained, as [`Gcra`](crate::Gcra)
/// with a capacity of `queue + 1`.
///
/// **Worst case** in any half-open window of length W, at the times when requests go: one per interval, so `⌈W / interval⌉` of cost 1. When
/// they are *admitted* (before their delay) it is `queue + 1 + rate × W`. W is measured to one unit of the axis (below 10 ns). A
/// [`refund`](crate::Limiter::refund) gives back the last place: refund only the request that was admitted last, or two go at once.
/// (A [picture](crate::docs::algorithms#leakybucket) of it.)
///
/// **Cost**: O(1), a few nanoseconds.
///
/// **Exactness**: as [`Gcra`](crate::Gcra). Delays are rounded up to whole nanoseconds.
///
/// **Source**: J. Turner, "New directions in communications", IEEE Communications Magazine 24(10), 1986; as a queue A. S.
/// Tanenbaum, "Computer Networks", section on traffic shaping.
///
/// ```
/// use std::time::Duration;
/// use tollgate::{Clock, LeakyBucket, Limiter, Quota};
///
/// let (clock, _hand) = Clock::manual();
/// let bucket = LeakyBucket::new(Quota::per_second(10), 2);
/// let limiter = Limiter::builder(bucket).clock(clock).build()?;
/// assert_eq!(limiter.check("mailer").unwrap().delay(), Duration::ZERO);
/// assert_eq!(limiter.check("mailer").unwrap().delay(), Duration::from_millis(100));
/// assert_eq!(limiter.check("mailer").unwrap().delay(), Duration::from_millis(200));
/// assert!(limiter.check("mailer").is_err());
/// # Ok::<(), tollgate::BuildError>(())
/// ```
#[derive(Debug)]
pub struct LeakyBucket {
    axis: TokenAxis,
}

impl LeakyBucket {
    /// A queue for every key that drains at `rate` (its count and period; its burst does not matter), in which `queue` requests may
    /// wait behind the one that goes. At most 2⁵⁹ places in all.
    #[must_use]
    pub fn new(rate: Quota, queue: u64) -> LeakyBucket {
        let places = rate.burst(queue.saturating_add(1));
        LeakyBucket { axis: TokenAxis::queue(places, Start::default()) }
    }

    /// The rate at which a queue drains, with the number of its places as the burst.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.axis.quota()
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other algorithms on the axis can fail")]
    fn begin(&mut self, start: Start) -> Result<(), BuildError> {
        self.axis = self.axis.restarted(start);
        Ok(())
    }
}

#[cfg(feature = "policy")]
impl super::Succeed for LeakyBucket {
    /// Who waits already was told for how long; those behind them wait for what they left, at the new rate.
    fn succeed(&self, quota: Quota, now: impl FnOnce() -> u64) -> Result<(LeakyBucket, u64), BuildError> {
        let (axis, time) = self.axis.succeed(quota, now).map_err(BuildError::Quota)?;
        Ok((LeakyBucket { axis }, time))
    }
}

algorithm_on_token_axis!(LeakyBucket, name: "leaky_bucket", evenly: true);
