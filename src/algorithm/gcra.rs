//! [`Gcra`], the default algorithm.

use super::Start;
use super::token_axis::{TokenAxis, algorithm_on_token_axis};
use super::token_clock::Refill;
use crate::build_error::BuildError;
use crate::quota::{Quota, QuotaError};

/// The generic cell rate algorithm: a key's tokens come back one by one, evenly, at the quota's rate.
///
/// **State**: one word per key, the position on the token axis up to which it has spent. Admitted iff
/// `max(word, position) + cost <= position + capacity`.
///
/// **Worst case** in any half-open window of length W: `capacity + rate × W` tokens, with W measured to one unit of the axis
/// (below 10 ns, see Exactness). With a burst equal to the count L that is 2L − 1 in one period (a full burst, then the
/// refill); with `burst(1)` it is L.
/// (A [picture](crate::docs::algorithms#gcra) of it.)
///
/// **Cost**: O(1), a few nanoseconds.
///
/// **Exactness**: decisions are those of exact integer arithmetic on whole units of the axis. A unit is 4 to 10 ns of refill
/// (longer only where a full refill takes centuries, or after [`set_quota`](crate::Limiter::set_quota), which allows
/// up to 1 µs). A token is never late, so a request that comes exactly when its token is due is admitted; it may come
/// early by less than one unit, which does not add up over time. The axis lasts at least 150 years at the
/// quota it was built with; above 2 × 10⁸ tokens/s less, down to 4 years at 2³² − 1 tokens/s with the largest burst. At its
/// end nothing more is admitted once a key's tokens are spent.
///
/// **Source**: ITU-T I.371 (virtual scheduling form), with tokens in place of time as the unit. The proof that nothing
/// is over-admitted is in `src/docs/design.md`.
///
/// ```
/// use tollgate::{Gcra, Limiter, Quota};
///
/// let limiter = Limiter::with(Gcra::new(Quota::per_minute(60)))?;
/// assert!(limiter.check("alice").is_ok());
/// # Ok::<(), tollgate::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Gcra {
    axis: TokenAxis,
}

impl Gcra {
    /// Limits every key by `quota`.
    #[must_use]
    pub fn new(quota: Quota) -> Gcra {
        Gcra::beginning(quota, Start::default())
    }

    /// `new`, and begun.
    pub(crate) fn beginning(quota: Quota, start: Start) -> Gcra {
        Gcra { axis: TokenAxis::new(quota, Refill::Evenly, start) }
    }

    /// The quota in force.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.axis.quota()
    }

    pub(crate) fn set_quota(&self, quota: Quota, now: impl FnOnce() -> u64) -> Result<(), QuotaError> {
        self.axis.set_quota(quota, now)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other algorithms on the axis can fail")]
    fn begin(&mut self, start: Start) -> Result<(), BuildError> {
        self.axis = self.axis.restarted(start);
        Ok(())
    }
}

#[cfg(feature = "policy")]
impl super::Succeed for Gcra {
    fn succeed(&self, quota: Quota, now: impl FnOnce() -> u64) -> Result<(Gcra, u64), BuildError> {
        let (axis, time) = self.axis.succeed(quota, now).map_err(BuildError::Quota)?;
        Ok((Gcra { axis }, time))
    }
}

algorithm_on_token_axis!(Gcra, name: "gcra", evenly: true);

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use super::Gcra;
    use crate::algorithm::Algorithm;
    use crate::quota::Quota;

    /// A thread reads the clock and is held up. The capacity is cut from 1000 to 10, which makes a key idle that had spent
    /// 500; it is forgotten. The late thread must not spend 1000 from the forgotten key's position: the old capacity with a
    /// position that only the cut has reached.
    #[test]
    fn a_late_caller_across_a_cut_spends_no_more_than_the_quota_in_force() {
        let gcra = Gcra::new(Quota::per_hour(1).burst(1000));
        let late = gcra.read(0);
        let forgotten = gcra.spend(&late, 0, 500).unwrap();
        gcra.set_quota(Quota::per_hour(1).burst(10), || 0).unwrap();
        let now = gcra.read(0);
        assert!(forgotten <= gcra.position(&now), "idle");

        let caught_up = gcra.catch_up(&late, forgotten);
        assert_eq!(gcra.spend(&caught_up, 0, 11), None);
        let value = gcra.spend(&caught_up, 0, 10).unwrap();
        assert_eq!(gcra.spend(&now, value, 1), None, "and what it has spent counts now");
    }
}
