//! [`Activity`]: who asks, and who is refused.

mod seen;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use quick_cache::sync::Cache;

use self::seen::{Asker, AskerRef, Seen};
use crate::observe::{Decided, DecisionOutcome, Observer, RefusedKey, TopRefused};

/// So many pairs of a user and an api are remembered; with names of usual length they take some 3 MB.
const MOST_ASKERS: usize = 10_000;
/// So many refused keys are counted, of which the first hundred are worth showing: then a count is wrong by a
/// thousandth of all refusals at most.
const MOST_REFUSED: usize = 1_000;

/// Who asks, and who is refused: of so many users and apis, the most recent and the most active.
#[derive(Debug)]
pub(crate) struct Activity {
    /// The cache forgets those first who came once and long ago.
    askers: Cache<Asker, Arc<Seen>>,
    refused: TopRefused,
    requests: AtomicU64,
    blocked: AtomicU64,
}

/// A decision to remember.
#[derive(Clone, Copy)]
pub(crate) struct Noted<'a> {
    pub(crate) user: Option<&'a str>,
    pub(crate) api: Option<&'a str>,
    /// The policy that refused, or would have been the next to.
    pub(crate) policy: Option<&'a str>,
    /// Who was refused.
    pub(crate) key: &'a dyn fmt::Display,
    pub(crate) allowed: bool,
}

/// What a user asked of an api so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AskerActivity {
    pub(crate) user: Option<String>,
    pub(crate) api: Option<String>,
    pub(crate) requests: u64,
    pub(crate) blocked: u64,
    pub(crate) last_seen: SystemTime,
}

/// All decisions so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) requests: u64,
    pub(crate) blocked: u64,
}

impl Default for Activity {
    fn default() -> Activity {
        Activity {
            askers: Cache::new(MOST_ASKERS),
            refused: TopRefused::new(MOST_REFUSED),
            requests: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
        }
    }
}

impl Activity {
    /// Remembers a decision. One about neither a user nor an api is only counted.
    pub(crate) fn note(&self, noted: Noted<'_>) {
        self.note_many(1, u64::from(!noted.allowed));
        if noted.user.is_some() || noted.api.is_some() {
            self.seen(AskerRef::new(noted.user, noted.api)).note(now(), noted.allowed);
        }
        if !noted.allowed {
            self.note_refused(noted.policy.unwrap_or_default(), noted.key);
        }
    }

    /// Remembers who was refused, and by which policy. The decision itself is counted by [`note_many`](Activity::note_many).
    pub(crate) fn note_refused(&self, policy: &str, key: &dyn fmt::Display) {
        self.refused.decided(&Decided::new(policy, DecisionOutcome::Denied).with_key(&key));
    }

    /// Remembers how many decisions there were, not about whom.
    pub(crate) fn note_many(&self, requests: u64, blocked: u64) {
        self.requests.fetch_add(requests, Ordering::Relaxed);
        if blocked > 0 {
            self.blocked.fetch_add(blocked, Ordering::Relaxed);
        }
    }

    /// The keys that were refused.
    pub(crate) fn refused(&self) -> &TopRefused {
        &self.refused
    }

    /// The `n` keys that were refused most, the worst first.
    pub(crate) fn top(&self, n: usize) -> Vec<RefusedKey> {
        self.refused.top(n)
    }

    /// How many decisions there were.
    pub(crate) fn totals(&self) -> Totals {
        // In this order: never more refused than asked.
        let blocked = self.blocked.load(Ordering::Relaxed);
        Totals { requests: self.requests.load(Ordering::Relaxed).max(blocked), blocked }
    }

    /// All users and apis that are remembered, those who came last first.
    pub(crate) fn of_all(&self) -> Vec<AskerActivity> {
        self.matching(|_| true)
    }

    /// What a user asked, of each api, the last first; nothing if the user is not remembered.
    pub(crate) fn of_user(&self, user: &str) -> Vec<AskerActivity> {
        let asked = AskerRef::new(Some(user), None);
        self.matching(|asker| asker.user.as_deref() == asked.user())
    }

    fn matching(&self, wanted: impl Fn(&Asker) -> bool) -> Vec<AskerActivity> {
        let wanted = self.askers.iter().filter(|(asker, _)| wanted(asker));
        let mut found: Vec<_> = wanted.map(|(asker, seen)| seen.told_of(asker)).collect();
        found.sort_by_key(|activity| std::cmp::Reverse(activity.last_seen));
        found
    }

    fn seen(&self, asker: AskerRef<'_>) -> Arc<Seen> {
        // Names are copied only the first time.
        self.askers.get(&asker).unwrap_or_else(|| {
            let new = || Ok::<_, std::convert::Infallible>(Arc::default());
            self.askers.get_or_insert_with(&asker.owned(), new).unwrap_or_default()
        })
    }
}

/// Milliseconds since 1970: finer than anybody looks.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted<'a>(user: Option<&'a str>, api: Option<&'a str>, allowed: bool) -> Noted<'a> {
        Noted { user, api, policy: Some("limit"), key: &"key", allowed }
    }

    #[test]
    fn requests_and_refusals_are_counted_by_user_and_api() {
        let activity = Activity::default();
        for (api, allowed) in [("cards", true), ("cards", false), ("loans", true)] {
            activity.note(noted(Some("ann"), Some(api), allowed));
        }
        activity.note(noted(Some("bob"), None, true));
        activity.note(noted(None, None, false));

        let mut of_ann = activity.of_user("ann");
        of_ann.sort_by(|one, other| one.api.cmp(&other.api));
        let counts: Vec<_> =
            of_ann.iter().map(|seen| (seen.api.as_deref(), seen.requests, seen.blocked)).collect();
        assert_eq!(counts, [(Some("cards"), 2, 1), (Some("loans"), 1, 0)]);
        assert_eq!(activity.of_all().len(), 3, "one about nobody is only counted");
        assert_eq!(activity.totals(), Totals { requests: 5, blocked: 2 });
        assert!(activity.of_user("carol").is_empty());
        assert_eq!((activity.top(9).len(), activity.top(9)[0].refused), (1, 2));
    }

    #[test]
    fn memory_is_bounded_and_who_comes_often_is_remembered_through_a_flood() {
        let activity = Activity::default();
        for stranger in 0..MOST_ASKERS * 10 {
            activity.note(noted(Some(&stranger.to_string()), None, true));
            activity.note(noted(Some("ann"), None, true));
        }
        assert!(activity.of_all().len() <= MOST_ASKERS);
        assert_eq!(activity.of_user("ann")[0].requests, MOST_ASKERS as u64 * 10);
    }

    #[test]
    fn names_of_any_length_are_cut_and_found_again() {
        let activity = Activity::default();
        let long = "é".repeat(1_000_000);
        activity.note(noted(Some(&long), Some(&long), true));
        let seen = activity.of_user(&long);
        assert!(seen[0].user.as_ref().is_some_and(|user| user.len() < 300 && long.starts_with(user)));
    }

    #[test]
    fn none_of_the_counts_is_lost_between_threads() {
        let activity = Activity::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| activity.note(noted(Some("ann"), None, false))));
            }
        });
        let seen = &activity.of_user("ann")[0];
        assert_eq!((seen.requests, seen.blocked), (4_000, 4_000));
    }
}
