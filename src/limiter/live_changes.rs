//! Limits that change while a limiter runs: `set_quota` and `set_limit`.

use std::hash::BuildHasher;

use super::Limiter;
use crate::algorithm::{FixedWindow, Gcra, SlidingLog, SlidingWindow, TokenBucket};
use crate::build_error::BuildError;
use crate::quota::{Quota, QuotaError};

macro_rules! quota_can_be_set {
    ($algorithm:ty) => {
        impl<S: BuildHasher> Limiter<$algorithm, S> {
            /// Changes the quota of every key, in force for the next check. O(1), however many keys there are.
            ///
            /// What keys have spent stays spent, in tokens. A larger capacity gives every key the difference; a smaller one caps
            /// what it has left. So going down by D and up again grants every key up to D tokens. The same quota changes nothing.
            ///
            /// Going down by D tokens also uses up as much of the axis as D tokens take to come back. To switch a limit off for a
            /// while, build the limiter with its real quota and set one of zero tokens; a limiter that is *built* with zero tokens
            /// is laid out for one per period.
            ///
            /// # Errors
            ///
            /// [`QuotaError::TooFastForLimiter`] or [`QuotaError::TooSlowForLimiter`] when the axis that was laid out at build would
            /// last less than a year more or be counted in units of more than 1 µs: some 150 times faster, or 100 times slower,
            /// than the quota it was built with. The old quota stays in force.
            ///
            /// ```
            /// use tollgate::{Limiter, Quota};
            ///
            /// let limiter = Limiter::new(Quota::per_second(10));
            /// assert!(limiter.check_n("frank", 8).is_ok());
            /// limiter.set_quota(Quota::per_second(10).burst(15))?;
            /// assert_eq!(limiter.peek("frank").remaining(), 7);
            /// # Ok::<(), tollgate::QuotaError>(())
            /// ```
            pub fn set_quota(&self, quota: Quota) -> Result<(), QuotaError> {
                self.algorithm.set_quota(quota, || self.timeline.now().time)
            }
        }
    };
}

quota_can_be_set!(Gcra);
quota_can_be_set!(TokenBucket);

macro_rules! limit_can_be_set {
    ($algorithm:ty) => {
        impl<S: BuildHasher> Limiter<$algorithm, S> {
            /// Changes the limit of every key, in force for the next check. O(1), however many keys there are.
            ///
            /// What keys have spent in their windows stays counted; a key that has spent more than a lower limit is refused until enough
            /// of it is out of its window.
            ///
            /// # Errors
            ///
            /// [`BuildError::LimitTooLarge`] when the limit does not fit; the old one stays in force.
            ///
            /// ```
            /// use std::time::Duration;
            /// use tollgate::{FixedWindow, Limiter};
            ///
            /// let limiter = Limiter::with(FixedWindow::new(10, Duration::from_secs(86_400)))?;
            /// assert!(limiter.check_n("grace", 8).is_ok());
            /// limiter.set_limit(15)?;
            /// assert_eq!(limiter.peek("grace").remaining(), 7);
            /// # Ok::<(), tollgate::BuildError>(())
            /// ```
            pub fn set_limit(&self, limit: u64) -> Result<(), BuildError> {
                self.algorithm.set_limit(limit)
            }
        }
    };
}

limit_can_be_set!(FixedWindow);
limit_can_be_set!(SlidingWindow);
limit_can_be_set!(SlidingLog);
