//! gRPC: refusals that its clients understand, and limits on the messages of a stream (feature `grpc`, for [`tonic`]).
//!
//! A gRPC client does not know HTTP's 429: it takes it for an unreachable server. It is told by a [`Status`](tonic::Status):
//!
//! | | a limit refuses | a limit's store cannot be asked, and it is closed then | as many requests wait as may |
//! |---|---|---|---|
//! | code | `RESOURCE_EXHAUSTED` | `UNAVAILABLE` | `UNAVAILABLE` |
//! | `RetryInfo` | the longest wait of the limits that refuse; none when waiting cannot help | the same | none |
//! | `QuotaFailure` | one violation for each limit that refuses | none | none |
//! | `grpc-retry-pushback-ms` | that wait in whole milliseconds, rounded up; `-1` (do not retry) when waiting cannot help | none | none |
//!
//! A violation's `quota_id` is the limit's name and its `quota_value` the limit. Its `quota_metric` says what is counted: `requests`,
//! `concurrent-requests`, or `tokens` where a handler asked a [`Limiter`](crate::Limiter) itself. The `subject` is empty: keys may be secrets,
//! and a limiter does not keep them.
//!
//! **A concurrency limit cannot say when it has room.** Where no other limit refuses, `RetryInfo` asks for a tenth of a second, which tells
//! clients that another try is worthwhile, and there is no pushback: that would replace the client's own backoff, which grows and is
//! randomised, by a constant, and all that were refused together would come back together.
//!
//! **gRPC-Web** is refused in the same way, by a reply of headers alone in the content type that the client asked for; its clients look for
//! the status there. A layer inside of `tonic_web`'s does not see the difference.
//!
//! In handlers:
//!
//! - [`status_of`] makes a [`Denied`](crate::Denied) a status;
//! - [`limit_messages`] limits the messages of a stream. (A layer sees only that the stream is opened.)
//! - with feature `distributed`, `status_of_global` and `limit_messages_globally` do the same by limits that many nodes share.

#[cfg(feature = "distributed")]
mod global;
mod method;
mod refusal;
mod stream;

#[cfg(feature = "distributed")]
pub use global::{limit_messages_globally, status_of_global};
pub(crate) use method::is_grpc;
pub use refusal::status_of;
pub(crate) use refusal::{refusal, response};
pub use stream::{LimitedStream, limit_messages};
