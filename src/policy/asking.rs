//! [`Asking`]: for those who find a request's attributes only when they know which are asked for.

use std::sync::Arc;

use arc_swap::Guard;

use super::decide::Decision;
use super::matching::Attributes;
use super::question::Everything;
use super::set::PolicySet;
use super::verdict::{Standing, Verdict};
use super::version::Version;

/// The policies of one version, about to be asked. They say which attributes they ask for, and are the ones asked even if others are put in force
/// meanwhile.
pub(crate) struct Asking<'s> {
    set: &'s PolicySet,
    version: Guard<Arc<Version>>,
}

impl PolicySet {
    /// Begins to ask the policies in force.
    #[inline]
    pub(crate) fn ask(&self) -> Asking<'_> {
        Asking { set: self, version: self.in_force() }
    }
}

impl Asking<'_> {
    /// The names of all attributes that may make a difference, each once.
    #[inline]
    pub(crate) fn attributes(&self) -> &[Box<str>] {
        &self.version.attributes
    }

    /// Asks what is decided in memory, as [`PolicySet::check`]. The names above may be borrowed by what is asked about, so that the verdict comes in a
    /// second step, to be taken at once: until then limits are spent that nobody gives back.
    #[inline]
    pub(crate) fn decide(&self, attributes: &Attributes<'_>) -> Decision {
        let mut decision = Decision::new();
        self.set.decide(&self.version, attributes, &Everything, &mut decision);
        decision
    }

    /// The verdict, without waiting for any backend.
    #[inline]
    pub(crate) fn verdict(self, mut decision: Decision) -> Verdict {
        decision.conclude_now(&self.version);
        Verdict { version: self.version, decision }
    }

    /// The verdict once all backends have answered, as [`PolicySet::check_async`]. Needed only where the decision
    /// [asks some](Decision::asks_backends).
    pub(crate) fn verdict_async(self, decision: Decision) -> impl Future<Output = Verdict> + Send + use<> {
        Verdict { version: self.version, decision }.concluded()
    }
}

impl Verdict {
    /// Whether it holds places that somebody must give back.
    pub(crate) fn holds_places(&self) -> bool {
        self.decision.holds
    }

    /// The tier of a request that does not say its own, by the version that decided.
    pub(crate) fn tier_of(&self, attributes: &Attributes<'_>) -> Option<&str> {
        self.version.tier_of(attributes)
    }

    /// The names of all attributes that made a difference.
    pub(crate) fn attributes(&self) -> &[Box<str>] {
        &self.version.attributes
    }
}

impl Standing<'_> {
    /// The limit's name, shared.
    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(self.name)
    }
}
