//! [`Ids`]: what policies from Envoy are called.

use std::collections::HashSet;

use siphasher::sip::SipHasher13;

/// An id may be so long, as [`Policy::id`](crate::policy::Policy::id) says.
const MAX_LENGTH: usize = 64;

/// A dot and the 8 hexadecimal digits of a hash.
const SUFFIX_LENGTH: usize = 9;

/// The ids that are given.
#[derive(Debug, Default)]
pub(super) struct Ids {
    taken: HashSet<String>,
}

impl Ids {
    /// The id of the rule at this path. If the path cannot be it, because it is too long, has other characters than an
    /// id may have, or looks as another rule's, it is shortened and ends in a hash, which is the same every time.
    pub(super) fn of(&mut self, path: &str) -> String {
        let allowed = |character: char| character.is_ascii_alphanumeric() || "-_.:/".contains(character);
        let id: String =
            path.chars().map(|character| if allowed(character) { character } else { '-' }).collect();
        if id == path && id.len() <= MAX_LENGTH && self.taken.insert(id.clone()) {
            return id;
        }
        let start = &id[..id.len().min(MAX_LENGTH - SUFFIX_LENGTH)];
        let hashed = |salt| SipHasher13::new_with_keys(salt, 0).hash(path.as_bytes()) >> 32;
        let mut ids = (0..u64::MAX).map(|salt| format!("{start}.{:08x}", hashed(salt)));
        ids.find(|id| self.taken.insert(id.clone())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_paths_where_they_can_be_and_never_the_same() {
        let mut ids = Ids::default();
        assert_eq!(ids.of("a/b:c"), "a/b:c");
        let paths = ["a/b:c", "a/b:*", "a/b:?", "a/b:-", &"ä".repeat(70), &"a".repeat(64), &"a".repeat(65)];
        let given: HashSet<_> = paths.iter().map(|path| ids.of(path)).collect();
        assert_eq!(given.len(), paths.len());
        assert!(given.contains("a/b:-") && given.contains(&"a".repeat(64)), "{given:?}");
        for id in given {
            assert!((1..=64).contains(&id.len()), "{id}");
            assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(c)), "{id}");
        }
    }

    #[test]
    fn an_id_is_the_same_every_time() {
        assert_eq!(Ids::default().of("a/b:*"), Ids::default().of("a/b:*"));
    }
}
