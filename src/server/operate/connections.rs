//! [`Connections`]: how many there are, on all listeners together; and [`Listening`], which takes them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Without file descriptors it is of no use to try again at once.
const OUT_OF_RESOURCES: Duration = Duration::from_millis(100);

/// How many connections there are, on all listeners together.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    places: Arc<Semaphore>,
    most: u32,
}

impl Connections {
    pub(crate) fn at_most(connections: usize) -> Connections {
        let most = u32::try_from(connections.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        Connections { places: Arc::new(Semaphore::new(most as usize)), most }
    }

    /// Whether all have ended within this time.
    pub(crate) async fn end_within(&self, grace: Duration) -> bool {
        timeout(grace, self.places.acquire_many(self.most)).await.is_ok()
    }
}

/// A port on which connections are taken until it is told to stop.
#[derive(Debug)]
pub(crate) struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listening {
    pub(crate) async fn on(address: SocketAddr) -> io::Result<Listening> {
        let listener = TcpListener::bind(address).await?;
        Ok(Listening { address: listener.local_addr()?, listener })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves each connection by a task of its own, until it is told to stop, and then until those that there are have ended. They end with this
    /// future, too. Beyond the limit they are closed at once: whoever is in excess should know now, not wait.
    pub(crate) async fn take<F: Future<Output = ()> + Send + 'static>(
        self,
        connections: Connections,
        stop: CancellationToken,
        serve: impl Fn(TcpStream) -> F,
    ) {
        let Listening { listener, address } = self;
        let mut served = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                // What is left of one that has ended would else be held until the next comes.
                Some(_) = served.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => match Arc::clone(&connections.places).try_acquire_owned() {
                    Ok(place) => {
                        // Answers are small, and whoever waits for one waits for all of it.
                        let _ = stream.set_nodelay(true);
                        let serving = serve(stream);
                        served.spawn(async move {
                            let _place = place;
                            serving.await;
                        });
                    }
                    Err(_) => {
                        tracing::debug!(%peer, "closed: there are as many connections as limits.connections");
                    }
                },
                // It was over before it was taken.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%address, "cannot take connections: {error}");
                    sleep(OUT_OF_RESOURCES).await;
                }
            }
        }
        drop(listener);
        while served.join_next().await.is_some() {}
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
