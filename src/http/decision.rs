//! [`Decision`]: what was decided about a request, for whoever comes later.

use std::sync::Arc;

use super::report::LimitReport;

/// What was decided about a request: in its extensions and those of its answer, if the layer is told to leave it there
/// ([`decision_in_extensions`](super::Builder::decision_in_extensions)).
///
/// ```
/// use tollgate::http::Decision;
///
/// fn tell(extensions: &http::Extensions) {
///     for limit in extensions.get::<Decision>().into_iter().flat_map(Decision::limits) {
///         println!("{}: {} of {} left", limit.name(), limit.remaining(), limit.limit());
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Decision {
    pub(super) allowed: bool,
    pub(super) shadow: bool,
    pub(super) limits: Arc<[LimitReport]>,
}

impl Decision {
    /// Whether all limits let it pass. In shadow mode it passes, whatever this says.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// Whether the layer only watches.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        self.shadow
    }

    /// What each limit said that concerned the request.
    #[must_use]
    pub fn limits(&self) -> &[LimitReport] {
        &self.limits
    }
}
