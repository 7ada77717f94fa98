//! [`Subjects`]: how a limit's keys are known to backends.

use std::sync::Arc;

use crate::distributed::rule::Rule;
use crate::distributed::store::SharedStore;
use crate::distributed::subject::Subject;

/// Which part of a key decides on its place.
pub(in crate::distributed) type Tag = Arc<dyn Fn(&[u8]) -> &[u8] + Send + Sync>;

/// How a limit's keys are known to backends.
#[derive(Clone)]
pub(in crate::distributed) struct Subjects {
    pub(in crate::distributed) name: Arc<str>,
    pub(in crate::distributed) rule: Rule,
    pub(in crate::distributed) tag: Option<Tag>,
}

impl Subjects {
    pub(in crate::distributed) fn of(&self, key: &[u8]) -> Subject {
        let subject = Subject::new(Arc::clone(&self.name), self.rule, key);
        match &self.tag {
            Some(tag) => subject.with_tag(tag(key)),
            None => subject,
        }
    }

    /// The failure domain of a key. A store of one domain needs no subject to tell which.
    pub(in crate::distributed) fn domain_of(&self, key: &[u8], store: &SharedStore) -> usize {
        if store.domains() == 1 {
            return 0;
        }
        store.domain(store.place(&self.of(key)))
    }
}
