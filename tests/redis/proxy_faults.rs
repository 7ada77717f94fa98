//! That the way to a server has the faults it should have.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::proxy::{Fault, Proxy};
use crate::servers::Standalone;

/// Long enough for a reply, were there one.
const A_WHILE: Duration = Duration::from_millis(100);

async fn reply(connection: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = [0; 64];
    let count = connection.read(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes[..count]).into_owned())
}

async fn ping(connection: &mut TcpStream) -> std::io::Result<String> {
    connection.write_all(b"PING\r\n").await?;
    reply(connection).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_slow_or_silent_only_while_it_should_be() {
    let server = Standalone::start();
    let proxy = Proxy::to(server.address()).await;
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ping(&mut connection).await.unwrap(), "+PONG\r\n");

    let (delay, jitter) = (Duration::from_millis(50), Duration::from_millis(10));
    proxy.set(Fault::Slow { delay, jitter });
    let asked = Instant::now();
    assert_eq!(ping(&mut connection).await.unwrap(), "+PONG\r\n");
    assert!(asked.elapsed() >= delay);

    for silent in [Fault::HoldsRequests, Fault::HoldsReplies] {
        proxy.set(silent);
        let commands = || server.value_of("INFO commandstats", "cmdstat_ping");
        let before = commands();
        assert!(timeout(A_WHILE, ping(&mut connection)).await.is_err());
        assert_eq!(commands() == before, silent == Fault::HoldsRequests);
        proxy.set(Fault::None);
        assert_eq!(reply(&mut connection).await.unwrap(), "+PONG\r\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_ends_connections_as_it_should() {
    let server = Standalone::start();
    let proxy = Proxy::to(server.address()).await;
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ping(&mut connection).await.unwrap(), "+PONG\r\n");

    proxy.set(Fault::ResetsReply { after: 0 });
    assert_eq!(ping(&mut connection).await.unwrap_err().kind(), ErrorKind::ConnectionReset);

    proxy.set(Fault::None);
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ping(&mut connection).await.unwrap(), "+PONG\r\n");
    proxy.set(Fault::Closes);
    assert_eq!(reply(&mut connection).await.unwrap(), "");

    proxy.set(Fault::None);
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ping(&mut connection).await.unwrap(), "+PONG\r\n");
    proxy.set(Fault::Refuses);
    assert_eq!(reply(&mut connection).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    // It no longer listens a moment later.
    let is_refused = |error: std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
    while !TcpStream::connect(proxy.address()).await.is_err_and(is_refused) {}

    proxy.set(Fault::None);
    let again = async {
        loop {
            // It listens again a moment later.
            if let Ok(mut connection) = TcpStream::connect(proxy.address()).await {
                return ping(&mut connection).await.unwrap();
            }
        }
    };
    assert_eq!(again.await, "+PONG\r\n");
}
