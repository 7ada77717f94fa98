//! What clients are told of policies, as of limits.

use std::time::Duration;

use crate::http::{LimitReport, Unit, global};
use crate::policy::{Reason, Standing, Verdict};

/// Where a request stands that passes.
pub(crate) fn of_pass(verdict: &Verdict) -> Vec<LimitReport> {
    enforced(verdict).map(|standing| report(&standing)).collect()
}

/// Where a request stands that does not pass: at least one report refuses.
pub(crate) fn of_refusal(verdict: &Verdict) -> Vec<LimitReport> {
    let mut reports = of_pass(verdict);
    if !matches!(verdict.reason(), Some(Reason::LimitReached | Reason::BackendFailed)) {
        reports.extend(verdict.policy().map(nothing_passes));
    } else if !reports.iter().any(|report| report.refuses) {
        // One has refused, even if by now none would.
        let binding = verdict.binding().map(|standing| report(&standing).name);
        let refused = reports.iter_mut().filter(|report| Some(&report.name) == binding.as_ref());
        refused.for_each(|report| report.refuses = true);
    }
    reports
}

/// Clients are not told of those that only watch.
fn enforced(verdict: &Verdict) -> impl Iterator<Item = Standing<'_>> {
    verdict.limits().filter(|standing| !standing.is_shadow())
}

fn report(standing: &Standing<'_>) -> LimitReport {
    LimitReport {
        name: standing.shared_name(),
        unit: if standing.is_concurrency() { Unit::Concurrency } else { Unit::Rate },
        cost: standing.cost(),
        limit: standing.limit(),
        window: standing.window(),
        remaining: standing.remaining(),
        reset_after: standing.reset_after(),
        retry_after: standing.retry_after(),
        refuses: standing.refuses(),
        failed: is_uncounted(standing),
    }
}

/// Whether the limit's backend could not be asked, and nobody counted.
pub(crate) fn is_uncounted(standing: &Standing<'_>) -> bool {
    standing.source().is_some_and(global::is_uncounted)
}

/// A policy that lets nothing through, whatever its limits say: a limit of 0.
fn nothing_passes(policy: &str) -> LimitReport {
    LimitReport {
        name: policy.into(),
        unit: Unit::Rate,
        cost: 1,
        limit: 0,
        window: None,
        remaining: 0,
        reset_after: Duration::MAX,
        retry_after: None,
        refuses: true,
        failed: false,
    }
}
