//! The requests in flight, counted: as a whole, or by partition as well.

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU32, Mutex, Ordering};

/// What a request asks to be counted under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// The limit in force.
    pub(super) limit: u32,
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

impl InFlight {
    pub(super) fn new(partitions: usize) -> InFlight {
        if partitions == 0 {
            InFlight::Whole(CachePadded::new(AtomicU32::new(0)))
        } else {
            InFlight::Partitioned(Mutex::new(Counts { total: 0, partitions: vec![0; partitions].into() }))
        }
    }

    /// Counts one more, if it may be: below the limit, or below its partition's guarantee. Gives how many are in flight, with
    /// it or, if it may not be, without.
    pub(super) fn acquire(&self, claim: Claim) -> Result<u32, u32> {
        match self {
            // Acquire, and Release below: who is admitted sees what those did who made room for it.
            InFlight::Whole(total) => total
                .fetch_update(Ordering::Acquire, Ordering::Relaxed, |now| {
                    (now < claim.limit).then(|| now + 1)
                })
                .map(|before| before + 1),
            InFlight::Partitioned(counts) => counts.lock().acquire(claim),
        }
    }

    /// Counts one less, of those that were acquired for `partition`.
    pub(super) fn release(&self, partition: Option<usize>) {
        match self {
            InFlight::Whole(total) => {
                total.fetch_sub(1, Ordering::Release);
            }
            InFlight::Partitioned(counts) => counts.lock().release(partition),
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
    fn acquire(&mut self, claim: Claim) -> Result<u32, u32> {
        let guaranteed = claim.partition.is_some_and(|(index, guarantee)| self.partitions[index] < guarantee);
        if !guaranteed && self.total >= claim.limit {
            return Err(self.total);
        }
        self.total += 1;
        if let Some((index, _)) = claim.partition {
            self.partitions[index] += 1;
        }
        Ok(self.total)
    }

    fn release(&mut self, partition: Option<usize>) {
        self.total -= 1;
        if let Some(index) = partition {
            self.partitions[index] -= 1;
        }
    }
}
