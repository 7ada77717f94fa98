//! Two servers of one service, and the Redis in which they count together.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::Response;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tollgate::Quota;
use tollgate::distributed::{FailurePolicy, GlobalLimiter, Rule, SharedStore};
use tollgate::http::{Limit, RateLimitLayer};
use tollgate::redis::RedisBackend;

use crate::servers::Standalone;

/// So long may a store take that is well, on a machine that is busy.
const LONG: Duration = Duration::from_secs(5);
/// After this nobody waits for a server any more.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server whose `/closed`, `/open` and `/local` are each limited to so many a day by all of them, and differ in what they do without Redis.
async fn serve(redis: &Standalone, count: u32, budget: Duration) -> SocketAddr {
    let store = SharedStore::new(RedisBackend::builder(redis.url()).build().await.unwrap());
    let mut app = Router::new();
    for (path, policy) in
        [("closed", FailurePolicy::Closed), ("open", FailurePolicy::Open), ("local", FailurePolicy::Local)]
    {
        let limiter = GlobalLimiter::builder(path, Rule::Gcra(Quota::per_day(count)), &store);
        let limiter = limiter.on_failure(policy).budget(budget).build().unwrap();
        let layer = RateLimitLayer::new(Limit::new("calls", Arc::new(limiter))).unwrap();
        app = app.merge(Router::new().route(&format!("/{path}"), get(async || "done")).layer(layer));
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn client() -> Client<HttpConnector, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn call(
    client: &Client<HttpConnector, Empty<Bytes>>,
    server: SocketAddr,
    path: &str,
) -> Response<Incoming> {
    client.get(format!("http://{server}/{path}").parse().unwrap()).await.unwrap()
}

/// The status, and how many are left, if that is told.
fn told(answer: &Response<Incoming>) -> (u16, Option<u64>) {
    let told = answer.headers().get("ratelimit").map(|told| told.to_str().unwrap());
    let left =
        told.map(|told| told.split(';').find_map(|part| part.strip_prefix("r=")).unwrap().parse().unwrap());
    (answer.status().as_u16(), left)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_admit_together_exactly_what_the_limit_allows() {
    let redis = Standalone::start();
    let servers = [serve(&redis, 100, LONG).await, serve(&redis, 100, LONG).await];
    let client = client();
    let calls: Vec<_> = (0..8)
        .map(|task| {
            let (client, server) = (client.clone(), servers[task % 2]);
            tokio::spawn(async move {
                let mut statuses = Vec::new();
                for _ in 0..40 {
                    statuses.push(call(&client, server, "closed").await.status().as_u16());
                }
                statuses
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for call in calls {
        statuses.extend(call.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 100);
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    let refused = call(&client, servers[0], "closed").await;
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() <= 864);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_limit_does_as_it_was_told_and_when_it_is_back_all_count_together_again() {
    let mut redis = Standalone::start();
    let budget = Duration::from_millis(250);
    let servers = [serve(&redis, 10, budget).await, serve(&redis, 10, budget).await];
    let client = client();
    let until = async |server, path, what: (u16, Option<u64>)| {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let now = told(&call(&client, server, path).await);
            if now == what {
                return;
            }
            assert!(Instant::now() < give_up, "/{path} never says {what:?}, but {now:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert_eq!(told(&call(&client, servers[0], "closed").await), (200, Some(9)));
    assert_eq!(told(&call(&client, servers[1], "closed").await), (200, Some(8)));

    redis.kill();
    for server in servers {
        let refused = call(&client, server, "closed").await;
        assert_eq!((told(&refused), &refused.headers()["retry-after"]), ((503, None), &"1".parse().unwrap()));
        for _ in 0..20 {
            assert_eq!(told(&call(&client, server, "open").await), (200, None));
        }
        let refused = call(&client, server, "local").await;
        assert_eq!(told(&refused), (429, Some(0)), "a share begins empty");
    }

    redis.restart();
    until(servers[0], "closed", (200, Some(9))).await;
    until(servers[1], "closed", (200, Some(8))).await;
    until(servers[0], "open", (200, Some(9))).await;
}

/// The example, stopped when it is dropped.
struct Instance(Child, SocketAddr);

impl Instance {
    fn start(redis: &Standalone) -> Instance {
        let mut server = Command::new(example())
            .args(["--listen", "127.0.0.1:0", "--rate", "3/day"])
            .env("REDIS_URL", redis.url())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().parse().unwrap();
        Instance(server, address)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // If it cannot be killed, it is not there.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Cargo builds examples before it runs tests, beside the folder of this program.
fn example() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let built = program.parent().unwrap().parent().unwrap().join("examples/global");
    assert!(
        built.exists(),
        "{} is missing: build it with `cargo build --examples --all-features`",
        built.display()
    );
    built
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_of_the_example_count_together() {
    let redis = Standalone::start();
    let instances = [Instance::start(&redis), Instance::start(&redis)];
    let client = client();
    for (call_number, expected) in
        [(200, Some(2)), (200, Some(1)), (200, Some(0)), (429, Some(0))].into_iter().enumerate()
    {
        let Instance(_, address) = &instances[call_number % 2];
        assert_eq!(told(&call(&client, *address, "ping").await), expected);
    }
}

#[test]
fn the_example_says_how_to_start_a_redis_where_none_is_named() {
    let run = Command::new(example()).env_remove("REDIS_URL").output().unwrap();
    assert!(!run.status.success());
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(said.contains("REDIS_URL is not set") && said.contains("redis-server"), "{said}");
}
