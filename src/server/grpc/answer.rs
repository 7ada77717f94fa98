//! What callers of `tollgate.v1` are told of decisions.

use std::time::Duration;

use super::generated::tollgate::v1::{self, CheckResponse, LimitStatus};
use crate::distributed::Source;
use crate::policy::{Reason, Standing, Verdict};
use crate::server::caller::{Answer, CallerLimit};

/// What policies say.
pub(super) fn of_verdict(verdict: &Verdict) -> CheckResponse {
    let allowed = verdict.is_allowed();
    CheckResponse {
        allowed,
        reason: reason(verdict.reason()).into(),
        policy: verdict.policy().unwrap_or_default().to_owned(),
        limits: verdict.limits().map(|standing| status(&standing)).collect(),
        retry_after: if allowed { None } else { verdict.retry_after().and_then(duration) },
        delay: Some(verdict.delay()).filter(|delay| !delay.is_zero()).and_then(duration),
    }
}

/// What a limit says that came with the call.
pub(super) fn of_answer(answer: &Answer, limit: CallerLimit) -> CheckResponse {
    let reason = match answer.source {
        _ if answer.allowed => v1::Reason::Unspecified,
        Some(Source::FailClosed) => v1::Reason::BackendFailed,
        _ => v1::Reason::LimitReached,
    };
    let status = LimitStatus {
        name: String::new(),
        policy: String::new(),
        limit: answer.limit,
        remaining: answer.remaining,
        window: limit.window().and_then(duration),
        reset_after: duration(answer.reset_after),
        retry_after: answer.retry_after.and_then(duration),
        refuses: !answer.allowed,
        shadow: false,
        concurrency: false,
        source: source(answer.source).into(),
    };
    CheckResponse {
        allowed: answer.allowed,
        reason: reason.into(),
        policy: String::new(),
        retry_after: status.retry_after.filter(|_| !answer.allowed),
        delay: Some(answer.delay).filter(|delay| !delay.is_zero()).and_then(duration),
        limits: vec![status],
    }
}

/// As long as such messages can say: not [`Duration::MAX`], which is never.
pub(super) fn duration(time: Duration) -> Option<prost_types::Duration> {
    time.try_into().ok()
}

fn status(standing: &Standing<'_>) -> LimitStatus {
    LimitStatus {
        name: standing.name().to_owned(),
        policy: standing.policy().to_owned(),
        limit: standing.limit(),
        remaining: standing.remaining(),
        window: standing.window().and_then(duration),
        reset_after: duration(standing.reset_after()),
        retry_after: standing.retry_after().and_then(duration),
        refuses: standing.refuses(),
        shadow: standing.is_shadow(),
        concurrency: standing.is_concurrency(),
        source: source(standing.source()).into(),
    }
}

fn reason(reason: Option<Reason>) -> v1::Reason {
    match reason {
        None => v1::Reason::Unspecified,
        Some(Reason::LimitReached) => v1::Reason::LimitReached,
        Some(Reason::BackendFailed) => v1::Reason::BackendFailed,
        Some(Reason::Denied) => v1::Reason::Denied,
        Some(Reason::Blocked) => v1::Reason::Blocked,
        Some(Reason::MissingKey) => v1::Reason::MissingKey,
    }
}

fn source(source: Option<Source>) -> v1::Source {
    match source {
        None => v1::Source::Memory,
        Some(Source::Lease) => v1::Source::Lease,
        Some(Source::Remote) => v1::Source::Remote,
        Some(Source::DenyCache) => v1::Source::DenyCache,
        Some(Source::Fallback) => v1::Source::Fallback,
        Some(Source::FailOpen) => v1::Source::FailOpen,
        Some(Source::FailClosed) => v1::Source::FailClosed,
    }
}
