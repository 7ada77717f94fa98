//! [`Roles`]: which field of a JSON or CSV record is the time, which are the key, and which is the cost.

use std::borrow::Cow;

use super::format::LineError;
use super::key::push_value;
use super::names::{TIME_NAMES, attribute_names, key_names};
use super::policies::push_attribute;
use super::time::{UnixNanos, parse_time};

/// The fields that were named on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldNames {
    /// The field of the time.
    pub time: Option<String>,
    /// The fields of the key, joined; none to look for a client's address.
    pub key: Vec<String>,
    /// The field of the cost; none when every request costs 1.
    pub cost: Option<String>,
    /// The attributes to take in place of a key, each from the field of its name or from one that is usual for it.
    pub attributes: Option<Vec<String>>,
}

/// The fields that a log's records are read by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldsTaken {
    /// The field of the time.
    pub(super) time: String,
    /// The fields of the key; or that of each attribute, empty while no record had one.
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

/// What is looked for in a record: first the time, then the parts of the key, then the cost if there is one; or the
/// time, and then attributes.
#[derive(Clone, Debug)]
pub(super) struct Roles {
    all: Vec<Role>,
    has_cost: bool,
    /// The names of the attributes.
    attributes: Option<Vec<String>>,
}

/// One thing that is looked for.
#[derive(Clone, Debug)]
pub(super) struct Role {
    /// `time`, `key` or `cost`, as in the option that names it.
    name: &'static str,
    /// The field names that it may go by: the one given, or those known. Later only the one taken.
    candidates: Vec<Cow<'static, str>>,
    given: bool,
    /// A record may lack it.
    optional: bool,
}

impl Role {
    fn given(name: &'static str, field: &str) -> Role {
        Role { name, candidates: vec![Cow::Owned(field.to_owned())], given: true, optional: false }
    }

    fn known(name: &'static str, names: impl IntoIterator<Item = &'static str>) -> Role {
        let candidates = names.into_iter().map(Cow::Borrowed).collect();
        Role { name, candidates, given: false, optional: false }
    }

    fn attribute(attribute: &str) -> Role {
        let role = match attribute_names(attribute) {
            [] => Role::given("attribute", attribute),
            names => Role::known("attribute", names.iter().copied()),
        };
        Role { optional: true, ..role }
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

    /// Whether it is known which of the candidates is taken.
    pub(super) fn is_settled(&self) -> bool {
        self.candidates.len() == 1
    }

    /// Whether a record may lack it.
    pub(super) fn is_optional(&self) -> bool {
        self.optional
    }

    /// The field that was taken.
    pub(super) fn field(&self) -> &str {
        &self.candidates[0]
    }
}

impl Roles {
    pub(super) fn new(names: &FieldNames) -> Roles {
        let time = match &names.time {
            Some(field) => Role::given("time", field),
            None => Role::known("time", TIME_NAMES),
        };
        let mut roles = vec![time];
        if let Some(attributes) = &names.attributes {
            roles.extend(attributes.iter().map(|name| Role::attribute(name)));
        } else if names.key.is_empty() {
            roles.push(Role::known("key", key_names()));
        }
        roles.extend(names.key.iter().map(|field| Role::given("key", field)));
        roles.extend(names.cost.iter().map(|field| Role::given("cost", field)));
        Roles { all: roles, has_cost: names.cost.is_some(), attributes: names.attributes.clone() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Role> {
        self.all.iter()
    }

    /// Takes for every role the candidate that `choose` gives the position of; what a record may lack waits for one
    /// that has it.
    ///
    /// Either all other roles are settled, or none and the first that could not be is the error.
    pub(super) fn settle(&mut self, choose: impl Fn(usize, &Role) -> Option<usize>) -> Result<(), LineError> {
        let chosen: Vec<Option<usize>> = self
            .all
            .iter()
            .enumerate()
            .map(|(place, role)| match choose(place, role) {
                None if !role.optional => Err(role.missing()),
                chosen => Ok(chosen),
            })
            .collect::<Result<_, _>>()?;
        for (role, position) in self.all.iter_mut().zip(chosen) {
            if let Some(position) = position {
                role.candidates.swap(0, position);
                role.candidates.truncate(1);
            }
        }
        Ok(())
    }

    /// The fields taken, once all are settled.
    pub(super) fn taken(&self) -> FieldsTaken {
        let cost = self.all.len() - usize::from(self.has_cost);
        let name = |role: &Role| role.field().to_owned();
        let settled = |role: &Role| if role.is_settled() { name(role) } else { String::new() };
        FieldsTaken { time: name(&self.all[0]), key: self.all[1..cost].iter().map(settled).collect() }
    }

    /// Reads a record of which `value` gives the text of each role by its position, and writes its key, or its
    /// attributes, over what is in `key`.
    pub(super) fn entry<'a>(
        &self,
        value: impl Fn(usize) -> Result<Cow<'a, [u8]>, LineError>,
        key: &mut Vec<u8>,
    ) -> Result<Entry, LineError> {
        let text = value(0)?;
        let time = parse_time(&text).map_err(|error| LineError::field_time(&text, error))?;
        key.clear();
        if let Some(attributes) = &self.attributes {
            for (attribute, position) in attributes.iter().zip(1..) {
                push_attribute(attribute, &value(position)?, key);
            }
            return Ok(Entry { time, cost: 1 });
        }
        let cost_position = self.all.len() - usize::from(self.has_cost);
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
            move |_: usize, role: &Role| role.candidates().iter().position(|field| name.contains(&&**field))
        };
        assert_eq!(roles.settle(all(&["level"])), Err(LineError::NoKnownField { role: "time" }));
        assert_eq!(roles.settle(all(&["ts"])), Err(LineError::NoKnownField { role: "key" }));
        assert_eq!(roles.settle(all(&["ts", "ip"])), Err(LineError::NoField("size".to_owned())));
        assert_eq!(roles.settle(all(&["size", "user", "ip", "ts"])), Ok(()));
        let expected = FieldsTaken { time: "ts".to_owned(), key: vec!["ip".to_owned()] };
        assert_eq!(roles.taken(), expected);
    }
}
