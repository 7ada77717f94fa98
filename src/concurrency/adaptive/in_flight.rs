//! The requests in flight, counted: as a whole, or by partition as well.

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU32, Mutex, Ordering};

/// What a request asks to be counted under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// The limit in force.
    pub(super) limit: u32,
    /// How many it counts as.
    pub(super) places: u32,
    /// The index of its partition, and how many that one is guaranteed; none belongs to no partition.
    pub(super) partition: Option<(usize, u32)>,
}

/// How many are in flight.
#[derive(Debug)]
pub(super) enum InFlight {
    /// Without partitions one number says it all, and needs no lock.
    Whole(CachePadded<AtomicU32>),
    /// With partitions two numbers must be judged and changed as one: counted one after the other, a request between
    /// its two counts could be overlooked and one too many admitted.
    Partitioned(Mutex<Counts>),
}

#[derive(Debug)]
pub(super) struct Counts {
    total: u32,
    partitions: Box<[u32]>,
}

impl Claim {
    /// Whether this may be counted beside so many, of which so many are of its partition.
    fn fits(&self, total: u32, of_partition: u32) -> bool {
        let below = |now: u32, most: u32| most.checked_sub(now).is_some_and(|room| self.places <= room);
        below(total, self.limit)
            || self.partition.is_some_and(|(_, guarantee)| below(of_partition, guarantee))
    }
}

impl InFlight {
    pub(super) fn new(partitions: usize) -> InFlight {
        if partitions == 0 {
            InFlight::Whole(CachePadded::new(AtomicU32::new(0)))
        } else {
            InFlight::Partitioned(Mutex::new(Counts { total: 0, partitions: vec![0; partitions].into() }))
        }
    }

    /// Counts the claim, if it may be: within the limit, or within its partition's guarantee. Gives how many are in flight, with
    /// it or, if it may not be, without.
    pub(super) fn acquire(&self, claim: Claim) -> Result<u32, u32> {
        match self {
            // Acquire, and Release below: who is admitted sees what those did who made room for it.
            InFlight::Whole(total) => total
                .fetch_update(Ordering::Acquire, Ordering::Relaxed, |now| {
                    claim.fits(now, 0).then(|| now + claim.places)
                })
                .map(|before| before + claim.places),
            InFlight::Partitioned(counts) => counts.lock().acquire(claim),
        }
    }

    /// Whether a claim would be counted, and how many are in flight.
    pub(super) fn look(&self, claim: Claim) -> (bool, u32) {
        match self {
            InFlight::Whole(total) => {
                let total = total.load(Ordering::Relaxed);
                (claim.fits(total, 0), total)
            }
            InFlight::Partitioned(counts) => {
                let counts = counts.lock();
                (counts.fits(claim), counts.total)
            }
        }
    }

    /// Counts so many less, of those that were acquired for `partition`.
    pub(super) fn release(&self, partition: Option<usize>, places: u32) {
        match self {
            InFlight::Whole(total) => {
                total.fetch_sub(places, Ordering::Release);
            }
            InFlight::Partitioned(counts) => counts.lock().release(partition, places),
        }
    }

    pub(super) fn total(&self) -> u32 {
        match self {
            InFlight::Whole(total) => total.load(Ordering::Relaxed),
            InFlight::Partitioned(counts) => counts.lock().total,
        }
    }

    pub(super) fn of(&self, partition: usize) -> u32 {
        match self {
            InFlight::Whole(_) => 0,
            InFlight::Partitioned(counts) => counts.lock().partitions[partition],
        }
    }
}

impl Counts {
    fn fits(&self, claim: Claim) -> bool {
        claim.fits(self.total, claim.partition.map_or(0, |(index, _)| self.partitions[index]))
    }

    fn acquire(&mut self, claim: Claim) -> Result<u32, u32> {
        if !self.fits(claim) {
            return Err(self.total);
        }
        self.total += claim.places;
        if let Some((index, _)) = claim.partition {
            self.partitions[index] += claim.places;
        }
        Ok(self.total)
    }

    fn release(&mut self, partition: Option<usize>, places: u32) {
        self.total -= places;
        if let Some(index) = partition {
            self.partitions[index] -= places;
        }
    }
}
