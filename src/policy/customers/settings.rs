//! [`LookupSettings`] and [`LookupStats`].

use std::time::Duration;

/// Some 2 MB with short keys: more than a server's customers of one minute, mostly.
const CAPACITY: usize = 10_000;
/// How long somebody who has bought more waits for it.
const TIME_TO_LIVE: Duration = Duration::from_secs(60);
/// A source that fails is asked about one customer no more than this often.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// A lookup of a millisecond has done them in a second; those who wait longer may as well ask again.
const QUEUE: usize = 1_000;

/// How a [lookup](super::super::Builder::lookup) is used.
///
/// ```
/// use std::time::Duration;
/// use tollgate::policy::LookupSettings;
///
/// let settings = LookupSettings::default().capacity(100_000).time_to_live(Duration::from_secs(300));
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "give it to `Builder::lookup_settings`"]
pub struct LookupSettings {
    pub(super) capacity: usize,
    pub(super) time_to_live: Duration,
    pub(super) retry_after: Duration,
    pub(super) queue: usize,
}

impl Default for LookupSettings {
    fn default() -> LookupSettings {
        LookupSettings {
            capacity: CAPACITY,
            time_to_live: TIME_TO_LIVE,
            retry_after: RETRY_AFTER,
            queue: QUEUE,
        }
    }
}

impl LookupSettings {
    /// How many customers are kept, those with nothing special too; default 10 000, at least 1. (It is rounded up, by
    /// one in 32 at most.) Those who come often stay, however many come once.
    pub fn capacity(self, customers: usize) -> LookupSettings {
        LookupSettings { capacity: customers, ..self }
    }

    /// How long an answer is used before it is looked up again; default 60 s. It is used on until the new one is there.
    pub fn time_to_live(self, time_to_live: Duration) -> LookupSettings {
        LookupSettings { time_to_live, ..self }
    }

    /// How long a customer is not looked up again after an error; default 5 s.
    pub fn retry_after(self, retry_after: Duration) -> LookupSettings {
        LookupSettings { retry_after, ..self }
    }

    /// How many customers may wait to be looked up; default 1 000. Others are dropped: they may wait when they come
    /// again and there is room.
    pub fn queue(self, customers: usize) -> LookupSettings {
        LookupSettings { queue: customers, ..self }
    }
}

/// Numbers about a set's lookup, from [`PolicySet::lookup_stats`](super::super::PolicySet::lookup_stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LookupStats {
    /// Customers that are kept, those with nothing special too.
    pub known: usize,
    /// Customers that wait to be looked up, with the one that is.
    pub waiting: usize,
    /// Answers of the lookup, also that nothing is special.
    pub found: u64,
    /// Errors of the lookup, and its panics.
    pub errors: u64,
    /// How often a customer could not wait: too many did, or the key has more than 256 bytes.
    pub dropped: u64,
}
