//! What `tollgate::observe` promises.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in helpers of tests, too, to fail is to panic")]

mod compose;
#[cfg(feature = "metrics")]
mod metrics;
mod top_refused;
#[cfg(feature = "tracing")]
mod tracing;

use tollgate::observe::DecisionOutcome;

/// Every outcome, with its word, whether the request goes on, and whether its key is over the limit.
const OUTCOMES: [(DecisionOutcome, &str, bool, bool); 5] = [
    (DecisionOutcome::Allowed, "allowed", true, false),
    (DecisionOutcome::Denied, "denied", false, true),
    (DecisionOutcome::ShadowDenied, "shadow_denied", true, true),
    (DecisionOutcome::ErrorAllowed, "error_allowed", true, false),
    (DecisionOutcome::ErrorDenied, "error_denied", false, false),
];

#[test]
fn an_outcome_says_its_word_whether_it_goes_on_and_whether_it_is_over_the_limit() {
    for (outcome, word, goes_on, is_over_limit) in OUTCOMES {
        assert_eq!(outcome.as_str(), word);
        assert_eq!((outcome.goes_on(), outcome.is_over_limit()), (goes_on, is_over_limit), "{word}");
    }
}
