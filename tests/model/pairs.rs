//! A pair for every algorithm: how it is built, called and changed, and the rule that it must keep.

use std::time::Duration;

use tollgate::{
    BuildError, FixedWindow, Gcra, LeakyBucket, Limiter, PerCall, Quota, QuotaError, SlidingLog,
    SlidingWindow, TokenBucket,
};

use super::Refusal;
use super::pair::{Calls, Pair};
use super::rules::{Fixed, Log, Rule, Sliding, Times, Tokens, Windows};
use super::trace::Change;

/// Keys that surely fit, so that nobody is forgotten by force. A log for so few has one shard.
const MAX_KEYS: usize = 1_000;

macro_rules! quota_can_be_set {
    ($algorithm:ty) => {
        impl Pair<$algorithm, Tokens> {
            pub fn set_quota(&mut self, quota: Quota) {
                self.change(Change::To(quota));
                assert_eq!(self.limiter.algorithm().quota(), self.rule.quota());
            }

            /// Calls of a limiter whose quota can be set.
            fn calls() -> Calls<$algorithm, Tokens> {
                let change = |limiter: &Limiter<$algorithm>, rule: &mut Tokens, now: u64, change: Change| {
                    // A change that makes no quota still looks at the clock, as the model does.
                    let quota = change.quota(rule.quota()).unwrap_or(rule.quota());
                    assert_agreed(&limiter.set_quota(quota), quota, rule.requote(quota, now));
                };
                Calls { change_looks: true, ..Calls::plain(change) }
            }
        }
    };
}

quota_can_be_set!(Gcra);
quota_can_be_set!(TokenBucket);

/// Where a change is refused, one of the refusals that the model gives must be named, with the quota.
fn assert_agreed(told: &Result<(), QuotaError>, quota: Quota, expected: Result<(), Refusal>) {
    match (told, expected) {
        (Ok(()), Ok(())) => {}
        (Err(QuotaError::TooFastForLimiter { quota: named }), Err(refusal)) => {
            assert!(refusal.too_fast && *named == quota);
        }
        (Err(QuotaError::TooSlowForLimiter { quota: named }), Err(refusal)) => {
            assert!(refusal.too_slow && *named == quota);
        }
        other => panic!("{other:?} for {quota}"),
    }
}

impl Pair {
    pub fn new(quota: Quota, max_keys: usize, start: u64) -> Pair {
        Pair::of(Gcra::new(quota), Tokens::evenly(quota, start), Pair::<Gcra>::calls(), max_keys, start)
    }
}

pub fn token_bucket(quota: Quota, start: u64) -> Pair<TokenBucket, Tokens> {
    let bucket = TokenBucket::new(quota.capacity()).refill(quota.count(), quota.period());
    Pair::of(bucket, Tokens::evenly(quota, start), Pair::<TokenBucket>::calls(), MAX_KEYS, start)
}

pub fn staircase(quota: Quota, start: u64) -> Pair<TokenBucket, Tokens> {
    let bucket = TokenBucket::new(quota.capacity()).refill(quota.count(), quota.period()).refill_at_once();
    Pair::of(bucket, Tokens::at_once(quota, start), Pair::<TokenBucket>::calls(), MAX_KEYS, start)
}

/// A place for each token of the burst, of which one goes at once: a burst of none counts as one.
pub fn leaky_bucket(rate: Quota, start: u64) -> Pair<LeakyBucket, Tokens> {
    let places = rate.burst(rate.capacity().max(1));
    let bucket = LeakyBucket::new(rate, rate.capacity().saturating_sub(1));
    Pair::of(bucket, Tokens::queue(places, start), Calls::plain(|_, _, _, _| {}), MAX_KEYS, start)
}

macro_rules! set_limit {
    ($algorithm:ty, $rule:ty, $most:expr) => {
        |limiter: &Limiter<$algorithm>, rule: &mut $rule, _, change| {
            let (limit, max) = (change.limit(rule.limit), $most(rule));
            if limit <= max {
                assert_eq!(limiter.set_limit(limit), Ok(()));
                rule.limit = limit;
            } else {
                assert_eq!(limiter.set_limit(limit), Err(BuildError::LimitTooLarge { limit, max }));
            }
            assert_eq!(limiter.algorithm().limit(), rule.limit);
        }
    };
}

/// A limit that is too large counts as the largest.
pub fn fixed_window(limit: u64, window: u64, start: u64) -> Pair<FixedWindow, Fixed> {
    let rule = Fixed { limit: 0, windows: Windows { length: window, start } };
    let rule = Fixed { limit: limit.min(rule.most()), ..rule };
    let fixed = FixedWindow::new(rule.limit, Duration::from_nanos(window));
    Pair::of(fixed, rule, Calls::plain(set_limit!(FixedWindow, Fixed, Fixed::most)), MAX_KEYS, start)
}

/// A limit that is too large counts as the largest.
pub fn sliding_window(limit: u64, window: u64, start: u64) -> Pair<SlidingWindow, Sliding> {
    let rule = Sliding { limit: 0, windows: Windows { length: window, start } };
    let rule = Sliding { limit: limit.min(rule.most()), ..rule };
    let sliding = SlidingWindow::new(rule.limit, Duration::from_nanos(window));
    Pair::of(sliding, rule, Calls::plain(set_limit!(SlidingWindow, Sliding, Sliding::most)), MAX_KEYS, start)
}

/// A limit that is too large counts as the largest.
pub fn sliding_log(limit: u64, window: u64, start: u64) -> Pair<SlidingLog, Log> {
    let rule = Log { limit: limit.min(Log::MOST), window };
    let log = SlidingLog::new(rule.limit, Duration::from_nanos(window));
    Pair::of(log, rule, Calls::plain(set_limit!(SlidingLog, Log, |_: &Log| Log::MOST)), MAX_KEYS, start)
}

/// A change is one of the quota that calls bring. The one of `otherwise` is brought by none: those calls are plain ones.
pub fn per_call(otherwise: Quota, start: u64) -> Pair<PerCall, Times> {
    let calls = Calls {
        check: |limiter: &Limiter<PerCall>, rule: &Times, key, cost| {
            if is_plain(limiter, rule) {
                limiter.check_n(&key, cost)
            } else {
                limiter.check_with(&key, rule.quota, cost)
            }
        },
        check_many: |limiter, rule, keys| {
            let mut answers = Vec::new();
            if is_plain(limiter, rule) {
                limiter.check_many(keys, &mut answers);
            } else {
                answers.extend(keys.iter().map(|key| limiter.check_with(key, rule.quota, 1)));
            }
            answers
        },
        charge: |limiter, rule, key, tokens| {
            if is_plain(limiter, rule) {
                limiter.charge(&key, tokens)
            } else {
                limiter.charge_with(&key, rule.quota, tokens)
            }
        },
        peek: |limiter, rule, key| {
            if is_plain(limiter, rule) { limiter.peek(&key) } else { limiter.peek_with(&key, rule.quota) }
        },
        refund: |limiter, rule, key, tokens| {
            if is_plain(limiter, rule) {
                limiter.refund(&key, tokens);
            } else {
                limiter.refund_with(&key, rule.quota, tokens);
            }
        },
        change: |limiter, rule, _, change| {
            // Back to the quota of all other calls when there is no such quota.
            rule.quota = change.quota(rule.quota).unwrap_or(limiter.algorithm().quota());
        },
        change_looks: false,
        plain_rule: |limiter, rule| Times { quota: limiter.algorithm().quota(), ..rule.clone() },
    };
    let algorithm = PerCall::new().otherwise(otherwise);
    Pair::of(algorithm, Times { quota: otherwise, start }, calls, MAX_KEYS, start)
}

fn is_plain(limiter: &Limiter<PerCall>, rule: &Times) -> bool {
    limiter.algorithm().quota() == rule.quota
}
