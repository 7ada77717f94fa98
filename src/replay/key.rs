//! [`KeyBy`]: which part of a request is the key that a limit counts by.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::format::{ABSENT, LogLine};

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Ip,
    Path,
    Method,
    User,
}

/// Every part with the name it is chosen by.
const PARTS: [(Part, &str); 4] =
    [(Part::Ip, "ip"), (Part::Path, "path"), (Part::Method, "method"), (Part::User, "user")];

/// One part of a request, or several taken together: `ip`, `path`, `method`, `user`, `ip,path`.
///
/// The key's text joins the parts by a space; a space within a part is written `\x20`, as web servers write other bytes, so that
/// one part never runs into the next. A part that is absent from the log is `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyBy {
    parts: Vec<Part>,
}

impl Default for KeyBy {
    /// The client.
    fn default() -> KeyBy {
        KeyBy { parts: vec![Part::Ip] }
    }
}

impl KeyBy {
    /// Writes the key of a request over what is in `key`.
    pub fn write(&self, line: &LogLine<'_>, key: &mut Vec<u8>) {
        key.clear();
        for (position, part) in self.parts.iter().enumerate() {
            if position > 0 {
                key.push(b' ');
            }
            match part {
                Part::Ip => push_value(line.host, key),
                Part::Path => push_text(line.path, key),
                Part::Method => push_text(line.method, key),
                Part::User => push_text(line.user, key),
            }
        }
    }
}

/// A value that may be a client's address. An IPv6 one counts as its /64 network: a single subscriber usually has all of
/// it, and could escape a limit by taking another address from it for every request. So does one who could take another
/// port, which is left away. A value that is empty is absent.
pub(super) fn push_value(value: &[u8], key: &mut Vec<u8>) {
    match client(value) {
        Some(client) => key.extend_from_slice(client.as_bytes()),
        None if value.is_empty() => key.extend_from_slice(ABSENT),
        None => push_text(value, key),
    }
}

/// The client of an address that is not written as it counts: IPv6, or either with a port.
fn client(value: &[u8]) -> Option<String> {
    Some(match address(value)? {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => client_network(address),
    })
}

/// An address that is not an IPv4 address alone: IPv6, or either with a port.
pub(super) fn address(value: &[u8]) -> Option<IpAddr> {
    if !value.contains(&b':') {
        return None;
    }
    let text = str::from_utf8(value).ok()?;
    let address = text.parse::<Ipv6Addr>().map(IpAddr::V6);
    address.or_else(|_| text.parse().map(|with_port: SocketAddr| with_port.ip())).ok()
}

fn client_network(address: Ipv6Addr) -> String {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return mapped.to_string();
    }
    let [a, b, c, d, ..] = address.segments();
    format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
}

/// A value as part of a key: a space would end it.
pub(super) fn push_text(text: &[u8], key: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b' ' => key.extend_from_slice(br"\x20"),
            other => key.push(*other),
        }
    }
}

impl FromStr for KeyBy {
    type Err = KeyByError;

    fn from_str(text: &str) -> Result<KeyBy, KeyByError> {
        let mut parts = Vec::new();
        for name in text.split(',') {
            let name = name.trim();
            let (part, _) = PARTS
                .iter()
                .find(|(_, known)| *known == name)
                .ok_or_else(|| KeyByError::Unknown { name: name.to_owned() })?;
            if parts.contains(part) {
                return Err(KeyByError::Twice { name: name.to_owned() });
            }
            parts.push(*part);
        }
        Ok(KeyBy { parts })
    }
}

impl fmt::Display for KeyBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |part: &Part| PARTS.iter().find(|(known, _)| known == part).map_or("", |(_, name)| *name);
        let names: Vec<&str> = self.parts.iter().map(name).collect();
        f.write_str(&names.join(","))
    }
}

/// Why a choice of key was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyByError {
    /// There is no part of that name.
    Unknown {
        /// The name, as given.
        name: String,
    },
    /// A part is named more than once.
    Twice {
        /// The name, as given.
        name: String,
    },
}

impl fmt::Display for KeyByError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyByError::Unknown { name } => write!(
                f,
                "\"{name}\" is not a part of a request: use ip, path, method or user, \
                 or several of them with commas, like ip,path"
            ),
            KeyByError::Twice { name } => write!(f, "\"{name}\" is named twice: name it once"),
        }
    }
}

impl std::error::Error for KeyByError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(by: &str, line: &LogLine<'_>) -> String {
        let mut key = b"what was there before".to_vec();
        by.parse::<KeyBy>().unwrap().write(line, &mut key);
        String::from_utf8(key).unwrap()
    }

    fn line(host: &str) -> LogLine<'_> {
        LogLine {
            host: host.as_bytes(),
            user: b"john smith",
            time: 0,
            method: b"GET",
            path: b"/a b",
            status: b"200",
            bytes: 1,
        }
    }

    #[test]
    fn clients_are_addresses_networks_or_names() {
        for (host, expected) in [
            ("1.2.3.4", "1.2.3.4"),
            ("client.example.net", "client.example.net"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
            ("2001:db8::1", "2001:db8::/64"),
            ("::1", "::/64"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("::ffff:102:304", "1.2.3.4"),
            ("1.2.3.4:5678", "1.2.3.4"),
            ("[2001:db8::1]:5678", "2001:db8::/64"),
            ("not:an:address", "not:an:address"),
            ("-", "-"),
        ] {
            assert_eq!(key("ip", &line(host)), expected);
        }
    }

    #[test]
    fn parts_are_joined_in_the_order_given() {
        let line = line("::1");
        assert_eq!(key("ip,path", &line), r"::/64 /a\x20b");
        assert_eq!(key("method, user", &line), r"GET john\x20smith");
    }

    #[test]
    fn keys_of_different_parts_never_share_a_text() {
        let one = LogLine { user: b"a b", path: b"c", ..line("h") };
        let other = LogLine { user: b"a", path: b"b c", ..line("h") };
        assert_ne!(key("user,path", &one), key("user,path", &other));
    }

    #[test]
    fn choices_print_as_they_are_written() {
        for text in ["ip", "path", "method", "user", "ip,path", "user,method,path,ip"] {
            assert_eq!(text.parse::<KeyBy>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_choice_says_which_name_is_wrong() {
        let unknown = |name: &str| Err(KeyByError::Unknown { name: name.to_owned() });
        assert_eq!("ip,host".parse::<KeyBy>(), unknown("host"));
        assert_eq!("ip,".parse::<KeyBy>(), unknown(""));
        assert_eq!("".parse::<KeyBy>(), unknown(""));
        assert_eq!("ip,ip".parse::<KeyBy>(), Err(KeyByError::Twice { name: "ip".to_owned() }));
    }
}
