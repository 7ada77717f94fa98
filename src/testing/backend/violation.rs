//! [`BackendPromise`]: what a backend is held to; and [`BackendViolation`]: how the suite tells that it is not kept.

use std::fmt;

use crate::distributed::Rule;

/// What any [`Backend`](crate::distributed::Backend) must keep.
///
/// [`BackendConformance`](super::BackendConformance) looks at all of them, and has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendPromise {
    /// A key that was never seen is full.
    Full,
    /// Tokens are spent up to the limit and no further, also by many callers at once.
    Capacity,
    /// A check of several subjects spends from all or from none.
    AllOrNone,
    /// A refused check changes nothing.
    Refusal,
    /// A cost of zero is admitted unless there is debt, and changes nothing.
    CostZero,
    /// A cost above the limit is refused for ever.
    AboveLimit,
    /// What is told fits what is decided.
    Standing,
    /// A look changes nothing.
    Peek,
    /// A refund gives back, never above full.
    Refund,
    /// A charge spends what is not there, as a debt that is paid first.
    Charge,
    /// A reset makes a key as new.
    Reset,
    /// Keys, limits, tags and rules do not matter to one another, whatever bytes they are made of.
    Independence,
    /// A batch is answered in order, one answer for each operation.
    Batch,
    /// So many places are held at once, each by who took it until it is released.
    Places,
    /// What is leased is nobody else's, until it comes back, and no more comes back than was leased.
    Leases,
    /// Every node counts once.
    Hello,
}

impl BackendPromise {
    /// The promise in one sentence.
    fn statement(self) -> &'static str {
        match self {
            BackendPromise::Full => "a key that was never seen is full",
            BackendPromise::Capacity => {
                "tokens are spent up to the limit and no further, also by many callers at once"
            }
            BackendPromise::AllOrNone => "a check of several subjects spends from all or from none",
            BackendPromise::Refusal => "a refused check changes nothing",
            BackendPromise::CostZero => {
                "a cost of zero is admitted unless there is debt, and changes nothing"
            }
            BackendPromise::AboveLimit => "a cost above the limit is refused for ever",
            BackendPromise::Standing => "what is told fits what is decided",
            BackendPromise::Peek => "a look changes nothing",
            BackendPromise::Refund => "a refund gives back, never above full",
            BackendPromise::Charge => "a charge spends what is not there, as a debt that is paid first",
            BackendPromise::Reset => "a reset makes a key as new",
            BackendPromise::Independence => {
                "keys, limits, tags and rules do not matter to one another, whatever bytes they are made of"
            }
            BackendPromise::Batch => "a batch is answered in order, one answer for each operation",
            BackendPromise::Places => {
                "so many places are held at once, each by who took it until it is released"
            }
            BackendPromise::Leases => {
                "what is leased is nobody else's, until it comes back, and no more comes back than was leased"
            }
            BackendPromise::Hello => "every node counts once",
        }
    }
}

/// A promise that a backend does not keep, and what was seen.
///
/// `Debug` writes the same as `Display`: a test that returns it shows all of it.
///
/// [`BackendConformance`](super::BackendConformance) tells one, and has an example.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackendViolation {
    pub(super) promise: BackendPromise,
    pub(super) rule: Option<Rule>,
    pub(super) finding: String,
}

impl BackendViolation {
    /// The promise that is not kept.
    #[must_use]
    pub fn promise(&self) -> BackendPromise {
        self.promise
    }

    /// By which rule it was seen, if by one.
    #[must_use]
    pub fn rule(&self) -> Option<Rule> {
        self.rule
    }

    /// What was seen.
    #[must_use]
    pub fn finding(&self) -> &str {
        &self.finding
    }
}

impl fmt::Display for BackendViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BackendViolation { promise, rule, finding } = self;
        writeln!(f, "the promise {promise:?} is not kept: {}", promise.statement())?;
        if let Some(rule) = rule {
            writeln!(f, "  by the rule: {rule:?}")?;
        }
        write!(f, "  seen: {finding}")
    }
}

impl fmt::Debug for BackendViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for BackendViolation {}
