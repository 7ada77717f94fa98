//! [`PolicyTally`]: what one policy did to the requests that it concerns, and to each key.

use std::time::Duration;

use super::super::key::{push_text, push_value};
use super::super::key_table::KeyTable;
use super::super::refusals::{LongestRefusal, RefusalRow};
use super::super::time::UnixNanos;
use super::values::Values;
use crate::policy::{Policy, Scope};

/// What became of a request that a policy concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Admitted,
    /// Another policy refused it.
    RefusedElsewhere,
    /// This one did, and one would have had to wait so long; `None` if for ever.
    Refused(Option<Duration>),
    /// This one did, because it costs more than the limit ever gives at once.
    TooLarge,
}

/// A policy, and what it did so far.
pub(super) struct PolicyTally {
    pub(super) id: String,
    key: KeyBy,
    pub(super) requests: u64,
    pub(super) admitted: u64,
    pub(super) refused: u64,
    pub(super) would_refuse: u64,
    pub(super) too_large: u64,
    pub(super) longest_refusal: LongestRefusal,
    keys: KeyTable,
    tallies: Vec<KeyTally>,
}

/// What a policy did to one key.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyTally {
    pub(super) requests: u64,
    pub(super) refused: u64,
    pub(super) would_refuse: u64,
    row: RefusalRow,
}

impl PolicyTally {
    pub(super) fn new(policy: &Policy, names: &[String]) -> PolicyTally {
        PolicyTally {
            id: policy.id.clone(),
            key: KeyBy::new(&policy.scope, names),
            requests: 0,
            admitted: 0,
            refused: 0,
            would_refuse: 0,
            too_large: 0,
            longest_refusal: LongestRefusal::NONE,
            keys: KeyTable::default(),
            tallies: Vec::new(),
        }
    }

    /// Counts a request, writing its key over what is in `key`.
    pub(super) fn count(
        &mut self,
        time: UnixNanos,
        values: &Values,
        fate: Fate,
        would_refuse: bool,
        key: &mut Vec<u8>,
    ) {
        self.write_key(values, key);
        let id = self.keys.id(key);
        if id >= self.tallies.len() {
            self.tallies.resize(id + 1, KeyTally::default());
        }
        let tally = &mut self.tallies[id];
        self.requests += 1;
        tally.requests += 1;
        self.would_refuse += u64::from(would_refuse);
        tally.would_refuse += u64::from(would_refuse);
        match fate {
            Fate::Admitted => {
                self.admitted += 1;
                tally.row.admitted();
                return;
            }
            Fate::RefusedElsewhere => return,
            Fate::TooLarge => self.too_large += 1,
            Fate::Refused(wait) => {
                self.longest_refusal = self.longest_refusal.max(tally.row.refused(time, wait));
            }
        }
        self.refused += 1;
        tally.refused += 1;
    }

    /// Writes the key that a request has under this policy over what is in `key`.
    pub(super) fn write_key(&self, values: &Values, key: &mut Vec<u8>) {
        self.key.write(values, key);
    }

    /// How many keys there were.
    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// How many keys it refused at least once, or would have.
    pub(super) fn keys_refused(&self) -> usize {
        self.tallies.iter().filter(|tally| tally.is_refused()).count()
    }

    /// The keys that it refused at least once, or would have.
    pub(super) fn refused_keys(&self) -> impl Iterator<Item = (String, KeyTally)> {
        let keys = self.keys.texts().into_iter().zip(&self.tallies);
        let refused = keys.filter(|(_, tally)| tally.is_refused());
        refused.map(|(text, tally)| (text.into_owned(), *tally))
    }
}

impl KeyTally {
    fn is_refused(&self) -> bool {
        self.refused + self.would_refuse > 0
    }
}

/// How a key's text is made of the values of a scope.
#[derive(Clone, Debug)]
struct KeyBy {
    /// The place of each attribute among the values, and whether it is the client's address.
    places: Vec<(usize, bool)>,
}

impl KeyBy {
    fn new(scope: &Scope, names: &[String]) -> KeyBy {
        let place = |attribute: &str| {
            let place = names.iter().position(|name| name == attribute)?;
            Some((place, attribute == "ip"))
        };
        KeyBy { places: scope.attributes().filter_map(place).collect() }
    }

    /// As `--key` does: the parts are joined by a space, one that is absent is `-`, an IPv6 client is its network.
    /// Where all requests are one key, that is the word for it.
    fn write(&self, values: &Values, key: &mut Vec<u8>) {
        key.clear();
        if self.places.is_empty() {
            key.extend_from_slice(Scope::GLOBAL.as_bytes());
        }
        for (position, (place, is_client)) in self.places.iter().enumerate() {
            if position > 0 {
                key.push(b' ');
            }
            let value = values.iter().nth(*place).unwrap_or_default().as_bytes();
            if *is_client || value.is_empty() {
                push_value(value, key);
            } else {
                push_text(value, key);
            }
        }
    }
}
