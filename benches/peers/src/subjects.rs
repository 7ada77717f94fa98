//! Every peer as a [`Subject`], used as its own documentation says. Keys are text, which all of them take.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use limitador::limit::{Context, Limit, Namespace};
use rate_net::Eviction;
use throttlecrab::PeriodicStore;
use trypema::local::LocalRateLimiterProvider;
use trypema::{RateLimitDecision, RateLimiterBuilder as _, WindowSize};

use crate::common::Outcome;
use crate::common::setup::Setup;
use crate::common::subject::Subject;

const SECOND: u64 = 1_000_000_000;

/// For peers that count in whole seconds: how many tokens in how many seconds. Every quota of these benches is a whole
/// number of tokens in a second or a whole number of seconds for a token.
const fn per_seconds(setup: &Setup) -> (u64, u64) {
    if setup.interval < SECOND { (SECOND / setup.interval, 1) } else { (1, setup.interval / SECOND) }
}

/// For peers that count in windows: the window in which the rate brings as many tokens as fit at once, in which the
/// limit is the same in the long run.
fn window(setup: &Setup) -> Duration {
    Duration::from_nanos(setup.interval).saturating_mul(setup.burst)
}

/// `throttlecrab`: "not thread-safe. For concurrent access, wrap it in a mutex".
pub(crate) struct Throttlecrab {
    limiter: Mutex<throttlecrab::RateLimiter<PeriodicStore>>,
    burst: i64,
    count: i64,
    seconds: i64,
}

impl Subject<String> for Throttlecrab {
    fn build(setup: &Setup) -> Outcome<Self> {
        let (count, seconds) = per_seconds(setup);
        Ok(Self {
            limiter: Mutex::new(throttlecrab::RateLimiter::new(PeriodicStore::new())),
            burst: setup.burst.into(),
            count: count.try_into()?,
            seconds: seconds.try_into()?,
        })
    }

    #[inline]
    fn check(&self, key: &String) -> bool {
        let now = SystemTime::now();
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter
            .rate_limit(key, self.burst, self.count, self.seconds, 1, now)
            .is_ok_and(|(allowed, _)| allowed)
    }
}

/// `trypema`: the absolute strategy of the local provider, with its own cleaning thread.
pub(crate) struct Trypema {
    provider: Arc<LocalRateLimiterProvider>,
    rate: trypema::RateLimit,
}

impl Subject<String> for Trypema {
    fn build(setup: &Setup) -> Outcome<Self> {
        let seconds = window(setup).as_secs().max(1);
        let provider =
            LocalRateLimiterProvider::builder().window_size(WindowSize::seconds(seconds)?).build()?;
        #[allow(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
        let rate = trypema::RateLimit::per_second(f64::from(setup.burst) / seconds as f64)?;
        Ok(Self { provider, rate })
    }

    #[inline]
    fn check(&self, key: &String) -> bool {
        matches!(self.provider.absolute().inc(key, &self.rate, 1), RateLimitDecision::Allowed)
    }
}

/// `rate-net`: the token bucket, bounded, by the call that its documentation names for keys of more than 22 bytes.
pub(crate) struct RateNet(rate_net::RateLimiter);

impl Subject<String> for RateNet {
    fn build(setup: &Setup) -> Outcome<Self> {
        let limiter = rate_net::RateLimiter::builder()
            .quota(1, Duration::from_nanos(setup.interval))
            .burst(setup.burst)
            .eviction(Eviction::capacity(setup.max_keys))
            .try_build()?;
        Ok(Self(limiter))
    }

    #[inline]
    fn check(&self, key: &String) -> bool {
        self.0.check_bytes(key).is_allow()
    }
}

/// `tokio-rate-limit`: its default algorithm, the token bucket.
pub(crate) struct TokioRateLimit(tokio_rate_limit::RateLimiter);

impl Subject<String> for TokioRateLimit {
    fn build(setup: &Setup) -> Outcome<Self> {
        // It knows nothing slower than one a second.
        let rate = (SECOND / setup.interval).max(1);
        let limiter = tokio_rate_limit::RateLimiter::builder()
            .requests_per_second(rate)
            .burst(setup.burst.into())
            .build()?;
        Ok(Self(limiter))
    }

    #[inline]
    fn check(&self, key: &String) -> bool {
        self.0.check(key).permitted
    }
}

/// `gcra`: its sharded limiter, which takes keys by value.
pub(crate) struct GcraCrate {
    limiter: gcra::RateLimiter<String>,
    limit: gcra::RateLimit,
}

impl Subject<String> for GcraCrate {
    fn build(setup: &Setup) -> Outcome<Self> {
        Ok(Self {
            limiter: gcra::RateLimiter::new(setup.max_keys),
            limit: gcra::RateLimit::new(setup.burst, window(setup)),
        })
    }

    #[inline]
    fn check(&self, key: &String) -> bool {
        // Never pending: nothing in it waits.
        let answer = self.limiter.check(key.clone(), &self.limit, 1).now_or_never();
        answer.is_some_and(|answer| answer.is_ok())
    }
}

/// `limitador`: one limit, qualified by the variable `key`.
pub(crate) struct Limitador {
    limiter: limitador::RateLimiter,
    namespace: Namespace,
}

impl Subject<String> for Limitador {
    fn build(setup: &Setup) -> Outcome<Self> {
        let namespace = Namespace::from("peers");
        let limiter = limitador::RateLimiter::new(setup.max_keys.try_into()?);
        let seconds = window(setup).as_secs().max(1);
        limiter.add_limit(Limit::new(
            namespace.clone(),
            setup.burst.into(),
            seconds,
            Vec::new(),
            vec!["key".try_into()?],
        ));
        Ok(Self { limiter, namespace })
    }

    #[inline]
    fn check(&self, key: &String) -> bool {
        let context = Context::from(HashMap::from([("key".to_owned(), key.clone())]));
        let answer = self.limiter.check_rate_limited_and_update(&self.namespace, &context, 1);
        answer.is_ok_and(|answer| !answer.limited)
    }
}

/// `ratelimit`: one bucket for all.
pub(crate) struct Ratelimit(ratelimit::Ratelimiter);

impl Subject<String> for Ratelimit {
    fn build(setup: &Setup) -> Outcome<Self> {
        let limiter = ratelimit::Ratelimiter::builder(1)
            .period(Duration::from_nanos(setup.interval))
            .max_tokens(setup.burst.into())
            .initial_available(setup.burst.into())
            .build()?;
        Ok(Self(limiter))
    }

    #[inline]
    fn check(&self, _: &String) -> bool {
        self.0.try_wait().is_ok()
    }
}

/// `leaky-bucket`: one bucket for all, asked without waiting.
pub(crate) struct LeakyBucket(leaky_bucket::RateLimiter);

impl Subject<String> for LeakyBucket {
    fn build(setup: &Setup) -> Outcome<Self> {
        // It takes no interval below a millisecond, but more than one token for each.
        let interval = setup.interval.max(1_000_000);
        let burst = usize::try_from(setup.burst)?;
        let limiter = leaky_bucket::RateLimiter::builder()
            .interval(Duration::from_nanos(interval))
            .refill((interval / setup.interval).try_into()?)
            .max(burst)
            .initial(burst)
            .build();
        Ok(Self(limiter))
    }

    #[inline]
    fn check(&self, _: &String) -> bool {
        self.0.try_acquire(1)
    }
}
