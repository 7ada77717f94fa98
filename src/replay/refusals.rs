//! [`LongestRefusal`]: for how long a key was refused without a break.

use std::time::Duration;

use super::time::UnixNanos;

/// The longest time for which a key was refused without a break: from the first refusal of a row until the key
/// would have been let in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LongestRefusal {
    /// So long; zero when nothing was refused.
    Lasted(Duration),
    /// It never would have ended.
    Endless,
}

impl LongestRefusal {
    /// Nothing was refused.
    pub(super) const NONE: LongestRefusal = LongestRefusal::Lasted(Duration::ZERO);

    /// How long, unless without end.
    pub(super) fn time(self) -> Option<Duration> {
        match self {
            LongestRefusal::Lasted(time) => Some(time),
            LongestRefusal::Endless => None,
        }
    }
}

/// The refusals of a key that no admission has ended yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RefusalRow {
    since: Option<UnixNanos>,
}

impl RefusalRow {
    /// One more, after which one would have to wait so long; `None` if for ever. Gives how long the row lasts by now.
    pub(super) fn refused(&mut self, time: UnixNanos, wait: Option<Duration>) -> LongestRefusal {
        let since = *self.since.get_or_insert(time);
        match wait {
            Some(wait) => LongestRefusal::Lasted(Duration::from_nanos(time - since).saturating_add(wait)),
            None => LongestRefusal::Endless,
        }
    }

    /// The key was let in.
    pub(super) fn admitted(&mut self) {
        self.since = None;
    }
}
