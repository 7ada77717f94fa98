//! What a node asks a store for, and what it gets.

use std::time::Duration;

use crate::distributed::subject::Subject;

/// A node asks for tokens in advance.
///
/// ```
/// use std::time::{Duration, Instant};
/// use tollgate::Quota;
/// use tollgate::distributed::{
///     Backend, LeaseAsk, LeaseReport, LeaseRequest, LeaseReturn, MemoryBackend, Operation, Reply, Rule, Subject,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let backend = MemoryBackend::new();
/// let deadline = Instant::now() + Duration::from_secs(1);
/// let rule = Rule::Leased { quota: Quota::per_minute(10), life: Duration::from_secs(5) };
/// let alice = Subject::new("api", rule, *b"alice");
/// let lease = Operation::Lease(LeaseRequest::new(alice.clone(), LeaseAsk::exactly(4)));
/// let Ok(Reply::Leased(grant)) = backend.execute(&[lease], deadline).await.remove(0) else { panic!("10 are there") };
/// assert_eq!((grant.tokens, grant.remaining), (4, 6));
/// // The node has spent one of them, and does not need the other three.
/// let back = Operation::Return(LeaseReturn::new(alice, LeaseReport::new(grant.generation, 1), 3));
/// assert_eq!(backend.execute(&[back], deadline).await, [Ok(Reply::Done)]);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseRequest {
    /// Of which limit and key. Its rule is [`Rule::Leased`](crate::distributed::Rule::Leased).
    pub subject: Subject,
    /// How many, and what the node has to say.
    pub ask: LeaseAsk,
}

impl LeaseRequest {
    /// A node asks for tokens of this subject.
    #[must_use]
    pub fn new(subject: Subject, ask: LeaseAsk) -> LeaseRequest {
        LeaseRequest { subject, ask }
    }
}

/// How many tokens a node asks for, and what it has to say.
///
/// For an example see [`LeaseRequest`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseAsk {
    /// Tokens without which the answer is of no use.
    pub need: u64,
    /// Tokens that it would like to have, at least `need`.
    pub want: u64,
    /// Tokens that the node is asked for in a second, in thousandths, refused ones included.
    pub demand: u64,
    /// Since the node last asked.
    pub since_last: Duration,
    /// The generation of the last answer; `None` if there was none.
    pub generation: Option<u64>,
    /// What it has spent since it last reported.
    pub reports: [LeaseReport; 2],
    /// Any number: by it fractions of a token are rounded, fairly over many requests.
    pub random: u32,
}

impl LeaseAsk {
    /// Asks for `need` tokens, and no more.
    #[must_use]
    pub fn exactly(need: u64) -> LeaseAsk {
        LeaseAsk { need, want: need, ..LeaseAsk::default() }
    }
}

/// So many tokens of a generation were spent.
///
/// For an example see [`LeaseRequest`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseReport {
    /// Which generation.
    pub generation: u64,
    /// How many tokens; with none of them there is nothing to report.
    pub spent: u64,
}

impl LeaseReport {
    /// So many tokens of a generation were spent.
    #[must_use]
    pub fn new(generation: u64, spent: u64) -> LeaseReport {
        LeaseReport { generation, spent }
    }
}

/// A node brings tokens back that it will not spend.
///
/// For an example see [`LeaseRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseReturn {
    /// Of which limit and key. Its rule is [`Rule::Leased`](crate::distributed::Rule::Leased).
    pub subject: Subject,
    /// Of which generation, and how many were spent and not reported yet.
    pub report: LeaseReport,
    /// How many come back.
    pub unspent: u64,
}

impl LeaseReturn {
    /// Brings `unspent` tokens back, of the generation of the report.
    #[must_use]
    pub fn new(subject: Subject, report: LeaseReport, unspent: u64) -> LeaseReturn {
        LeaseReturn { subject, report, unspent }
    }
}

/// Tokens that were leased.
///
/// For an example see [`LeaseRequest`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseGrant {
    /// How many, `need` or more, or none.
    pub tokens: u64,
    /// The generation that they belong to.
    pub generation: u64,
    /// If there are fewer than wanted: it is of no use to ask again sooner.
    pub retry_after: Duration,
    /// Which part of what all nodes are asked for this one is asked for, in millionths.
    pub share: u32,
    /// How many nodes lease from this key.
    pub nodes: u32,
    /// Whole tokens left in the store.
    pub remaining: u64,
}
