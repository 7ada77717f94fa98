//! What was spent under a request's keys, given back or forgotten.

use std::error::Error;
use std::fmt;

use super::decide::{Asked, Group};
use super::limits::LimitInForce;
use super::remote::{Correcting, correct_all};
use super::verdict::Verdict;
use crate::distributed::BackendError;

/// A limit that a backend counts could not be changed, because the backend could not be asked.
///
/// [`Query::refund`](super::Query::refund) and [`Query::reset`](super::Query::reset) tell one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueryError {
    /// The limit's name, as [`Standing::name`](super::Standing::name).
    pub limit: String,
    /// Why. If it [may have been applied](BackendError::applied), to give back once more might give back twice.
    pub error: BackendError,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the limit {} was not changed: {}", self.limit, self.error)
    }
}

impl Error for QueryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

impl Verdict {
    /// Gives back or forgets what was spent at all limits of a question that was only collected, and says at how many.
    pub(super) async fn corrected(self, correcting: Correcting) -> Result<usize, QueryError> {
        let verdict = self.kept();
        let here = verdict.correct_here(correcting);
        let Some(more) = &verdict.decision.more else { return Ok(here) };
        let groups = std::iter::once(&more.remote).chain(&more.remote_watched);
        let there = correct_all(groups, correcting).await?;
        Ok(here + there)
    }

    fn correct_here(&self, correcting: Correcting) -> usize {
        let more = self.decision.more.as_deref();
        let watched = more.into_iter().flat_map(|more| &more.watched);
        let groups = std::iter::once(&self.decision.enforced).chain(watched);
        let limit = |asked: &Asked| self.decision.limit(&self.version, asked).map(|limit| (limit, asked.tag));
        let rates = groups.flat_map(Group::iter).filter_map(limit).filter(|(limit, _)| !limit.holds());
        rates.map(|(limit, tag)| correct(limit, tag, correcting)).count()
    }
}

fn correct(limit: &LimitInForce, tag: u64, correcting: Correcting) {
    match correcting {
        Correcting::GiveBack(tokens) => limit.gate().refund(tag, tokens),
        Correcting::Forget => limit.gate().reset(tag),
    }
}
