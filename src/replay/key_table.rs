//! [`KeyTable`]: gives every distinct key a number, so that its text is held once.

use std::borrow::Cow;
use std::collections::HashMap;

/// The number of a key: keys are numbered from zero in the order in which they are first seen.
pub(super) type KeyId = usize;

/// Every key seen so far. Grows with the number of distinct keys, and only with that.
#[derive(Debug, Default)]
pub(super) struct KeyTable {
    ids: HashMap<Box<[u8]>, KeyId, ahash::RandomState>,
}

impl KeyTable {
    /// The number of `key`, a new one if it was never seen.
    pub(super) fn id(&mut self, key: &[u8]) -> KeyId {
        if let Some(id) = self.ids.get(key) {
            return *id;
        }
        let id = self.ids.len();
        self.ids.insert(key.into(), id);
        id
    }

    /// How many distinct keys have been seen.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The text of every key, by number. Bytes that are not UTF-8 show as `U+FFFD`.
    pub(super) fn texts(&self) -> Vec<Cow<'_, str>> {
        let mut keys: Vec<(&[u8], KeyId)> = self.ids.iter().map(|(key, id)| (&**key, *id)).collect();
        keys.sort_unstable_by_key(|(_, id)| *id);
        keys.into_iter().map(|(key, _)| String::from_utf8_lossy(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_number_and_its_text() {
        let mut table = KeyTable::default();
        let ids: Vec<KeyId> = [&b"a"[..], b"b", b"a", b"\xff"].into_iter().map(|key| table.id(key)).collect();
        assert_eq!(ids, [0, 1, 0, 2]);
        assert_eq!(table.len(), 3);
        assert_eq!(table.texts(), ["a", "b", "\u{fffd}"]);
    }
}
