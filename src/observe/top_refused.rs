//! [`TopRefused`]: which keys are refused most.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

use super::cut_text::CutText;
use super::space_saving::{Entry, SpaceSaving};
use super::{Decided, Observer};
use crate::limiter::RandomState;

/// The keys that are refused most, in bounded memory however many there are.
///
/// An [`Observer`] that looks at decisions over a limit, enforced or on trial
/// ([`is_over_limit`](super::DecisionOutcome::is_over_limit)), about a key. Each counts one, whatever its cost. Keys
/// are told apart by policy and text.
///
/// ```
/// use tollgate::observe::{Decided, DecisionOutcome, Observer, TopRefused};
///
/// let refused = TopRefused::new(1_000);
/// for key in ["203.0.113.9", "198.51.100.7", "203.0.113.9"] {
///     refused.decided(&Decided::new("per-client", DecisionOutcome::Denied).with_key(&key));
/// }
/// let top = refused.top(1);
/// assert_eq!((top[0].key.as_str(), top[0].refused), ("203.0.113.9", 2));
/// ```
///
/// # How right it is
///
/// It is the space-saving summary of Metwally, Agrawal and El Abbadi (2005). Of the [`counted`](TopRefused::counted)
/// refusals, with room for `capacity` keys:
///
/// - a key that is listed was refused at most `refused` times, and at least `refused - at_most_too_many_by`;
/// - `at_most_too_many_by` is at most `counted / capacity`, and zero while there is room;
/// - a key that was refused more often than `counted / capacity` is listed.
///
/// A refusal that comes while another thread is counting one is not waited for but [`missed`](TopRefused::missed): a
/// flood is not slowed down by being looked at. So a key may have been refused `missed` times more than is said here.
/// Every key is missed as easily, which leaves the order meaningful.
///
/// # What it costs
///
/// An allowed request costs a comparison. A refusal costs the formatting of its key and O(log `capacity`). A place
/// takes less than 400 bytes if there are a hundred or more, and a flood that has taken them all allocates nothing.
/// Policies and keys are kept up to 64 bytes; a longer one is shown with an ellipsis, and told from others that begin
/// alike by a 64-bit hash.
pub struct TopRefused {
    summary: CachePadded<Mutex<SpaceSaving<Name>>>,
    // Apart from the lock, which another thread holds whenever this changes.
    missed: CachePadded<AtomicU64>,
    hasher: RandomState,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name {
    policy: CutText,
    key: CutText,
}

/// A key that was refused, and how often.
///
/// [`TopRefused::top`] gives them; for an example see [the module](super).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedKey {
    /// The name of the limit.
    pub policy: String,
    /// The key's text.
    pub key: String,
    /// How often it was refused, at most.
    pub refused: u64,
    /// By how much that may be too high.
    pub at_most_too_many_by: u64,
}

impl TopRefused {
    /// Nobody yet, with room for so many keys; for no room, take one.
    #[must_use]
    pub fn new(capacity: usize) -> TopRefused {
        TopRefused {
            summary: CachePadded::new(Mutex::new(SpaceSaving::new(capacity))),
            missed: CachePadded::new(AtomicU64::new(0)),
            hasher: RandomState::new(),
        }
    }

    /// The `n` keys that were refused most, the worst first. O(`n`); refusals meanwhile are missed.
    #[must_use]
    pub fn top(&self, n: usize) -> Vec<RefusedKey> {
        // The texts are made when the lock is free again.
        let top = self.summary.lock().top(n);
        let refused_key = |entry: &Entry<Name>| RefusedKey {
            policy: entry.name.policy.to_string(),
            key: entry.name.key.to_string(),
            refused: entry.count,
            at_most_too_many_by: entry.at_most_too_many_by,
        };
        top.iter().map(refused_key).collect()
    }

    /// How many refusals were counted, of all keys.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.summary.lock().total()
    }

    /// How many refusals were not, because another thread was counting one.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Begins anew: no keys, none counted, none missed.
    pub fn clear(&self) {
        let mut summary = self.summary.lock();
        *summary = summary.emptied();
        self.missed.store(0, Ordering::Relaxed);
    }
}

impl Observer for TopRefused {
    fn decided(&self, decision: &Decided<'_>) {
        let Some(key) = decision.key.filter(|_| decision.outcome.is_over_limit()) else { return };
        // Before the lock is taken: the key's own code runs here.
        let name =
            Name { policy: CutText::of(&decision.policy, &self.hasher), key: CutText::of(key, &self.hasher) };
        match self.summary.try_lock() {
            Some(mut summary) => summary.record(name),
            None => _ = self.missed.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for TopRefused {
    /// Without the keys, so that they get into no log by accident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopRefused")
            .field("counted", &self.counted())
            .field("missed", &self.missed())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use super::TopRefused;
    use crate::observe::{Decided, DecisionOutcome, Observer};

    #[test]
    fn a_refusal_that_finds_another_being_counted_is_missed_and_says_so() {
        let refused = TopRefused::new(10);
        let decision = Decided::new("limit", DecisionOutcome::Denied).with_key(&"ann");
        refused.decided(&decision);

        let counting = refused.summary.lock();
        refused.decided(&decision);
        drop(counting);

        assert_eq!((refused.counted(), refused.missed(), refused.top(1)[0].refused), (1, 1, 1));
        refused.clear();
        assert_eq!((refused.counted(), refused.missed(), refused.top(1)), (0, 0, vec![]));
    }
}
