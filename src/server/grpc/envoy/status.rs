//! [`Told`]: where a request stands at one descriptor.

use std::time::Duration;

use crate::distributed::Source;
use crate::http::policies::reports;
use crate::http::{LimitReport, Unit as Counted, global};
use crate::policy::{Reason, Standing, Verdict};
use crate::server::caller::{Answer, CallerLimit};
use crate::server::grpc::generated::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::RateLimitOverride;
use crate::server::grpc::generated::envoy::service::ratelimit::v3::rate_limit_response::rate_limit::Unit;
use crate::server::grpc::generated::envoy::service::ratelimit::v3::rate_limit_response::{
    Code, DescriptorStatus, RateLimit,
};
use crate::server::service::Service;

/// What limits that come with a descriptor are called in header fields.
const OVERRIDE: &str = "override";

/// The units by their lengths in seconds: Envoy's service has no calendar.
const UNITS: [(u64, Unit); 7] = [
    (1, Unit::Second),
    (60, Unit::Minute),
    (3_600, Unit::Hour),
    (86_400, Unit::Day),
    (7 * 86_400, Unit::Week),
    (30 * 86_400, Unit::Month),
    (365 * 86_400, Unit::Year),
];

/// Where a request stands at one descriptor.
#[derive(Debug)]
pub(super) struct Told {
    status: DescriptorStatus,
    said: Said,
    spent: Spent,
    unavailable: bool,
}

/// What policies said that were to charge a descriptor.
#[derive(Debug)]
pub(super) struct Charged {
    pub(super) verdict: Verdict,
    /// Whether they did.
    pub(super) spent: bool,
}

/// Who said so.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are the large one")]
enum Said {
    Nobody,
    Policies(Verdict),
    Limit(Answer, RateLimitOverride),
}

/// What was charged.
#[derive(Debug)]
enum Spent {
    Nothing,
    ByPolicies,
    ByLimit { key: Vec<u8>, limit: CallerLimit, hits: u64 },
}

impl Told {
    /// What policies say that were asked for it.
    pub(super) fn of_verdict(Charged { verdict, spent }: Charged) -> Told {
        let spent = if spent { Spent::ByPolicies } else { Spent::Nothing };
        Told { spent, ..Told::of_look(verdict) }
    }

    /// What policies say that were not charged.
    pub(super) fn of_look(verdict: Verdict) -> Told {
        Told {
            status: status_of(&verdict),
            unavailable: verdict.reason() == Some(Reason::BackendFailed),
            said: Said::Policies(verdict),
            spent: Spent::Nothing,
        }
    }

    /// Who gives back goes on.
    pub(super) fn of_refund(verdict: Verdict) -> Told {
        let mut told = Told::of_look(verdict);
        told.status.code = Code::Ok.into();
        told.unavailable = false;
        told
    }

    /// What a limit says that came with the descriptor.
    pub(super) fn of_answer(answer: Answer, limit: RateLimitOverride) -> Told {
        let wait = if answer.allowed { None } else { answer.retry_after };
        let status = DescriptorStatus {
            code: code(answer.allowed),
            current_limit: Some(current(limit)),
            limit_remaining: most(answer.remaining),
            duration_until_reset: whole_seconds(wait.unwrap_or(answer.reset_after)),
            quota: None,
        };
        let unavailable = answer.source == Some(Source::FailClosed);
        Told { status, said: Said::Limit(answer, limit), spent: Spent::Nothing, unavailable }
    }

    /// What a limit of nothing says.
    pub(super) fn blocked(limit: RateLimitOverride) -> Told {
        let status = DescriptorStatus {
            code: Code::OverLimit.into(),
            current_limit: Some(current(limit)),
            ..DescriptorStatus::default()
        };
        Told { status, said: Said::Nobody, spent: Spent::Nothing, unavailable: false }
    }

    /// Charged, if it goes on.
    pub(super) fn spent(self, key: Vec<u8>, limit: CallerLimit, hits: u64) -> Told {
        let goes_on = self.status.code == i32::from(Code::Ok);
        let spent = if goes_on { Spent::ByLimit { key, limit, hits } } else { Spent::Nothing };
        Told { spent, ..self }
    }

    /// Whether a limit is reached, or lets nothing through.
    pub(super) fn is_over(&self) -> bool {
        self.status.code == i32::from(Code::OverLimit) && !self.unavailable
    }

    /// Whether nobody can say.
    pub(super) fn is_unavailable(&self) -> bool {
        self.unavailable
    }

    pub(super) fn into_status(self) -> DescriptorStatus {
        self.status
    }

    /// The request does not go on.
    pub(super) async fn give_back(&mut self, service: &Service) {
        let hits = match std::mem::replace(&mut self.spent, Spent::Nothing) {
            Spent::Nothing => return,
            Spent::ByPolicies => match std::mem::replace(&mut self.said, Said::Nobody) {
                Said::Policies(verdict) => {
                    let cost = verdict.binding().map_or(0, |standing| standing.cost());
                    verdict.cancel();
                    cost
                }
                Said::Nobody | Said::Limit(..) => 0,
            },
            Spent::ByLimit { key, limit, hits } => {
                // What cannot be given back was charged by a backend that is away by now.
                if let Some(callers) = &service.callers {
                    let _ = callers.refund(&key, limit, hits).await;
                }
                hits
            }
        };
        let left = u64::from(self.status.limit_remaining).saturating_add(hits);
        self.status.limit_remaining = most(left);
    }

    /// The same as for header fields.
    pub(super) fn reports(&self) -> Vec<LimitReport> {
        match &self.said {
            Said::Nobody => Vec::new(),
            Said::Policies(verdict) if verdict.is_allowed() => reports::of_pass(verdict),
            Said::Policies(verdict) => reports::of_refusal(verdict),
            Said::Limit(answer, limit) => vec![LimitReport {
                name: OVERRIDE.into(),
                unit: Counted::Rate,
                cost: 1,
                limit: answer.limit,
                window: super::ask::seconds_of(*limit).map(Duration::from_secs),
                remaining: answer.remaining,
                reset_after: answer.reset_after,
                retry_after: answer.retry_after,
                refuses: !answer.allowed,
                failed: answer.source.is_some_and(global::is_uncounted),
            }],
        }
    }
}

fn status_of(verdict: &Verdict) -> DescriptorStatus {
    let allowed = verdict.is_allowed();
    // Where nothing is enforced, those that only watch.
    let standing = verdict.binding().or_else(|| verdict.limits().min_by_key(Standing::remaining));
    let counted = standing.filter(|standing| !reports::is_uncounted(standing));
    let mut status = DescriptorStatus { code: code(allowed), ..DescriptorStatus::default() };
    if let Some(standing) = counted {
        let wait = if allowed { None } else { standing.retry_after() };
        status.current_limit = Some(RateLimit {
            requests_per_unit: most(standing.limit()),
            unit: standing.window().map_or(Unit::Unknown, unit).into(),
            name: name_of(verdict, standing.policy()).unwrap_or(standing.name()).to_owned(),
        });
        status.limit_remaining = most(standing.remaining());
        status.duration_until_reset = whole_seconds(wait.unwrap_or(standing.reset_after()));
    } else if standing.is_some() {
        // Nobody knows.
    } else if !allowed {
        let policy = verdict.policy().unwrap_or_default();
        let name = name_of(verdict, policy).unwrap_or(policy).to_owned();
        status.current_limit = Some(RateLimit { name, ..RateLimit::default() });
    } else if verdict.policies().next().is_some() {
        // Unlimited: as Envoy's service says it.
        status.limit_remaining = u32::MAX;
    }
    status
}

/// What people call a policy.
fn name_of<'v>(verdict: &'v Verdict, policy: &str) -> Option<&'v str> {
    let matched = verdict.policies().find(|matched| matched.policy().id == policy)?;
    matched.policy().name.as_deref()
}

fn current(limit: RateLimitOverride) -> RateLimit {
    // The units have the same numbers.
    RateLimit { requests_per_unit: limit.requests_per_unit, unit: limit.unit, name: String::new() }
}

fn code(allowed: bool) -> i32 {
    if allowed { Code::Ok } else { Code::OverLimit }.into()
}

/// A week is a week, and a fortnight none of Envoy's units.
fn unit(window: Duration) -> Unit {
    let unit = UNITS.iter().find(|(seconds, _)| Duration::from_secs(*seconds) == window);
    unit.map_or(Unit::Unknown, |(_, unit)| *unit)
}

fn most(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Rounded up: Envoy takes the whole seconds, and who comes early is refused again.
fn whole_seconds(time: Duration) -> Option<prost_types::Duration> {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    Some(prost_types::Duration { seconds: i64::try_from(seconds).ok()?, nanos: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_is_none_of_envoys_units_has_an_unknown_one() {
        for (seconds, expected) in [(1, Unit::Second), (604_800, Unit::Week), (31_536_000, Unit::Year)] {
            assert_eq!(unit(Duration::from_secs(seconds)), expected);
        }
        for window in [Duration::ZERO, Duration::from_millis(999), Duration::from_secs(120), Duration::MAX] {
            assert_eq!(unit(window), Unit::Unknown, "{window:?}");
        }
    }

    #[test]
    fn envoy_never_comes_early_and_never_is_told_as_nothing() {
        let seconds = |time| whole_seconds(time).map(|time| (time.seconds, time.nanos));
        assert_eq!(seconds(Duration::ZERO), Some((0, 0)));
        assert_eq!(seconds(Duration::from_nanos(1)), Some((1, 0)));
        assert_eq!(seconds(Duration::from_secs(2)), Some((2, 0)));
        assert_eq!(seconds(Duration::MAX), None);
    }
}
