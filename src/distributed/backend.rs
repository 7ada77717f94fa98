//! [`Backend`]: a store that counts for many nodes; and [`BackendError`], how it fails.

use std::fmt;
use std::pin::Pin;
use std::time::{Duration, Instant};

use super::operation::Operation;
use super::reply::Reply;
use super::subject::Subject;

/// A future that can be handed from thread to thread: what [`Backend::execute`] returns.
///
/// For an example see [`testing::BackendConformance`](crate::testing::BackendConformance).
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A store that counts for many nodes.
///
/// It is asked for several operations at once, and answers each for itself: a batch never fails as a whole for the sake
/// of one of them.
///
/// `examples/custom_backend.rs` implements it, and [`BackendConformance`](crate::testing::BackendConformance) checks that it was done right.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// Carries out the operations, each wholly or not at all, and answers in their order: as many answers as operations.
    ///
    /// Nobody listens after the deadline. An operation that was not answered by then fails with
    /// [`BackendErrorKind::Timeout`]. A backend must not carry out twice what it was asked for once: it may try again
    /// only after a failure that surely [was not applied](Applied::No).
    ///
    /// The future may be dropped at any time.
    fn execute<'a>(
        &'a self,
        operations: &'a [Operation],
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<Result<Reply, BackendError>>>;

    /// What is in one place: a [`Check`](Operation::Check) may name several subjects of one place, and spends from all or
    /// none of them. The default is one place for all.
    fn place(&self, subject: &Subject) -> u32 {
        let _ = subject;
        0
    }

    /// What fails together: places of different domains may fail each for itself. Below
    /// [`failure_domains`](Backend::failure_domains). The default is one domain for all.
    fn failure_domain(&self, place: u32) -> u16 {
        let _ = place;
        0
    }

    /// How many failure domains there are: at least 1, and always as many. Each is probed by a
    /// [`Hello`](Operation::Hello) of its own.
    fn failure_domains(&self) -> u16 {
        1
    }
}

/// Whether an operation that failed was carried out.
///
/// For an example see [`BackendError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Applied {
    /// Surely not: it may be sent again.
    No,
    /// Nobody knows: it must not be sent again, or it might be charged twice.
    Maybe,
}

/// What kind of failure it was.
///
/// For an example see [`BackendError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// There is no connection.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// It is there but cannot do it now: out of memory, loading, busy, too few replicas.
    Overloaded,
    /// It is not the one that may write.
    NotPrimary,
    /// It never will unless somebody changes something: wrong password, missing permission, wrong type of key, a script that cannot run.
    Configuration,
    /// The answer makes no sense.
    Protocol,
}

impl BackendErrorKind {
    /// A word for it, fit to be a label: `unavailable`, `timeout`, `overloaded`, `not_primary`, `configuration` or `protocol`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            BackendErrorKind::Unavailable => "unavailable",
            BackendErrorKind::Timeout => "timeout",
            BackendErrorKind::Overloaded => "overloaded",
            BackendErrorKind::NotPrimary => "not_primary",
            BackendErrorKind::Configuration => "configuration",
            BackendErrorKind::Protocol => "protocol",
        }
    }
}

/// An operation failed.
///
/// ```
/// use tollgate::distributed::{Applied, BackendError, BackendErrorKind};
///
/// let error = BackendError::new(BackendErrorKind::Unavailable, Applied::Maybe, "the connection broke");
/// assert_eq!(error.to_string(), "unavailable: the connection broke (it may have been carried out)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendError {
    kind: BackendErrorKind,
    applied: Applied,
    message: String,
    retry_after: Option<Duration>,
}

impl BackendError {
    /// A failure of this kind; the message says what to change, if anybody can.
    #[must_use]
    pub fn new(kind: BackendErrorKind, applied: Applied, message: impl Into<String>) -> BackendError {
        BackendError { kind, applied, message: message.into(), retry_after: None }
    }

    /// It is of no use to ask again sooner.
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> BackendError {
        BackendError { retry_after: Some(wait), ..self }
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> BackendErrorKind {
        self.kind
    }

    /// Whether the operation was carried out all the same.
    #[must_use]
    pub fn applied(&self) -> Applied {
        self.applied
    }

    /// When to ask again, if the store said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.message)?;
        match self.applied {
            Applied::No => Ok(()),
            Applied::Maybe => f.write_str(" (it may have been carried out)"),
        }
    }
}

impl std::error::Error for BackendError {}
