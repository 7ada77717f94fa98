//! TOML into a [`Node`].

use std::ops::Range;

use ::toml::Spanned;
use ::toml::de::{DeInteger, DeTable, DeValue, Error};

use super::format::Format;
use super::lines::Lines;
use super::node::{Entry, Kind, MAX_DEPTH, Node, given_twice, quoted, too_deep};
use super::problem::{Place, Problem, Problems};
use super::wording::plain;

/// The crate's message at a value that is none.
const UNQUOTED: &str = "string values must be quoted, expected literal string";

/// In longer texts only the first error of syntax is shown: where every other byte is wrong, the crate makes three
/// hundred bytes of errors for each of the text.
const MAX_RECOVERED: usize = 1 << 20;

/// The root of a text, or nothing if its syntax is wrong. Several errors of syntax are found at once.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    let lines = Lines::new(text);
    let (table, mut errors) = match DeTable::parse(text) {
        Ok(table) => (table, Vec::new()),
        Err(error) if text.len() > MAX_RECOVERED => (Spanned::new(0..0, DeTable::new()), vec![error]),
        Err(_) => DeTable::parse_recoverable(text),
    };
    errors.sort_by_key(|error| start(error.span()));
    let sound = errors.is_empty() || text.len() <= MAX_RECOVERED;
    let mut reader = Reader { lines: &lines, problems, sound };
    let root = reader.table(Place::START, table.into_inner(), 1);
    let mut last_line = 0;
    for error in errors {
        let line = lines.place(start(error.span())).line;
        // What follows an error on its line is mostly its echo.
        if line != last_line {
            reader.note(text, &root, &error);
        }
        last_line = line;
    }
    reader.sound.then_some(root)
}

fn start(span: Option<Range<usize>>) -> usize {
    span.map_or(0, |span| span.start)
}

struct Reader<'a> {
    lines: &'a Lines<'a>,
    problems: &'a mut Problems,
    /// No error of syntax yet: the values are what their writer meant.
    sound: bool,
}

impl Reader<'_> {
    fn table(&mut self, place: Place, table: DeTable<'_>, depth: usize) -> Node {
        let mut entries: Vec<_> = table.into_iter().collect();
        // The crate sorts them by name.
        entries.sort_by_key(|(key, _)| key.span().start);
        let entries = entries
            .into_iter()
            .map(|(key, value)| {
                let place = self.lines.place(key.span().start);
                Entry { key: key.into_inner().into_owned(), place, value: self.value(value, depth + 1) }
            })
            .collect();
        Node::table(place, entries, self.problems)
    }

    fn value(&mut self, value: Spanned<DeValue<'_>>, depth: usize) -> Node {
        let place = self.lines.place(value.span().start);
        if depth > MAX_DEPTH {
            self.problems.note(too_deep(place));
            self.sound = false;
            return Node::new(place, Kind::Removed);
        }
        let kind = match value.into_inner() {
            DeValue::String(text) => Kind::Text(text.into_owned()),
            DeValue::Integer(integer) => self.integer(place, &integer),
            DeValue::Float(float) => float.as_str().parse().map_or(Kind::Removed, Kind::Float),
            DeValue::Boolean(value) => Kind::Bool(value),
            DeValue::Datetime(time) => Kind::Text(time.to_string()),
            DeValue::Array(list) => {
                Kind::List(list.into_iter().map(|element| self.value(element, depth + 1)).collect())
            }
            DeValue::Table(table) => return self.table(place, table, depth),
        };
        Node::new(place, kind)
    }

    fn integer(&mut self, place: Place, integer: &DeInteger<'_>) -> Kind {
        let (digits, radix) = (integer.as_str(), integer.radix());
        if let Ok(value) = u64::from_str_radix(digits, radix) {
            Kind::Unsigned(value)
        } else if let Ok(value) = i64::from_str_radix(digits, radix) {
            Kind::Negative(value)
        } else {
            self.problems.note(Problem::at(place, too_large(digits)));
            self.sound = false;
            Kind::Removed
        }
    }

    fn note(&mut self, text: &str, root: &Node, error: &Error) {
        let span = error.span().unwrap_or(0..0);
        let place = self.lines.place(span.start);
        if error.message() == "duplicate key" {
            if self.problems.found() >= Problems::KEPT {
                // It will only be counted, and the search for its pair walks the file.
                return self.problems.note(Problem::at(place, error.message()));
            }
            let key = text.get(span.clone()).unwrap_or_default();
            let of_header = header_before(text, place.line).map(|line| (line, Place::START));
            let first = of_header.or_else(|| key_before(root, key, place));
            if let Some((line, table)) = first {
                let problem = given_twice(key.trim_matches(['"', '\'']), line, place);
                return self.problems.note_key(problem, table);
            }
        } else {
            self.sound = false;
        }
        let message = match error.message() {
            // The crate says so of nothing at all, too.
            UNQUOTED if span.is_empty() => "a value is missing here".to_owned(),
            UNQUOTED => "text must stand in quotes".to_owned(),
            message => plain(Format::Toml, message),
        };
        self.problems.note(Problem::at(place, message));
    }
}

/// A number that no field can hold.
pub(super) fn too_large(digits: &str) -> String {
    format!("{} is too large a number: use at most {}", quoted(digits), u64::MAX)
}

/// The line of the nearest equal table header above, if a table header stands on the line.
fn header_before(text: &str, line: u32) -> Option<u32> {
    let above = usize::try_from(line).ok()?.checked_sub(1)?;
    let wanted = header(text.lines().nth(above)?)?;
    let first =
        text.lines().take(above).enumerate().filter(|(_, line)| header(line) == Some(wanted)).last()?.0;
    u32::try_from(first + 1).ok()
}

/// The table header on a line.
fn header(line: &str) -> Option<&str> {
    let line = line.split('#').next()?.trim();
    line.starts_with('[').then_some(line)
}

/// The line of the nearest key of that name above, and where its table begins: the crate does not say where the first
/// one of a pair stands.
fn key_before(node: &Node, key: &str, before: Place) -> Option<(u32, Place)> {
    let own = match &node.kind {
        Kind::Table(entries) => {
            let same = entries.iter().filter(|entry| entry.place < before && entry.key == key);
            same.map(|entry| (entry.place.line, node.place)).max()
        }
        _ => None,
    };
    node.children().filter_map(|child| key_before(child, key, before)).chain(own).max()
}
