//! [`Operation`]: what a backend is asked to do.

use std::time::Duration;

use super::lease::{LeaseRequest, LeaseReturn};
use super::subject::Subject;

/// What a backend is asked to do.
///
/// For examples see [`MemoryBackend`](super::MemoryBackend), [`PlaceRequest`], [`LeaseRequest`] and [`Hello`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// Spends from all of these, or from none: [`Reply::Checked`](super::Reply::Checked). They are in one
    /// [place](super::Backend::place), each subject at most once, and there is at least one.
    Check(Vec<Spending>),
    /// Where a subject stands, for one token: [`Reply::Standing`](super::Reply::Standing). Changes nothing.
    Peek(Subject),
    /// Spends what was spent already, even into debt, as far as the rule [can count](super::Rule#debt):
    /// [`Reply::Standing`](super::Reply::Standing), for one token.
    Charge(Spending),
    /// Gives back, never above full: [`Reply::Done`](super::Reply::Done).
    Refund(Spending),
    /// Forgets a subject: [`Reply::Done`](super::Reply::Done).
    Reset(Subject),
    /// Takes a place, or says when the first may be free: [`Reply::Checked`](super::Reply::Checked) with one standing. Who holds one
    /// already keeps it for as long again.
    Acquire(PlaceRequest),
    /// Keeps a place for as long again: [`Reply::Held`](super::Reply::Held).
    Renew(PlaceRequest),
    /// Leaves a place: [`Reply::Done`](super::Reply::Done).
    Release(PlaceRequest),
    /// Takes tokens in advance: [`Reply::Leased`](super::Reply::Leased).
    Lease(LeaseRequest),
    /// Brings back tokens that were not spent: [`Reply::Done`](super::Reply::Done).
    Return(LeaseReturn),
    /// Says that a node is there, and asks how many are: [`Reply::Hello`](super::Reply::Hello). It does as little as
    /// can be done while writing, so it is also how a store is probed.
    Hello(Hello),
}

impl Operation {
    /// A word for it, fit to be a label: `check`, `peek`, `charge`, `refund`, `reset`, `acquire`, `renew`, `release`,
    /// `lease`, `return` or `hello`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Operation::Check(_) => "check",
            Operation::Peek(_) => "peek",
            Operation::Charge(_) => "charge",
            Operation::Refund(_) => "refund",
            Operation::Reset(_) => "reset",
            Operation::Acquire(_) => "acquire",
            Operation::Renew(_) => "renew",
            Operation::Release(_) => "release",
            Operation::Lease(_) => "lease",
            Operation::Return(_) => "return",
            Operation::Hello(_) => "hello",
        }
    }

    /// Whom it is about; of several, the first, since all are in one place.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        match self {
            Operation::Check(spendings) => spendings.first().map(|spending| &spending.subject),
            Operation::Peek(subject) | Operation::Reset(subject) => Some(subject),
            Operation::Charge(spending) | Operation::Refund(spending) => Some(&spending.subject),
            Operation::Acquire(place) | Operation::Renew(place) | Operation::Release(place) => {
                Some(&place.subject)
            }
            Operation::Lease(request) => Some(&request.subject),
            Operation::Return(unspent) => Some(&unspent.subject),
            Operation::Hello(_) => None,
        }
    }
}

/// So many tokens of a subject.
///
/// For an example see [`MemoryBackend`](super::MemoryBackend).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spending {
    /// Whose.
    pub subject: Subject,
    /// How many, at most [`Rule::MOST_TOKENS`](super::Rule::MOST_TOKENS).
    pub tokens: u64,
}

impl Spending {
    /// So many tokens of a subject; above [`Rule::MOST_TOKENS`](super::Rule::MOST_TOKENS) counts as that many.
    #[must_use]
    pub fn new(subject: Subject, tokens: u64) -> Spending {
        Spending { subject, tokens: tokens.min(super::Rule::MOST_TOKENS) }
    }
}

/// A place in a concurrency limit.
///
/// ```
/// use std::time::{Duration, Instant};
/// use tollgate::distributed::{Backend, MemoryBackend, Operation, PlaceRequest, Reply, Rule, Subject};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let backend = MemoryBackend::new();
/// let exports = Subject::new("exports", Rule::Concurrency { places: 3, hold: Duration::from_secs(30) }, *b"acme");
/// let place = PlaceRequest::new(exports, 42);
/// let operations = [Operation::Acquire(place.clone()), Operation::Renew(place.clone()), Operation::Release(place)];
/// let replies = backend.execute(&operations, Instant::now() + Duration::from_secs(1)).await;
/// assert!(matches!(replies[0], Ok(Reply::Checked { admitted: true, .. })));
/// assert_eq!(replies[1..], [Ok(Reply::Held(true)), Ok(Reply::Done)]);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlaceRequest {
    /// Of which limit and key. Its rule is [`Rule::Concurrency`](super::Rule::Concurrency).
    pub subject: Subject,
    /// Who holds it: a number that nobody else uses.
    pub holder: u128,
}

impl PlaceRequest {
    /// A place for this holder.
    #[must_use]
    pub fn new(subject: Subject, holder: u128) -> PlaceRequest {
        PlaceRequest { subject, holder }
    }
}

/// A node says that it is there.
///
/// ```
/// use std::time::{Duration, Instant};
/// use tollgate::distributed::{Backend, Hello, MemoryBackend, Operation, Reply};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let backend = MemoryBackend::new();
/// let hellos = [7, 8].map(|node| Operation::Hello(Hello::new(node, Duration::from_secs(15), 0)));
/// let replies = backend.execute(&hellos, Instant::now() + Duration::from_secs(1)).await;
/// assert_eq!(replies, [Ok(Reply::Hello { nodes: 1 }), Ok(Reply::Hello { nodes: 2 })]);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hello {
    /// The node: a number that nobody else uses.
    pub node: u64,
    /// After so long without another hello it is gone. All nodes must say the same.
    pub life: Duration,
    /// Which [failure domain](super::Backend::failure_domain) is asked.
    pub domain: u16,
}

impl Hello {
    /// A hello of this node to a failure domain.
    #[must_use]
    pub fn new(node: u64, life: Duration, domain: u16) -> Hello {
        Hello { node, life, domain }
    }

    /// Its life in microseconds, from 1 to [`Rule::LONGEST`](super::Rule::LONGEST).
    pub(crate) fn life_micros(&self) -> i64 {
        let micros = self.life.min(super::Rule::LONGEST).as_nanos().div_ceil(1_000);
        i64::try_from(micros).unwrap_or(i64::MAX).max(1)
    }
}
