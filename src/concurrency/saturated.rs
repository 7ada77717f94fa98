//! [`Saturated`]: why there is no permit.

use std::fmt;

/// Why there is no permit. Nothing was taken.
///
/// ```
/// use tollgate::concurrency::{Cause, ConcurrencyLimit};
///
/// let limit = ConcurrencyLimit::new(1);
/// let permit = limit.try_acquire()?;
/// let refused = limit.try_acquire().unwrap_err();
/// assert_eq!(refused.cause(), Cause::Busy);
/// assert_eq!(refused.to_string(), "1 of at most 1 in flight: try again when one has ended, or raise the maximum");
/// # drop(permit);
/// # Ok::<(), tollgate::concurrency::Saturated>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saturated {
    in_flight: u64,
    max: u64,
    cause: Cause,
}

/// What kept a caller from a permit, from [`Saturated::cause`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// As many as may be are in flight, or others wait for the places that are free.
    Busy,
    /// No place became free while the caller waited.
    TimedOut,
    /// All places of the queue are taken, or it has none.
    QueueFull,
    /// The caller waited longest when the queue was full, and gave way to a newer one.
    Displaced,
    /// The key is new, and there is no room for another one beside those in flight.
    NoRoom,
}

impl Saturated {
    pub(super) fn new(in_flight: u64, max: u64, cause: Cause) -> Saturated {
        Saturated { in_flight, max, cause }
    }

    /// The same figures, for another reason.
    #[cfg(feature = "tokio")]
    pub(super) fn because(self, cause: Cause) -> Saturated {
        Saturated { cause, ..self }
    }

    /// How many were in flight when the caller was refused. More than [`max`](Saturated::max) after it was lowered.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        // What was counted up from zero, one for each permit, fits.
        usize::try_from(self.in_flight).unwrap_or(usize::MAX)
    }

    /// How many might have been.
    #[must_use]
    pub fn max(&self) -> usize {
        usize::try_from(self.max).unwrap_or(usize::MAX)
    }

    /// What kept the caller from a permit.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Whether the key was refused because it is new and there is no room for it: [`Cause::NoRoom`].
    #[must_use]
    pub fn at_capacity(&self) -> bool {
        self.cause == Cause::NoRoom
    }
}

impl fmt::Display for Saturated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Saturated { in_flight, max, cause } = self;
        if *cause == Cause::NoRoom {
            return f.write_str(
                "no room for a new key beside those in flight: try again when some have ended, or raise max_keys",
            );
        }
        write!(f, "{in_flight} of at most {max} in flight")?;
        match cause {
            Cause::Busy if in_flight < max => {
                f.write_str(", and others wait for the rest: wait with them (acquire_within), or raise the maximum")
            }
            Cause::TimedOut => f.write_str(", and no place came free in time: wait longer, or raise the maximum"),
            Cause::QueueFull => {
                f.write_str(", and the queue is full: send callers away earlier, or make it longer")
            }
            Cause::Displaced => f.write_str(
                ", and the queue was full, so the oldest gave way: send callers away earlier, or make it longer",
            ),
            Cause::Busy | Cause::NoRoom => {
                f.write_str(": try again when one has ended, or raise the maximum")
            }
        }
    }
}

impl std::error::Error for Saturated {}
