//! Nodes have no state of their own: two of them and one Redis count as one.

use std::time::Instant;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::Client;
use crate::node::Node;
use crate::servers::{Standalone, wait_until};

/// A node that counts what comes with requests in this server. It waits for it longer than any server takes on a busy machine.
fn node(redis: &Standalone) -> Node {
    let builder = Node::builder().flags(&["--config", "tollgate.toml", "--redis", &redis.url()]);
    builder.file("tollgate.toml", "listen = \"127.0.0.1:0\"\n[callers]\nbudget = \"5s\"");
    builder.start()
}

fn backend(node: &Node) -> Value {
    node.get("/health").json()["backends"][0].clone()
}

fn wait_for_state(node: &Node, state: &str) {
    wait_until(&format!("the service is {state}"), || node.get("/health").json()["state"] == state);
}

/// How many of so many checks are allowed, by clients of both nodes at the same time.
async fn admitted(nodes: [&Node; 2], check: &Value, each: usize) -> usize {
    let mut clients = JoinSet::new();
    for number in 0..8 {
        let (client, url, check) = (Client::new(), nodes[number % 2].url("/check"), check.clone());
        clients.spawn(async move {
            let mut admitted = 0;
            for _ in 0..each {
                admitted += usize::from(client.is_allowed(&url, &check).await);
            }
            admitted
        });
    }
    clients.join_all().await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_and_one_redis_admit_together_exactly_the_capacity() {
    let redis = Standalone::start();
    let (one, other) = (node(&redis), node(&redis));
    for algorithm in ["gcra", "token_bucket"] {
        let check = json!({ "key": algorithm, "algorithm": algorithm, "rate": 300, "interval": 864_000 });
        assert_eq!(admitted([&one, &other], &check, 100).await, 300, "{algorithm}");
    }
    let check = json!({ "key": "log", "algorithm": "sliding_log", "limit": 300, "window": 86_400 });
    assert_eq!(admitted([&one, &other], &check, 100).await, 300);
    let (one, other) = (one.get("/metrics").body, other.get("/metrics").body);
    let counted = |metrics: &str, outcome: &str| {
        let sample = format!("tollgate_decisions_total{{policy=\"caller\",outcome=\"{outcome}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&sample)).unwrap();
        line.parse::<usize>().unwrap()
    };
    assert_eq!(counted(&one, "allowed") + counted(&other, "allowed"), 900);
    assert_eq!(counted(&one, "denied") + counted(&other, "denied"), 1_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_node_has_its_share_and_with_it_again_they_count_as_one() {
    const RATE: u64 = 50;
    let mut redis = Standalone::start();
    let nodes = [&node(&redis), &node(&redis)];
    let ask = |key: &str| json!({ "key": key, "rate": RATE, "interval": 1 });
    let begun = Instant::now();
    let mut total = admitted(nodes, &ask("ann"), 50).await;
    wait_until("each node knows that there are two", || nodes.iter().all(|node| backend(node)["nodes"] == 2));

    redis.kill();
    for node in nodes {
        total += admitted([node, node], &ask("ann"), 20).await;
        wait_for_state(node, "failed");
        assert_eq!(node.get("/health/ready").status, 200);
        assert!(backend(node)["open"].as_u64().unwrap() > 0);
    }
    let in_outage = admitted(nodes, &ask("ann"), 500).await;
    total += in_outage;
    let most = RATE as f64 * (1.0 + begun.elapsed().as_secs_f64());
    assert!(total as f64 <= most, "{total} of {most}");
    wait_until("each node's share admits somebody", || {
        nodes.iter().all(|node| node.post("/check", &ask("bob")).status == 200)
    });

    redis.restart();
    for node in nodes {
        wait_until("the node is well again", || {
            let state = node.get("/health").json()["state"].clone();
            state == "recovering" || state == "active"
        });
    }
    let check = json!({ "key": "eve", "rate": 300, "interval": 864_000 });
    assert_eq!(admitted(nodes, &check, 100).await, 300);
    for node in nodes {
        wait_for_state(node, "active");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_at_the_start_is_found_when_it_comes() {
    let mut redis = Standalone::start();
    redis.kill();
    let node = node(&redis);
    wait_for_state(&node, "failed");
    assert_eq!(node.get("/health/ready").status, 200, "its limits say what happens then");
    redis.restart();
    wait_for_state(&node, "active");
    let check = json!({ "key": "ann", "rate": 1, "interval": 864_000 });
    assert_eq!((node.post("/check", &check).status, node.post("/check", &check).status), (200, 429));
}
