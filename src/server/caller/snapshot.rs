//! [`CallerSnapshot`]: what was spent under callers' limits, for another process.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::CallerLimit;
use crate::limiter::{Snapshot, SnapshotVersion};
use crate::policy::AlgorithmName;

/// What was spent under callers' limits, for another process. To be kept secret, as any [`Snapshot`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallerSnapshot {
    version: SnapshotVersion,
    per_call: Snapshot,
    others: Vec<Saved>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    algorithm: AlgorithmName,
    /// As a text: `10/s burst 20`.
    quota: String,
    keys: Snapshot,
}

impl CallerSnapshot {
    pub(super) fn new(per_call: Snapshot, others: Vec<(CallerLimit, Snapshot)>) -> CallerSnapshot {
        let saved = |(limit, keys): (CallerLimit, Snapshot)| Saved {
            algorithm: limit.algorithm,
            quota: limit.quota.to_string(),
            keys,
        };
        CallerSnapshot { version: SnapshotVersion, per_call, others: others.into_iter().map(saved).collect() }
    }

    /// That of all quotas that come with the call, and those of other limits. What cannot be read is left out: nobody could have written it.
    pub(super) fn into_parts(self) -> (Snapshot, impl Iterator<Item = (CallerLimit, Snapshot)>) {
        let limit = |saved: Saved| {
            let Saved { algorithm, quota, keys } = saved;
            Some((CallerLimit { algorithm, quota: quota.parse().ok()? }, keys))
        };
        (self.per_call, self.others.into_iter().filter_map(limit))
    }
}

impl fmt::Debug for CallerSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerSnapshot").field("others", &self.others.len()).finish_non_exhaustive()
    }
}
