//! [`LeaseSettings`]: how tokens are taken in advance; and [`LeasePlan`], what that means for one limit.

use std::time::Duration;

use crate::quota::Quota;

/// A life that is derived from a quota is at least so long: a tenth of it is still several round trips.
const SHORTEST_DERIVED: Duration = Duration::from_millis(50);
/// And at most so long: what a node takes with it when it dies is missing for twice that.
const LONGEST_DERIVED: Duration = Duration::from_secs(5);
/// A node believes its clock to run no slower than one in a thousand behind the store's. Crystals are within 200 ppm; the
/// rest is for clocks that are being slewed (NTP: 500 ppm).
const DRIFT: u64 = 1_000;

/// How nodes take tokens of a limit in advance.
///
/// ```
/// use std::time::Duration;
/// use tollgate::distributed::LeaseSettings;
///
/// let settings = LeaseSettings::default().life(Duration::from_millis(200));
/// # let _ = settings;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseSettings {
    life: Option<Duration>,
}

impl LeaseSettings {
    /// A lease shorter than this would be over before its answer is there.
    pub const SHORTEST_LIFE: Duration = Duration::from_millis(1);
    /// Of a longer one the tokens that a node takes with it when it dies would be missing for longer than anybody waits.
    pub const LONGEST_LIFE: Duration = Duration::from_secs(60);

    /// How long a node may spend what it has leased, from 1 ms to 60 s (a value outside counts as the nearest of the two).
    ///
    /// All nodes must say the same: keys leased for different times are counted apart. So say it for a limit that is changed while it is in
    /// use, since the default depends on the quota. A longer life means fewer calls, and
    /// more tokens that lie where nobody asks for them; what comes back in five lives should fit into the burst. The
    /// default is a fifth of the time in which an empty key is full again, at least 50 ms and at most 5 s.
    #[must_use]
    pub fn life(self, life: Duration) -> LeaseSettings {
        LeaseSettings { life: Some(life) }
    }

    /// How long a lease of such a limit lives.
    #[doc(hidden)]
    #[must_use]
    pub fn life_for(&self, quota: Quota) -> Duration {
        let life = self.life.unwrap_or_else(|| {
            let to_full =
                u128::from(quota.capacity()) * quota.period().as_nanos() / u128::from(quota.count()).max(1);
            let fifth = Duration::from_nanos(u64::try_from(to_full / 5).unwrap_or(u64::MAX));
            fifth.clamp(SHORTEST_DERIVED, LONGEST_DERIVED)
        });
        let life = life.clamp(LeaseSettings::SHORTEST_LIFE, LeaseSettings::LONGEST_LIFE);
        // Stores count whole microseconds.
        Duration::new(life.as_secs(), life.subsec_micros() * 1_000)
    }
}

/// What a node needs to know of a leased limit; times in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct LeasePlan {
    /// How long a lease lives.
    pub(super) life: u64,
    /// How long a node trusts one, measured on its own clock from when it asked.
    pub(super) trusted: u64,
    /// For how long a node takes tokens in advance.
    pub(super) ahead: u64,
    /// What comes back in a life, in tokens: shared among more nodes than that, nobody has one to spare.
    in_a_life: u64,
    /// Whether the burst is large enough for tokens to lie about.
    roomy: bool,
}

impl LeasePlan {
    /// What these settings mean for a limit.
    #[must_use]
    pub fn new(settings: LeaseSettings, quota: Quota) -> LeasePlan {
        let life = settings.life_for(quota).as_nanos();
        let in_a_life = u128::from(quota.count()) * life / quota.period().as_nanos();
        let (life, in_a_life) =
            (u64::try_from(life).unwrap_or(u64::MAX), u64::try_from(in_a_life).unwrap_or(u64::MAX));
        LeasePlan {
            life,
            trusted: life - life / DRIFT,
            ahead: life / 2,
            in_a_life,
            // Two generations of leases, each of what comes back in one, are to leave half of the burst to others.
            roomy: quota.capacity() / 4 >= in_a_life,
        }
    }

    /// Whether tokens are taken in advance while so many nodes ask.
    pub(in crate::distributed) fn leases_among(&self, nodes: u32) -> bool {
        self.roomy && self.in_a_life >= u64::from(nodes)
    }
}
