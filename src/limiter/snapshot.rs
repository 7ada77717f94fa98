//! [`Snapshot`]: what the keys of a limiter have spent, for another process.

use std::fmt;
use std::hash::BuildHasher;

use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::{AtCapacity, Limiter, RandomState};
use crate::algorithm::{Origin, Pause, Start};
use crate::build_error::BuildError;

/// What the keys of a limiter have spent, to be kept over a restart: from [`Limiter::snapshot`], for
/// [`Builder::restore`](crate::Builder::restore).
///
/// It can be written in any format of [serde](https://serde.rs), at some 20 bytes a key in a binary one, 40 in JSON.
///
/// **Keep it secret.** It holds the seeds of the limiter's hasher. Whoever knows them can make up keys that share one
/// allowance or crowd one page. Where it is stored let only the service itself read and write it; a checksum finds
/// damage, not forgery.
///
/// Deserialising fails when it is damaged or not a snapshot, or is of a version that this release does not read.
///
/// ```
/// use std::fs;
/// use tollgate::{Gcra, Limiter, Quota, Snapshot};
///
/// # let directory = std::env::temp_dir().join(format!("tollgate-{}", std::process::id()));
/// # fs::create_dir_all(&directory)?;
/// # let path = directory.join("limiter.json");
/// let quota = Quota::per_hour(10);
/// let limiter = Limiter::new(quota);
/// assert!(limiter.check_n("alice", 8).is_ok());
///
/// // At the end of the old process:
/// fs::write(&path, serde_json::to_vec(&limiter.snapshot())?)?;
///
/// // At the start of the new one:
/// let snapshot: Snapshot = serde_json::from_slice(&fs::read(&path)?)?;
/// let limiter = Limiter::builder(Gcra::new(quota)).restore(snapshot).build()?;
/// assert!(limiter.check_n("alice", 8).is_err());
/// # fs::remove_dir_all(&directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Snapshot {
    version: Version,
    pub(super) content: Content,
    checksum: u64,
}

/// A snapshot as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "Snapshot")]
struct Unchecked {
    version: Version,
    content: Content,
    checksum: u64,
}

impl TryFrom<Unchecked> for Snapshot {
    type Error = &'static str;

    fn try_from(Unchecked { version, content, checksum }: Unchecked) -> Result<Snapshot, &'static str> {
        if content.checksum() == checksum {
            Ok(Snapshot { version, content, checksum })
        } else {
            Err("the snapshot is damaged, its checksum is wrong: start without it")
        }
    }
}

/// The version of the format. It comes first, so that an unknown one is refused before anything else is read.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub(crate) struct Version;

impl Version {
    const NUMBER: u32 = 1;
}

impl From<Version> for u32 {
    fn from(_: Version) -> u32 {
        Version::NUMBER
    }
}

impl TryFrom<u32> for Version {
    type Error = String;

    fn try_from(number: u32) -> Result<Version, String> {
        if number == Version::NUMBER {
            return Ok(Version);
        }
        let known = Version::NUMBER;
        Err(format!(
            "the snapshot is of version {number} and this release of tollgate reads version {known}: restore with the release that wrote it, or start without the snapshot"
        ))
    }
}

/// Everything but the checksum.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    /// When it was taken: nanoseconds of Unix time.
    pub(super) unix: u64,
    pub(super) seeds: [u64; 4],
    /// What these seeds make of a text in the build that took it.
    pub(super) probe: u64,
    /// The algorithm's name.
    pub(super) algorithm: String,
    pub(super) saved: Saved,
}

/// What was saved of an algorithm and of its keys, which are known by their tags.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Saved {
    /// By how much each key is ahead of the position.
    Words { origin: Origin, keys: Vec<(u64, u64)> },
    /// The length of the window, and for how long how much of each key still counts: longer than a window, if its slot is still to come. The
    /// oldest first.
    Logs { window: u64, keys: Vec<(u64, Vec<(u64, u64)>)> },
}

impl Saved {
    fn len(&self) -> usize {
        match self {
            Saved::Words { keys, .. } => keys.len(),
            Saved::Logs { keys, .. } => keys.len(),
        }
    }
}

impl Content {
    fn checksum(&self) -> u64 {
        let Content { unix, seeds, probe, algorithm, saved } = self;
        let mut sum = Checksum::default();
        sum.add([*unix, *probe]);
        sum.add(*seeds);
        sum.add(algorithm.bytes().map(u64::from));
        sum.add([algorithm.len() as u64, saved.len() as u64]);
        match saved {
            Saved::Words { origin, keys } => {
                sum.add(origin.numbers());
                sum.add(keys.iter().flat_map(|(tag, ahead)| [*tag, *ahead]));
            }
            Saved::Logs { window, keys } => {
                sum.add([*window]);
                for (tag, runs) in keys {
                    sum.add([*tag, runs.len() as u64]);
                    sum.add(runs.iter().flat_map(|(left, tokens)| [*left, *tokens]));
                }
            }
        }
        sum.0
    }
}

/// A sum that is the same on every machine. Each step can be undone, so that a change of one number never stays hidden;
/// of other changes one in 2^64 does.
#[derive(Default)]
struct Checksum(u64);

impl Checksum {
    fn add(&mut self, numbers: impl IntoIterator<Item = u64>) {
        /// 2^64 divided by the golden ratio, made odd: the multiplier of Fibonacci hashing (Knuth, TAOCP 3, 6.4).
        const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
        for number in numbers {
            let product = (self.0 ^ number).wrapping_add(1).wrapping_mul(MULTIPLIER);
            self.0 = product ^ product >> 32;
        }
    }
}

impl Snapshot {
    /// What keys have spent up to a moment.
    pub(super) fn of<A: Snapshots>(
        algorithm: &A,
        keys: &A::Keys,
        hasher: &RandomState,
        moment: Start,
    ) -> Snapshot {
        let content = Content {
            unix: moment.unix(),
            seeds: hasher.seeds(),
            probe: probe(hasher),
            algorithm: algorithm.saved_name().to_owned(),
            saved: algorithm.save(keys, moment.now()),
        };
        let checksum = content.checksum();
        Snapshot { version: Version, content, checksum }
    }

    /// How many keys have spent something.
    #[cfg(feature = "server")]
    pub(crate) fn keys(&self) -> usize {
        self.content.saved.len()
    }

    /// What the tags of its keys were made by.
    #[cfg(feature = "policy")]
    pub(crate) fn hasher(&self) -> RandomState {
        RandomState::with_seeds(self.content.seeds)
    }

    /// Whether the tags of its keys were made by this.
    #[cfg(feature = "policy")]
    pub(crate) fn is_hashed_by(&self, hasher: &RandomState) -> bool {
        self.content.seeds == hasher.seeds()
    }
}

impl fmt::Debug for Snapshot {
    /// The seeds stay secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("algorithm", &self.content.algorithm)
            .field("unix", &self.content.unix)
            .field("keys", &self.content.saved.len())
            .finish_non_exhaustive()
    }
}

/// What a limiter can be made of to be saved: every algorithm of this crate.
///
/// It is there to be named in bounds, and cannot be implemented: an [`Algorithm`](crate::Algorithm) of your own would
/// have to say what its values mean to another process, on another clock, under other limits.
///
/// For an example see [`Limiter::snapshot`](crate::Limiter::snapshot).
pub trait Snapshots: Engine {
    /// The algorithm's name.
    #[doc(hidden)]
    fn saved_name(&self) -> &'static str;

    /// What the keys have spent up to `now`.
    #[doc(hidden)]
    fn save(&self, keys: &Self::Keys, now: u64) -> Saved;

    /// Begins with what keys had spent before a pause.
    #[doc(hidden)]
    fn restore(
        &mut self,
        saved: Saved,
        pause: Pause,
        max_keys: usize,
        at_capacity: AtCapacity,
    ) -> Result<Self::Keys, BuildError>;
}

/// What a hasher makes of this is what it is known by: texts that take each of aHash's ways, and numbers.
pub(super) fn probe(hasher: &RandomState) -> u64 {
    hasher.hash_one((
        "key",
        "user:1234",
        "a text of more than sixteen bytes, as many keys are",
        7_u64,
        11_u128,
    ))
}

impl<A: Snapshots> Limiter<A> {
    /// What all keys have spent, to be kept over a restart: [`Builder::restore`](crate::Builder::restore) makes a
    /// limiter that goes on from there, so that a restart grants no fresh burst. O(memory).
    ///
    /// Other threads may check meanwhile. Each key is saved as it was at some moment of the call, and none is missing
    /// that was busy throughout. What is spent after that moment is forgotten with this limiter, so take the snapshot
    /// when the last request has been decided. It takes each page's lock in turn, while its 256 slots are read, and no
    /// check of a known key waits for that. (Under [`SlidingLog`](crate::SlidingLog) keys are locked while their shard,
    /// up to a 64th part of all, is copied.)
    ///
    /// A limiter with a hasher of your own has no snapshots.
    ///
    /// **Keep it secret**: see [`Snapshot`].
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.algorithm, &self.keys, &self.hasher, self.timeline.start())
    }
}
