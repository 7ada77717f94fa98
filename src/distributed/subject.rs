//! [`Subject`]: a key of a limit, as backends know it.

use std::sync::Arc;

use super::rule::Rule;

/// A key of a limit: what is counted under one number.
///
/// Two subjects are the same if all of this is. For an example see [`MemoryBackend`](super::MemoryBackend).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Subject {
    /// The limit's name, the same on all nodes.
    pub limit: Arc<str>,
    /// By what rule.
    pub rule: Rule,
    /// Whose count it is.
    pub key: Arc<[u8]>,
    /// What keys that must be in one place have in common, if it is not the whole key.
    pub tag: Option<Arc<[u8]>>,
}

impl Subject {
    /// A key of a limit, with no tag but itself.
    #[must_use]
    pub fn new(limit: impl Into<Arc<str>>, rule: Rule, key: impl Into<Arc<[u8]>>) -> Subject {
        Subject { limit: limit.into(), rule, key: key.into(), tag: None }
    }

    /// The same, in one place with all subjects that have this tag.
    #[must_use]
    pub fn with_tag(self, tag: impl Into<Arc<[u8]>>) -> Subject {
        Subject { tag: Some(tag.into()), ..self }
    }

    /// What decides on its place: the tag, or without one the key.
    #[must_use]
    pub fn placing(&self) -> &[u8] {
        self.tag.as_deref().unwrap_or(&self.key)
    }
}
