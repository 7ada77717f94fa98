//! Names of keys in Redis: two subjects never share one, and those of one tag are in one slot of a cluster.

use crate::distributed::Subject;
use crate::distributed::parameters::Parameters;

/// `prefix:limit:rule:{key}`, or `prefix:limit:rule:{tag}:key`.
///
/// A slot is found from what is between the first `{` and the `}` after it, if there is anything. So no `{` comes before, no `}` within, and an
/// empty tag becomes something. That makes the name unique, too: what is before a separator does not contain it.
pub(super) fn of_subject(prefix: &str, subject: &Subject, parameters: &Parameters) -> Vec<u8> {
    let mut name = of_limit(prefix, &subject.limit);
    name.extend_from_slice(parameters.scale().as_bytes());
    name.extend_from_slice(b":{");
    match subject.placing() {
        // Otherwise `%` is followed by two digits.
        [] => name.push(b'%'),
        placing => escape(placing, b"}", &mut name),
    }
    name.push(b'}');
    if subject.tag.is_some() {
        name.push(b':');
        name.extend_from_slice(&subject.key);
    }
    name
}

/// The nodes of a failure domain: `prefix::nodes:{domain}`. No limit that has a name has this one; those without have no such rule.
pub(super) fn of_nodes(prefix: &str, domain: u16) -> Vec<u8> {
    let mut name = of_limit(prefix, "");
    name.extend_from_slice(format!("nodes:{{{domain}}}").as_bytes());
    name
}

fn of_limit(prefix: &str, limit: &str) -> Vec<u8> {
    let mut name = Vec::new();
    for part in [prefix, limit] {
        escape(part.as_bytes(), b"{:", &mut name);
        name.push(b':');
    }
    name
}

fn escape(text: &[u8], special: &[u8], name: &mut Vec<u8>) {
    for byte in text {
        if *byte == b'%' || special.contains(byte) {
            name.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            name.push(*byte);
        }
    }
}

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::Quota;
    use crate::distributed::Rule;

    fn name(prefix: &str, limit: &str, key: &[u8], tag: Option<&[u8]>) -> Vec<u8> {
        let rule = Rule::Gcra(Quota::per_second(1));
        let subject = Subject::new(limit, rule, key);
        let subject = tag.map_or(subject.clone(), |tag| subject.with_tag(tag));
        of_subject(prefix, &subject, &Parameters::of(&rule).unwrap())
    }

    /// As a cluster finds it.
    fn hash_tag(name: &[u8]) -> &[u8] {
        let open = name.iter().position(|byte| *byte == b'{').unwrap() + 1;
        let length = name[open..].iter().position(|byte| *byte == b'}').unwrap();
        &name[open..open + length]
    }

    const WORDS: [&str; 14] =
        ["", "a", ":", "{", "}", "%", "{}", "a:", ":a", "{a}", "%7D", "%3A", "gcra", ":gcra:{a}"];

    #[test]
    fn no_two_subjects_share_a_name() {
        let mut names = HashSet::new();
        for (prefix, limit) in WORDS.iter().flat_map(|prefix| WORDS.map(|limit| (prefix, limit))) {
            for key in WORDS {
                assert!(
                    names.insert(name(prefix, limit, key.as_bytes(), None)),
                    "{prefix:?} {limit:?} {key:?}"
                );
                for tag in WORDS {
                    let name = name(prefix, limit, key.as_bytes(), Some(tag.as_bytes()));
                    assert!(names.insert(name), "{prefix:?} {limit:?} {key:?} {tag:?}");
                }
            }
            assert!(names.insert(of_nodes(prefix, 0)) || limit != WORDS[0], "{prefix:?}");
        }
    }

    #[test]
    fn all_names_of_a_tag_are_in_one_slot_and_no_slot_is_that_of_the_whole_name() {
        for tag in WORDS {
            let tags: HashSet<Vec<u8>> = WORDS
                .iter()
                .flat_map(|word| WORDS.map(|limit| name("p", limit, word.as_bytes(), Some(tag.as_bytes()))))
                .chain([name("q", "other", tag.as_bytes(), None)])
                .map(|name| hash_tag(&name).to_vec())
                .collect();
            assert_eq!(tags.len(), 1, "{tag:?}: {tags:?}");
            assert!(tags.iter().all(|tag| !tag.is_empty()));
        }
    }

    #[test]
    fn a_name_can_be_read() {
        let plain = name("tollgate", "api", b"user:42", None);
        assert_eq!(String::from_utf8(plain).unwrap(), "tollgate:api:gcra:{user:42}");
        let tagged = name("tollgate", "api", b"path", Some(b"user:42"));
        assert_eq!(String::from_utf8(tagged).unwrap(), "tollgate:api:gcra:{user:42}:path");
    }
}
