//! How the service starts, who may do what, and how it is told of changes.

use serde_json::json;

use crate::curl::curl;
use crate::node::Node;
use crate::servers::wait_until;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const ONE_A_DAY: &str = "[[policy]]\nid = \"api\"\nscope = \"user\"\nlimit = \"1/day\"\n";

#[test]
fn it_starts_on_a_free_port_says_which_and_answers() {
    let node = Node::start(&["--resp", "127.0.0.1:0"]);
    let answer = node.get("/ping");
    assert_eq!((answer.status, answer.body.as_str()), (200, "pong"));
    assert_ne!(node.http(), node.resp());
}

#[test]
fn flags_count_over_the_environment_and_that_over_the_file() {
    let file = "listen = \"127.0.0.1:1\"\npolicies = \"of_file.toml\"\ntoken = \"short\"";
    let builder =
        Node::builder().environment("TOLLGATE_LISTEN", "127.0.0.1:2").environment("TOLLGATE_TOKEN", TOKEN);
    builder.file("tollgate.toml", file);
    // A path in a settings file is relative to it.
    builder.file("of_file.toml", ONE_A_DAY);
    let node = builder.flags(&["--config", "tollgate.toml", "--listen", "127.0.0.1:0"]).start();
    assert!(!node.http().ends_with(":1") && !node.http().ends_with(":2"));
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let answer = curl(["-H", &bearer, &node.url("/api/config/rate-limits")]);
    assert_eq!(answer.status, 200, "the environment's token counts, not the file's");
    assert!(answer.body.contains("\"api\""), "the file's policies count: {answer:?}");
}

#[test]
fn all_that_is_wrong_in_a_settings_file_is_told_with_its_place() {
    let builder = Node::builder().flags(&["--config", "tollgate.toml"]);
    builder.file("tollgate.toml", "lisen = \"127.0.0.1:0\"\n\n[limits]\nidle = \"soon\"\nconnections = 10");
    let (status, told) = builder.fails();
    assert_eq!(status, Some(1));
    assert!(told.contains("tollgate.toml:1:1: ") && told.contains("\"listen\""), "{told}");
    assert!(told.contains("tollgate.toml:4:") && told.contains("\"soon\" is not a duration"), "{told}");
}

#[test]
fn a_config_of_nothing_but_policies_is_the_file_of_policies() {
    let builder = Node::builder().flags(&["--listen", "127.0.0.1:0", "--config", "policies.toml"]);
    builder.file("policies.toml", ONE_A_DAY);
    let node = builder.start();
    let url = node.url("/api/rate-limit/check?userID=ann&api=x");
    assert_eq!((curl([&url]).status, curl([&url]).status), (200, 429));
}

#[test]
fn a_file_of_both_settings_and_policies_is_to_be_divided() {
    let builder = Node::builder().flags(&["--config", "both.toml"]);
    builder.file("both.toml", &format!("resp = \"127.0.0.1:0\"\n{ONE_A_DAY}"));
    let (_, told) = builder.fails();
    assert!(
        told.contains("policies = \\\"policies.toml\\\"") || told.contains("policies = \"policies.toml\""),
        "{told}"
    );
}

#[test]
fn settings_are_checked_without_starting_anything() {
    let builder = Node::builder().flags(&["--check", "--policies", "policies.toml"]);
    builder.file("policies.toml", ONE_A_DAY);
    builder.succeeds();
    let builder = Node::builder().flags(&["--check", "--policies", "policies.toml"]);
    builder.file("policies.toml", &format!("{ONE_A_DAY}brust = 2"));
    assert!(builder.fails().1.contains("did you mean \"burst\"?"));
    let builder = Node::builder().flags(&["--check", "--policies", "policies.toml"]);
    builder.file("policies.toml", &format!("{ONE_A_DAY}backend = \"redis\""));
    assert!(builder.fails().1.contains("\"redis\" is not known"));
    let builder =
        Node::builder().flags(&["--check", "--policies", "policies.toml", "--redis", "redis://127.0.0.1:1"]);
    builder.file("policies.toml", &format!("{ONE_A_DAY}backend = \"redis\""));
    builder.succeeds();
    let (_, told) = Node::builder().flags(&["--check", "--redis", "redis://:no-port"]).fails();
    assert!(told.contains("backends.redis: ") && told.contains("URL"), "{told}");
}

#[test]
fn so_many_threads_answer_as_it_is_told() {
    let threads = |workers: &str| Node::start(&["--workers", workers]).threads();
    assert_eq!(threads("7") - threads("2"), 5);
    for (workers, said) in [("0", "workers: is 0"), ("5000", "workers: 5000 is more than")] {
        assert!(Node::builder().flags(&["--workers", workers]).fails().1.contains(said));
    }
}

#[test]
fn a_certificate_that_is_none_is_told() {
    let builder = Node::builder().flags(&["--tls-certificate", "a.pem", "--tls-key", "b.pem"]);
    builder.file("a.pem", "nothing");
    let (_, told) = builder.fails();
    assert!(told.contains("a.pem") && told.contains("there is no CERTIFICATE in it"), "{told}");
}

#[test]
fn other_machines_need_a_token() {
    let (status, told) = Node::builder().flags(&["--listen", "0.0.0.0:0"]).fails();
    assert_eq!(status, Some(1));
    assert!(told.contains("0.0.0.0:0") && told.contains("openssl rand -hex 24"), "{told}");
    let (_, told) = Node::builder().flags(&["--listen", "0.0.0.0:0", "--token", "guess"]).fails();
    assert!(told.contains("token: a token is 16 or more"), "{told}");
    let node = Node::start(&["--listen", "0.0.0.0:0", "--token", TOKEN]);
    let port = node.http().rsplit_once(':').unwrap().1.to_owned();
    assert_eq!(curl([format!("http://127.0.0.1:{port}/ping")]).status, 200);
}

#[test]
fn whoever_changes_or_reveals_configuration_needs_the_token() {
    let builder = Node::builder().flags(&["--token-file", "token"]);
    builder.file("token", &format!("{TOKEN}\n"));
    let node = builder.start();
    for path in ["/api/config/rate-limits", "/api/metrics/rate-limits", "/api/metrics/top"] {
        let refused = node.get(path);
        assert_eq!(
            (refused.status, refused.field("www-authenticate")),
            (401, Some("Bearer realm=\"tollgate\""))
        );
        assert!(refused.problem()["detail"].as_str().unwrap().contains("Authorization: Bearer"));
        let url = node.url(path);
        let wrong = curl(["-H", "Authorization: Bearer 0123456789abcdef0123456789abcdee", &url]);
        assert_eq!(wrong.status, 401);
        assert!(wrong.field("www-authenticate").unwrap().contains("invalid_token"));
        // The scheme's name is in capitals or not.
        assert_eq!(curl(["-H", &format!("authorization: bearer {TOKEN}"), &url]).status, 200, "{path}");
    }
    for path in ["/ping", "/health", "/health/live", "/health/ready", "/metrics", "/openapi.json"] {
        assert_eq!(node.get(path).status, 200, "{path}");
    }
    assert_eq!(node.post("/check", &json!({ "key": "ann", "rate": 1, "interval": 1 })).status, 200);
    assert!(!node.log().concat().contains(TOKEN), "no log tells the token");
}

#[test]
fn without_a_token_a_strangers_page_cannot_reach_it_under_its_own_name() {
    let node = Node::start(&[]);
    let url = node.url("/api/config/rate-limits");
    assert_eq!(curl(["-H", "Host: rebound.example.com", &url]).status, 421);
    for host in ["localhost:8080", "127.0.0.1", "[::1]:8080"] {
        assert_eq!(curl(["-H", &format!("Host: {host}"), &url]).status, 200, "{host}");
    }
    // What browsers say of an image, or of a stream, in a page from elsewhere.
    let events = node.url("/events");
    for url in [&url, &events] {
        let foreign = curl(["-H", "Sec-Fetch-Site: cross-site", url]);
        assert_eq!(foreign.status, 403);
        assert!(foreign.problem()["detail"].as_str().unwrap().contains("cors"));
    }
    assert_eq!(curl(["-H", "Sec-Fetch-Site: same-origin", &url]).status, 200);
}

#[test]
fn pages_of_other_origins_may_ask_only_if_they_are_named() {
    let ask = |node: &Node, origin: &str| {
        let preflight = ["-X", "OPTIONS", "-H", "Access-Control-Request-Method: POST"].map(str::to_owned);
        let answer = curl(preflight.into_iter().chain([
            "-H".to_owned(),
            format!("Origin: {origin}"),
            node.url("/check"),
        ]));
        answer.field("access-control-allow-origin").map(str::to_owned)
    };
    assert_eq!(ask(&Node::start(&[]), "https://admin.example.com"), None);
    let builder = Node::builder().flags(&["--config", "tollgate.toml"]);
    builder.file("tollgate.toml", "listen = \"127.0.0.1:0\"\ncors = [\"https://admin.example.com\"]");
    let node = builder.start();
    assert_eq!(ask(&node, "https://admin.example.com").as_deref(), Some("https://admin.example.com"));
    assert_eq!(ask(&node, "https://other.example.com"), None);
    // What needs no leave beforehand, as a stream does, every page could hold open as soon as one was named.
    let open = |origin: &[&str]| {
        let fields = ["Sec-Fetch-Site: cross-site"].iter().chain(origin).flat_map(|field| ["-H", *field]);
        curl(fields.chain([node.url("/api/config/rate-limits").as_str()])).status
    };
    assert_eq!(open(&["Origin: https://admin.example.com"]), 200);
    assert_eq!((open(&["Origin: https://other.example.com"]), open(&[])), (403, 403));
    let builder = Node::builder().flags(&["--config", "tollgate.toml"]);
    builder.file("tollgate.toml", "listen = \"127.0.0.1:0\"\ncors = [\"*\"]");
    let (_, told) = builder.fails();
    assert!(told.contains("cors: ") && told.contains("openssl rand -hex 24"), "{told}");
}

#[test]
fn it_speaks_tls_of_either_version_of_http() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let flags = ["--tls-certificate", "certificate.pem", "--tls-key", "key.pem"];
    let builder = Node::builder().flags(&flags);
    let trusted = builder.file("certificate.pem", &certified.cert.pem());
    builder.file("key.pem", &certified.signing_key.serialize_pem());
    let node = builder.start();
    let port = node.http().rsplit_once(':').unwrap().1.to_owned();
    let url = format!("https://localhost:{port}/ping");
    let ask = |version: &str| curl(["--cacert", trusted.to_str().unwrap(), version, &url]);
    assert_eq!((ask("--http1.1").version.as_str(), ask("--http1.1").status), ("1.1", 200));
    assert_eq!((ask("--http2").version.as_str(), ask("--http2").status), ("2", 200));
}

#[test]
fn http_2_needs_no_tls() {
    let node = Node::start(&[]);
    let answer = curl(["--http2-prior-knowledge", &node.url("/ping")]);
    assert_eq!((answer.version.as_str(), answer.status), ("2", 200));
}

#[test]
fn policies_change_with_their_file_and_one_that_is_wrong_leaves_the_old_ones() {
    let node = Node::with_policies(ONE_A_DAY);
    let url = node.url("/api/rate-limit/check?userID=ann&api=x");
    assert_eq!((curl([&url]).status, curl([&url]).status), (200, 429));

    std::fs::write(node.path("policies.toml"), "[[policy]]\nid = \"api\"\nlimit = \"soon\"").unwrap();
    let told = node.wait_for_log("the old ones stay in force");
    assert!(told.contains("line 3"), "{told}");
    assert_eq!(curl([&url]).status, 429);
    let file_is_wrong = || node.get("/health").json()["policies"]["file_is_wrong"].clone();
    assert_eq!(file_is_wrong(), true);

    std::fs::write(node.path("policies.toml"), ONE_A_DAY.replace("1/day", "3/day")).unwrap();
    node.wait_for_log("\"version\":2");
    assert_eq!((curl([&url]).status, curl([&url]).status, curl([&url]).status), (200, 200, 429));
    assert_eq!(file_is_wrong(), false);
}

#[test]
fn a_hangup_reads_the_policies_again() {
    let node = Node::with_policies(ONE_A_DAY);
    node.signal("HUP");
    let applied = || node.log().iter().filter(|line| line.contains("policies applied")).count();
    wait_until("the policies are applied again", || applied() == 2);
}

#[test]
fn a_hangup_does_not_end_a_service_that_has_no_file_to_read() {
    let mut node = Node::start(&[]);
    node.signal("HUP");
    // As often as it takes for a signal to arrive.
    for _ in 0..20 {
        assert_eq!(node.get("/ping").status, 200);
    }
    assert!(!node.has_ended());
}
