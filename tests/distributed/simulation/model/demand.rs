//! Who is asked for what.

use super::fault::Fault;
use super::random::{Random, Zipf};
use super::{SECOND, Size};

/// Requests at random times, for keys by Zipf's law, at nodes of unequal weight.
#[derive(Debug)]
pub(crate) struct Demand {
    size: Size,
    fault: Fault,
    zipf: Zipf,
    /// Of all requests, in nanoseconds.
    mean_gap: f64,
}

/// Of the web's request streams (Breslau et al., INFOCOM 1999: 0.64 to 0.83) and key-value stores (0.99 in YCSB) the
/// steepest and a bit, so that there are hot keys.
const EXPONENT: f64 = 1.05;
/// What a crowd comes for is a key that few asked for before.
const CROWDED: u32 = 1_000;

impl Demand {
    pub(crate) fn new(size: Size, fault: Fault) -> Demand {
        let mean_gap = SECOND as f64 / size.requests_per_second as f64;
        Demand { size, fault, zipf: Zipf::new(size.keys, EXPONENT), mean_gap }
    }

    pub(crate) fn gap(&self, random: &mut Random) -> u64 {
        random.exponential(self.mean_gap)
    }

    pub(crate) fn key(&self, now: u64, random: &mut Random) -> u32 {
        let begins = Fault::begins(self.size.run());
        let during = now >= begins && now < begins + SECOND;
        match self.fault {
            Fault::FlashCrowd if during && random.chance(0.5) => CROWDED,
            Fault::ManyKeys if now >= begins && random.chance(0.5) => random.below(self.size.keys) as u32,
            _ => self.zipf.draw(random) as u32,
        }
    }

    /// Half of the requests come to a quarter of the nodes. When demand moves, a key is asked for at a quarter of them, and
    /// in the next second at another.
    pub(crate) fn node(&self, now: u64, key: u32, random: &mut Random) -> usize {
        let (nodes, quarter) = (self.size.nodes, (self.size.nodes / 4).max(1));
        if self.fault == Fault::DemandMoves {
            let second = (now / SECOND) as usize;
            return (key as usize + second * quarter + random.below(quarter)) % nodes;
        }
        if random.chance(0.5) { random.below(quarter) } else { random.below(nodes) }
    }
}
