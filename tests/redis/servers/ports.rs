//! Ports that nobody uses.

use std::net::TcpListener;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the ports that the kernel gives to clients (from 32 768 on in Linux): a server that restarts finds its port free.
const FIRST: u32 = 11_000;
const PORTS: u32 = 20_000;

/// A port that was free a moment ago, and is given to nobody else in this process.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Processes that run at the same time begin at different places: 97 is more than the ports of most of them.
    let start = process::id().wrapping_mul(97);
    loop {
        let port = FIRST + start.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let port = u16::try_from(port).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
