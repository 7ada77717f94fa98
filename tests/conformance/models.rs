//! What the algorithms are meant to do, from their documentation, a key at a time and as plainly as possible. Numbers have 128 bits, so nothing
//! overflows.
#![allow(unreachable_pub, reason = "a part of the test program")]

use std::collections::VecDeque;
use std::time::Duration;

use tollgate::testing::Model;
use tollgate::{MAX_VALUE, Quota};

fn tokens(number: u128) -> u64 {
    u64::try_from(number).unwrap()
}

/// Tokens on an axis of units, which come back evenly or a whole period's at once.
#[derive(Clone, Debug)]
pub struct Tokens {
    quota: Quota,
    unit_bits: u32,
    at_once: bool,
    /// The position up to which the key has spent.
    spent: u128,
}

const LIFETIME_NANOS: u128 = 150 * 31_557_600 * 1_000_000_000;

impl Tokens {
    pub fn new(quota: Quota) -> Tokens {
        Tokens { quota, unit_bits: finest_unit_bits(quota), at_once: false, spent: 0 }
    }

    pub fn at_once(quota: Quota) -> Tokens {
        Tokens { at_once: true, ..Tokens::new(quota) }
    }

    fn units(&self, tokens: u64) -> u128 {
        u128::from(tokens) << self.unit_bits
    }

    fn position(&self, now: Duration) -> u128 {
        let (nanos, period) = (now.as_nanos(), self.quota.period().as_nanos());
        if self.at_once {
            nanos / period * self.units(self.quota.count())
        } else {
            nanos * self.units(self.quota.count()) / period
        }
    }
}

/// As fine as 150 years of tokens and the capacity allow, in whole bits.
fn finest_unit_bits(quota: Quota) -> u32 {
    let period = quota.period().as_nanos();
    let most = u128::from(quota.count().max(1)) * LIFETIME_NANOS + u128::from(quota.capacity()) * period;
    (0..60).take_while(|bits| most <= (u128::from(MAX_VALUE) * period) >> bits).last().unwrap_or(0)
}

impl Model for Tokens {
    fn spend(&mut self, now: Duration, cost: u64) -> bool {
        let spent = self.spent.max(self.position(now)) + self.units(cost);
        let fits = spent <= self.position(now) + self.units(self.quota.capacity());
        if fits {
            self.spent = spent;
        }
        fits
    }

    fn charge(&mut self, now: Duration, tokens: u64) {
        let spent = self.spent.max(self.position(now)) + self.units(tokens);
        self.spent = spent.min(MAX_VALUE.into());
    }

    fn refund(&mut self, now: Duration, tokens: u64) {
        let position = self.position(now);
        self.spent = self.spent.max(position).saturating_sub(self.units(tokens)).max(position);
    }

    fn remaining(&mut self, now: Duration) -> u64 {
        let ahead = self.spent.saturating_sub(self.position(now));
        tokens(self.units(self.quota.capacity()).saturating_sub(ahead) >> self.unit_bits)
    }
}

/// Time that has been spent: every cost is as many nanoseconds as it takes to come back, rounded up.
#[derive(Clone, Debug)]
pub struct Nanoseconds {
    quota: Quota,
    full_at: u128,
}

impl Nanoseconds {
    pub fn new(quota: Quota) -> Nanoseconds {
        Nanoseconds { quota, full_at: 0 }
    }

    fn nanos(&self, tokens: u64) -> u128 {
        (u128::from(tokens) * self.quota.period().as_nanos()).div_ceil(u128::from(self.quota.count()))
    }

    /// A burst, and the roundings of its single tokens as far as they are less than a token.
    fn capacity(&self) -> u128 {
        let (burst, interval) = (self.quota.capacity(), self.nanos(1));
        let roundings = u128::from(burst) * interval - self.nanos(burst);
        self.nanos(burst) + roundings.min(interval - 1)
    }
}

impl Model for Nanoseconds {
    fn spend(&mut self, now: Duration, cost: u64) -> bool {
        let now = now.as_nanos();
        let spent = self.full_at.max(now) + self.nanos(cost);
        let fits = cost <= self.quota.capacity() && spent <= now + self.capacity();
        if fits {
            self.full_at = spent;
        }
        fits
    }

    fn charge(&mut self, now: Duration, tokens: u64) {
        self.full_at = self.full_at.max(now.as_nanos()) + self.nanos(tokens);
    }

    fn refund(&mut self, now: Duration, tokens: u64) {
        let now = now.as_nanos();
        self.full_at = self.full_at.max(now).saturating_sub(self.nanos(tokens)).max(now);
    }

    fn remaining(&mut self, now: Duration) -> u64 {
        let ahead = self.full_at.saturating_sub(now.as_nanos());
        // No more than there are is ever left, and by halves it is found.
        let (mut least, mut most) = (0, self.quota.capacity());
        while least < most {
            let middle = most - (most - least) / 2;
            if ahead + self.nanos(middle) <= self.capacity() { least = middle } else { most = middle - 1 }
        }
        least
    }
}

/// Counts by window: of the present one, and of the one before if that still counts in part.
#[derive(Clone, Debug)]
pub struct Windows {
    limit: u128,
    window: u128,
    slides: bool,
    number: u128,
    current: u128,
    previous: u128,
}

impl Windows {
    pub fn fixed(limit: u64, window: Duration) -> Windows {
        let (limit, window) = (u128::from(limit), window.as_nanos());
        Windows { limit, window, slides: false, number: 0, current: 0, previous: 0 }
    }

    pub fn sliding(limit: u64, window: Duration) -> Windows {
        Windows { slides: true, ..Windows::fixed(limit, window) }
    }

    fn go_to(&mut self, now: Duration) {
        let number = now.as_nanos() / self.window;
        if number > self.number {
            let follows = self.slides && number == self.number + 1;
            (self.previous, self.current) = (if follows { self.current } else { 0 }, 0);
            self.number = number;
        }
    }

    /// What is left, times the window; less than nothing in debt.
    fn left(&self, now: Duration) -> i128 {
        let to_come = self.window - now.as_nanos() % self.window;
        let spent = self.current * self.window + self.previous * to_come;
        (self.limit * self.window).cast_signed() - spent.cast_signed()
    }
}

impl Model for Windows {
    fn spend(&mut self, now: Duration, cost: u64) -> bool {
        self.go_to(now);
        let fits = self.left(now) >= (u128::from(cost) * self.window).cast_signed();
        if fits {
            self.current += u128::from(cost);
        }
        fits
    }

    fn charge(&mut self, now: Duration, tokens: u64) {
        self.go_to(now);
        self.current += u128::from(tokens);
    }

    fn refund(&mut self, now: Duration, tokens: u64) {
        self.go_to(now);
        let from_current = self.current.min(tokens.into());
        self.current -= from_current;
        self.previous = self.previous.saturating_sub(u128::from(tokens) - from_current);
    }

    fn remaining(&mut self, now: Duration) -> u64 {
        self.go_to(now);
        tokens(self.left(now).max(0).cast_unsigned() / self.window)
    }
}

/// Every admission with its time.
#[derive(Clone, Debug)]
pub struct Log {
    limit: u64,
    window: Duration,
    admissions: VecDeque<(Duration, u64)>,
}

impl Log {
    pub fn new(limit: u64, window: Duration) -> Log {
        Log { limit, window, admissions: VecDeque::new() }
    }

    fn spent(&mut self, now: Duration) -> u64 {
        let window = self.window;
        self.admissions.retain(|(time, _)| now < *time + window);
        self.admissions.iter().map(|(_, tokens)| tokens).sum()
    }
}

impl Model for Log {
    fn spend(&mut self, now: Duration, cost: u64) -> bool {
        let fits = self.spent(now).checked_add(cost).is_some_and(|spent| spent <= self.limit);
        if fits {
            self.charge(now, cost);
        }
        fits
    }

    fn charge(&mut self, now: Duration, tokens: u64) {
        self.admissions.push_back((now, tokens));
    }

    /// The newest first.
    fn refund(&mut self, now: Duration, tokens: u64) {
        let mut left = tokens;
        let _ = self.spent(now);
        while let Some((_, newest)) = self.admissions.back_mut() {
            let taken = left.min(*newest);
            (*newest, left) = (*newest - taken, left - taken);
            if *newest > 0 {
                break;
            }
            self.admissions.pop_back();
        }
    }

    fn remaining(&mut self, now: Duration) -> u64 {
        self.limit.saturating_sub(self.spent(now))
    }
}
