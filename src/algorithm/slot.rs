//! [`Slot`]: a time at which a cost may be spent, and what is left of the key then.

/// A key's next free slot: what [`Algorithm::schedule`](crate::Algorithm::schedule) gives. A limiter shows it as the delay of [`Limiter::schedule`](crate::Limiter::schedule).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    value: u64,
    time: u64,
}

impl Slot {
    /// A slot that has come: the key is at `value` once it is taken.
    #[must_use]
    pub fn at_once(value: u64) -> Slot {
        Slot { value, time: 0 }
    }

    /// A slot that comes at `time`, nanoseconds on the limiter's clock: the key is at `value` once it is taken, which is before it comes.
    #[must_use]
    pub fn at(time: u64, value: u64) -> Slot {
        Slot { value, time }
    }

    /// The key's value once the slot is taken.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.value
    }

    /// When it comes, nanoseconds on the limiter's clock; a time that has passed, such as 0, is at once.
    #[must_use]
    pub fn time(&self) -> u64 {
        self.time
    }
}
