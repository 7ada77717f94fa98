//! [`Activity`]: who asks, and who is refused.

/// Who asks, and who is refused: of so many users and apis, the most recent and the most active.
#[derive(Debug, Default)]
pub(crate) struct Activity {}

// REST builds:
//   note(&self, user: Option<&str>, api: Option<&str>, policy: Option<&str>, key: &str, allowed: bool)   // nanoseconds, bounded memory
//   of_all() / of_user(user): requests, blocked, last seen per (user, api); top(n): most refused (observe::TopRefused)
