//! A server and a client of tonic on a free port.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tollgate::{Limiter, Quota, grpc};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status, Streaming};

use super::greeter::{Greeter, GreeterClient, GreeterServer, HelloReply, HelloRequest, Replies};
use super::{told_to_wait, violated};

/// Few enough that none comes back during a test.
const PER_DAY: u32 = 3;

struct Limited {
    hellos: Limiter,
    messages: Arc<Limiter>,
}

impl Greeter for Limited {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let name = request.into_inner().name;
        let _allowed = self.hellos.check(&name).map_err(|denied| grpc::status_of(&denied, "hellos"))?;
        Ok(Response::new(reply(&name)))
    }

    async fn chat(&self, request: Request<Streaming<HelloRequest>>) -> Result<Response<Replies>, Status> {
        let limiter = Arc::clone(&self.messages);
        let messages = grpc::limit_messages(request.into_inner(), limiter, "everybody").name("chat");
        Ok(Response::new(Box::pin(messages.map(|message| Ok(reply(&message?.name))))))
    }
}

fn reply(name: &str) -> HelloReply {
    HelloReply { message: format!("hello {name}") }
}

/// Serves as long as the runtime lives.
async fn serve() -> SocketAddr {
    let limiter = || Limiter::new(Quota::per_day(PER_DAY));
    let greeter = Limited { hellos: limiter(), messages: Arc::new(limiter()) };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Server::builder().add_service(GreeterServer::new(greeter));
    tokio::spawn(router.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

fn requests(names: &[&str]) -> Vec<HelloRequest> {
    names.iter().map(|name| HelloRequest { name: (*name).to_owned() }).collect()
}

#[tokio::test]
async fn a_client_of_a_handler_that_checks_itself_can_decode_the_refusal() {
    let mut client = GreeterClient::connect(serve().await).await.unwrap();
    for _ in 0..PER_DAY {
        assert_eq!(client.say_hello("ann").await.unwrap(), reply("ann"));
    }
    let status = client.say_hello("ann").await.unwrap_err();
    let (retry_delay, pushback) = told_to_wait(&status);
    assert_eq!(
        u128::try_from(pushback.unwrap()).unwrap(),
        retry_delay.unwrap().as_nanos().div_ceil(1_000_000),
        "both say the same"
    );
    assert_eq!(violated(&status), ("hellos".to_owned(), PER_DAY.into()));
    assert!(client.say_hello("ben").await.is_ok());
}

#[tokio::test]
async fn a_client_gets_replies_up_to_the_limit_on_messages_and_then_the_refusal() {
    let mut client = GreeterClient::connect(serve().await).await.unwrap();
    let names = ["ann", "ben", "cid", "dan", "eve"];
    let mut replies = client.chat(tokio_stream::iter(requests(&names))).await.unwrap();
    for name in &names[..PER_DAY as usize] {
        assert_eq!(replies.next().await.unwrap().unwrap(), reply(name));
    }
    let status = replies.next().await.unwrap().unwrap_err();
    assert!(told_to_wait(&status).0.is_some());
    assert_eq!(violated(&status), ("chat".to_owned(), PER_DAY.into()));
    assert!(replies.next().await.is_none());

    // The limit is on messages: another stream is opened, and refused at its first.
    let mut replies = client.chat(tokio_stream::iter(requests(&["fay"]))).await.unwrap();
    assert_eq!(replies.next().await.unwrap().unwrap_err().code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_client_that_goes_on_sending_after_the_refusal_is_told_all_the_same() {
    let mut client = GreeterClient::connect(serve().await).await.unwrap();
    let endless = tokio_stream::iter(std::iter::repeat_with(|| HelloRequest { name: "flood".repeat(1_000) }));
    let mut replies = client.chat(endless).await.unwrap();
    let mut answered = 0;
    let status = loop {
        match replies.next().await.unwrap() {
            Ok(_) => answered += 1,
            Err(status) => break status,
        }
    };
    assert_eq!((answered, status.code()), (PER_DAY, Code::ResourceExhausted));
    assert!(client.say_hello("ann").await.is_ok(), "the connection is still good");
}
