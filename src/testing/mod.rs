//! The conformance suite: whether an algorithm of your own keeps the laws of [`Algorithm`], and a limiter made of it its promises.
//!
//! It makes up histories, short sequences of operations at interesting times (a nanosecond around the moment at which something was
//! said to change, the end of the clock, no time at all), and looks at all laws after every operation. What it finds is a [`Violation`], which tells
//! the law, the history and its seed. Tollgate's own algorithms are held to the same suite.
//!
//! ```
//! use tollgate::testing::{Conformance, Violation};
//! use tollgate::{Gcra, Quota};
//!
//! // In a project of your own: #[test]
//! fn my_algorithm_keeps_the_laws() -> Result<(), Violation> {
//!     Conformance::new(|| Gcra::new(Quota::per_second(10).burst(3))).run()
//! }
//! # my_algorithm_keeps_the_laws()?;
//! # Ok::<(), Violation>(())
//! ```
//!
//! That an algorithm keeps the laws does not say that it does what it should. For that write the rule a second time, as slowly and plainly as
//! you like, as a [`Model`], and hold the limiter [`against`](Conformance::against) it. `examples/custom_algorithm.rs` does both.

#[cfg(feature = "distributed")]
mod backend;
mod history;
mod in_limiter;
mod laws;
mod model;
mod moment;
mod record;
mod twin;
mod violation;
mod words;

#[cfg(feature = "distributed")]
pub use backend::{BackendConformance, BackendPromise, BackendViolation};
pub use model::Model;
pub use violation::{Law, Violation};

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::algorithm::Algorithm;
use crate::limiter::Engine;
use history::History;
use record::{Broken, Record};

/// All of the suite then takes half a second to a second in an optimised build, a few in one that is not.
const DEFAULT_HISTORIES: u32 = 5_000;

/// A history of limiters takes as long as so many histories of a value, since it builds some.
const VALUES_PER_LIMITER: u32 = 10;

/// 10 years: within the range of every algorithm of this crate.
const DEFAULT_UNTIL: Duration = Duration::from_secs(10 * 31_557_600);

/// The suite, for one algorithm with its parameters.
///
/// The same seed gives the same histories, on every machine and in every build.
///
/// ```
/// use tollgate::testing::{Conformance, Violation};
/// use tollgate::{Gcra, Quota};
///
/// let suite = Conformance::new(|| Gcra::new(Quota::per_minute(90))).histories(500).seed(7);
/// suite.laws()?;
/// suite.limiter()?;
/// # Ok::<(), Violation>(())
/// ```
#[derive(Clone)]
#[must_use = "a suite does nothing until `run`, `laws`, `limiter` or `against`"]
pub struct Conformance<F> {
    make: F,
    histories: u32,
    seed: u64,
    until: Duration,
    left_out: Vec<(Law, &'static str)>,
}

impl<A: Engine, F: Fn() -> A> Conformance<F> {
    /// A suite for what `make` makes; it is called for every history anew, and must make the same every time.
    pub fn new(make: F) -> Conformance<F> {
        Conformance {
            make,
            histories: DEFAULT_HISTORIES,
            seed: 0,
            until: DEFAULT_UNTIL,
            left_out: Vec::new(),
        }
    }

    /// How many histories, default 5000: the time that the suite takes is in proportion, at the default up to a second in an optimised build.
    ///
    /// [`limiter`](Conformance::limiter) and [`against`](Conformance::against) take a tenth of them, at least one.
    pub fn histories(mut self, histories: u32) -> Conformance<F> {
        self.histories = histories;
        self
    }

    /// The seed of the first history, default 0; the following ones have the following seeds.
    pub fn seed(mut self, seed: u64) -> Conformance<F> {
        self.seed = seed;
        self
    }

    /// Up to which time of the clock [`against`](Conformance::against) goes, default 10 years: where an algorithm's time ends, a model need not
    /// know about it.
    pub fn until(mut self, until: Duration) -> Conformance<F> {
        self.until = until;
        self
    }

    /// Leaves a law out that the algorithm is not meant to keep, `because` its documentation says so. Violations of other laws name it.
    ///
    /// ```
    /// use tollgate::testing::{Conformance, Law, Violation};
    /// use tollgate::{PerCall, Quota};
    ///
    /// let uneven = PerCall::new().otherwise(Quota::per_second(3).burst(100));
    /// Conformance::new(|| uneven)
    ///     .without(Law::Splitting, "every cost is rounded up to whole nanoseconds")
    ///     .without(Law::Reset, "what the roundings of a burst may add is left before the key is idle")
    ///     .run()?;
    /// # Ok::<(), Violation>(())
    /// ```
    pub fn without(mut self, law: Law, because: &'static str) -> Conformance<F> {
        self.left_out.push((law, because));
        self
    }

    /// What a [`Limiter`](crate::Limiter) promises, whatever the algorithm: that calls that spend nothing change nothing, that keys do not matter
    /// to one another, that nobody notices what is forgotten, and that what is told about the time to come comes true.
    ///
    /// # Errors
    ///
    /// The first [`Violation`] that is found, in as short a history as can be made of it.
    pub fn limiter(&self) -> Result<(), Violation> {
        self.search(self.histories.div_ceil(VALUES_PER_LIMITER), |history, record| {
            in_limiter::run(&self.make, history, record)
        })
    }

    /// A limiter against a model that says what it should do: who is admitted, and how much is left.
    ///
    /// # Errors
    ///
    /// A [`Violation`] of [`Law::Model`] where they differ. For an example see [`Model`].
    pub fn against<M: Model>(&self, model: impl Fn() -> M) -> Result<(), Violation> {
        let until = u64::try_from(self.until.as_nanos()).unwrap_or(u64::MAX);
        self.search(self.histories.div_ceil(VALUES_PER_LIMITER), |history, record| {
            model::run(&self.make, &model, until, history, record)
        })
    }

    /// Runs histories until one shows a violation.
    fn search(
        &self,
        histories: u32,
        run: impl Fn(&History, &mut Record<'_>) -> Result<(), Broken>,
    ) -> Result<(), Violation> {
        for number in 0..histories.max(1) {
            let seed = self.seed.wrapping_add(u64::from(number));
            let history = History::of(seed);
            let (outcome, lines) = self.attempt(&history, &run);
            if let Err(broken) = outcome {
                return Err(self.violation(seed, history, broken, lines, run));
            }
        }
        Ok(())
    }

    /// Runs one history; a panic is a violation like others.
    fn attempt(
        &self,
        history: &History,
        run: impl Fn(&History, &mut Record<'_>) -> Result<(), Broken>,
    ) -> (Result<(), Broken>, Vec<String>) {
        let mut record = Record::new(&self.left_out);
        // What a panic leaves behind is not looked at, but for the lines, which are whole at any time.
        let outcome = catch_unwind(AssertUnwindSafe(|| run(history, &mut record)))
            .unwrap_or_else(|panic| Err(Broken { law: Law::Panic, finding: message(panic.as_ref()) }));
        (outcome, record.into_lines())
    }

    fn violation(
        &self,
        seed: u64,
        history: History,
        broken: Broken,
        lines: Vec<String>,
        run: impl Fn(&History, &mut Record<'_>) -> Result<(), Broken>,
    ) -> Violation {
        let law = broken.law;
        let breaks = |history: &History| self.attempt(history, &run).0.is_err_and(|broken| broken.law == law);
        // To try shorter ones would print the panic's message over and over.
        let (broken, history) = if law == Law::Panic {
            (broken, lines)
        } else {
            let (outcome, lines) = self.attempt(&history.shortened(breaks), &run);
            (outcome.err().unwrap_or(broken), lines)
        };
        Violation { law, seed, finding: broken.finding, history, left_out: self.left_out.clone() }
    }
}

impl<A: Algorithm, F: Fn() -> A> Conformance<F> {
    /// The laws of [`Algorithm`], function by function, for values that it produces and readings around the times at which it says that
    /// something changes.
    ///
    /// # Errors
    ///
    /// The first [`Violation`] that is found, in as short a history as can be made of it.
    pub fn laws(&self) -> Result<(), Violation> {
        self.search(self.histories, |history, record| words::run((self.make)(), history, record))
    }

    /// [`laws`](Conformance::laws), and then [`limiter`](Conformance::limiter).
    ///
    /// # Errors
    ///
    /// Theirs.
    pub fn run(&self) -> Result<(), Violation> {
        self.laws()?;
        self.limiter()
    }
}

impl<F> fmt::Debug for Conformance<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conformance")
            .field("histories", &self.histories)
            .field("seed", &self.seed)
            .field("until", &self.until)
            .field("left_out", &self.left_out)
            .finish_non_exhaustive()
    }
}

/// What a panic says.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
    format!("panicked: {}", text.unwrap_or("without a message"))
}
