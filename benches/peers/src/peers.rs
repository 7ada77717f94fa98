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
    pub(crate) version: &'static str,
    pub(crate) algorithm: &'static str,
    /// How it is used, and what it cannot do.
    pub(crate) note: &'static str,
    /// Whether it knows keys. One that does not can do only what is about a single one.
    pub(crate) keyed: bool,
}

/// In the order of the tables: what is compared with the others comes first, who has no keys last.
pub(crate) const PEERS: [Peer; 11] = [
    Peer {
        name: "tollgate",
        version: "this one",
        algorithm: "GCRA",
        note: "`Limiter::check`, defaults; `max_keys` bounds its memory",
        keyed: true,
    },
    Peer {
        name: "governor",
        version: "0.10.4",
        algorithm: "GCRA",
        note: "`RateLimiter::dashmap`, defaults; keeps idle keys until it is told to drop them",
        keyed: true,
    },
    Peer {
        name: "mutex map",
        version: "none",
        algorithm: "GCRA",
        note: "`parking_lot::Mutex<HashMap<String, u64>>`, ahash, quanta: what one writes first; keeps idle keys until \
               it is told to drop them",
        keyed: true,
    },
    Peer {
        name: "throttlecrab",
        version: "0.4.40",
        algorithm: "GCRA",
        note: "`RateLimiter<AdaptiveStore>` in a `Mutex`, as its documentation has it for threads",
        keyed: true,
    },
    Peer {
        name: "gcra",
        version: "0.6.0",
        algorithm: "GCRA",
        note: "`RateLimiter::check` takes the key by value, and its clone is a part of the time; `async`, but never \
               waits, so it is polled once (`now_or_never`); a burst is always what one period brings; reserves room \
               for all keys when it is built",
        keyed: true,
    },
    Peer {
        name: "rate-net",
        version: "2.1.0",
        algorithm: "token bucket",
        note: "`check_bytes`, `Eviction::capacity` bounds its memory",
        keyed: true,
    },
    Peer {
        name: "tokio-rate-limit",
        version: "0.10.0",
        algorithm: "token bucket",
        note: "`RateLimiter::check`, which is no longer `async`; no rate below 1/s, so keys that stay live get a token a \
               second here, and an hour elsewhere; keeps idle keys for ever",
        keyed: true,
    },
    Peer {
        name: "trypema",
        version: "2.2.1",
        algorithm: "sliding window",
        note: "`absolute().inc` of the local provider, in buckets of 10 ms; by its documentation \"best-effort under \
               concurrency\"; no burst beside the window's limit",
        keyed: true,
    },
    Peer {
        name: "limitador",
        version: "0.14.0",
        algorithm: "fixed window",
        note: "`check_rate_limited_and_update` on the store in memory; evaluates expressions, and the context it wants \
               for each request is a part of the time; no burst beside the window's limit",
        keyed: true,
    },
    Peer {
        name: "ratelimit",
        version: "2.0.0",
        algorithm: "token bucket",
        note: "`try_wait`; no keys",
        keyed: false,
    },
    Peer {
        name: "leaky-bucket",
        version: "1.1.2",
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
