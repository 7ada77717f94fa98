//! [`Proxy`]: a way to a server that can be made bad while it is in use.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::servers::free_port;

/// What is wrong with the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Each reply takes longer by the delay and up to the jitter.
    Slow { delay: Duration, jitter: Duration },
    /// Nothing arrives at the server and nobody is told, until it is over: then all arrives, as TCP has it.
    HoldsRequests,
    /// The server is asked, but nothing that it says arrives until it is over.
    HoldsReplies,
    /// Connections from before are silent in both directions; those that are made meanwhile are not.
    ForgetsOld,
    /// A connection is reset after so many bytes of the next reply.
    ResetsReply { after: usize },
    /// Connections are closed in order, new ones at once.
    Closes,
    /// Connections are reset, new ones refused.
    Refuses,
}

/// A way to a server, at an address of its own. When it is dropped, its connections are closed.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: String,
    fault: watch::Sender<Fault>,
}

impl Proxy {
    /// A way to the server at this `host:port`, with nothing wrong.
    pub(crate) async fn to(server: String) -> Proxy {
        let address = format!("127.0.0.1:{}", free_port());
        let listener = TcpListener::bind(&address).await.unwrap();
        let fault = watch::Sender::new(Fault::None);
        tokio::spawn(listen(listener, address.clone(), server, fault.subscribe()));
        Proxy { address, fault }
    }

    /// `host:port`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// From now on this is wrong, also with the connections that there are.
    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

/// Until the proxy is dropped.
async fn listen(listener: TcpListener, address: String, server: String, mut fault: watch::Receiver<Fault>) {
    let mut listener = Some(listener);
    loop {
        if *fault.borrow_and_update() == Fault::Refuses {
            listener = None;
        } else if listener.is_none() {
            listener = Some(TcpListener::bind(&address).await.unwrap());
        }
        tokio::select! {
            changed = fault.changed() => if changed.is_err() { return },
            client = accept(listener.as_ref()) => {
                tokio::spawn(carry(client, server.clone(), fault.clone()));
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    match listener {
        Some(listener) => listener.accept().await.unwrap().0,
        None => std::future::pending().await,
    }
}

/// How a connection ends for the client.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
}

/// One connection, until one end closes it or the fault does.
async fn carry(mut client: TcpStream, server: String, fault: watch::Receiver<Fault>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    // It is an old one if this sets in later.
    let is_old = *fault.borrow() != Fault::ForgetsOld;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let end = tokio::select! {
        () = requests(from_client, to_server, fault.clone(), is_old) => End::Closed,
        end = replies(from_server, to_client, fault.clone(), is_old) => end,
        end = ended_by(fault) => end,
    };
    if end == End::Reset {
        // A connection that may not linger is not closed but reset. This fails if the client was faster.
        drop(client.set_zero_linger());
    }
}

async fn ended_by(mut fault: watch::Receiver<Fault>) -> End {
    let ends = fault.wait_for(|fault| matches!(fault, Fault::Closes | Fault::Refuses)).await;
    if ends.is_ok_and(|fault| *fault == Fault::Refuses) { End::Reset } else { End::Closed }
}

async fn requests(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut fault: watch::Receiver<Fault>,
    is_old: bool,
) {
    let passes = |fault: &Fault| *fault != Fault::HoldsRequests && !(is_old && *fault == Fault::ForgetsOld);
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut bytes).await else { return };
        if fault.wait_for(passes).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

async fn replies(from: ReadHalf<'_>, to: WriteHalf<'_>, fault: watch::Receiver<Fault>, is_old: bool) -> End {
    // Replies are on their way while others are read: a slow way is not a narrow one.
    let (sender, receiver) = mpsc::channel(1024);
    let mut arriving = std::pin::pin!(arrive(receiver, to, fault.clone(), is_old));
    tokio::select! {
        end = &mut arriving => end,
        () = set_out(from, sender, fault) => arriving.await,
    }
}

type OnItsWay = (Instant, Vec<u8>);

async fn set_out(mut from: ReadHalf<'_>, way: mpsc::Sender<OnItsWay>, fault: watch::Receiver<Fault>) {
    let random = RandomState::new();
    let mut bytes = vec![0; 16 * 1024];
    for number in 0_u64.. {
        let Ok(count @ 1..) = from.read(&mut bytes).await else { return };
        let late = match *fault.borrow() {
            Fault::Slow { delay, jitter } => {
                let part = f64::from((random.hash_one(number) >> 32) as u32) / f64::from(u32::MAX);
                delay + jitter.mul_f64(part)
            }
            _ => Duration::ZERO,
        };
        if way.send((Instant::now() + late, bytes[..count].to_vec())).await.is_err() {
            return;
        }
    }
}

async fn arrive(
    mut way: mpsc::Receiver<OnItsWay>,
    mut to: WriteHalf<'_>,
    mut fault: watch::Receiver<Fault>,
    is_old: bool,
) -> End {
    let passes = |fault: &Fault| *fault != Fault::HoldsReplies && !(is_old && *fault == Fault::ForgetsOld);
    while let Some((due, bytes)) = way.recv().await {
        sleep_until(due).await;
        let Ok(now) = fault.wait_for(passes).await.map(|fault| *fault) else { return End::Closed };
        if let Fault::ResetsReply { after } = now {
            drop(to.write_all(&bytes[..after.min(bytes.len())]).await);
            return End::Reset;
        }
        if to.write_all(&bytes).await.is_err() {
            return End::Closed;
        }
    }
    End::Closed
}
