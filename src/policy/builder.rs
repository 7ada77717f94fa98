//! [`Builder`]: everything about a set of policies that is fixed when it is made.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::customers::{LookupSettings, Source};
use super::lookup::Lookup;
use super::set::PolicySet;
#[cfg(feature = "serde")]
use super::snapshot::PolicySnapshot;
use crate::clock::Clock;
use crate::distributed::SharedStore;

/// How many versions can be rolled back to, unless it is told otherwise.
const KEPT_VERSIONS: usize = 16;

/// Builds a [`PolicySet`].
///
/// For examples see [`backend`](Builder::backend) and [`lookup`](Builder::lookup).
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    pub(super) clock: Clock,
    pub(super) kept_versions: usize,
    pub(super) lookup: Option<Source>,
    pub(super) lookup_settings: LookupSettings,
    pub(super) backends: BTreeMap<String, SharedStore>,
    /// An id that no policy may have, and what it stands for.
    #[cfg(feature = "server")]
    pub(super) reserved: Option<(&'static str, &'static str)>,
    #[cfg(feature = "serde")]
    pub(super) snapshot: Option<PolicySnapshot>,
}

impl Builder {
    pub(super) fn new() -> Builder {
        Builder {
            clock: Clock::default(),
            kept_versions: KEPT_VERSIONS,
            lookup: None,
            lookup_settings: LookupSettings::default(),
            backends: BTreeMap::new(),
            #[cfg(feature = "server")]
            reserved: None,
            #[cfg(feature = "serde")]
            snapshot: None,
        }
    }

    /// The source of time for all limits; default [`Clock::monotonic`].
    pub fn clock(self, clock: Clock) -> Builder {
        Builder { clock, ..self }
    }

    /// A backend that policies may [name](super::Policy::backend). Several may be handed in, each by its own name; of two with one name the later counts.
    ///
    /// ```
    /// use tollgate::distributed::{MemoryBackend, SharedStore};
    /// use tollgate::policy::{Attributes, Format, Policies, PolicySet};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// // In production a `redis::RedisBackend`.
    /// let store = SharedStore::new(MemoryBackend::new());
    /// let set = PolicySet::builder().backend("redis", &store).build();
    /// let file = "[[policy]]\nid = \"api\"\nscope = \"user\"\nlimit = \"2/min\"\nbackend = \"redis\"";
    /// set.apply(Policies::parse(file, Format::Toml)?)?;
    ///
    /// let alice = Attributes::new().user("alice");
    /// assert!(set.check_async(&alice).await.is_allowed() && set.check_async(&alice).await.is_allowed());
    /// assert!(!set.check_async(&alice).await.is_allowed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn backend(mut self, name: impl Into<String>, store: &SharedStore) -> Builder {
        self.backends.insert(name.into(), store.clone());
        self
    }

    /// How many versions can be rolled back to; default 16.
    pub fn keep_versions(self, versions: usize) -> Builder {
        Builder { kept_versions: versions, ..self }
    }

    /// Looks up what is special about the customer whom an attribute names: its tier, and its own limits. Default:
    /// nothing is.
    ///
    /// [`check`](PolicySet::check) never waits for it. A request of somebody who is not known yet is decided as if
    /// nothing were special, and the customer is looked up by a thread that lives as long as the set. Answers are kept,
    /// also that nothing is special, and looked up again when they are a [minute](LookupSettings::time_to_live) old by
    /// the set's clock. So the first requests of a customer go without, and after a change those until the next lookup.
    /// [`look_up`](PolicySet::look_up) makes sure at once. Values of more than 256 bytes are not looked up.
    ///
    /// ```
    /// use tollgate::Quota;
    /// use tollgate::policy::{Amount, Attributes, Customer, Format, Policies, PolicySet};
    ///
    /// let set = PolicySet::builder()
    ///     .lookup("user", |user: &str| {
    ///         // Here a database would be asked.
    ///         Ok((user == "acme").then(|| Customer::new().limit("api", Amount::Quota(Quota::per_minute(2)))))
    ///     })
    ///     .build();
    /// set.apply(Policies::parse("[[policy]]\nid = \"api\"\nscope = \"user\"\nlimit = \"1/min\"", Format::Toml)?)?;
    ///
    /// set.look_up("acme")?;
    /// let acme = Attributes::new().user("acme");
    /// assert!(set.check(&acme).is_allowed() && set.check(&acme).is_allowed());
    /// assert!(!set.check(&acme).is_allowed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lookup(self, attribute: &str, lookup: impl Lookup + 'static) -> Builder {
        let source = Source { attribute: attribute.into(), lookup: Arc::new(lookup) };
        Builder { lookup: Some(source), ..self }
    }

    /// How the lookup is used, if there is one.
    pub fn lookup_settings(self, settings: LookupSettings) -> Builder {
        Builder { lookup_settings: settings, ..self }
    }

    /// The first policies that are put in force will go on from a snapshot: what keys have spent stays spent, and comes back as if no time but that of
    /// the clock on the wall had passed (see [`Limiter`'s](crate::Builder::restore)).
    ///
    /// A limit is known again by its policy's id and its [name](super::Standing::name). If it tells keys apart as before and counts by the same
    /// algorithm, it goes on, with another rate or burst too, and a window if that is as long as before. What cannot go on begins anew, and
    /// the [`Change`](super::Change) says which limits those are. Nothing is left for policies that come later.
    #[cfg(feature = "serde")]
    pub fn restore(self, snapshot: PolicySnapshot) -> Builder {
        Builder { snapshot: Some(snapshot), ..self }
    }

    /// No policy may have this id: something else is counted under it, in stores and in metrics.
    #[cfg(feature = "server")]
    pub(crate) fn reserve(self, id: &'static str, stands_for: &'static str) -> Builder {
        Builder { reserved: Some((id, stands_for)), ..self }
    }

    /// A set without policies.
    #[must_use]
    pub fn build(self) -> PolicySet {
        PolicySet::built(self)
    }
}
