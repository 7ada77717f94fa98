//! [`Table`]: states by name, without those that have outlived their use.

use std::sync::Arc;

use super::state::State;
use crate::distributed::Subject;
use crate::distributed::parameters::Parameters;

type Map = std::collections::HashMap<Name, Stored, ahash::RandomState>;

/// So few states are not worth looking through.
const SMALL: usize = 1_024;

/// Under what a state is stored: all of a subject that its meaning depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Name {
    Subject { limit: Arc<str>, scale: String, key: Arc<[u8]>, tag: Option<Arc<[u8]>> },
    Nodes { domain: u16 },
}

impl Name {
    pub(super) fn of(subject: &Subject, parameters: &Parameters) -> Name {
        let Subject { limit, key, tag, .. } = subject.clone();
        Name::Subject { limit, scale: parameters.scale(), key, tag }
    }
}

#[derive(Debug)]
struct Stored {
    state: State,
    /// From when on it is as good as nothing, in microseconds.
    until: i64,
}

/// States by name. No state means full.
#[derive(Debug, Default)]
pub(super) struct Table {
    states: Map,
    /// How many there are when those of no use are next looked for.
    sweep_at: usize,
}

impl Table {
    pub(super) fn get(&self, name: &Name) -> Option<&State> {
        self.states.get(name).map(|stored| &stored.state)
    }

    /// Stores a state for so many microseconds, or removes it. O(1) over many.
    pub(super) fn set(&mut self, name: Name, stored: Option<(State, i64)>, now: i64) {
        let Some((state, life)) = stored else {
            self.remove(&name);
            return;
        };
        self.states.insert(name, Stored { state, until: now + life });
        if self.states.len() >= self.sweep_at {
            self.sweep(now);
        }
    }

    pub(super) fn remove(&mut self, name: &Name) {
        self.states.remove(name);
    }

    /// How many states there are, some of which may be of no use any more.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// It looks through all states only when there are twice as many as it left last time.
    fn sweep(&mut self, now: i64) {
        self.states.retain(|_, stored| stored.until > now);
        self.sweep_at = (2 * self.states.len()).max(SMALL);
        self.states.shrink_to(self.sweep_at);
    }
}
