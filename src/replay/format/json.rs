//! [`JsonLines`]: one JSON object on each line.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::super::fields::{Entry, FieldNames, FieldsTaken, Role, Roles};
use super::line_error::LineError;

/// Reads the lines of a log by the names of their fields; `a.b` is the field `b` of the object in the field `a`.
///
/// Which of the known names are taken is settled by the first line that has one for each role.
#[derive(Clone, Debug)]
pub struct JsonLines {
    roles: Roles,
    settled: bool,
}

impl JsonLines {
    /// Lines with these fields; those that are not named are found by the names that are usual for them.
    #[must_use]
    pub fn new(names: &FieldNames) -> JsonLines {
        JsonLines { roles: Roles::new(names), settled: false }
    }

    /// The fields taken, once a line has settled that.
    pub(super) fn taken(&self) -> Option<FieldsTaken> {
        self.settled.then(|| self.roles.taken())
    }

    /// Reads one line, and writes its key over what is in `key`.
    ///
    /// # Errors
    ///
    /// [`LineError`] when it is no JSON object or has not the fields that it needs.
    pub fn read(&mut self, line: &[u8], key: &mut Vec<u8>) -> Result<Entry, LineError> {
        if !line.trim_ascii_start().starts_with(b"{") {
            return Err(LineError::NotAnObject);
        }
        let names = self.roles.iter().flat_map(|role| role.candidates().iter().map(|name| &**name));
        let paths: Vec<Wanted<'_>> = wanted(names);
        let mut found = vec![None; paths.len()];
        pick(line, &paths, &mut found)?;
        let values = self.settle(&found)?;
        let text = |position: usize| match values[position] {
            Some(value) => text(value).ok_or_else(|| self.not_a_value(position)),
            None => Ok(Cow::Borrowed(&b""[..])),
        };
        self.roles.entry(text, key)
    }

    /// Takes those names that have a value on this line, where it is not known yet which are taken. Gives the value of
    /// each role.
    fn settle<'a>(&mut self, found: &[Option<&'a RawValue>]) -> Result<Vec<Option<&'a RawValue>>, LineError> {
        let mut rest = found;
        let mut by_role = Vec::new();
        for role in self.roles.iter() {
            let (own, others) = rest.split_at(role.candidates().len());
            by_role.push(own);
            rest = others;
        }
        let choose = |place: usize, role: &Role| {
            let candidates: &[Option<&RawValue>] = by_role[place];
            candidates.iter().position(|value| value.is_some_and(|value| may_be(value, role)))
        };
        let values = self.roles.iter().zip(0..).map(|(role, place)| by_role[place][choose(place, role)?]);
        let values = values.collect();
        self.roles.settle(choose)?;
        self.settled = true;
        Ok(values)
    }

    fn not_a_value(&self, position: usize) -> LineError {
        let name = self.roles.iter().nth(position).map_or("", Role::field);
        LineError::NotAValue(name.to_owned())
    }
}

/// Whether the value may be what a role takes: a name that is known already may also stand beside nothing.
fn may_be(value: &RawValue, role: &Role) -> bool {
    match value.get().as_bytes() {
        b"null" => role.is_settled() && !role.is_optional(),
        [b'{' | b'[', ..] => !role.is_optional(),
        _ => true,
    }
}

/// A field that is looked for: what is left of its path, and the place of its value.
#[derive(Clone, Copy, Debug)]
struct Wanted<'a> {
    place: usize,
    rest: &'a str,
}

fn wanted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Wanted<'a>> {
    names.enumerate().map(|(place, rest)| Wanted { place, rest }).collect()
}

/// Puts the values of what is wanted of `object` in their places; of two with one name the later.
fn pick<'de>(
    object: &'de [u8],
    wanted: &[Wanted<'_>],
    found: &mut [Option<&'de RawValue>],
) -> Result<(), LineError> {
    let mut deserializer = Deserializer::from_slice(object);
    let picked = deserializer.deserialize_map(Pick { wanted, found });
    picked.and_then(|()| deserializer.end()).map_err(|error| {
        let text = error.to_string();
        // The line number is always one.
        let problem = text.split(" at line ").next().unwrap_or_default();
        LineError::Json(format!("{problem} at column {}", error.column()))
    })
}

/// Goes through an object, and keeps of it only what is wanted.
struct Pick<'a, 'de> {
    wanted: &'a [Wanted<'a>],
    found: &'a mut [Option<&'de RawValue>],
}

impl<'de> Visitor<'de> for Pick<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(Matches { here, inside }) = map.next_key_seed(Name { wanted: self.wanted })? {
            if here.is_empty() && inside.is_empty() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: &RawValue = map.next_value()?;
            for place in here {
                self.found[place] = Some(value);
            }
            if !inside.is_empty() && value.get().starts_with('{') {
                // A part of a valid text is valid; so this cannot fail.
                pick(value.get().as_bytes(), &inside, self.found).map_err(M::Error::custom)?;
            }
        }
        Ok(())
    }
}

/// Compares the name of a field with what is wanted.
struct Name<'a> {
    wanted: &'a [Wanted<'a>],
}

/// What a field's value holds of what is wanted.
struct Matches<'a> {
    /// The places that the value itself belongs to.
    here: Vec<usize>,
    /// What is to be looked for in the value.
    inside: Vec<Wanted<'a>>,
}

impl<'a, 'de> DeserializeSeed<'de> for Name<'a> {
    type Value = Matches<'a>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Matches<'a>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Name<'a> {
    type Value = Matches<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Matches<'a>, E> {
        let mut matches = Matches { here: Vec::new(), inside: Vec::new() };
        for wanted in self.wanted {
            match wanted.rest.strip_prefix(name) {
                Some("") => matches.here.push(wanted.place),
                Some(rest) => {
                    if let Some(rest) = rest.strip_prefix('.') {
                        matches.inside.push(Wanted { place: wanted.place, rest });
                    }
                }
                None => {}
            }
        }
        Ok(matches)
    }
}

/// A single value as text, without quotes; nothing for `null`. `None` for a list or an object.
fn text(value: &RawValue) -> Option<Cow<'_, [u8]>> {
    let text = value.get();
    match text.as_bytes() {
        [b'{' | b'[', ..] => None,
        [b'"', inside @ .., b'"'] if !inside.contains(&b'\\') => Some(Cow::Borrowed(inside)),
        [b'"', ..] => serde_json::from_str::<String>(text).ok().map(|text| Cow::Owned(text.into_bytes())),
        b"null" => Some(Cow::Borrowed(b"")),
        other => Some(Cow::Borrowed(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time in seconds, key and cost of a line.
    fn read(lines: &mut JsonLines, line: &str) -> Result<(u64, String, u64), LineError> {
        let mut key = Vec::new();
        let entry = lines.read(line.as_bytes(), &mut key)?;
        Ok((entry.time / 1_000_000_000, String::from_utf8(key).unwrap(), entry.cost))
    }

    fn named(time: &str, key: &str, cost: Option<&str>) -> JsonLines {
        JsonLines::new(&FieldNames {
            time: Some(time.to_owned()),
            key: key.split(',').map(str::to_owned).collect(),
            cost: cost.map(str::to_owned),
            attributes: None,
        })
    }

    fn one(key: &str) -> (u64, String, u64) {
        (1, key.to_owned(), 1)
    }

    #[test]
    fn fields_may_be_nested_and_dots_may_be_part_of_a_name() {
        let mut lines = named("ts", "request.remote.ip", None);
        for line in [
            r#"{"ts":1,"request":{"method":"GET","remote":{"port":1,"ip":"a"}},"more":[{"ip":"no"}]}"#,
            r#"{"ts":1,"request.remote":{"ip":"a"}}"#,
            r#"{"ts":1,"request.remote.ip":"a"}"#,
            r#"{"ts":1,"request":{"remote.ip":"a"}}"#,
            r#"{"request":{"remote":{"ip":"a"}},"ts":"1970-01-01T00:00:01Z"}"#,
        ] {
            assert_eq!(read(&mut lines, line), Ok(one("a")), "{line}");
        }
    }

    #[test]
    fn usual_names_are_found_and_then_kept() {
        let mut lines = JsonLines::new(&FieldNames::default());
        let startup = r#"{"level":"info","ts":1,"msg":"serving"}"#;
        assert_eq!(read(&mut lines, startup), Err(LineError::NoKnownField { role: "key" }));
        assert_eq!(lines.taken(), None);
        let line = r#"{"ts":1,"request":{"remote_ip":"192.0.2.1","client_ip":null}}"#;
        assert_eq!(read(&mut lines, line), Ok(one("192.0.2.1")));
        assert_eq!(lines.taken().unwrap().key, ["request.remote_ip"]);
        assert_eq!(read(&mut lines, startup), Err(LineError::NoKnownField { role: "key" }));
    }

    #[test]
    fn an_attribute_is_looked_for_until_a_line_has_it() {
        let attributes = ["ip", "region", "user"].map(str::to_owned).into();
        let mut lines = JsonLines::new(&FieldNames { attributes: Some(attributes), ..FieldNames::default() });
        let mut values = Vec::new();
        for (line, fields) in [
            (r#"{"ts":1}"#, ["", "region", ""]),
            (r#"{"ts":1,"user":{"name":null},"ip":"a"}"#, ["ip", "region", ""]),
            (r#"{"ts":1,"user":{"name":"ann"},"client_ip":"a"}"#, ["ip", "region", "user.name"]),
            (r#"{"ts":1,"user":"ann","region":[]}"#, ["ip", "region", "user.name"]),
        ] {
            lines.read(line.as_bytes(), &mut values).unwrap();
            assert_eq!(lines.taken().unwrap().key, fields, "{line}");
        }
    }

    #[test]
    fn any_single_value_is_a_key_and_null_is_absent() {
        let mut lines = named("ts", "a,b", None);
        for (values, key) in [
            (r#""a":7,"b":true"#, "7 true"),
            (r#""a":"x y","b":"\u00e9\"\\""#, "x\\x20y é\"\\"),
            (r#""a":null,"b":"""#, "- -"),
            (r#""a":1,"a":2,"b":-0.5"#, "2 -0.5"),
            (r#""a":"2001:db8::1","b":"192.0.2.1:80""#, "2001:db8::/64 192.0.2.1"),
        ] {
            assert_eq!(read(&mut lines, &format!("{{\"ts\":1,{values}}}")), Ok(one(key)));
        }
    }

    #[test]
    fn one_field_may_have_two_roles() {
        assert_eq!(read(&mut named("n", "n", Some("n")), r#"{"n":5}"#), Ok((5, "5".to_owned(), 5)));
    }

    #[test]
    fn every_defect_is_named() {
        let mut lines = named("ts", "ip", Some("size"));
        let json = |problem: &str| LineError::Json(problem.to_owned());
        for (line, error) in [
            ("word", LineError::NotAnObject),
            ("[1]", LineError::NotAnObject),
            (r#"{"ts":1"#, json("EOF while parsing an object at column 7")),
            (r#"{"ts":1,"ip":"a","size":1} x"#, json("trailing characters at column 28")),
            (r#"{"ts":1,"size":1}"#, LineError::NoField("ip".to_owned())),
            (r#"{"ts":1,"ip":["a"],"size":1}"#, LineError::NotAValue("ip".to_owned())),
            (r#"{"ts":"soon","ip":"a","size":1}"#, LineError::FieldTime("soon".to_owned())),
            (r#"{"ts":4102444800,"ip":"a","size":1}"#, LineError::Year("4102444800".to_owned())),
            (r#"{"ts":1,"ip":"a","size":-1}"#, LineError::Cost("-1".to_owned())),
            (r#"{"ts":1,"ip":"a","size":1.5}"#, LineError::Cost("1.5".to_owned())),
            (r#"{"ts":1,"ip":"a","size":NaN}"#, json("expected value at column 25")),
        ] {
            assert_eq!(read(&mut lines, line), Err(error), "{line}");
        }
        assert!(matches!(
            lines.read(b"{\"ts\":1,\"ip\":\"\xff\",\"size\":1}", &mut Vec::new()),
            Err(LineError::Json(_))
        ));
    }

    #[test]
    fn deep_nesting_is_an_error_or_skipped_and_never_an_overflow() {
        let deep = "[".repeat(60_000);
        let mut lines = named("ts", "ip", None);
        for line in [format!("{{\"x\":{deep}"), format!("{{\"ip\":{deep}"), "{\"ip\":".repeat(10_000)] {
            assert!(matches!(read(&mut lines, &line), Err(LineError::Json(_))));
        }
    }
}
