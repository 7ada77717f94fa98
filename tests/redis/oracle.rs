//! [`Oracle`]: what a limit promised, and by how much it was broken.

use std::sync::Mutex;
use std::time::Instant;

/// Writes down what was admitted, and says by how much that is more than a rate and a burst allow.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    admitted: Mutex<Vec<Admission>>,
}

/// A token that was admitted at some moment between these.
#[derive(Clone, Copy, Debug)]
struct Admission {
    asked: Instant,
    answered: Instant,
}

impl Oracle {
    /// A token was admitted to somebody who asked and was answered at these moments.
    pub(crate) fn admitted(&self, asked: Instant, answered: Instant) {
        self.admitted.lock().unwrap().push(Admission { asked, answered });
    }

    pub(crate) fn total(&self) -> usize {
        self.admitted.lock().unwrap().len()
    }
}
