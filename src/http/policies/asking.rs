//! [`AskingBackends`]: a request about which backends are asked.

use std::time::Instant;

use super::Checked;
use crate::http::Trouble;
use crate::http::hold::{Due, Turns};
use crate::policy::Verdict;

/// A request that the limits in memory let pass, while the backends of others are asked. Dropped, it gives back what was taken.
pub(in crate::http) struct AskingBackends {
    pub(in crate::http) verdict: Turns,
    /// Since when it is being decided, if anybody wants to know how long that takes.
    pub(in crate::http) begun: Option<Instant>,
}

impl AskingBackends {
    pub(super) fn new(
        verdict: impl Future<Output = Verdict> + Send + 'static,
        trouble: Option<(Box<str>, Trouble)>,
        begun: Option<Instant>,
    ) -> AskingBackends {
        let verdict =
            Box::pin(async move { Due::Checked(Box::new(Checked { verdict: verdict.await, trouble })) });
        AskingBackends { verdict, begun }
    }
}
