//! [`Twin`]: limiters that get the same history in different circumstances.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use super::history::KEYS;
use super::violation::Law;
use crate::build_error::BuildError;
use crate::clock::Clock;
use crate::decision::{Allowed, Denied, Status};
use crate::limiter::{Engine, Limiter};
use crate::random::Random;

/// What is done to a key at one time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Look,
    Spend(u64),
    Charge(u64),
    Refund(u64),
    Reset,
}

/// What a caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) admitted: bool,
    pub(super) limit: u64,
    pub(super) remaining: u64,
    pub(super) reset_after: Duration,
    /// `None` also for what was admitted.
    pub(super) retry_after: Option<Duration>,
}

/// The circumstances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// A limiter for every key.
    Alone,
    /// All keys in one limiter.
    Together,
    /// Asked before every call for what it must refuse, and for nothing.
    Pestered,
    /// So many other keys at the same place that they split its page, or take the places of idle ones, at every call.
    Crowded,
    /// One token after the other.
    InSingles,
}

/// A cost is not taken apart into more single tokens than this.
const MOST_SINGLES: u64 = 64;

/// New keys that come before every call to a crowded limiter: more than the 32 slots that a key may lie in.
const CROWD: usize = 36;

/// A crowd for every call of the longest history, with room to spare though all of it meets in few slots of each page.
const MAX_KEYS: usize = 10_000;

pub(super) struct Twin<A: Engine> {
    pub(super) treatment: Treatment,
    limiters: Vec<Limiter<A, Placing>>,
    newcomers: usize,
}

impl<A: Engine> Twin<A> {
    pub(super) fn new(
        treatment: Treatment,
        make: &impl Fn() -> A,
        clock: &Clock,
    ) -> Result<Twin<A>, BuildError> {
        let hasher = Placing { in_one_place: treatment == Treatment::Crowded };
        let count = if treatment == Treatment::Alone { KEYS } else { 1 };
        let build = |_| {
            Limiter::builder(make()).clock(clock.clone()).max_keys(MAX_KEYS).hasher(hasher.clone()).build()
        };
        let limiters = (0..count).map(build).collect::<Result<_, _>>()?;
        Ok(Twin { treatment, limiters, newcomers: KEYS })
    }

    pub(super) fn call(&mut self, key: usize, call: Call) -> Answer {
        match self.treatment {
            Treatment::Pestered => self.pester(key),
            Treatment::Crowded => self.crowd(),
            Treatment::Alone | Treatment::Together | Treatment::InSingles => {}
        }
        match (self.treatment, call) {
            (Treatment::InSingles, Call::Spend(cost)) => self.spend_in_singles(key, cost),
            _ => self.call_once(key, call),
        }
    }

    /// What must be the same under this treatment as alone.
    pub(super) fn law(&self) -> Law {
        match self.treatment {
            Treatment::Alone | Treatment::Together => Law::OtherKeys,
            Treatment::Pestered => Law::Refusal,
            Treatment::Crowded => Law::Forgetting,
            Treatment::InSingles => Law::Splitting,
        }
    }

    fn limiter(&self, key: usize) -> &Limiter<A, Placing> {
        // There is one for each key, or one for all.
        &self.limiters[key % self.limiters.len()]
    }

    fn call_once(&self, key: usize, call: Call) -> Answer {
        let limiter = self.limiter(key);
        match call {
            Call::Look => {}
            Call::Spend(cost) => return Answer::of_check(limiter.check_n(&key, cost)),
            Call::Charge(tokens) => return Answer::of_status(limiter.charge(&key, tokens)),
            Call::Refund(tokens) => limiter.refund(&key, tokens),
            Call::Reset => limiter.reset(&key),
        }
        Answer::of_status(limiter.peek(&key))
    }

    fn pester(&self, key: usize) {
        let limiter = self.limiter(key);
        let left = limiter.peek(&key).remaining();
        for too_much in [left.saturating_add(1), left.saturating_mul(2).saturating_add(1), u64::MAX] {
            // Whatever has more than it says is found out by the next answer.
            if too_much > left {
                let _ = limiter.check_n(&key, too_much);
            }
        }
        let _ = limiter.check_n(&key, 0);
        let _ = limiter.charge(&key, 0);
        limiter.refund(&key, 0);
    }

    fn crowd(&mut self) {
        for newcomer in self.newcomers..self.newcomers + CROWD {
            let _ = self.limiter(newcomer).check(&newcomer);
        }
        self.newcomers += CROWD;
    }

    fn spend_in_singles(&self, key: usize, cost: u64) -> Answer {
        let left = self.limiter(key).peek(&key).remaining();
        let fits = 0 < cost && cost <= left.min(MOST_SINGLES);
        if !fits {
            return self.call_once(key, Call::Spend(cost));
        }
        for _ in 1..cost {
            let _ = self.limiter(key).check(&key);
        }
        self.call_once(key, Call::Spend(1))
    }
}

impl Answer {
    fn of_check(answer: Result<Allowed, Denied>) -> Answer {
        match answer {
            Ok(allowed) => Answer {
                admitted: true,
                limit: allowed.limit(),
                remaining: allowed.remaining(),
                reset_after: allowed.reset_after(),
                retry_after: None,
            },
            Err(denied) => Answer {
                admitted: false,
                limit: denied.limit(),
                remaining: denied.remaining(),
                reset_after: denied.reset_after(),
                retry_after: denied.retry_after(),
            },
        }
    }

    fn of_status(status: Status) -> Answer {
        Answer {
            admitted: true,
            limit: status.limit(),
            remaining: status.remaining(),
            reset_after: status.reset_after(),
            retry_after: status.retry_after(),
        }
    }
}

/// A hasher for keys that are numbers; on demand it lets all of them begin at one of two places of their pages.
#[derive(Clone, Debug)]
pub(super) struct Placing {
    in_one_place: bool,
}

#[derive(Debug)]
pub(super) struct PlacingHasher {
    in_one_place: bool,
    number: u64,
}

/// The bits of a hash that choose a place in a page.
const PLACE_BITS: u64 = 63;

impl BuildHasher for Placing {
    type Hasher = PlacingHasher;

    fn build_hasher(&self) -> PlacingHasher {
        PlacingHasher { in_one_place: self.in_one_place, number: 0 }
    }
}

impl Hasher for PlacingHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.number = bytes.iter().fold(self.number, |number, byte| number << 8 | u64::from(*byte));
    }

    fn finish(&self) -> u64 {
        let spread = Random::new(self.number).next();
        if self.in_one_place { spread & !PLACE_BITS | spread & 1 } else { spread }
    }
}

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use std::time::Duration;

    use super::{CROWD, Call, Treatment, Twin};
    use crate::algorithm::Gcra;
    use crate::clock::Clock;
    use crate::quota::Quota;

    #[test]
    fn a_crowd_splits_pages_and_takes_the_places_of_idle_keys_but_forgets_nobody() {
        let (clock, hand) = Clock::manual();
        let make = || Gcra::new(Quota::per_second(1).burst(5));
        let mut crowded = Twin::new(Treatment::Crowded, &make, &clock).unwrap();
        let splits_after = |crowded: &mut Twin<Gcra>, calls: usize| {
            for call in 0..calls {
                let _ = crowded.call(0, Call::Look);
                assert!(crowded.limiter(0).len() >= (call + 1).min(4) * CROWD, "all of them are there");
                hand.advance(Duration::from_millis(200));
            }
            crowded.limiter(0).stats()
        };
        let first = splits_after(&mut crowded, 20);
        assert!(first.splits > 0 && first.forgotten == 0, "{first:?}");
        let later = splits_after(&mut crowded, 20);
        assert!(later.keys < 20 * CROWD && later.forgotten == 0, "old ones have given way: {later:?}");
    }
}
