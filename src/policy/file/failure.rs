//! [`Failure`]: why a value could not be made of a [`Node`](super::node::Node), and of which one.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use super::node::quoted;

/// An error of deserialization and its way to the root.
#[derive(Debug)]
pub(super) struct Failure {
    /// The positions of the value that is wrong, the innermost first.
    steps: Vec<usize>,
    /// It is the last position's key that is wrong, not its value.
    at_key: bool,
    missing: Option<&'static str>,
    message: String,
}

impl Failure {
    fn new(message: impl Into<String>) -> Failure {
        Failure { steps: Vec::new(), at_key: false, missing: None, message: message.into() }
    }

    /// The same error as its parent sees it: the value at this position is wrong, or one inside.
    pub(super) fn within(mut self, position: usize) -> Failure {
        self.steps.push(position);
        self
    }

    /// The same error where the key at this position is wrong.
    pub(super) fn of_key(self, position: usize) -> Failure {
        Failure { at_key: true, ..self }.within(position)
    }

    /// Whether a key is wrong, not its value.
    pub(super) fn is_of_key(&self) -> bool {
        self.at_key
    }

    /// The field that is missing, if that is the error.
    pub(super) fn missing(&self) -> Option<&'static str> {
        self.missing
    }

    /// The positions from the root to the value that is wrong, and the message.
    pub(super) fn into_parts(mut self) -> (Vec<usize>, String) {
        self.steps.reverse();
        (self.steps, self.message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Failure {
        Failure::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Failure {
        let (wanted, seen) = (wanted(expected, found), seen(found));
        let advice = match found {
            Unexpected::Map if wanted == "a list" => {
                ": begin it with a dash in YAML, with [[…]] in TOML, or put it in [ ]"
            }
            _ => "",
        };
        Failure::new(format!("expected {wanted}, found {seen}{advice}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Failure {
        Failure::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Failure {
        Failure::new(format!("expected {expected}, found {length} elements"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Failure {
        Failure::new(format!("{} is not known: {}", quoted(variant), instead(variant, expected)))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Failure {
        Failure::new(format!("unknown field {}: {}", quoted(field), instead(field, expected)))
    }

    fn missing_field(field: &'static str) -> Failure {
        Failure { missing: Some(field), ..Failure::new(format!("missing field {field:?}")) }
    }

    fn duplicate_field(field: &'static str) -> Failure {
        Failure::new(format!("{field:?} is given twice under two names: leave one out"))
    }
}

/// What to write in place of a name that is not known.
fn instead(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None if known.is_empty() => "leave it out".to_owned(),
        None => format!("use {}", known.join(", ")),
    }
}

/// The name that was meant, if one is near.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let like = known.iter().copied().filter(|known| is_like(name, known));
    like.min_by_key(|known| strsim::osa_distance(name, known))
}

/// Whether one name is a slip in writing another: one letter in three may differ, or more at the end.
pub(super) fn is_like(name: &str, known: &str) -> bool {
    // The distance takes the product of both lengths to find, and at three times the length it is too far anyway.
    let is_comparable = name.len() <= 3 * known.len();
    let name = name.to_lowercase();
    is_comparable
        && (strsim::osa_distance(&name, known) <= (known.chars().count() / 3).max(1)
            || begins_as(&name, known))
}

/// Whether a name begins as the known one, but for its last letter: `matches` for `match`, `policies` for `policy`.
fn begins_as(name: &str, known: &str) -> bool {
    // Shorter names are the beginning of too many others.
    known.len() >= 4 && known.get(..known.len() - 1).is_some_and(|beginning| name.starts_with(beginning))
}

/// What serde calls a type, in the words of configuration.
fn wanted(expected: &dyn Expected, found: Unexpected<'_>) -> String {
    let expected = expected.to_string();
    if let Some(range) = range(&expected) {
        let is_out_of_range = matches!(found, Unexpected::Unsigned(_) | Unexpected::Signed(_));
        return if is_out_of_range { format!("a whole number {range}") } else { "a whole number".to_owned() };
    }
    let words = match expected.as_str() {
        "f32" | "f64" => "a number",
        "a string" | "a borrowed string" | "variant identifier" | "field identifier" => "text in quotes",
        "a character" => "one character",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        "unit" => "nothing",
        _ if expected.starts_with("struct ") => "a table",
        _ if expected.starts_with("enum ") => "text in quotes",
        own => own,
    };
    words.to_owned()
}

/// The range of a type of whole numbers, if it is one.
fn range(integer: &str) -> Option<String> {
    let (low, high) = match integer {
        "u8" => (0, i64::from(u8::MAX)),
        "u16" => (0, i64::from(u16::MAX)),
        "u32" => (0, i64::from(u32::MAX)),
        "i8" => (i64::from(i8::MIN), i64::from(i8::MAX)),
        "i16" => (i64::from(i16::MIN), i64::from(i16::MAX)),
        "i32" => (i64::from(i32::MIN), i64::from(i32::MAX)),
        "i64" | "isize" => (i64::MIN, i64::MAX),
        "u64" | "usize" => return Some("of at least 0".to_owned()),
        _ => return integer.starts_with("a nonzero ").then(|| "of at least 1".to_owned()),
    };
    Some(format!("from {low} to {high}"))
}

/// A value of the file, in the words of configuration.
fn seen(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number:?}"),
        Unexpected::Str(text) => format!("text {}", quoted(text)),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_for_a_slip_if_a_third_of_its_letters_differ_at_most() {
        for slip in ["brust", "burts", "bursts", "Burst", "burs", "burst_size"] {
            assert!(is_like(slip, "burst"), "{slip}");
        }
        for other in ["window", "bt", "", &"burst".repeat(1_000)] {
            assert!(!is_like(other, "burst"), "{other}");
        }
    }

    #[test]
    fn unknown_names_are_answered_with_the_nearest_or_with_all() {
        let known = &["limit", "window"];
        let message = |name| Failure::unknown_field(name, known).to_string();
        assert_eq!(message("limt"), "unknown field \"limt\": did you mean \"limit\"?");
        assert_eq!(message("colour"), "unknown field \"colour\": use limit, window");
        assert_eq!(Failure::unknown_variant("x", known).to_string(), "\"x\" is not known: use limit, window");
        assert_eq!(Failure::unknown_field("x", &[]).to_string(), "unknown field \"x\": leave it out");
    }
}
