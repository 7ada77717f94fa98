//! [`CheckAnswer`]: what a limit says of a key; and the header fields beside it, as the middleware writes them.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use schemars::JsonSchema;
use serde::Serialize;

use super::bodies::Question;
use crate::distributed::Source;
use crate::http::{HeaderDialect, LimitReport, Unit, fields, global};
use crate::server::caller::{Answer, CallerError};

/// What limits that come with a request are called in header fields.
static CALLER: LazyLock<Arc<str>> = LazyLock::new(|| "caller".into());

/// What a limit says of a key.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CheckAnswer {
    /// Whether it may go on.
    pub(super) allowed: bool,
    /// The most that a key can hold, in tokens.
    limit: u64,
    /// What is left, in whole tokens.
    remaining: u64,
    /// The seconds until the key is full again; null if it never will be.
    reset: Option<f64>,
    /// The seconds until the same would be allowed; 0 if it is, null if it never can be.
    retry_after: Option<f64>,
    /// The seconds to wait before going on, in a leaky bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<f64>,
    /// Who decided, if a backend counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    /// Why it was not asked, among many: nothing is known of it then, and nothing was spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What many limits say, in the order of the questions.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BatchAnswer {
    /// How many may go on.
    pub(super) allowed: usize,
    /// How many may not.
    pub(super) refused: usize,
    /// What is said of each, in the order in which they were asked about.
    pub(super) results: Vec<CheckAnswer>,
}

impl From<&Answer> for CheckAnswer {
    fn from(answer: &Answer) -> CheckAnswer {
        CheckAnswer {
            allowed: answer.allowed,
            limit: answer.limit,
            remaining: answer.remaining,
            reset: seconds(answer.reset_after),
            retry_after: answer.retry_after.and_then(seconds),
            delay: seconds(answer.delay).filter(|delay| *delay > 0.0),
            source: answer.source.map(Source::as_str),
            error: None,
        }
    }
}

impl CheckAnswer {
    /// There is no answer for this one of many.
    pub(super) fn not_asked(error: &CallerError) -> CheckAnswer {
        CheckAnswer {
            allowed: false,
            limit: 0,
            remaining: 0,
            reset: None,
            retry_after: None,
            delay: None,
            source: None,
            error: Some(error.to_string()),
        }
    }
}

/// Seconds; `None` for never.
pub(super) fn seconds(duration: Duration) -> Option<f64> {
    (duration < Duration::MAX).then_some(duration.as_secs_f64())
}

/// Where a key stands at a limit that came with the request, for header fields.
pub(super) fn report(question: &Question<'_>, answer: &Answer) -> LimitReport {
    LimitReport {
        name: Arc::clone(&CALLER),
        unit: Unit::Rate,
        cost: question.cost,
        limit: answer.limit,
        window: question.limit.window(),
        remaining: answer.remaining,
        reset_after: answer.reset_after,
        retry_after: answer.retry_after,
        refuses: !answer.allowed,
        failed: answer.source.is_some_and(global::is_uncounted),
    }
}

/// The header fields that tell of limits: those of the IETF's draft, and those that everybody knows.
pub(super) fn write_fields(reports: &[LimitReport], refused: bool, headers: &mut HeaderMap) {
    let unix_now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for dialect in [HeaderDialect::Draft11, HeaderDialect::XDelta] {
        fields::write(dialect, reports, refused, unix_now, headers);
    }
    if refused {
        fields::write_retry_after(reports, headers);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
