//! Real servers on free ports, and real clients.

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tollgate::concurrency::ConcurrencyLimit;
use tollgate::http::{ClientAddress, Key, Limit, Missing, Peer, RateLimitLayer};
use tollgate::{Limiter, Quota};
use tower::{Layer, ServiceExt};

use crate::support::field;

pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn per_client(count: u32) -> (Arc<Limiter>, RateLimitLayer) {
    let limiter = Arc::new(Limiter::new(Quota::per_day(count)));
    let by_client = Key::client(ClientAddress::peer()).or(Missing::Refuse);
    let limit = Limit::new("per-client", Arc::clone(&limiter)).by(by_client);
    (limiter, RateLimitLayer::new(limit).unwrap())
}

fn request(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).header("host", "test").body(Empty::new()).unwrap()
}

fn summary(answer: &Response<hyper::body::Incoming>) -> (u16, String) {
    (answer.status().as_u16(), field(answer, "ratelimit"))
}

#[tokio::test]
async fn axum_over_http_1_limits_by_the_address_of_the_connection() {
    let (limiter, layer) = per_client(2);
    let address = serve(Router::new().route("/{name}", get(async || "hello")).layer(layer)).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (path, status, told) in [
        ("/a", 200, r#""per-client";r=1;t=43200"#),
        ("/b", 200, r#""per-client";r=0;t=43200"#),
        ("/a", 429, r#""per-client";r=0;t=43200"#),
    ] {
        let answer = client.send_request(request(path)).await.unwrap();
        assert_eq!(summary(&answer), (status, told.to_owned()));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body == "hello", status == 200, "{body:?}");
    }
    assert_eq!(limiter.peek(&address.ip()).remaining(), 0);
}

#[tokio::test]
async fn axum_over_http_2_limits_streams_of_one_connection() {
    let (_, layer) = per_client(3);
    let address = serve(Router::new().route("/", get(async || "hello")).layer(layer)).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) =
        conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let uri = format!("http://{address}/");
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let (mut client, uri) = (client.clone(), uri.clone());
            tokio::spawn(async move {
                let request = Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
                client.send_request(request).await.unwrap().status().as_u16()
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for call in calls {
        statuses.push(call.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
}

#[tokio::test]
async fn plain_hyper_serves_behind_a_layer_and_tells_it_the_peer() {
    let (limiter, layer) = per_client(1);
    let hello = tower::service_fn(async |_: Request<hyper::body::Incoming>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello")))
    });
    let service = layer.layer(hello);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, peer) = listener.accept().await.unwrap();
        let service = hyper::service::service_fn(move |mut request: Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            service.clone().oneshot(request)
        });
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for status in [200, 429] {
        let answer = client.send_request(request("/")).await.unwrap();
        assert_eq!(answer.status(), status);
        answer.into_body().collect().await.unwrap();
    }
    assert_eq!(limiter.peek(&address.ip()).remaining(), 0);
}

#[tokio::test]
async fn a_layer_on_nested_routers_charges_a_request_once() {
    let (limiter, layer) = per_client(100);
    let inner = Router::new().route("/{name}", get(async || "hello")).layer(layer.clone());
    let address = serve(Router::new().nest("/inner", inner).layer(layer)).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer = client.send_request(request("/inner/x")).await.unwrap();
    assert_eq!(summary(&answer), (200, r#""per-client";r=99;t=85536"#.to_owned()));
    assert_eq!(limiter.peek(&address.ip()).remaining(), 99);
}

#[tokio::test]
async fn a_client_that_disconnects_in_the_middle_of_a_body_gives_its_place_back() {
    let at_once = Arc::new(ConcurrencyLimit::new(1));
    let layer = RateLimitLayer::new(Limit::new("at-once", Arc::clone(&at_once))).unwrap();
    let endless = get(async || {
        let pieces =
            tokio_stream::iter(std::iter::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 1 << 16])));
        Response::new(Body::from_stream(pieces))
    });
    let address = serve(Router::new().route("/", endless).layer(layer)).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut answer = client.send_request(request("/")).await.unwrap();
    answer.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(at_once.in_flight(), 1);
    drop((answer, client));
    connection.abort();
    // The server learns of it when it writes on.
    while at_once.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
}

/// The example, as its users run it; stopped when it is dropped.
struct Ping(Child, String);

impl Ping {
    fn start(arguments: &[&str]) -> Ping {
        let mut server = Command::new(example("ping"))
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Ping(server, url)
    }

    /// What curl prints: the head and the body.
    fn curl(&self, arguments: &[&str]) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--include"]).args(arguments).arg(format!("{}/ping", self.1));
        let missing = "curl is missing: install it, on Debian and Ubuntu with: apt-get install curl";
        let output = curl.output().expect(missing);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Ping {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Cargo builds examples before it runs tests, beside the folder of this program.
fn example(name: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let built = program.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(
        built.exists(),
        "{} is missing: build it with `cargo build --examples --all-features`",
        built.display()
    );
    built
}

#[test]
fn curl_is_told_pong_and_then_when_to_come_back() {
    let ping = Ping::start(&["--rate", "2/h"]);
    for _ in 0..2 {
        let answer = ping.curl(&[]);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n{\"message\":\"pong\"}"), "{answer}");
    }
    let refused = ping.curl(&["--header", "x-forwarded-for: 192.0.2.1"]);
    assert!(refused.starts_with("HTTP/1.1 429 Too Many Requests\r\n"), "{refused}");
    for line in [
        "retry-after: 1800",
        "ratelimit-policy: \"ping\";q=2;w=3600",
        "content-type: application/problem+json",
    ] {
        assert!(refused.contains(&format!("\r\n{line}\r\n")), "no {line} in {refused}");
    }
}

#[test]
fn curl_is_known_by_its_header() {
    let ping = Ping::start(&["--rate", "100/h", "--burst", "1", "--key-header", "x-api-key"]);
    let status = |key: &str| ping.curl(&["--header", &format!("x-api-key: {key}")])[9..12].to_owned();
    assert_eq!(["ann", "ann", "bob"].map(status), ["200", "429", "200"]);
}
