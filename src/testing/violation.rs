//! [`Law`]: what the suite checks; and [`Violation`]: how it tells that something else is the case.

use std::fmt;

/// What the suite holds an algorithm to.
///
/// The first group are the laws of [`Algorithm`](crate::Algorithm), in its order; the rest is what a [`Limiter`](crate::Limiter) promises
/// and can only keep if the algorithm plays along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// Its position never falls as the time rises.
    Time,
    /// An idle value decides as 0, now and later.
    Idle,
    /// An admitted cost above 0 leaves a value above the position; a cost of 0 leaves everything as it is.
    Spending,
    /// A cost of n is admitted iff n costs of 1 are.
    Splitting,
    /// A refund never raises a value, a charge never lowers one, and neither turns into its opposite.
    GivingBack,
    /// What is refused a key at 0 is refused every key.
    RefusedForAll,
    /// `catch_up` is the earliest reading at which the value is idle.
    CatchUp,
    /// A reading older than a value's admits no more than one as old as the value.
    Late,
    /// The next free slot is where a cost is admitted, and no earlier than those before it.
    Slots,
    /// A charge that is settled moves by the difference, and in its direction.
    Settling,
    /// Values are at most [`MAX_VALUE`](crate::MAX_VALUE).
    Range,
    /// No function panics.
    Panic,
    /// What is told as remaining is the greatest cost that is admitted.
    Remaining,
    /// When to retry is exact to the nanosecond.
    Retry,
    /// When a key is full again is exact to the nanosecond.
    Reset,
    /// The algorithm starts.
    Start,
    /// A refused check, a check of 0 and a look change nothing.
    Refusal,
    /// Keys do not matter to one another.
    OtherKeys,
    /// That idle keys give way and pages split cannot be told from the answers.
    Forgetting,
    /// The answers are the model's.
    Model,
}

impl Law {
    /// The law in one sentence.
    fn statement(self) -> &'static str {
        match self {
            Law::Time => "position never falls as the time rises",
            Law::Idle => {
                "a value at or below the position decides as 0 does, at this reading and all later ones"
            }
            Law::Spending => {
                "an admitted cost above 0 leaves a value above the position, a cost of 0 changes nothing"
            }
            Law::Splitting => "a cost of n is admitted iff n costs of 1 in a row are",
            Law::GivingBack => {
                "refund never raises a value or takes tokens, charge never lowers one or gives tokens"
            }
            Law::RefusedForAll => "what is refused a key at 0 is refused every key",
            Law::CatchUp => {
                "catch_up is the earliest reading, not before its own, at which the value is idle"
            }
            Law::Late => "a reading older than a value's admits no more than one as old as the value",
            Law::Slots => {
                "schedule leaves what spend would; what spend refuses gets a slot at which it would be admitted, in order"
            }
            Law::Settling => {
                "settle leaves a right estimate alone, never raises for less, never lowers for more"
            }
            Law::Range => "values are at most MAX_VALUE",
            Law::Panic => "no function panics, whatever its arguments",
            Law::Remaining => {
                "remaining is the greatest cost that is admitted, and all of the limit for a new key"
            }
            Law::Retry => "at retry_at the cost is admitted, one nanosecond earlier it is refused",
            Law::Reset => "at reset_at the key decides as a new one, one nanosecond earlier it does not",
            Law::Start => "the algorithm starts",
            Law::Refusal => "a refused check, a check of 0 and a look change nothing",
            Law::OtherKeys => "what other keys do does not matter to a key",
            Law::Forgetting => "it does not show when idle keys are forgotten and pages split",
            Law::Model => "the limiter answers as the model does",
        }
    }

    /// Where the mistake most likely is.
    fn look_at(self) -> &'static str {
        match self {
            Law::Time => {
                "`read` and `position`: rounding, wrapping, the time before `start` and the clock's end"
            }
            Law::Idle => "what `spend`, `charge` and `figures` make of a value that `position` calls idle",
            Law::Spending => {
                "`spend`: begin from the position if the value is below it; leave the value for a cost of 0"
            }
            Law::Splitting => {
                "rounding in `spend`; if it is meant to be so, say so in the docs and leave the law out"
            }
            Law::GivingBack => "`refund` and `charge`: begin from what is idle, stay within the range",
            Law::RefusedForAll => "`spend` of values below the position, and sums that wrap",
            Law::CatchUp => "`catch_up`: the first reading whose position is the value or more",
            Law::Late => {
                "`spend` of a value from the future: it must not count for less than at its own time"
            }
            Law::Slots => {
                "`schedule`: the time of `retry_at`, rounded up, and the value after spending there"
            }
            Law::Settling => "`settle`: which way the difference goes, and only what was charged",
            Law::Range => "sums and shifts in `spend`, `charge` and `refund`: clamp to MAX_VALUE or refuse",
            Law::Panic => "the message above: overflow, division by zero, an index",
            Law::Remaining => "the second argument of `Figures::new`, against the condition in `spend`",
            Law::Retry => {
                "the last argument of `Figures::new`: the least time, rounded up, of the condition in `spend`"
            }
            Law::Reset => "the third argument of `Figures::new`: when `spend` no longer sees the value",
            Law::Start => "the message above",
            Law::Refusal => "`spend` and `charge` with a cost of 0: they must give the value back as it is",
            Law::OtherKeys => "state in the algorithm itself: all of a key's state must be in its value",
            Law::Forgetting => {
                "`position`: whether all that it calls idle is; and state in the algorithm itself, which other keys change"
            }
            Law::Model => "both: the model may be the one that is wrong",
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A law that an algorithm breaks, and how to see it.
///
/// `Debug` writes the same as `Display`: a test that returns a `Violation` shows all of it.
///
/// ```
/// use tollgate::testing::{Conformance, Law};
/// use tollgate::{LeakyBucket, PerCall, Quota};
///
/// // A token's interval is 333 333 333.3 ns, which `PerCall` rounds up for every call.
/// let uneven = PerCall::new().otherwise(Quota::per_second(3).burst(100));
/// let violation = Conformance::new(|| uneven).laws().unwrap_err();
/// assert!([Law::Splitting, Law::Reset].contains(&violation.law()));
/// println!("{violation}"); // the law, what was seen, the history, and where to look
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    pub(super) law: Law,
    pub(super) seed: u64,
    pub(super) finding: String,
    pub(super) history: Vec<String>,
    pub(super) left_out: Vec<(Law, &'static str)>,
}

impl Violation {
    /// The law that is broken.
    #[must_use]
    pub fn law(&self) -> Law {
        self.law
    }

    /// The seed of the history that shows it: with this [`seed`](super::Conformance::seed) the first history does.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What was seen.
    #[must_use]
    pub fn finding(&self) -> &str {
        &self.finding
    }

    /// What was done before it was seen, as few operations as could be found.
    #[must_use]
    pub fn history(&self) -> &[String] {
        &self.history
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { law, seed, finding, history, left_out } = self;
        writeln!(f, "the law {law} is broken: {}", law.statement())?;
        writeln!(f, "  seen: {finding}")?;
        writeln!(f, "  after (`.seed({seed}).histories(1)` repeats it):")?;
        for line in history {
            writeln!(f, "    {line}")?;
        }
        for (law, because) in left_out {
            writeln!(f, "  left out: {law}, because {because}")?;
        }
        write!(f, "  look at: {}", law.look_at())
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Violation {}
