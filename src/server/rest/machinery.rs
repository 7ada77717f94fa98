//! Bodies read as the service reads them, without a service: for fuzzing.

use super::bodies;
use super::problem::Problem;

/// Reads the body of `POST /check`: the length of the key, or the problem in JSON.
///
/// # Errors
///
/// The problem.
pub fn read_check(body: &[u8]) -> Result<usize, String> {
    let read =
        || bodies::check(body)?.question(|field| format!("/{field}")).map(|question| question.key.len());
    read().map_err(|problem| told(&problem))
}

/// Reads the body of `POST /check/batch`: the number of keys, or the problem in JSON.
///
/// # Errors
///
/// The problem.
pub fn read_batch(body: &[u8]) -> Result<usize, String> {
    let read = || bodies::batch(body)?.questions().map(|questions| questions.len());
    read().map_err(|problem| told(&problem))
}

/// Reads the body of `POST /api/config/rate-limits`: the policy's id, or the problem in JSON.
///
/// # Errors
///
/// The problem.
pub fn read_policy(body: &[u8]) -> Result<String, String> {
    super::config::policy(body).map(|policy| policy.id).map_err(|problem| told(&problem))
}

fn told(problem: &Problem) -> String {
    serde_json::to_string(problem).unwrap_or_default()
}
