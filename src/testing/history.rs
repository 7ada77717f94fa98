//! Histories: what is done to keys, and when. They are plain data, relative to what the keys were told, so that an operation can be left
//! out and the others still make sense.

use crate::random::Random;

/// Keys of a history.
pub(super) const KEYS: usize = 3;

/// A clock that is set, and operations one after the other.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// Nanoseconds on the clock when the limiter is built.
    pub(super) start: u64,
    /// The same moment in Unix time, where that is another.
    pub(super) unix: u64,
    pub(super) steps: Vec<Step>,
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Below [`KEYS`].
    pub(super) key: usize,
    pub(super) operation: Operation,
    /// The seed for what is looked at afterwards, so that this does not depend on the other steps.
    pub(super) probe: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Spend(Amount),
    /// By a caller who took its time so long ago.
    SpendLate(Amount, Span),
    Charge(Amount),
    Refund(Amount),
    Reset,
    Wait(Span),
    /// Comes when it was told to, and a moment before.
    Retry,
    /// Looks when the key should be full again, and a moment before.
    AwaitReset,
}

/// Tokens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Amount {
    Exactly(u64),
    AroundLimit(i64),
    AroundRemaining(i64),
    SixteenthsOfLimit(u64),
}

/// Nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Span {
    Nanos(u64),
    /// So many times as long as the next retry is away, and a little more or less.
    Retries(u64, i64),
    Resets(u64, i64),
    SixteenthsOfReset(u64),
}

/// What a caller knows about a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) limit: u64,
    pub(super) remaining: u64,
    /// In how many nanoseconds; 0 when it is now or never.
    pub(super) retry_in: u64,
    pub(super) reset_in: u64,
}

/// The longest history: long enough for a key to become full a few times, short enough to be read.
const MOST_STEPS: u64 = 32;

impl History {
    pub(super) fn of(seed: u64) -> History {
        let random = &mut Random::new(seed);
        let start = if random.below(4) == 0 { random.magnitude() } else { 0 };
        let unix = if random.below(2) == 0 { start } else { random.magnitude() };
        let steps = 1 + random.below(MOST_STEPS);
        History { start, unix, steps: (0..steps).map(|_| Step::any(random)).collect() }
    }

    /// As few of the steps as still do what `breaks` asks for.
    pub(super) fn shortened(mut self, breaks: impl Fn(&History) -> bool) -> History {
        let mut index = self.steps.len();
        while index > 0 {
            index -= 1;
            let mut shorter = self.clone();
            shorter.steps.remove(index);
            if breaks(&shorter) {
                // Others may not be needed any more, now that this one is gone.
                index = shorter.steps.len();
                self = shorter;
            }
        }
        self
    }
}

impl Step {
    fn any(random: &mut Random) -> Step {
        let operation = match random.below(24) {
            0..8 => Operation::Spend(Amount::any(random)),
            8..10 => Operation::SpendLate(Amount::any(random), Span::any(random)),
            10..12 => Operation::Charge(Amount::any(random)),
            12..14 => Operation::Refund(Amount::any(random)),
            14 => Operation::Reset,
            15..17 => Operation::Retry,
            17 => Operation::AwaitReset,
            _ => Operation::Wait(Span::any(random)),
        };
        Step { key: random.index(KEYS), operation, probe: random.next() }
    }
}

impl Amount {
    pub(super) fn any(random: &mut Random) -> Amount {
        match random.below(16) {
            0..6 => Amount::Exactly(random.below(4)),
            6..9 => Amount::AroundRemaining(random.nearby()),
            9..11 => Amount::AroundLimit(random.nearby()),
            11..14 => Amount::SixteenthsOfLimit(random.below(24)),
            14 => Amount::Exactly(random.magnitude()),
            _ => Amount::Exactly(u64::MAX),
        }
    }

    pub(super) fn tokens(self, told: &Told) -> u64 {
        match self {
            Amount::Exactly(tokens) => tokens,
            Amount::AroundLimit(more) => told.limit.saturating_add_signed(more),
            Amount::AroundRemaining(more) => told.remaining.saturating_add_signed(more),
            Amount::SixteenthsOfLimit(part) => sixteenths(told.limit, part),
        }
    }
}

impl Span {
    pub(super) fn any(random: &mut Random) -> Span {
        match random.below(16) {
            0..2 => Span::Nanos(random.below(3)),
            2..7 => Span::Retries(1 + random.below(3), random.nearby()),
            7..10 => Span::Resets(1 + random.below(2), random.nearby()),
            10..14 => Span::SixteenthsOfReset(random.below(16)),
            14 => Span::Nanos(random.magnitude()),
            // Now and then to the end of the clock; more often would leave nothing to happen after it.
            _ if random.below(8) == 0 => Span::Nanos(u64::MAX),
            _ => Span::Nanos(random.below(1 << 40)),
        }
    }

    pub(super) fn nanos(self, told: &Told) -> u64 {
        match self {
            Span::Nanos(nanos) => nanos,
            Span::Retries(times, more) => told.retry_in.saturating_mul(times).saturating_add_signed(more),
            Span::Resets(times, more) => told.reset_in.saturating_mul(times).saturating_add_signed(more),
            Span::SixteenthsOfReset(part) => sixteenths(told.reset_in, part),
        }
    }
}

fn sixteenths(whole: u64, part: u64) -> u64 {
    u64::try_from(u128::from(whole) * u128::from(part) / 16).unwrap_or(u64::MAX)
}
