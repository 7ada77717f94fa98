//! What goes wrong, and when.

use super::{MILLISECOND, SECOND};

/// What goes wrong. Times are parts of the run, so that every run sees all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    /// The store stops for a second, and then does all that has piled up.
    StorePauses,
    /// The store loses all that it knows, and is away for 200 ms.
    StoreStartsEmpty,
    /// A replica takes over that is 100 ms behind, after 200 ms.
    StoreFailsOver,
    /// One message in twenty is lost.
    MessagesLost,
    /// One question in twenty arrives twice.
    MessagesTwice,
    /// One message in a hundred takes a hundred times as long.
    LongTail,
    /// Half of the nodes lose all that they know, one after the other.
    NodesCrash,
    /// All nodes do, at once.
    AllNodesRestart,
    /// A quarter of the nodes cannot reach the store for a second.
    Partition,
    /// Clocks run as much too fast or too slow as leases allow for: one in a thousand.
    ClocksDrift,
    /// All requests for a key move to other nodes every second.
    DemandMoves,
    /// Half of all requests are for one key, for a second.
    FlashCrowd,
    /// Half of all requests are for keys that are hardly ever asked for twice.
    ManyKeys,
}

impl Fault {
    pub(crate) const ALL: [Fault; 14] = [
        Fault::Nothing,
        Fault::StorePauses,
        Fault::StoreStartsEmpty,
        Fault::StoreFailsOver,
        Fault::MessagesLost,
        Fault::MessagesTwice,
        Fault::LongTail,
        Fault::NodesCrash,
        Fault::AllNodesRestart,
        Fault::Partition,
        Fault::ClocksDrift,
        Fault::DemandMoves,
        Fault::FlashCrowd,
        Fault::ManyKeys,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Fault::Nothing => "nothing",
            Fault::StorePauses => "store pauses 1 s",
            Fault::StoreStartsEmpty => "store starts empty",
            Fault::StoreFailsOver => "failover, 100 ms behind",
            Fault::MessagesLost => "5 % of messages lost",
            Fault::MessagesTwice => "5 % of questions twice",
            Fault::LongTail => "1 % of messages 100 x slower",
            Fault::NodesCrash => "half of the nodes crash",
            Fault::AllNodesRestart => "all nodes restart",
            Fault::Partition => "1/4 of nodes cut off 1 s",
            Fault::ClocksDrift => "clocks drift by 0.1 %",
            Fault::DemandMoves => "demand moves each second",
            Fault::FlashCrowd => "flash crowd",
            Fault::ManyKeys => "flood of keys",
        }
    }

    /// How many times the burst may be admitted more than the limit allows: once if the store forgets what was spent.
    pub(crate) fn bursts_too_many(self) -> u64 {
        u64::from(matches!(self, Fault::StoreStartsEmpty | Fault::StoreFailsOver))
    }

    /// When it begins, if it has a beginning: at two fifths of the run.
    pub(crate) fn begins(run: u64) -> u64 {
        run * 2 / 5
    }

    /// How long the store does nothing, or cannot be reached.
    pub(crate) fn store_is_away(self) -> u64 {
        match self {
            Fault::StorePauses => SECOND,
            Fault::StoreStartsEmpty | Fault::StoreFailsOver => 200 * MILLISECOND,
            _ => 0,
        }
    }
}
