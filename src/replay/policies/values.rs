//! [`Values`]: what a request says of each attribute, in one piece of memory.

use crate::policy::Attributes;

use super::super::format::ABSENT;
use super::super::key::address;

/// What a request says of each attribute, in the order of their names.
///
/// So many of them may be held back for order's sake that each is one allocation: every value with its length before
/// it. An empty value is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Values(Box<[u8]>);

/// Adds the value of an attribute as a log has it. What is empty or `-` is none.
pub(in super::super) fn push_attribute(attribute: &str, value: &[u8], values: &mut Vec<u8>) {
    let value = if value == ABSENT { b"" } else { value };
    match attribute {
        "ip" => match address(value) {
            Some(address) => push(address.to_canonical().to_string().as_bytes(), values),
            None => push(value, values),
        },
        "route" => push(path(value), values),
        _ => push(value, values),
    }
}

fn push(value: &[u8], values: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(value);
    // No line has so many bytes.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    values.extend_from_slice(&length.to_ne_bytes());
    values.extend_from_slice(text.as_bytes());
}

/// The path of a URL or of a request's target.
fn path(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
    let target = &target[..end];
    let Some(scheme) = target.windows(3).position(|window| window == b"://") else { return target };
    if target.starts_with(b"/") {
        return target;
    }
    let authority = &target[scheme + 3..];
    authority.iter().position(|byte| *byte == b'/').map_or(b"/", |slash| &authority[slash..])
}

impl Values {
    /// Values that were added one by one.
    pub(super) fn new(pushed: &[u8]) -> Values {
        Values(pushed.into())
    }

    /// How many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Every value, empty if there is none.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (length, others) = rest.split_first_chunk()?;
            let (value, others) = others.split_at_checked(u32::from_ne_bytes(*length) as usize)?;
            rest = others;
            Some(str::from_utf8(value).unwrap_or_default())
        })
    }

    /// As what policies are asked about.
    pub(super) fn attributes<'a>(&'a self, names: &'a [String]) -> Attributes<'a> {
        let said = names.iter().zip(self.iter()).filter(|(_, value)| !value.is_empty());
        said.fold(Attributes::new(), |attributes, (name, value)| attributes.with(name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a value.
    fn kept(attribute: &str, value: &str) -> String {
        let mut values = Vec::new();
        push_attribute("before", b"x", &mut values);
        push_attribute(attribute, value.as_bytes(), &mut values);
        push_attribute("after", b"-", &mut values);
        let values = Values::new(&values);
        let all: Vec<&str> = values.iter().collect();
        assert_eq!((all.len(), all[0], all[2]), (3, "x", ""));
        all[1].to_owned()
    }

    #[test]
    fn addresses_lose_their_port_and_nothing_else() {
        for (written, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:443", "192.0.2.1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("2001:DB8::1", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("client.example.net", "client.example.net"),
            ("-", ""),
        ] {
            assert_eq!(kept("ip", written), expected);
        }
        assert_eq!(kept("peer", "192.0.2.1:443"), "192.0.2.1:443");
    }

    #[test]
    fn a_route_is_the_path_alone() {
        for (written, expected) in [
            ("/a/b?c=/d", "/a/b"),
            ("/a#b", "/a"),
            ("https://example.com/a/b?c", "/a/b"),
            ("https://example.com", "/"),
            ("https://example.com?q", "/"),
            ("/go/http://example.com/x", "/go/http://example.com/x"),
            ("list-cards", "list-cards"),
            ("?", ""),
        ] {
            assert_eq!(kept("route", written), expected);
        }
        assert_eq!(kept("query", "/a?b"), "/a?b");
    }

    #[test]
    fn what_is_absent_is_no_attribute() {
        let names = ["ip", "user"].map(str::to_owned);
        let mut values = Vec::new();
        push_attribute("ip", b"192.0.2.1", &mut values);
        push_attribute("user", b"", &mut values);
        let values = Values::new(&values);
        let attributes = values.attributes(&names);
        assert_eq!(attributes.get("ip").map(|value| value.to_string()), Some("192.0.2.1".to_owned()));
        assert_eq!(attributes.get("user"), None);
    }
}
