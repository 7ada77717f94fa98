//! Real servers, each a process on a port of its own in a directory of its own; nothing of them is left when they are
//! dropped, also by a test that fails.
//!
//! All of it waits by blocking. That is no harm in the body of a `#[tokio::test(flavor = "multi_thread")]`, which is not
//! run by a worker of the runtime.

mod cluster;
mod ports;
mod process;
mod sentinels;
mod server;
mod standalone;

use std::thread;
use std::time::{Duration, Instant};

pub(crate) use cluster::Cluster;
pub(crate) use ports::free_port;
pub(crate) use process::Directory;
pub(crate) use sentinels::Sentinels;
pub(crate) use standalone::Standalone;

/// Longer than any server takes on a busy machine; nothing waits for so long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until it is so.
///
/// # Panics
///
/// If it never is.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < give_up, "waited {PATIENCE:?} in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
