//! An exact model of `Limiter<Gcra>`, written from its documentation, that the limiter is compared with.
//!
//! It shares no code with the crate: integers have no bounds, waits are found by halving intervals, and nothing is ever
//! forgotten. `tests/` and `fuzz/` both use it.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "in helpers of tests, too, to fail is to panic"
)]
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    missing_docs,
    reason = "shared by several test programs, each of which uses a part"
)]

mod axis;
pub mod trace;

use std::collections::HashMap;
use std::time::Duration;

use num_bigint::BigUint;
use tollgate::Quota;

pub use axis::{Axis, Refusal, big, greatest_value};

/// What a caller is told about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    pub limit: u64,
    pub remaining: u64,
    pub reset_after: Duration,
    /// `None` for a check that was allowed, too.
    pub retry_after: Option<Duration>,
}

/// A limiter with a clock set by hand, for keys that are numbers.
#[derive(Clone, Debug)]
pub struct Model {
    axis: Axis,
    /// What the clock says.
    clock: u64,
    /// The latest reading that any call has taken: time does not step back.
    time: u64,
    /// How far each key has spent. A key that is not here has spent nothing.
    words: HashMap<u64, BigUint>,
}

impl Model {
    pub fn new(quota: Quota, clock: u64) -> Model {
        Model { axis: Axis::new(quota, clock), clock, time: clock, words: HashMap::new() }
    }

    pub fn axis(&self) -> &Axis {
        &self.axis
    }

    pub fn quota(&self) -> Quota {
        self.axis.quota
    }

    pub fn clock(&self) -> u64 {
        self.clock
    }

    pub fn set_clock(&mut self, clock: u64) {
        self.clock = clock;
    }

    /// Every call looks at the clock.
    pub fn look(&mut self) -> BigUint {
        self.time = self.time.max(self.clock);
        self.axis.position(self.time)
    }

    /// Where the key stands after the check: `Ok` when the cost fitted.
    pub fn check_n(&mut self, key: u64, cost: u64) -> Result<Figures, Figures> {
        let position = self.look();
        let spent = self.word(key).max(position.clone()) + self.axis.units(cost);
        let fits = cost <= self.quota().capacity() && spent <= position + self.axis.capacity();
        if !fits {
            return Err(self.figures(key, cost));
        }
        if cost > 0 {
            self.words.insert(key, spent);
        }
        Ok(Figures { retry_after: None, ..self.figures(key, cost) })
    }

    pub fn peek(&mut self, key: u64) -> Figures {
        self.look();
        self.figures(key, 1)
    }

    pub fn charge(&mut self, key: u64, tokens: u64) -> Figures {
        let position = self.look();
        if tokens > 0 {
            let spent = self.word(key).max(position) + self.axis.units(tokens);
            self.words.insert(key, spent.min(greatest_value()));
        }
        self.figures(key, 1)
    }

    pub fn refund(&mut self, key: u64, tokens: u64) {
        let position = self.look();
        let (word, back) = (self.word(key), self.axis.units(tokens));
        // A key behind the position is full already.
        if word > position {
            self.words.insert(key, if word > &position + &back { word - back } else { position });
        }
    }

    pub fn reset(&mut self, key: u64) {
        self.look();
        self.words.remove(&key);
    }

    pub fn clear(&mut self) {
        self.words.clear();
    }

    pub fn set_quota(&mut self, quota: Quota) -> Result<(), Refusal> {
        self.look();
        if quota != self.quota() {
            self.axis = self.axis.requote(quota, self.time)?;
        }
        Ok(())
    }

    /// Keys that are not full.
    pub fn len(&mut self) -> usize {
        let position = self.look();
        self.words.values().filter(|word| **word > position).count()
    }

    fn word(&self, key: u64) -> BigUint {
        self.words.get(&key).cloned().unwrap_or_default()
    }

    fn figures(&self, key: u64, cost: u64) -> Figures {
        let (word, position, capacity) =
            (self.word(key), self.axis.position(self.time), self.axis.capacity());
        let needed = &word + self.axis.units(cost);
        let full_at = self.axis.least_time(|position| word <= *position);
        let fits_at = self.axis.least_time(|position| needed <= position + &capacity);
        let left = (position + &capacity).max(word.clone()) - word;
        Figures {
            limit: self.quota().capacity(),
            remaining: self.axis.whole_tokens(&left.min(capacity)),
            reset_after: full_at.map_or(Duration::MAX, |time| self.wait_until(time)),
            retry_after: fits_at
                .filter(|_| cost <= self.quota().capacity())
                .map(|time| self.wait_until(time)),
        }
    }

    /// Waits are counted from what the clock says, also when that has stepped back.
    fn wait_until(&self, time: u64) -> Duration {
        if time <= self.time { Duration::ZERO } else { Duration::from_nanos(time - self.clock) }
    }
}
