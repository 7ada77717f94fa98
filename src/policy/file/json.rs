//! JSON into a [`Node`].

use jsonc_parser::ast::{Array, Object, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::format::Format;
use super::lines::Lines;
use super::node::{Entry, Kind, MAX_DEPTH, Node, too_deep};
use super::problem::{Place, Problem, Problems};
use super::toml::too_large;
use super::wording::plain;

/// Plain JSON: all that the crate allows beyond it is off.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The root of a text, or nothing if its syntax is wrong.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    let lines = Lines::new(text);
    let problem = match parse_to_ast(text, &CollectOptions::default(), &STRICT) {
        Ok(parsed) => match (parsed.value, beyond_json(text)) {
            (None, _) => Problem::at(Place::START, "the file is empty: write at least {}"),
            (Some(value), None) => {
                let mut reader = Reader { lines: &lines, problems, sound: true };
                let root = reader.value(&value, 1);
                return reader.sound.then_some(root);
            }
            (Some(_), Some(problem)) => problem,
        },
        Err(error) => {
            Problem::at(lines.place(error.range().start), plain(Format::Json, &error.kind().to_string()))
        }
    };
    problems.note(problem);
    None
}

/// What the crate still takes for JSON and is none, like a line break within a text.
fn beyond_json(text: &str) -> Option<Problem> {
    let error = serde_json::from_str::<serde_json::Value>(text).err()?;
    // A line break that must not be there counts as column 0 of the line that it begins.
    let lines_above = error.line().saturating_sub(1);
    let (line, column) = match error.column() {
        0 => (
            lines_above,
            text.lines().nth(lines_above.saturating_sub(1)).map_or(0, |line| line.chars().count()) + 1,
        ),
        column => (error.line(), column),
    };
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).max(1);
    let place = Place { line: number(line), column: number(column) };
    let message = error.to_string();
    // The place stands in the problem.
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    Some(Problem::at(place, plain(Format::Json, message)))
}

struct Reader<'a> {
    lines: &'a Lines<'a>,
    problems: &'a mut Problems,
    /// All values could be kept.
    sound: bool,
}

impl Reader<'_> {
    fn value(&mut self, value: &Value<'_>, depth: usize) -> Node {
        let place = self.lines.place(value.start());
        if depth > MAX_DEPTH {
            return self.refuse(too_deep(place), place);
        }
        let kind = match value {
            Value::StringLit(text) => Kind::Text(text.value.clone().into_owned()),
            Value::NumberLit(number) => match number_of(number.value) {
                Some(kind) => kind,
                None => return self.refuse(Problem::at(place, too_large(number.value)), place),
            },
            Value::BooleanLit(value) => Kind::Bool(value.value),
            Value::NullKeyword(_) => Kind::Null,
            Value::Array(list) => self.list(list, depth),
            Value::Object(table) => return self.table(place, table, depth),
        };
        Node::new(place, kind)
    }

    fn list(&mut self, list: &Array<'_>, depth: usize) -> Kind {
        Kind::List(list.elements.iter().map(|element| self.value(element, depth + 1)).collect())
    }

    fn table(&mut self, place: Place, table: &Object<'_>, depth: usize) -> Node {
        let entries = table.properties.iter().map(|property| Entry {
            key: property.name.as_str().to_owned(),
            place: self.lines.place(property.start()),
            value: self.value(&property.value, depth + 1),
        });
        let entries = entries.collect();
        Node::table(place, entries, self.problems)
    }

    fn refuse(&mut self, problem: Problem, place: Place) -> Node {
        self.problems.note(problem);
        self.sound = false;
        Node::new(place, Kind::Removed)
    }
}

/// A number, if it can be held: whole ones stay exact.
fn number_of(digits: &str) -> Option<Kind> {
    if digits.contains(['.', 'e', 'E']) {
        return digits.parse().ok().filter(|float: &f64| float.is_finite()).map(Kind::Float);
    }
    let unsigned = digits.parse().map(Kind::Unsigned);
    unsigned.or_else(|_| digits.parse().map(Kind::Negative)).ok()
}
