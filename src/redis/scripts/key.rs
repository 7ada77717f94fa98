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
