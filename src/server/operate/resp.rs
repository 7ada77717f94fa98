//! RESP on one connection or another.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::pulse::Pulse;
use crate::server::resp;
use crate::server::service::Service;

/// Answers what comes on a connection until it ends, nothing is answered for too long, or it is told to stop.
pub(crate) async fn serve_resp(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    service: Arc<Service>,
    stop: CancellationToken,
) {
    let idle = service.settings.limits.idle;
    let (stream, pulse) = Pulse::of(stream);
    tokio::select! {
        () = resp::serve(stream, service, stop) => {}
        () = pulse.stops(idle) => tracing::debug!("connection closed: nothing was answered for limits.idle"),
    }
}
