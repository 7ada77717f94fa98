//! `CL.THROTTLE` for redis-cli, redis-benchmark and the crate redis.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use redis::{Client, Connection, ProtocolVersion, RedisResult, Value, cmd, pipe};

use crate::node::Node;
use crate::servers::Standalone;

const RESP: [&str; 2] = ["--resp", "127.0.0.1:0"];

/// So long a period that nothing comes back while a test runs.
const DAY: u64 = 86_400;

fn node() -> Node {
    Node::start(&RESP)
}

/// A program of redis-tools, by default that in the path.
fn tool(name: &str, node: &Node) -> Command {
    let directory = std::env::var("TOLLGATE_REDIS_TOOLS").map(|directory| format!("{directory}/"));
    let mut command = Command::new(format!("{}{name}", directory.unwrap_or_default()));
    let address = node.resp();
    let (host, port) = address.rsplit_once(':').unwrap();
    command.args(["-h", host, "-p", port]);
    command
}

/// What redis-cli prints.
fn redis_cli(node: &Node, arguments: &str) -> String {
    let output = tool("redis-cli", node).args(arguments.split(' ')).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn connection(node: &Node) -> Connection {
    Client::open(format!("redis://{}", node.resp())).unwrap().get_connection().unwrap()
}

fn throttle(
    connection: &mut Connection,
    key: &str,
    max_burst: u64,
    count: u64,
    period: u64,
    quantity: u64,
) -> [i64; 5] {
    cmd("CL.THROTTLE").arg(key).arg(max_burst).arg(count).arg(period).arg(quantity).query(connection).unwrap()
}

#[test]
fn redis_cli_is_answered_as_by_redis_cell() {
    let node = node();
    assert_eq!(redis_cli(&node, "CL.THROTTLE user123 15 30 60"), "0\n16\n15\n-1\n2");
    // All but the time until the key is full, which goes on meanwhile.
    let first_four = |arguments: &str| redis_cli(&node, arguments).rsplit_once('\n').unwrap().0.to_owned();
    assert_eq!(first_four("cl.throttle slow 15 1 86400 16"), "0\n16\n0\n-1");
    assert!(first_four("CL.THROTTLE slow 15 1 86400").starts_with("1\n16\n0\n86"));
    assert_eq!(first_four("CL.THROTTLE slow 15 1 86400 17"), "1\n16\n0\n-1");
    assert_eq!(redis_cli(&node, "-3 CL.THROTTLE other 15 30 60 0"), "0\n16\n16\n-1\n0");
    assert_eq!(redis_cli(&node, "PING"), "PONG");
    assert!(redis_cli(&node, "INFO").contains("tollgate_version:"));
    assert!(redis_cli(&node, "GET key").starts_with("ERR unknown command 'GET'"));
    let usage = redis_cli(&node, "CL.THROTTLE user123");
    assert!(usage.starts_with("Cell error: Store error: Usage: cl.throttle <key>"), "{usage}");
}

#[test]
fn a_script_for_redis_cli_is_answered_line_by_line() {
    let node = node();
    let mut cli = tool("redis-cli", &node).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let script = "COMMAND COUNT\nECHO \"a b\"\nCL.THROTTLE \"two words\" 0 1 86400\nSELECT 0\n";
    cli.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = cli.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "10\na b\n0\n1\n0\n-1\n86400\nOK\n");
}

#[test]
fn redis_benchmark_admits_exactly_the_burst() {
    let node = node();
    let asked = ["CL.THROTTLE", "hot", "99", "1", "86400"];
    for pipeline in ["1", "64"] {
        let run = ["-n", "20000", "-c", "32", "-P", pipeline, "-q"];
        let output = tool("redis-benchmark", &node).args(run).args(asked).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("requests per second"), "{output:?}");
    }
    assert!(redis_cli(&node, "INFO").contains("caller:admitted=100,"));
}

#[test]
fn many_clients_with_pipelines_are_admitted_the_burst_together() {
    let node = node();
    let client = || {
        let mut connection = connection(&node);
        let mut requests = pipe();
        for _ in 0..50 {
            requests.cmd("CL.THROTTLE").arg("hot").arg(99).arg(1).arg(DAY);
        }
        let answers: Vec<[i64; 5]> = requests.query(&mut connection).unwrap();
        answers.iter().filter(|answer| answer[0] == 0).count()
    };
    let admitted: usize = thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert_eq!(admitted, 100);
}

#[test]
fn a_refusal_and_a_look_spend_nothing() {
    let node = node();
    let mut connection = connection(&node);
    assert_eq!(throttle(&mut connection, "k", 9, 10, DAY, 4), [0, 10, 6, -1, 34_560]);
    let refused = throttle(&mut connection, "k", 9, 10, DAY, 7);
    assert_eq!(refused[..3], [1, 10, 6]);
    assert!((8_630..=8_640).contains(&refused[3]), "{refused:?}");
    assert_eq!(throttle(&mut connection, "k", 9, 10, DAY, 11)[..4], [1, 10, 6, -1]);
    assert_eq!(throttle(&mut connection, "k", 9, 10, DAY, 0)[..4], [0, 10, 6, -1]);
    assert_eq!(throttle(&mut connection, "k", 9, 10, DAY, 6)[..4], [0, 10, 0, -1]);
}

#[test]
fn errors_of_one_request_leave_the_others_of_its_pipeline_alone() {
    let node = node();
    let mut connection = connection(&node);
    let mut requests = pipe();
    requests.ignore_errors();
    requests.cmd("CL.THROTTLE").arg("a").arg(0).arg(1).arg(DAY);
    requests.cmd("CL.THROTTLE").arg("a").arg("many").arg(1).arg(DAY);
    requests.cmd("CL.THROTTLE").arg("a").arg(0).arg(1).arg(0);
    requests.cmd("CL.THROTTLE").arg("a").arg(0).arg(1).arg(DAY).arg(-1);
    requests.cmd("PING");
    requests.cmd("CL.THROTTLE").arg("a").arg(0).arg(1).arg(DAY);
    let answers: Vec<RedisResult<Value>> = requests.query(&mut connection).unwrap();
    let told: Vec<_> = answers
        .iter()
        .map(|answer| answer.as_ref().map_or_else(ToString::to_string, |_| "ok".to_owned()))
        .collect();
    for (told, expected) in
        told.iter().zip(["ok", "parse as integer: many", "Zero rates", "quantity is -1", "ok", "ok"])
    {
        assert!(told.contains(expected), "{told}");
    }
    assert_eq!(told.len(), 6);
}

#[test]
fn clients_may_speak_either_version_of_the_protocol() {
    let node = node();
    for protocol in [ProtocolVersion::RESP2, ProtocolVersion::RESP3] {
        let version = if protocol == ProtocolVersion::RESP2 { 2 } else { 3 };
        let client = Client::open(format!("redis://{}/?protocol={version}", node.resp())).unwrap();
        let mut connection = client.get_connection().unwrap();
        let hello: std::collections::HashMap<String, Value> = cmd("HELLO").query(&mut connection).unwrap();
        assert_eq!(hello["proto"], Value::Int(version));
        assert_eq!(throttle(&mut connection, &format!("resp{version}"), 0, 1, DAY, 1)[..4], [0, 1, 0, -1]);
    }
}

/// Sends bytes and nothing more, and reads all that is answered until the other side closes.
fn exchange(node: &Node, sent: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(node.resp()).unwrap();
    let mut answer = Vec::new();
    // The service may close before all is sent.
    let _ = stream.write_all(sent);
    let _ = stream.shutdown(Shutdown::Write);
    match stream.read_to_end(&mut answer) {
        Ok(_) => answer,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => answer,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn broken_bytes_end_their_connection_and_no_other() {
    let node = node();
    let mut other = connection(&node);
    for (sent, told) in [
        (&b"*1\r\n$5000000000\r\n"[..], "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1000000\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"PING\r\n*x\r\n", "+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n*1\r\n", "-ERR Protocol error: expected '$', got '*'\r\n"),
        (b"*2\r\n$4\r\nECHO\r\n$4\r\n\xff\0\xfe", ""),
        (b"*3\r\n$11\r\nCL.THR", ""),
        (b"", ""),
    ] {
        assert_eq!(String::from_utf8_lossy(&exchange(&node, sent)), told, "{}", sent.escape_ascii());
        assert_eq!(cmd("PING").query::<String>(&mut other).unwrap(), "PONG");
    }
    let megabyte = [b"*2\r\n$4\r\nECHO\r\n$1048576\r\n", &vec![b'a'; 1 << 20][..], b"\r\n"].concat();
    let refused = exchange(&node, &megabyte);
    assert!(refused.is_empty() || refused == b"-ERR Protocol error: invalid bulk length\r\n");
    assert!(exchange(&node, &vec![b'\n'; 1 << 20]).is_empty());
    assert_eq!(exchange(&node, b"*2\r\n$4\r\nECHO\r\n$3\r\n\xff\0\xfe\r\n"), b"$3\r\n\xff\0\xfe\r\n");
}

#[test]
fn a_client_that_does_not_read_is_held_back() {
    let node = node();
    let mut stream = TcpStream::connect(node.resp()).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let before = node.resident_bytes();
    let argument = "a".repeat(60_000);
    let echo = format!("*2\r\n$4\r\nECHO\r\n$60000\r\n{argument}\r\n");
    // Both sides' buffers in the kernel take some, and then nothing more goes out.
    let sent = (0..10_000).take_while(|_| stream.write_all(echo.as_bytes()).is_ok()).count();
    assert!(sent < 10_000, "600 MB of answers are held");
    let grown = node.resident_bytes().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes");
    assert_eq!(redis_cli(&node, "PING"), "PONG");
}

#[test]
fn requests_may_arrive_in_any_pieces() {
    let node = node();
    let mut stream = TcpStream::connect(node.resp()).unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in b"*5\r\n$11\r\nCL.THROTTLE\r\n$1\r\nk\r\n$1\r\n0\r\n$1\r\n1\r\n$5\r\n86400\r\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut answer = [0; 29];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer[..], b"*5\r\n:0\r\n:1\r\n:0\r\n:-1\r\n:86400\r\n");
}

#[test]
fn two_nodes_with_one_redis_admit_the_burst_together_and_answer_in_order() {
    let redis = Standalone::start();
    let nodes = [0, 1].map(|_| Node::start(&[&RESP[..], &["--redis", &redis.url()]].concat()));
    let client = |node: &Node| {
        let mut connection = connection(node);
        let mut requests = pipe();
        for number in 0..300 {
            requests.cmd("CL.THROTTLE").arg("hot").arg(99).arg(1).arg(DAY);
            requests.cmd("ECHO").arg(number);
        }
        let answers: Vec<Value> = requests.query(&mut connection).unwrap();
        let mut admitted = 0;
        for (number, pair) in answers.chunks(2).enumerate() {
            let [Value::Array(told), Value::BulkString(echoed)] = pair else { panic!("{pair:?}") };
            assert_eq!(echoed, number.to_string().as_bytes());
            admitted += usize::from(told[0] == Value::Int(0));
        }
        admitted
    };
    let admitted: usize = thread::scope(|scope| {
        let clients: Vec<_> = nodes.iter().map(|node| scope.spawn(move || client(node))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert_eq!(admitted, 100);
}
