//! [`Roles`]: which field of a JSON or CSV record is the time, which are the key, and which is the cost.

use std::borrow::Cow;

use super::format::LineError;
use super::key::push_value;
use super::time::{UnixNanos, parse_time};

/// The names that a time goes by when none is given, the first that is there first.
///
/// Gathered from what writes such logs: nginx (`time_iso8601`, `time_local`, `msec`), Caddy and zap (`ts`), Traefik
/// (`StartUTC`), Elastic (`@timestamp`), Cloudflare (`EdgeStartTimestamp`), and the loggers of many languages.
const TIME_NAMES: [&str; 13] = [
    "time",
    "timestamp",
    "ts",
    "@timestamp",
    "datetime",
    "time_iso8601",
    "time_local",
    "msec",
    "StartUTC",
    "EdgeStartTimestamp",
    "created_at",
    "event_time",
    "t",
];

/// The names that a client goes by when no key is given. Behind a proxy the client's own address is wanted, so names that
/// say client stand before those of the connection.
const KEY_NAMES: [&str; 18] = [
    "client_ip",
    "clientip",
    "clientIp",
    "ClientIP",
    "ClientHost",
    "request.client_ip",
    "client.ip",
    "ip",
    "ip_address",
    "remote_ip",
    "remoteIp",
    "request.remote_ip",
    "remote_addr",
    "remoteAddr",
    "RemoteAddr",
    "httpRequest.remoteIp",
    "source.ip",
    "user",
];

/// The fields that were named on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldNames {
    /// The field of the time.
    pub time: Option<String>,
    /// The fields of the key, joined; none to look for a client's address.
    pub key: Vec<String>,
    /// The field of the cost; none when every request costs 1.
    pub cost: Option<String>,
}

/// The fields that a log's records are read by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldsTaken {
    /// The field of the time.
    pub(super) time: String,
    /// The fields of the key.
    pub(super) key: Vec<String>,
}

/// What a record says: when, and what it costs. Its key is written aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub time: UnixNanos,
    /// How many tokens it asks for.
    pub cost: u64,
}

/// What is looked for in a record: first the time, then the parts of the key, then the cost if there is one.
#[derive(Clone, Debug)]
pub(super) struct Roles {
    roles: Vec<Role>,
    has_cost: bool,
}

/// One thing that is looked for.
#[derive(Clone, Debug)]
pub(super) struct Role {
    /// `time`, `key` or `cost`, as in the option that names it.
    name: &'static str,
    /// The field names that it may go by: the one given, or those known. Later only the one taken.
    candidates: Vec<Cow<'static, str>>,
    given: bool,
}

impl Role {
    fn new(name: &'static str, given: Option<&str>, known: &[&'static str]) -> Role {
        let candidates = match given {
            Some(field) => vec![Cow::Owned(field.to_owned())],
            None => known.iter().copied().map(Cow::Borrowed).collect(),
        };
        Role { name, candidates, given: given.is_some() }
    }

    /// The error for a record in which none of the candidates is.
    pub(super) fn missing(&self) -> LineError {
        match &self.candidates[..] {
            [field] if self.given => LineError::NoField(field.to_string()),
            _ => LineError::NoKnownField { role: self.name },
        }
    }

    pub(super) fn candidates(&self) -> &[Cow<'static, str>] {
        &self.candidates
    }

    /// The field that was taken.
    pub(super) fn field(&self) -> &str {
        &self.candidates[0]
    }
}

impl Roles {
    pub(super) fn new(names: &FieldNames) -> Roles {
        let mut roles = vec![Role::new("time", names.time.as_deref(), &TIME_NAMES)];
        if names.key.is_empty() {
            roles.push(Role::new("key", None, &KEY_NAMES));
        }
        roles.extend(names.key.iter().map(|field| Role::new("key", Some(field), &[])));
        roles.extend(names.cost.iter().map(|field| Role::new("cost", Some(field), &[])));
        Roles { roles, has_cost: names.cost.is_some() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter()
    }

    /// Takes for every role the candidate that `choose` gives the position of.
    ///
    /// Either all roles are settled, or none and the first that could not be is the error.
    pub(super) fn settle(&mut self, choose: impl Fn(&Role) -> Option<usize>) -> Result<(), LineError> {
        let chosen: Vec<usize> = self
            .roles
            .iter()
            .map(|role| choose(role).ok_or_else(|| role.missing()))
            .collect::<Result<_, _>>()?;
        for (role, position) in self.roles.iter_mut().zip(chosen) {
            role.candidates.swap(0, position);
            role.candidates.truncate(1);
        }
        Ok(())
    }

    /// The fields taken, once all are settled.
    pub(super) fn taken(&self) -> FieldsTaken {
        let cost = self.roles.len() - usize::from(self.has_cost);
        let name = |role: &Role| role.field().to_owned();
        FieldsTaken { time: name(&self.roles[0]), key: self.roles[1..cost].iter().map(name).collect() }
    }

    /// Reads a record of which `value` gives the text of each role by its position, and writes its key over what is in
    /// `key`.
    pub(super) fn entry<'a>(
        &self,
        value: impl Fn(usize) -> Result<Cow<'a, [u8]>, LineError>,
        key: &mut Vec<u8>,
    ) -> Result<Entry, LineError> {
        let text = value(0)?;
        let time = parse_time(&text).map_err(|error| LineError::field_time(&text, error))?;
        let cost_position = self.roles.len() - usize::from(self.has_cost);
        key.clear();
        for position in 1..cost_position {
            if position > 1 {
                key.push(b' ');
            }
            push_value(&value(position)?, key);
        }
        let cost = if self.has_cost { parse_cost(&value(cost_position)?)? } else { 1 };
        Ok(Entry { time, cost })
    }
}

/// A whole number; what is empty or `-`, as for a response that was never sent, is 0.
fn parse_cost(text: &[u8]) -> Result<u64, LineError> {
    let digits = text.trim_ascii();
    if digits.is_empty() || digits == b"-" {
        return Ok(0);
    }
    // Rust's numbers may start with a plus, which none in a log does.
    let number = digits.iter().all(u8::is_ascii_digit).then(|| str::from_utf8(digits).ok()?.parse().ok());
    number.flatten().ok_or_else(|| LineError::cost(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_whole_numbers_and_nothing_is_zero() {
        for (text, cost) in
            [("0", 0), ("12", 12), (" 7 ", 7), ("", 0), ("-", 0), ("18446744073709551615", u64::MAX)]
        {
            assert_eq!(parse_cost(text.as_bytes()), Ok(cost));
        }
        for text in ["-1", "+1", "1.5", "1e3", "NaN", "inf", "18446744073709551616", "many"] {
            assert_eq!(parse_cost(text.as_bytes()), Err(LineError::Cost(text.to_owned())));
        }
    }

    #[test]
    fn either_every_role_is_settled_or_none() {
        let mut roles = Roles::new(&FieldNames { cost: Some("size".to_owned()), ..FieldNames::default() });
        let all = |name: &'static [&'static str]| {
            move |role: &Role| role.candidates().iter().position(|field| name.contains(&&**field))
        };
        assert_eq!(roles.settle(all(&["level"])), Err(LineError::NoKnownField { role: "time" }));
        assert_eq!(roles.settle(all(&["ts"])), Err(LineError::NoKnownField { role: "key" }));
        assert_eq!(roles.settle(all(&["ts", "ip"])), Err(LineError::NoField("size".to_owned())));
        assert_eq!(roles.settle(all(&["size", "user", "ip", "ts"])), Ok(()));
        let expected = FieldsTaken { time: "ts".to_owned(), key: vec!["ip".to_owned()] };
        assert_eq!(roles.taken(), expected);
    }
}
