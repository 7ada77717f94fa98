//! Limits that many nodes share, in handlers: [`limit_messages_globally`], [`status_of_global`].

use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use tokio::time::{Instant, sleep};
use tonic::Status;

use super::LimitedStream;
use super::refusal::{Retry, exhausted, unavailable, violation};
use super::stream::Refused;
use crate::distributed::{GlobalDecision, GlobalLimiter, Source};

/// As [`limit_messages`](super::limit_messages), by a limit that many nodes share: each message costs `key` one token of `limiter`, and at most one
/// round trip.
///
/// [Held](LimitedStream::wait) messages are asked for again when their wait is over. Other streams may be faster then: it is not first come, first
/// served.
///
/// ```
/// use tokio_stream::StreamExt;
/// use tollgate::distributed::{GlobalLimiter, MemoryBackend, Rule, SharedStore};
/// use tollgate::{Quota, grpc};
/// use tonic::{Code, Status};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let store = SharedStore::new(MemoryBackend::new());
/// let limiter = GlobalLimiter::builder("chat", Rule::Gcra(Quota::per_minute(2)), &store).build()?;
/// let messages = tokio_stream::iter([Ok::<_, Status>("one"), Ok("two"), Ok("three")]);
/// let mut messages = grpc::limit_messages_globally(messages, limiter, "user:42").name("chat");
/// assert_eq!(messages.next().await.unwrap()?, "one");
/// assert_eq!(messages.next().await.unwrap()?, "two");
/// assert_eq!(messages.next().await.unwrap().unwrap_err().code(), Code::ResourceExhausted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn limit_messages_globally<St, T>(
    stream: St,
    limiter: GlobalLimiter,
    key: impl AsRef<[u8]>,
) -> LimitedStream<St, T>
where
    St: Stream<Item = Result<T, Status>>,
{
    let key: Arc<[u8]> = key.as_ref().into();
    LimitedStream::new(stream, move |cost, patience| {
        Box::pin(turn(limiter.clone(), Arc::clone(&key), cost, patience.unwrap_or_default()))
    })
}

/// What tokio's timers can tell apart: a refusal without a wait is not asked again at once.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

async fn turn(limiter: GlobalLimiter, key: Arc<[u8]>, cost: u64, patience: Duration) -> Result<(), Refused> {
    let begun = Instant::now();
    loop {
        let decision = limiter.check_n(&key, cost).await;
        if decision.is_allowed() {
            return Ok(());
        }
        let wait = decision.retry_after().map(|wait| wait.max(SHORTEST_WAIT));
        match wait.filter(|wait| *wait <= patience.saturating_sub(begun.elapsed())) {
            Some(wait) => sleep(wait).await,
            None => return Err(Box::new(move |name| status_of_global(&decision, name))),
        }
    }
}

/// The status for a refusal by a limit that many nodes share: as [`status_of`](super::status_of), or `UNAVAILABLE` if it refuses only because its store
/// cannot be asked.
///
/// ```
/// use tollgate::distributed::GlobalLimiter;
/// use tollgate::grpc;
/// use tonic::{Request, Response, Status};
///
/// async fn render(limiter: &GlobalLimiter, request: Request<u64>) -> Result<Response<&'static str>, Status> {
///     let decision = limiter.check_n("everybody", request.into_inner()).await;
///     if !decision.is_allowed() {
///         return Err(grpc::status_of_global(&decision, "pages"));
///     }
///     Ok(Response::new("done"))
/// }
/// ```
#[must_use]
pub fn status_of_global(refusal: &GlobalDecision, name: &str) -> Status {
    let retry = Retry::after_all([refusal.retry_after()]);
    if refusal.source() == Source::FailClosed {
        return unavailable(&format!("limit cannot be checked ({name})"), retry);
    }
    let description = format!("{} left of {}", refusal.remaining(), refusal.limit());
    let violation = violation(name, "tokens", refusal.limit(), description);
    exhausted(format!("limit reached ({name}): {retry}"), vec![violation], retry)
}
