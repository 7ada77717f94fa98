//! [`Bell`]: what wakes the thread of a watcher, and why.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// It is rung by many and heard by one. However often it is rung, it takes the same room.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: Mutex<Rung>,
    heard: Condvar,
}

/// Why it was rung.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rung {
    /// Something has changed in the directory.
    pub(super) changed: bool,
    /// Somebody wants the file to be read.
    pub(super) asked: bool,
    /// The thread is to end.
    pub(super) stop: bool,
}

impl Rung {
    fn is_urgent(self) -> bool {
        self.asked || self.stop
    }
}

impl Bell {
    pub(super) fn ring(&self, why: impl FnOnce(&mut Rung)) {
        why(&mut self.rung.lock());
        self.heard.notify_one();
    }

    /// Waits until it is rung, and says whether it was before that time was over.
    pub(super) fn wait(&self, longest: Duration) -> bool {
        let mut rung = self.rung.lock();
        let waited = self.heard.wait_while_for(&mut rung, |rung| *rung == Rung::default(), longest);
        !waited.timed_out()
    }

    /// Waits that long, or until it is rung for something that does not wait.
    pub(super) fn wait_for_urgent(&self, longest: Duration) {
        let mut rung = self.rung.lock();
        self.heard.wait_while_for(&mut rung, |rung| !rung.is_urgent(), longest);
    }

    /// All that it was rung for.
    pub(super) fn take(&self) -> Rung {
        std::mem::take(&mut self.rung.lock())
    }
}
