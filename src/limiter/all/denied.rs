//! [`DeniedBy`]: which of several limits refused; and [`LimitStatus`]: where each of them stands.

use std::fmt;
use std::time::Duration;

use super::{Merged, On};
use crate::clock::Instant;
use crate::decision::{Denied, Figures};

/// Where one of several limits stands.
///
/// ```
/// use tollgate::{Limiter, Quota, check_all};
///
/// let (hourly, daily) = (Limiter::new(Quota::per_hour(1)), Limiter::new(Quota::per_day(10)));
/// let both = [hourly.on("ivan").label("hourly"), daily.on("ivan").label("daily")];
/// assert!(check_all(&both).is_ok());
/// let denied = check_all(&both).unwrap_err();
/// let refusing: Vec<_> = denied.limits().filter(|limit| limit.refuses()).collect();
/// assert_eq!((refusing.len(), refusing[0].label()), (1, Some("hourly")));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LimitStatus {
    index: usize,
    label: Option<&'static str>,
    figures: Figures,
    /// In a crowd.
    place: u16,
    at_capacity: bool,
    refuses: bool,
}

impl LimitStatus {
    pub(super) fn new(on: &On<'_>, place: usize, merged: &[Merged], figures: Figures) -> LimitStatus {
        let index = merged.get(place).map_or(place, |merged| merged.index);
        LimitStatus { index, label: on.label, figures, place: 0, at_capacity: false, refuses: false }
    }

    #[cfg(feature = "tower")]
    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Its place among the limits given, from 0; the first, if it was given twice.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// What it is called, if it was given a [label](On::label).
    #[must_use]
    pub fn label(&self) -> Option<&'static str> {
        self.label
    }

    /// The most tokens a key can hold, or the most places.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.figures.limit()
    }

    /// Whole tokens, or places, left.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.figures.remaining()
    }

    /// The time until the key is full again if nothing more is spent; [`Duration::MAX`] when it never will be, zero for a concurrency limit.
    #[must_use]
    pub fn reset_after(&self) -> Duration {
        self.figures.reset_after()
    }

    /// How long to wait until the same cost fits (after a check that was allowed: once more); zero when it does now, `None` when it never can. A
    /// concurrency limit cannot say when it will have room, and says zero.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.figures.retry_after_place(self.place)
    }

    /// Whether it refuses what is asked of it.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.refuses
    }

    /// Whether it refuses because it holds all the keys it can; see [`Denied::at_capacity`](crate::Denied::at_capacity).
    #[must_use]
    pub fn at_capacity(&self) -> bool {
        self.at_capacity
    }
}

/// One of several limits refused; nothing was spent anywhere.
///
/// The first that refuses decides, so that a refusal is cheap. Which one binds, and how long to wait, is worked out when it is asked, by looking
/// at all limits then: ask at once. It holds on to the limits; what [`binding`](DeniedBy::binding) gives does not.
///
/// For an example see [`check_all`](crate::check_all).
#[derive(Clone, Debug)]
pub struct DeniedBy<'a> {
    pub(super) limits: Vec<On<'a>>,
    /// Of which parts each is made; empty if each has one.
    pub(super) merged: Vec<Merged>,
    /// The place of the one that decided.
    pub(super) refusing: usize,
    /// What it said, if that was for want of room.
    pub(super) no_room: Option<Box<Denied>>,
    /// The number of this refusal, by which retries are spread.
    pub(super) count: u16,
}

impl DeniedBy<'_> {
    /// The limit that binds: of those that refuse, the one with the longest wait; of equal ones the first. O(limits), as all the others.
    ///
    /// If none refuses any more, it is the one that did.
    #[must_use]
    pub fn binding(&self) -> LimitStatus {
        // Never is the longest.
        let wait = |status: &LimitStatus| status.retry_after().unwrap_or(Duration::MAX);
        let decided = LimitStatus { refuses: false, ..self.status(self.refusing, &mut Instant::default()) };
        self.limits().fold(decided, |binding, other| {
            let binds = other.refuses && (!binding.refuses || wait(&other) > wait(&binding));
            if binds { other } else { binding }
        })
    }

    /// Where each limit stands, in the order given; a limit and key that was given twice is there once.
    pub fn limits(&self) -> impl Iterator<Item = LimitStatus> {
        let mut instant = Instant::default();
        (0..self.limits.len()).map(move |place| self.status(place, &mut instant))
    }

    fn status(&self, place: usize, instant: &mut Instant) -> LimitStatus {
        let on = &self.limits[place];
        let said = self.no_room.as_deref().filter(|_| place == self.refusing);
        let looked = said.map_or_else(|| on.gate().look(instant, on.tag, on.cost), |denied| Err(*denied));
        match looked {
            Ok(allowed) => LimitStatus::new(on, place, &self.merged, *allowed.figures()),
            Err(denied) => LimitStatus {
                place: on.gate().place(self.count),
                at_capacity: denied.at_capacity(),
                refuses: true,
                ..LimitStatus::new(on, place, &self.merged, *denied.figures())
            },
        }
    }

    /// The place of the limit that [binds](DeniedBy::binding) among those given, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.binding().index()
    }

    /// The [label](On::label) of the limit that binds.
    #[must_use]
    pub fn label(&self) -> Option<&'static str> {
        self.binding().label()
    }

    /// The smallest number of tokens (or places) that any of the limits has left, those that would admit among them.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.limits().map(|limit| limit.remaining()).min().unwrap_or(0)
    }

    /// The longest wait of those that refuse: how long to wait until the same call succeeds, if nobody else spends meanwhile; `None` when it never
    /// can. A concurrency limit cannot say when it will have room, and counts as zero.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.binding().retry_after()
    }
}

impl fmt::Display for DeniedBy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binding = self.binding();
        match binding.label() {
            Some(label) => write!(f, "limit \"{label}\"")?,
            None => write!(f, "limit number {}", binding.index() + 1)?,
        }
        write!(f, " reached: {} of {} left", binding.remaining(), binding.limit())?;
        match binding.retry_after() {
            Some(Duration::ZERO) if !binding.refuses() => f.write_str(", retry at once"),
            Some(Duration::ZERO) => f.write_str(", retry when work under it has ended"),
            Some(wait) => write!(f, ", retry in {wait:?}"),
            None => f.write_str(", waiting will not help: ask for less, or raise the limit"),
        }
    }
}

impl std::error::Error for DeniedBy<'_> {}
