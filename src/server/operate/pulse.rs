//! [`Pulse`]: when something was written to a connection last.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

/// When something was written to a connection last. What arrives is no sign of life: whoever sends a byte a minute would hold the connection for ever.
#[derive(Clone, Debug)]
pub(super) struct Pulse {
    begun: Instant,
    /// Milliseconds since it began. Relaxed: it leads to no other memory.
    written: Arc<AtomicU64>,
}

impl Pulse {
    /// The stream, and its pulse.
    pub(super) fn of<S>(stream: S) -> (Beating<S>, Pulse) {
        let pulse = Pulse { begun: Instant::now(), written: Arc::default() };
        (Beating { stream, pulse: pulse.clone() }, pulse)
    }

    /// Returns when nothing was written for so long.
    pub(super) async fn stops(self, idle: Duration) {
        let mut last = u64::MAX;
        loop {
            let written = self.written.load(Ordering::Relaxed);
            if written == last {
                return;
            }
            last = written;
            // Too long for a timer is never.
            let Some(until) = self.begun.checked_add(Duration::from_millis(last).saturating_add(idle)) else {
                return std::future::pending().await;
            };
            sleep_until(until).await;
        }
    }

    fn beat(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.written.store(now, Ordering::Relaxed);
    }
}

/// A stream that notes when something is written to it.
#[derive(Debug)]
pub(super) struct Beating<S> {
    stream: S,
    pulse: Pulse,
}

impl<S: AsyncRead + Unpin> AsyncRead for Beating<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Beating<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        self.pulse.beat();
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bytes));
        self.pulse.beat();
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
