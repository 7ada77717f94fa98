//! Everything at once, for a long time: memory stays flat, nothing fails but as it should, and nothing is admitted beyond its bound.
//!
//! Some seconds of it, or as many as `TOLLGATE_SOAK_SECONDS` says.

use std::env;
use std::fs;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::node::Node;
use crate::servers::Standalone;

/// Long enough for several reloads and an outage.
const SMOKE: Duration = Duration::from_secs(8);
/// What a hot key gets in a second, and at once.
const RATE: u64 = 100;
/// What caches, tables and the allocator may take between the first quarter and the end: a third of what a leak of 100 bytes for each of the requests of
/// five minutes would.
const GROWTH: u64 = 48 << 20;

const SETTINGS: &str = "\
listen = \"127.0.0.1:0\"
policies = \"policies.toml\"
[callers]
max_keys = 100000
[limits]
idle = \"1s\"
[snapshot]
file = \"saved\"
every = \"1s\"
";

fn policies(revision: u64) -> String {
    format!(
        "[[policy]]\nid = \"shared\"\nscope = \"user\"\nmatch = {{ api = \"shared\" }}\nlimit = \"{RATE}/s\"\nbackend = \"redis\"\n\
         on_failure = \"closed\"\n\n[[policy]]\nid = \"here\"\nscope = \"user\"\nmatch = {{ api = \"here\" }}\nlimit = \"{RATE}/s\"\n\n\
         [[policy]]\nid = \"changing\"\nscope = \"user\"\nmatch = {{ api = \"changing\" }}\nlimit = \"{}/s\"\n",
        10 + revision % 10
    )
}

/// What came of the requests.
#[derive(Debug, Default)]
struct Tally {
    requests: AtomicU64,
    /// Of the key `hot`: of a caller's limit, of the policy in memory, and of the one in Redis.
    hot: [AtomicU64; 3],
    restarts: AtomicU64,
}

impl Tally {
    /// Notes an answer; anything but what the documentation says is the end.
    fn note(&self, status: u16, body: &[u8], stated: &[u16]) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        assert!(stated.contains(&status), "{status}: {}", String::from_utf8_lossy(body));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_at_once_stays_within_its_bounds() {
    let seconds = env::var("TOLLGATE_SOAK_SECONDS").ok();
    let lasts = seconds.map_or(SMOKE, |seconds| Duration::from_secs(seconds.parse().unwrap()));
    let redis = Standalone::start();
    let builder = Node::builder();
    // Limits of callers are counted in memory.
    builder.file("tollgate.toml", &format!("{SETTINGS}[backends.redis]\nurl = \"{}\"\n", redis.url()));
    builder.file("policies.toml", &policies(0));
    let flags = ["--config", "tollgate.toml"];
    let mut node = builder.flags(&flags).start();
    let begun = Instant::now();
    let (stop, tally) = (CancellationToken::new(), Arc::<Tally>::default());

    let mut loads = JoinSet::new();
    for load in 0..2 {
        loads.spawn(stop.clone().run_until_cancelled_owned(keys_without_end(
            node.url(""),
            load,
            Arc::clone(&tally),
        )));
    }
    loads.spawn(stop.clone().run_until_cancelled_owned(hot_keys(node.url(""), Arc::clone(&tally))));
    loads.spawn(stop.clone().run_until_cancelled_owned(nonsense(node.url(""), Arc::clone(&tally))));
    loads.spawn(stop.clone().run_until_cancelled_owned(slow_clients(node.http())));
    loads.spawn(stop.clone().run_until_cancelled_owned(reloads(node.path("policies.toml"))));
    loads.spawn(stop.clone().run_until_cancelled_owned(outages(redis, Arc::clone(&tally))));

    sleep(lasts / 4).await;
    let early = node.resident_bytes();
    sleep(lasts * 3 / 4).await;
    let late = node.resident_bytes();
    stop.cancel();
    while let Some(load) = loads.join_next().await {
        // A load that fails has found something.
        load.unwrap();
    }

    let bucket = RATE as f64 * (1.0 + begun.elapsed().as_secs_f64());
    let restarts = tally.restarts.load(Ordering::Relaxed) as f64;
    // Redis forgets all it had when it is killed: each time begins a bucket anew.
    for (hot, most) in tally.hot.iter().zip([bucket, bucket, bucket + RATE as f64 * restarts]) {
        let admitted = hot.load(Ordering::Relaxed) as f64;
        assert!(admitted > 0.0 && admitted <= most, "{admitted} of {most}: {tally:?}");
    }
    assert!(late <= early + GROWTH, "from {early} to {late} bytes: {tally:?}");
    println!("{lasts:?}: {tally:?}, from {} to {} KiB", early >> 10, late >> 10);
    assert!(node.terminate().success());
    let log = node.log();
    assert!(!log.iter().any(|line| line.contains("panic")), "{log:#?}");
}

async fn keys_without_end(url: String, load: u64, tally: Arc<Tally>) {
    let client = Client::new();
    let (check, batch) = (format!("{url}/check"), format!("{url}/check/batch"));
    for number in 0_u64.. {
        // They are full again in a tenth of a second, so there is always room.
        let limit = json!({ "key": format!("{load}-{number}"), "rate": 100, "interval": 1, "burst": 10 });
        let (status, body) = client.post(&check, &limit).await.unwrap();
        tally.note(status, &body, &[200]);
        if number % 100 == 0 {
            let keys: Vec<_> = (0..100).map(|key| format!("{load}-{number}-{key}")).collect();
            let limit = json!({ "keys": keys, "algorithm": "sliding_window", "limit": 10, "window": 1 });
            let (status, body) = client.post(&batch, &limit).await.unwrap();
            tally.note(status, &body, &[200]);
        }
    }
}

async fn hot_keys(url: String, tally: Arc<Tally>) {
    let client = Client::new();
    let hot = json!({ "key": "hot", "rate": RATE, "interval": 1 });
    loop {
        let answers = [
            client.post(&format!("{url}/check"), &hot).await.unwrap(),
            client.get(&format!("{url}/api/rate-limit/check?userID=hot&api=here")).await.unwrap(),
            client.get(&format!("{url}/api/rate-limit/check?userID=hot&api=shared")).await.unwrap(),
        ];
        let stated: [&[u16]; 3] = [&[200, 429], &[200, 429], &[200, 429, 503]];
        for ((admitted, stated), (status, body)) in tally.hot.iter().zip(stated).zip(answers) {
            tally.note(status, &body, stated);
            admitted.fetch_add(u64::from(status == 200), Ordering::Relaxed);
        }
        let (status, body) =
            client.get(&format!("{url}/api/rate-limit/check?userID=hot&api=changing")).await.unwrap();
        tally.note(status, &body, &[200, 429]);
    }
}

async fn nonsense(url: String, tally: Arc<Tally>) {
    let client = Client::new();
    let bodies = [
        json!(null),
        json!({ "key": 7 }),
        json!({ "key": "a", "rate": -1, "interval": 1 }),
        json!({ "key": "a", "limit": 1e300 }),
    ];
    for body in bodies.iter().cycle() {
        let (status, body) = client.post(&format!("{url}/check"), body).await.unwrap();
        tally.note(status, &body, &[400, 422]);
        assert!(serde_json::from_slice::<Value>(&body).unwrap()["detail"].is_string());
        sleep(Duration::from_millis(1)).await;
    }
}

/// What slow clients send.
const BEGINNINGS: [&str; 4] = [
    "",
    "GET /ping HT",
    "POST /check HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{",
    "PRI * HTTP/2.0\r\n\r\nSM",
];

/// Some send half a head, some half a body, some nothing; and all of them stay as long as they are let.
async fn slow_clients(address: String) {
    let mut clients = JoinSet::new();
    for beginning in BEGINNINGS.iter().cycle() {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        clients.spawn(async move {
            drop(stream.write_all(beginning.as_bytes()).await);
            drop(stream.read_to_end(&mut Vec::new()).await);
        });
        while clients.try_join_next().is_some() {}
        sleep(Duration::from_millis(5)).await;
    }
}

async fn reloads(file: std::path::PathBuf) {
    for revision in 1.. {
        sleep(Duration::from_millis(500)).await;
        let beside = file.with_extension("next");
        let text = if revision % 5 == 0 { "[[policy]]\nid = 7".to_owned() } else { policies(revision) };
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, &file).unwrap();
    }
}

async fn outages(mut redis: Standalone, tally: Arc<Tally>) {
    loop {
        sleep(Duration::from_secs(2)).await;
        redis.kill();
        sleep(Duration::from_secs(1)).await;
        redis.restart_without_waiting();
        tally.restarts.fetch_add(1, Ordering::Relaxed);
        while TcpStream::connect(redis.address()).is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    }
}
