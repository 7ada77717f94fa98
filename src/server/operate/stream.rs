//! [`Stream`]: a connection, with TLS or without.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

/// Longer than a handshake across the world takes, and not so long that it pays to begin one and leave it.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A connection, with TLS or without.
pub(crate) type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// The connection, once its handshake is done; `None` if that fails, or takes too long.
pub(crate) async fn stream(connection: TcpStream, tls: Option<&TlsAcceptor>) -> Option<Stream> {
    let Some(tls) = tls else { return Some(Either::Left(connection)) };
    match timeout(HANDSHAKE, tls.accept(connection)).await {
        Ok(Ok(stream)) => Some(Either::Right(stream)),
        Ok(Err(error)) => {
            tracing::debug!("connection closed in its handshake: {error}");
            None
        }
        Err(_) => None,
    }
}
