//! Who is at the other end of the connection, as servers tell it.

use std::net::{IpAddr, SocketAddr};

use http::Extensions;

/// The address at the other end of the connection, for servers that do not tell it by themselves: insert it into each request's extensions.
///
/// Not needed with axum's `into_make_service_with_connect_info::<SocketAddr>()` (feature `axum`), nor with a tonic server without TLS (feature
/// `grpc`).
///
/// ```
/// use tollgate::http::Peer;
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(Peer("192.0.2.7:51234".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer(pub SocketAddr);

/// The first that is there: ours, axum's, tonic's.
pub(super) fn of(extensions: &Extensions) -> Option<IpAddr> {
    let told = extensions.get::<Peer>().map(|peer| peer.0);
    #[cfg(feature = "axum")]
    let told = told.or_else(|| extensions.get().map(|info: &axum::extract::ConnectInfo<SocketAddr>| info.0));
    #[cfg(feature = "grpc")]
    let told = told.or_else(|| {
        let info = extensions.get::<tonic::transport::server::TcpConnectInfo>()?;
        info.remote_addr()
    });
    told.map(|address| address.ip())
}
