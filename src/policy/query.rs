//! [`Query`]: a question to a set of policies, told more precisely than by attributes alone.

use std::fmt;

use super::correct::QueryError;
use super::matching::Attributes;
use super::model::AlgorithmName;
use super::question::{Only, Wanted};
use super::remote::Correcting;
use super::set::PolicySet;
use super::verdict::Verdict;

/// A question to a set of policies, told more precisely: from [`PolicySet::query`].
///
/// ```
/// use tollgate::policy::{Attributes, Format, Policies, PolicySet};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// const FILE: &str = r#"
/// [[policy]]
/// id = "uploads"
/// scope = "user"
/// limit = "100/day"
///
/// [[policy]]
/// id = "everything"
/// limit = "1000/min"
/// "#;
///
/// let set = PolicySet::new();
/// set.apply(Policies::parse(FILE, Format::Toml)?)?;
/// let alice = Attributes::new().user("alice");
///
/// let verdict = set.query(&alice).cost(30).only_policy("uploads").check();
/// assert!(verdict.is_allowed());
/// assert_eq!(verdict.remaining(), 70);
///
/// set.query(&alice).only_policy("uploads").refund(10).await?;
/// let standing = set.query(&alice).cost(81).peek().await;
/// assert!(!standing.is_allowed());
/// assert_eq!(standing.policy(), Some("uploads"));
///
/// assert_eq!(set.query(&alice).reset().await?, 2, "one limit of each policy");
/// assert!(set.query(&alice).cost(100).check().is_allowed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
#[must_use = "a query asks nothing until it is told what"]
pub struct Query<'q> {
    set: &'q PolicySet,
    pub(super) attributes: &'q Attributes<'q>,
    pub(super) wanted: Wanted<'q>,
}

impl PolicySet {
    /// A question about a request, to be told more precisely: what it costs, and which policies it is to. Asks nothing yet.
    pub fn query<'q>(&'q self, attributes: &'q Attributes<'q>) -> Query<'q> {
        Query {
            set: self,
            attributes,
            wanted: Wanted { cost: None, only: Only::All, goes_on: false, without: &[] },
        }
    }
}

impl<'q> Query<'q> {
    /// What the request costs at every limit, in place of what the policies' [cost rules](super::CostRule) say. Of a place in a concurrency limit it is
    /// asked for one all the same. 0 spends nothing, and is refused only where a key is in debt.
    pub fn cost(self, cost: u64) -> Query<'q> {
        Query { wanted: Wanted { cost: Some(cost), ..self.wanted }, ..self }
    }

    /// Of the policies that concern the request, just the one with this id.
    ///
    /// The others are neither asked nor charged, and say nothing: one that is unlimited spares nobody, and one that blocks refuses nothing. Still, a
    /// policy that another one [replaces](super::Policy::replaces) for this request does not concern it.
    ///
    /// If the policy does not concern the request, or there is none with this id, the verdict [names none](Verdict::policies) and allows it. Which of
    /// the two it is, [`PolicySet::policies`] tells.
    pub fn only_policy(self, id: &'q str) -> Query<'q> {
        Query { wanted: Wanted { only: Only::Policy(id), ..self.wanted }, ..self }
    }

    /// Of the policies that concern the request, just those of which a limit counts by this algorithm; such a policy is asked as a whole. In
    /// all else as [`only_policy`](Query::only_policy). Of the two, what is said last counts.
    pub fn only_algorithm(self, algorithm: AlgorithmName) -> Query<'q> {
        Query { wanted: Wanted { only: Only::Algorithm(algorithm), ..self.wanted }, ..self }
    }

    /// Asks, as [`PolicySet::check`]: it never waits. The request passes all limits, or none is charged.
    ///
    /// A cost that the query was told is settled as one that an attribute says: see [`Verdict::settle`].
    pub fn check(self) -> Verdict {
        let Query { set, attributes, wanted } = self;
        Verdict::decided(set.in_force(), |version, decision| {
            set.decide(version, attributes, &wanted, decision);
            decision.conclude_now(version);
        })
    }

    /// Asks, as [`PolicySet::check_async`]: the backends too.
    ///
    /// **Cancel safety**: a future that is dropped gives back all that it has taken.
    pub async fn check_async(self) -> Verdict {
        let Query { set, attributes, wanted } = self;
        let decided = Verdict::decided(set.in_force(), |version, decision| {
            set.decide(version, attributes, &wanted, decision);
        });
        decided.concluded().await
    }

    /// What [`check_async`](Query::check_async) would say now. Spends nothing, and holds no place: the figures are as of before the request.
    ///
    /// A backend is asked where each key stands, within the policy's [budget](super::Policy::budget); if it cannot be, the policy's
    /// [failure mode](super::Policy::on_failure) says what would become of the request. How long a cost of several tokens has to wait for a window is told
    /// as the time until the window is empty.
    pub async fn peek(self) -> Verdict {
        self.collected().peeked().await
    }

    /// Gives back `tokens` of what the request was charged, never above full: to each limit that the query is to. Places in concurrency limits are given
    /// back by their [`Verdict`]. Who is refused without a look at any limit (by a list of those denied, by a block) is not charged, and gets nothing back.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if a backend cannot be asked. What is counted in memory, or by others, was given back all the same.
    pub async fn refund(self, tokens: u64) -> Result<(), QueryError> {
        let collected = self.collected();
        if collected.is_allowed() {
            collected.corrected(Correcting::GiveBack(tokens)).await?;
        }
        Ok(())
    }

    /// Forgets what was spent under the keys of the request, of each limit that the query is to, and says how many limits those were. Here all policies
    /// that concern the request count, also those that are not asked because another one is unlimited or refuses.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if a backend cannot be asked. What is counted in memory, or by others, was reset all the same.
    pub async fn reset(self) -> Result<usize, QueryError> {
        let wanted = Wanted { goes_on: true, ..self.wanted };
        Query { wanted, ..self }.collected().corrected(Correcting::Forget).await
    }

    /// Who would be asked, and about which keys; nobody is yet.
    fn collected(self) -> Verdict {
        let Query { set, attributes, wanted } = self;
        Verdict::decided(set.in_force(), |version, decision| {
            set.collect(version, attributes, &wanted, decision);
        })
    }
}

impl fmt::Debug for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("attributes", self.attributes)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}
