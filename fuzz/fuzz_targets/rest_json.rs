//! Any bytes as the bodies of the service: read or refused, never a panic; and a refusal names a place in few words.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none rest_json -- -max_total_time=60`
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tollgate::server::machinery::{read_batch, read_check, read_policy};

fuzz_target!(|body: &[u8]| {
    match read_check(body) {
        Ok(length) => {
            assert!((1..=4_096).contains(&length));
            let check: Value = serde_json::from_slice(body).unwrap();
            assert_eq!(check["key"].as_str().map(str::len), Some(length));
        }
        Err(problem) => is_a_problem(&problem, body),
    }
    match read_batch(body) {
        Ok(number) => {
            let batch: Value = serde_json::from_slice(body).unwrap();
            let list = batch.get("keys").or_else(|| batch.get("checks"));
            assert_eq!(list.and_then(Value::as_array).map(Vec::len), Some(number));
        }
        Err(problem) => is_a_problem(&problem, body),
    }
    match read_policy(body) {
        Ok(id) => assert!((1..=64).contains(&id.len())),
        Err(problem) => is_a_problem(&problem, body),
    }
});

fn is_a_problem(problem: &str, body: &[u8]) {
    let problem: Value = serde_json::from_str(problem).unwrap();
    assert!(problem["status"] == 400 || problem["status"] == 422, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(!detail.is_empty() && detail.len() < 2_000, "{detail}");
    let lines = body.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    for error in problem["errors"].as_array().into_iter().flatten() {
        assert!(error["line"].as_u64().is_none_or(|line| line <= lines), "{problem}");
    }
}
