//! What a node asks a store for, and what it gets.

use std::time::Duration;

use crate::distributed::subject::Subject;

/// A node asks for tokens in advance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseRequest {
    /// Of which limit and key. Its rule is [`Rule::Gcra`](crate::distributed::Rule::Gcra) or [`Rule::TokenBucket`](crate::distributed::Rule::TokenBucket).
    pub subject: Subject,
    /// How long a lease lives. All nodes must say the same.
    pub life: Duration,
    /// Tokens without which it is of no use.
    pub need: u64,
    /// Tokens that it would like to have, at least `need`.
    pub want: u64,
    /// Tokens that the node is asked for in a second, in thousandths, refused ones included.
    pub demand: u64,
    /// Since the node last asked.
    pub since_last: Duration,
    /// The generation of its last grant; 0 if there is none.
    pub generation: u64,
    /// What it has spent since it last reported.
    pub reports: [Option<LeaseReport>; 2],
    /// Any number: by it fractions of a token are rounded, fairly over many requests.
    pub random: u32,
}

/// So many tokens of a generation were spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseReport {
    /// Which generation.
    pub generation: u64,
    /// How many tokens.
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
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseReturn {
    /// Of which limit and key.
    pub subject: Subject,
    /// How long a lease lives.
    pub life: Duration,
    /// Of which generation.
    pub generation: u64,
    /// How many.
    pub unspent: u64,
    /// How many of that generation were spent and not reported yet.
    pub spent: u64,
}

/// Tokens that were leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseGrant {
    /// How many, `need` or more, or none.
    pub tokens: u64,
    /// The generation that they belong to.
    pub generation: u64,
    /// If there are fewer than wanted: it is of no use to ask again sooner.
    pub retry_after: Duration,
    /// Tokens that all nodes are asked for in a second, in thousandths.
    pub demand: u64,
    /// How many nodes lease from this key.
    pub nodes: u32,
    /// Whole tokens left in the store.
    pub remaining: u64,
}
