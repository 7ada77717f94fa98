//! [`Hangup`]: the signal by which operators ask a service to read its configuration.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use signal_hook::consts::SIGHUP;
use signal_hook::iterator::{Handle, Signals};

use super::bell::Bell;

/// Rings at `SIGHUP` as long as it lives.
#[derive(Debug)]
pub(super) struct Hangup {
    signals: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Hangup {
    pub(super) fn listen(bell: &Arc<Bell>) -> io::Result<Hangup> {
        let mut signals = Signals::new([SIGHUP])?;
        let (handle, bell) = (signals.handle(), Arc::clone(bell));
        let listen = move || {
            for _ in signals.forever() {
                bell.ring(|rung| rung.asked = true);
            }
        };
        let thread = thread::Builder::new().name("tollgate-sighup".into()).spawn(listen)?;
        Ok(Hangup { signals: handle, thread: Some(thread) })
    }
}

impl Drop for Hangup {
    fn drop(&mut self) {
        self.signals.close();
        if let Some(thread) = self.thread.take() {
            // It has no way to panic.
            let _ = thread.join();
        }
    }
}
