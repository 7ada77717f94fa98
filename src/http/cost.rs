//! [`Cost`]: how many tokens a request is worth.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, StatusCode, response};

use super::Head;

/// How many tokens a request costs; default 1.
///
/// What is known only from the answer is settled: an estimate is charged before, and made the actual cost after. If there never is an answer (the client
/// goes away, the handler panics), the estimate stays charged. A body that ends early counts as far as it was sent.
///
/// ```
/// use tollgate::http::Cost;
///
/// let by_method = Cost::of_request(|head| if head.method() == http::Method::POST { 5 } else { 1 });
/// let failures_only = Cost::by_status(1, |status| u64::from(status.is_client_error()));
/// let by_size = Cost::of_body(10, 1024); // a token for each KiB, 10 of them at first
/// ```
#[derive(Clone, Default)]
#[must_use = "give it to a `Limit`"]
pub struct Cost {
    pub(super) before: Before,
    pub(super) after: Option<After>,
}

pub(super) type OfRequest = dyn for<'a> Fn(&Head<'a>) -> u64 + Send + Sync;
pub(super) type OfAnswer = dyn Fn(&response::Parts) -> Option<u64> + Send + Sync;

#[derive(Clone)]
pub(super) enum Before {
    Fixed(u64),
    OfRequest(Arc<OfRequest>),
}

impl Default for Before {
    fn default() -> Before {
        Before::Fixed(1)
    }
}

/// How an estimate is settled.
#[derive(Clone)]
pub(super) enum After {
    /// By what is known when the answer begins.
    Head(Arc<OfAnswer>),
    /// A token for each so many bytes of the body, begun ones included.
    Body { bytes_per_token: u64 },
}

impl Cost {
    /// Always the same. 0 spends nothing, and is refused only while the key is in debt.
    pub fn fixed(tokens: u64) -> Cost {
        Cost { before: Before::Fixed(tokens), after: None }
    }

    /// Worked out from the request.
    pub fn of_request(cost: impl for<'a> Fn(&Head<'a>) -> u64 + Send + Sync + 'static) -> Cost {
        Cost { before: Before::OfRequest(Arc::new(cost)), after: None }
    }

    /// `estimate` before, and then what `cost` makes of the answer's status.
    pub fn by_status(estimate: u64, cost: impl Fn(StatusCode) -> u64 + Send + Sync + 'static) -> Cost {
        Cost::settled(estimate, move |answer| Some(cost(answer.status)))
    }

    /// `estimate` before, and then the number in the answer's header field `name`; without one the estimate stays.
    pub fn of_header(estimate: u64, name: HeaderName) -> Cost {
        Cost::settled(estimate, move |answer| answer.headers.get(&name)?.to_str().ok()?.trim().parse().ok())
    }

    /// `estimate` before, and then whatever `cost` makes of the answer's status, header fields and extensions; with `None` the estimate stays.
    pub fn settled(
        estimate: u64,
        cost: impl Fn(&response::Parts) -> Option<u64> + Send + Sync + 'static,
    ) -> Cost {
        Cost { before: Before::Fixed(estimate), after: Some(After::Head(Arc::new(cost))) }
    }

    /// `estimate` before, and then a token for each `bytes_per_token` bytes of the answer's body, begun ones included. 0 counts as 1.
    pub fn of_body(estimate: u64, bytes_per_token: u64) -> Cost {
        let bytes_per_token = bytes_per_token.max(1);
        Cost { before: Before::Fixed(estimate), after: Some(After::Body { bytes_per_token }) }
    }

    /// Whether it is 1 for every request.
    #[cfg(feature = "distributed")]
    pub(super) fn is_one(&self) -> bool {
        matches!(self, Cost { before: Before::Fixed(1), after: None })
    }

    /// What is charged before.
    pub(super) fn charged(&self, head: &Head<'_>) -> u64 {
        match &self.before {
            Before::Fixed(tokens) => *tokens,
            Before::OfRequest(cost) => cost(head),
        }
    }

    /// What it was found to be when the answer began, if that tells.
    pub(super) fn at_head(&self, answer: &response::Parts) -> Option<u64> {
        match &self.after {
            Some(After::Head(cost)) => cost(answer),
            _ => None,
        }
    }

    /// What it is in the end, if it was an estimate: by what was found when the answer began, or by so many bytes of its body.
    pub(super) fn at_end(&self, at_head: Option<u64>, bytes: u64) -> Option<u64> {
        match &self.after {
            None => None,
            Some(After::Head(_)) => at_head,
            Some(After::Body { bytes_per_token }) => Some(bytes.div_ceil(*bytes_per_token)),
        }
    }
}

impl fmt::Debug for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = match &self.before {
            Before::Fixed(tokens) => Some(tokens),
            Before::OfRequest(_) => None,
        };
        f.debug_struct("Cost").field("before", &before).field("settled", &self.after.is_some()).finish()
    }
}
