//! What a snapshot keeps of an algorithm, and how its keys go on in another limiter later.
//!
//! Of a key it keeps by how much its value is ahead of the position. While no limiter runs the position would have gone
//! on: a [`Shift`] says by how much, and in what units the new limiter counts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::token_clock::MAX_VALUE;
use super::window_clock::{WindowReading, Windows};
use super::{Algorithm, Start};
use crate::build_error::BuildError;
use crate::snapshot_error::SnapshotError;

/// An algorithm of this crate whose keys are words.
///
/// Its name cannot be reached from outside: an algorithm of one's own would have to promise what its values mean in
/// another process.
pub trait Resume: Algorithm {
    /// The position at `now`, and where the algorithm stands there as far as it matters to a limiter that goes on from
    /// it.
    fn origin(&self, now: u64) -> (u64, Origin);

    /// Starts where another limiter of the same algorithm stopped.
    fn resume(&mut self, pause: Pause, origin: &Origin) -> Result<Shift, BuildError>;
}

/// Where an algorithm stood when its limiter was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Origin {
    Tokens(TokenOrigin),
    Windows(WindowOrigin),
    Nanos,
}

/// The token axis: its units, and the fraction of a step that the position does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenOrigin {
    pub(crate) unit_bits: u32,
    pub(crate) capacity: u64,
    pub(crate) period: u64,
    pub(crate) carry: u64,
    pub(crate) at_once: bool,
}

/// Windows: their length, and how much of the one at that time had passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowOrigin {
    pub(crate) length: u64,
    pub(crate) elapsed: u64,
}

impl Origin {
    pub(super) fn windows(windows: Windows, reading: &WindowReading) -> Origin {
        Origin::Windows(WindowOrigin { length: windows.length, elapsed: reading.elapsed })
    }

    /// Its numbers, for a checksum.
    pub(crate) fn numbers(&self) -> [u64; 6] {
        match *self {
            Origin::Tokens(TokenOrigin { unit_bits, capacity, period, carry, at_once }) => {
                [0, unit_bits.into(), capacity, period, carry, at_once.into()]
            }
            Origin::Windows(WindowOrigin { length, elapsed }) => [1, length, elapsed, 0, 0, 0],
            Origin::Nanos => [2, 0, 0, 0, 0, 0],
        }
    }
}

/// The time between a snapshot and the limiter that goes on from it.
#[derive(Clone, Copy, Debug)]
pub struct Pause {
    /// Unix time of the snapshot, in nanoseconds.
    from: u64,
    until: Start,
}

impl Pause {
    pub(crate) fn new(from: u64, until: Start) -> Pause {
        Pause { from, until }
    }

    /// The snapshot, on a clock that was at zero then.
    pub(super) fn began(&self) -> Start {
        Start::new(0, self.from)
    }

    pub(crate) fn until(&self) -> Start {
        self.until
    }

    /// Nanoseconds of wall-clock time; 0 when the system's clock was set back.
    pub(crate) fn nanos(&self) -> u64 {
        self.until.unix().saturating_sub(self.from)
    }

    /// How many periods that are aligned to Unix time have begun since, when so much of one had passed then, and so
    /// much of another has passed now.
    ///
    /// The difference is a whole number of periods, but for what two clocks drifted apart while a limiter ran, so the
    /// nearest one is meant. When the clock was set back nothing is certain and it is rounded down: -1 says that what
    /// counted then counts on to the end of the next period.
    pub(super) fn periods(&self, period: u64, passed_then: u64, passed_now: u64) -> i128 {
        let slack = if self.until.unix() < self.from { 0 } else { period / 2 };
        let nanos = i128::from(passed_then) + i128::from(self.nanos()) - i128::from(passed_now);
        (nanos + i128::from(slack)).div_euclid(i128::from(period))
    }

    /// [`periods`](Pause::periods) for windows, which must be of one length.
    pub(super) fn windows(
        &self,
        origin: &Origin,
        windows: Windows,
        reading: &WindowReading,
    ) -> Result<i128, BuildError> {
        let Origin::Windows(then) = origin else { return Err(damaged()) };
        if then.length != windows.length {
            let [snapshot, limiter] = [then.length, windows.length].map(Duration::from_nanos);
            return Err(BuildError::Snapshot(SnapshotError::Window { snapshot, limiter }));
        }
        if then.elapsed >= then.length {
            return Err(damaged());
        }
        Ok(self.periods(then.length, then.elapsed, reading.elapsed))
    }
}

/// What a pause does to how far a key is ahead.
#[derive(Clone, Copy, Debug)]
pub struct Shift {
    /// By so many bits the new limiter's units are finer.
    finer: i32,
    /// How far the position went on meanwhile, in the new units.
    forward: i128,
}

impl Shift {
    pub(super) fn new(finer: i32, forward: i128) -> Shift {
        Shift { finer, forward }
    }

    /// How far a key is ahead after the pause; `None` when it is idle. Coarser units are rounded up, so that nothing is
    /// given.
    pub(crate) fn of(&self, ahead: u64) -> Option<u64> {
        let (ahead, bits) = (i128::from(ahead), self.finer.unsigned_abs().min(60));
        let ahead = if self.finer >= 0 { ahead << bits } else { (ahead + (1 << bits) - 1) >> bits };
        let ahead = ahead.saturating_sub(self.forward).min(i128::from(MAX_VALUE));
        u64::try_from(ahead).ok().filter(|ahead| *ahead > 0)
    }
}

pub(crate) fn damaged() -> BuildError {
    BuildError::Snapshot(SnapshotError::Damaged)
}
