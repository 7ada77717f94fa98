//! Who is compared, and one way to reach them all.

use crate::common::Outcome;
use crate::common::clocks::Precise;
use crate::common::rounds::{Arm, Work, arm};
use crate::common::subject::{Governor, OneMutex, Subject, Tollgate};
use crate::subjects::{
    GcraCrate, LeakyBucket, Limitador, RateNet, Ratelimit, Throttlecrab, TokioRateLimit, Trypema,
};

/// A limiter of the comparison.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) algorithm: &'static str,
    /// How it is used, and what it cannot do.
    pub(crate) note: &'static str,
    /// Whether it knows keys. One that does not can do only what is about a single one.
    pub(crate) keyed: bool,
}

impl Peer {
    /// The version that was measured. Empty where there is no such package.
    pub(crate) fn version(&self) -> &'static str {
        let entry = format!("name = \"{}\"\nversion = \"", self.name);
        let rest = include_str!("../Cargo.lock").split_once(&entry).map_or("", |(_, rest)| rest);
        rest.split('"').next().unwrap_or_default()
    }
}

/// In the order of the tables: what is compared with the others comes first, who has no keys last.
pub(crate) const PEERS: [Peer; 11] = [
    Peer {
        name: "tollgate",
        algorithm: "GCRA",
        note: "`Limiter::check`, defaults; `max_keys` bounds its memory",
        keyed: true,
    },
    Peer {
        name: "governor",
        algorithm: "GCRA",
        note: "`RateLimiter::dashmap`, defaults; keeps idle keys until it is told to drop them",
        keyed: true,
    },
    Peer {
        name: "mutex map",
        algorithm: "GCRA",
        note: "`parking_lot::Mutex<HashMap<String, u64>>`, ahash, quanta: what one writes first; keeps idle keys until \
               it is told to drop them",
        keyed: true,
    },
    Peer {
        name: "throttlecrab",
        algorithm: "GCRA",
        note: "`RateLimiter<PeriodicStore>`, its default, in a `Mutex`, as its documentation has it for threads; \
               `AdaptiveStore` looks through all keys at every check while its map is more than three quarters full of \
               live ones, and had not come to a million in minutes",
        keyed: true,
    },
    Peer {
        name: "gcra",
        algorithm: "GCRA",
        note: "`RateLimiter::check` takes the key by value, and its clone is a part of the time; `async`, but never \
               waits, so it is polled once (`now_or_never`); a burst is always what one period brings; reserves room \
               for all keys when it is built, so its table never grows; keeps idle keys until it is told to drop them",
        keyed: true,
    },
    Peer {
        name: "rate-net",
        algorithm: "token bucket",
        note: "`check_bytes`, `Eviction::capacity` bounds its memory",
        keyed: true,
    },
    Peer {
        name: "tokio-rate-limit",
        algorithm: "token bucket",
        note: "`RateLimiter::check`, which is not `async`; no rate below 1/s, so where the others' keys get a token an \
               hour, its get one a second; keeps idle keys for ever, unless a time to live is set",
        keyed: true,
    },
    Peer {
        name: "trypema",
        algorithm: "sliding window",
        note: "`absolute().inc` of the local provider, in buckets of 10 ms; by its documentation \"best-effort under \
               concurrency\"; no burst beside the window's limit",
        keyed: true,
    },
    Peer {
        name: "limitador",
        algorithm: "fixed window",
        note: "`check_rate_limited_and_update` on the store in memory; evaluates expressions, and the context it wants \
               for each request is a part of the time; no burst beside the window's limit",
        keyed: true,
    },
    Peer { name: "ratelimit", algorithm: "token bucket", note: "`try_wait`; no keys", keyed: false },
    Peer {
        name: "leaky-bucket",
        algorithm: "token bucket, filled in steps",
        note: "`try_acquire`, without waiting; no interval below a millisecond; no keys",
        keyed: false,
    },
];

/// Something to do with one of them, whichever it is.
pub(crate) trait Visit {
    type Output;

    fn visit<S: Subject<String> + 'static>(&self) -> Outcome<Self::Output>;
}

/// Does it with the one of this name.
pub(crate) fn visit<V: Visit>(name: &str, what: &V) -> Outcome<V::Output> {
    match name {
        "tollgate" => what.visit::<Tollgate<Precise>>(),
        "governor" => what.visit::<Governor<String, Precise>>(),
        "mutex map" => what.visit::<OneMutex<String, Precise>>(),
        "throttlecrab" => what.visit::<Throttlecrab>(),
        "gcra" => what.visit::<GcraCrate>(),
        "rate-net" => what.visit::<RateNet>(),
        "tokio-rate-limit" => what.visit::<TokioRateLimit>(),
        "trypema" => what.visit::<Trypema>(),
        "limitador" => what.visit::<Limitador>(),
        "ratelimit" => what.visit::<Ratelimit>(),
        "leaky-bucket" => what.visit::<LeakyBucket>(),
        _ => Err(format!("nobody is known as {name:?}").into()),
    }
}

/// Those who can do it: all, or those with keys.
pub(crate) fn able(keyed: bool) -> impl Iterator<Item = &'static Peer> {
    PEERS.iter().filter(move |peer| peer.keyed || !keyed)
}

/// Their arms for this work, in the order of [`able`].
pub(crate) fn arms<W: Work<Key = String>>(work: &W, keyed: bool) -> Outcome<Vec<Arm<'_>>> {
    able(keyed).map(|peer| visit(peer.name, &ArmOf(work))).collect()
}

struct ArmOf<'a, W>(&'a W);

impl<'a, W: Work<Key = String>> Visit for ArmOf<'a, W> {
    type Output = Arm<'a>;

    fn visit<S: Subject<String> + 'static>(&self) -> Outcome<Arm<'a>> {
        Ok(arm::<W, S>(self.0))
    }
}
