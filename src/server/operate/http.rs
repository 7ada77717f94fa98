//! [`Http`]: HTTP/1.1 and HTTP/2 on one connection or another.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::pin;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Front;
use super::pulse::Pulse;
use crate::server::settings::ConnectionLimits;

/// Requests of a client at the same time on one connection: as many as Envoy opens by default fit, and a client with one connection cannot take up all there is.
const MOST_STREAMS: u32 = 1_024;
/// Whether a client of HTTP/2 is still there is found out so often: well within the time after which it would be cut off for silence.
const PING_EVERY: Duration = Duration::from_secs(20);

/// At the end of the service a connection that has asked for nothing yet may send the rest of its first head for so long: what is on its way arrives sooner,
/// and who leaves it at half of one is not waited for.
const FIRST_HEAD: Duration = Duration::from_secs(1);

/// HTTP/1.1 and HTTP/2, whichever a client speaks.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    protocols: auto::Builder<TokioExecutor>,
    front: Front,
    idle: Duration,
}

impl Http {
    pub(crate) fn new(front: Front, limits: &ConnectionLimits) -> Http {
        let mut protocols = auto::Builder::new(TokioExecutor::new());
        protocols
            .http1()
            .max_buf_size(limits.head_bytes)
            // Answers are small: copying a body behind its head takes less than telling the kernel of two pieces.
            .writev(false);
        protocols
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY.min(limits.idle / 2))
            .keep_alive_timeout(PING_EVERY)
            .max_concurrent_streams(MOST_STREAMS)
            .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX));
        Http { protocols, front, idle: limits.idle }
    }

    /// Answers what comes on a connection until it ends, nothing is answered for too long, or it is told to stop: then what has begun is finished.
    pub(crate) async fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        stop: &CancellationToken,
    ) {
        let (stream, pulse) = Pulse::of(stream);
        let has_asked = AtomicBool::new(false);
        let answer = service_fn(|request: Request<Incoming>| {
            has_asked.store(true, Ordering::Relaxed);
            self.front.clone().answer(request)
        });
        let connection = self.protocols.serve_connection(TokioIo::new(stream), answer);
        pin!(connection);
        let silent = pulse.stops(self.idle);
        pin!(silent);
        let ended = tokio::select! {
            ended = &mut connection => Some(ended),
            () = &mut silent => return tracing::debug!("connection closed: nothing was answered for limits.idle"),
            () = stop.cancelled() => None,
        };
        let ended = if let Some(ended) = ended {
            ended
        } else {
            connection.as_mut().graceful_shutdown();
            match timeout(FIRST_HEAD, &mut connection).await {
                Ok(ended) => ended,
                Err(_) if has_asked.load(Ordering::Relaxed) => connection.await,
                Err(_) => return tracing::debug!("connection closed: it has not asked for anything"),
            }
        };
        if let Err(error) = ended {
            tracing::debug!("connection ended: {error}");
        }
    }
}
