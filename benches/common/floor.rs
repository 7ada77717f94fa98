//! What no limiter can do without, measured alone: the least a check must cost on this machine.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ahash::RandomState;
use crossbeam_utils::CachePadded;

use super::Outcome;
use super::clocks::Now;
use super::keys::SplitMix;
use super::setup::Setup;
use super::subject::Subject;
use super::threads::nanos_each;

/// The loop around the checks and nothing in it.
pub(crate) struct Empty;

impl<K> Subject<K> for Empty {
    fn build(_: &Setup) -> Outcome<Self> {
        Ok(Self)
    }

    #[inline]
    fn check(&self, key: &K) -> bool {
        black_box(key);
        true
    }
}

/// A reading of the clock, in nanoseconds.
pub(crate) struct ClockRead(quanta::Clock);

impl Subject<u64> for ClockRead {
    fn build(_: &Setup) -> Outcome<Self> {
        Ok(Self(quanta::Clock::new()))
    }

    #[inline]
    fn check(&self, _: &u64) -> bool {
        black_box(Now::now(&self.0)) > 0
    }
}

/// The hash of a key.
pub(crate) struct KeyHash(RandomState);

impl Subject<u64> for KeyHash {
    fn build(_: &Setup) -> Outcome<Self> {
        Ok(Self(RandomState::new()))
    }

    #[inline]
    fn check(&self, key: &u64) -> bool {
        black_box(self.0.hash_one(key));
        true
    }
}

/// A load and a compare-and-swap of one word. Tried again when another thread was faster, as a limiter must.
pub(crate) struct Swap(CachePadded<AtomicU64>);

impl Swap {
    #[inline]
    fn add(&self, more: u64) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let new = word.wrapping_add(more);
            match self.0.compare_exchange_weak(word, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }
}

impl Subject<u64> for Swap {
    fn build(_: &Setup) -> Outcome<Self> {
        Ok(Self(CachePadded::default()))
    }

    #[inline]
    fn check(&self, _: &u64) -> bool {
        self.add(black_box(1))
    }
}

/// Clock, hash and compare-and-swap together. What is added depends on the clock and the hash, so that nothing
/// can be left out and the swap must wait for both, as in a limiter.
pub(crate) struct Floor {
    clock: quanta::Clock,
    hasher: RandomState,
    word: Swap,
}

impl Subject<u64> for Floor {
    fn build(setup: &Setup) -> Outcome<Self> {
        Ok(Self { clock: quanta::Clock::new(), hasher: RandomState::new(), word: Swap::build(setup)? })
    }

    #[inline]
    fn check(&self, key: &u64) -> bool {
        let hash = self.hasher.hash_one(key);
        let now = Now::now(&self.clock);
        self.word.add(now ^ hash)
    }
}

/// One cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(usize);

/// Nanoseconds for one access to memory that is in no cache: a walk through `bytes` of memory in random order, each
/// step known only when the one before has arrived.
pub(crate) fn cache_miss(bytes: usize, steps: usize) -> f64 {
    let count = (bytes / size_of::<Line>()).max(2);
    let mut lines: Vec<Line> = (0..count).map(Line).collect();
    // Sattolo's shuffle: what comes out is a single cycle through all lines.
    let mut random = SplitMix::new(3);
    for upper in (1..count).rev() {
        let other = random.below(upper);
        lines.swap(upper, other);
    }
    let mut at = 0;
    let start = Instant::now();
    for _ in 0..steps {
        at = lines[at].0;
    }
    let wall = start.elapsed();
    black_box(at);
    nanos_each(wall, steps)
}
