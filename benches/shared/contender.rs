//! Those who limit: a client as one writes it first, and the library in its modes.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, Script};
use tollgate::Quota;
use tollgate::distributed::{GlobalLimiter, LeaseSettings, Mode, Rule, SharedStore, Source};
use tollgate::redis::RedisBackend;

use crate::common::Outcome;

/// What one writes first: GCRA in whole microseconds, one script per check.
const NAIVE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
if full_at + interval - now > interval * burst then
  return 0
end
full_at = full_at + interval
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
return 1
";

/// No check of these rows shall be decided by a failure policy, however busy the machine is.
const BUDGET: Duration = Duration::from_secs(10);

/// A fifth more than there are keys.
const MAX_KEYS: usize = 120_000;

/// Tasks that ask at the same time, where they are many: half of what the bulkhead lets through.
pub(crate) const MANY_TASKS: usize = SharedStore::MOST_IN_FLIGHT / 2;

/// What takes part.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A script per check, over one connection.
    Naive,
    Direct,
    Leased,
}

/// The last answers are on their way for no longer than this, also on a busy machine.
const LAST_ROUND_TRIP: Duration = Duration::from_millis(200);

impl Kind {
    /// In the end what comes back in so long may still be there. A node that was leased less than it asked for waits until a lease's
    /// worth is there, and that of half a life is kept for other nodes.
    pub(crate) fn late(self, quota: Quota) -> Duration {
        match self {
            Kind::Naive | Kind::Direct => LAST_ROUND_TRIP,
            Kind::Leased => LeaseSettings::default().life_for(quota) * 3 / 2,
        }
    }

    /// How many of a thousand that fit may be missing. A node that seems for a moment to ask for more than the whole rate is leased its
    /// share of it, and refuses what is beyond.
    pub(crate) fn spared(self) -> u64 {
        match self {
            Kind::Naive | Kind::Direct => 0,
            Kind::Leased => 1,
        }
    }
}

/// The first is what the others are held against.
pub(crate) const CONTENDERS: [(&str, Kind, usize); 6] = [
    ("naive, 128 tasks", Kind::Naive, MANY_TASKS),
    ("naive, one after the other", Kind::Naive, 1),
    ("direct, one after the other", Kind::Direct, 1),
    ("direct, 128 tasks", Kind::Direct, MANY_TASKS),
    ("leased, one after the other", Kind::Leased, 1),
    ("leased, 128 tasks", Kind::Leased, MANY_TASKS),
];

/// One of them, connected. Clones are for the tasks.
#[derive(Clone)]
pub(crate) enum Contender {
    Naive { script: Script, connection: MultiplexedConnection, interval: u64, burst: u64 },
    Shared(GlobalLimiter),
}

impl Contender {
    pub(crate) async fn connect(kind: Kind, url: &str, quota: Quota) -> Outcome<Contender> {
        let mode = match kind {
            Kind::Naive => {
                return Ok(Contender::Naive {
                    script: Script::new(NAIVE),
                    connection: Client::open(url)?.get_multiplexed_async_connection().await?,
                    // At least one, and still more than is asked for.
                    interval: (u64::try_from(quota.period().as_micros())? / quota.count()).max(1),
                    burst: quota.capacity(),
                });
            }
            Kind::Direct => Mode::Direct,
            Kind::Leased => Mode::Leased(LeaseSettings::default()),
        };
        let store = SharedStore::new(RedisBackend::builder(url).build().await?);
        let limiter = GlobalLimiter::builder("bench", Rule::Gcra(quota), &store);
        Ok(Contender::Shared(limiter.mode(mode).budget(BUDGET).max_keys(MAX_KEYS).build()?))
    }

    /// Whether the key may go on.
    pub(crate) async fn check(&mut self, key: &str) -> Outcome<bool> {
        match self {
            Contender::Naive { script, connection, interval, burst } => {
                let mut call = script.key(key);
                Ok(call.arg(*interval).arg(*burst).invoke_async(connection).await?)
            }
            Contender::Shared(limiter) => Ok(limiter.check(key).await.is_allowed()),
        }
    }

    /// How many were decided by the failure policy.
    pub(crate) fn failures(&self) -> u64 {
        let Contender::Shared(limiter) = self else { return 0 };
        let stats = limiter.stats();
        stats.allowed(Source::Fallback) + stats.denied(Source::Fallback)
    }
}
