//! schemathesis asks whatever the document at `/openapi.json` allows, and what it forbids, and compares the answers with it.

use std::path::Path;
use std::process::Command;

use crate::node::Node;

const POLICIES: &str = "[[policy]]\nid = \"a\"\nscope = \"user\"\nlimit = \"1000/s\"\n";

#[test]
fn schemathesis_finds_nothing_that_is_not_as_described() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/schemathesis");
    let fetched = Command::new(script).output().unwrap();
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    let program = String::from_utf8(fetched.stdout).unwrap();

    let node = Node::with_policies(POLICIES);
    // A limit that is beyond the bounds, or a policy that makes no sense beside others, no schema can tell: 422. Any state or version may be
    // impossible by now: 409, 412. To JSON Schema 1.0 is a whole number, and one of any size: 400. What is `null` counts as left out, and whatever
    // stands in a path is an id, so that not all is refused that schemathesis takes for wrong: `bad_input.rs` has what must be.
    let settings = r#"[checks]
positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "409", "412", "422", "429"]
negative_data_rejection.enabled = false
"#;
    std::fs::write(node.path("schemathesis.toml"), settings).unwrap();
    let run = Command::new(program.trim())
        .current_dir(node.path("."))
        .args(["--config-file", "schemathesis.toml", "run", &node.url("/openapi.json")])
        // The same requests in every run.
        .args(["--generation-deterministic", "--max-examples", "20", "--max-time", "40", "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing"])
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{report}{}", String::from_utf8_lossy(&run.stderr));
    assert!(report.contains("passed") || report.contains("No issues found"), "{report}");
    assert_eq!(node.get("/ping").status, 200);
}
