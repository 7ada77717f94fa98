//! [`Node`]: a value of a file, whatever its format, and where it stands.

use std::collections::HashMap;

use super::problem::{Place, Problem, Problems};

/// Values may stand so deep in one another. A policy needs six levels; every level takes stack while it is read.
pub(super) const MAX_DEPTH: usize = 64;

/// A value and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(super) place: Place,
    pub(super) kind: Kind,
    /// A limit whose fields stand beside `id`, not under `limits`: paths must not name the list it was put into.
    pub(super) flat: bool,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Unsigned(u64),
    /// Below 0.
    Negative(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// Was wrong and is noted as a problem: readers pass it over. It holds its position, so that paths stay right.
    Removed,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn new(place: Place, kind: Kind) -> Node {
        Node { place, kind, flat: false }
    }

    /// A table of these entries. Of those with the same key the first stays; the others are problems.
    pub(super) fn table(table: Place, mut entries: Vec<Entry>, problems: &mut Problems) -> Node {
        let mut first = HashMap::with_capacity(entries.len());
        let unique: Vec<bool> = entries
            .iter()
            .map(|entry| {
                let place = *first.entry(entry.key.as_str()).or_insert(entry.place);
                if place != entry.place {
                    problems.note_key(given_twice(&entry.key, place.line, entry.place), table);
                }
                place == entry.place
            })
            .collect();
        let mut unique = unique.into_iter();
        entries.retain(|_| unique.next().unwrap_or(true));
        Node::new(table, Kind::Table(entries))
    }

    pub(super) fn is_removed(&self) -> bool {
        matches!(self.kind, Kind::Removed)
    }

    /// The entry of a table with this key.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Table(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The values right inside, by position.
    pub(super) fn child(&self, position: usize) -> Option<&Node> {
        match &self.kind {
            Kind::List(elements) => elements.get(position),
            Kind::Table(entries) => entries.get(position).map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The same, to change it.
    pub(super) fn child_mut(&mut self, position: usize) -> Option<&mut Node> {
        match &mut self.kind {
            Kind::List(elements) => elements.get_mut(position),
            Kind::Table(entries) => entries.get_mut(position).map(|entry| &mut entry.value),
            _ => None,
        }
    }

    /// The values right inside.
    pub(super) fn children(&self) -> Box<dyn Iterator<Item = &Node> + '_> {
        match &self.kind {
            Kind::List(elements) => Box::new(elements.iter()),
            Kind::Table(entries) => Box::new(entries.iter().map(|entry| &entry.value)),
            _ => Box::new(std::iter::empty()),
        }
    }

    /// About how many bytes this value takes in memory, with all inside.
    pub(super) fn weight(&self) -> usize {
        let own = match &self.kind {
            Kind::Text(text) => text.len(),
            Kind::Table(entries) => entries.iter().map(|entry| size_of::<Entry>() + entry.key.len()).sum(),
            _ => 0,
        };
        size_of::<Node>() + own + self.children().map(Node::weight).sum::<usize>()
    }

    /// How many levels of values there are, with this one.
    pub(super) fn depth(&self) -> usize {
        1 + self.children().map(Node::depth).max().unwrap_or(0)
    }

    /// Whether this value or one inside was removed.
    pub(super) fn has_removed(&self) -> bool {
        self.is_removed() || self.children().any(Node::has_removed)
    }
}

/// A key that its table has already.
pub(super) fn given_twice(key: &str, first_line: u32, place: Place) -> Problem {
    let lines = match place.line {
        line if line == first_line => format!("on line {line}"),
        line => format!("on line {first_line} and on line {line}"),
    };
    let message = format!("{} is given twice, {lines}: leave one out", quoted(key));
    Problem::at(place, message)
}

/// Too deep a value.
pub(super) fn too_deep(place: Place) -> Problem {
    Problem::at(
        place,
        format!("more than {MAX_DEPTH} lists and tables stand in one another here: make it flatter"),
    )
}

/// A text of the file as messages show it: shortened to 60 characters, which still fit on a line with the rest.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, line: u32) -> Entry {
        let place = Place { line, column: 1 };
        Entry { key: key.into(), place, value: Node::new(place, Kind::Null) }
    }

    #[test]
    fn of_the_same_keys_the_first_stays_and_both_lines_are_named() {
        let mut problems = Problems::default();
        let entries = vec![entry("a", 1), entry("b", 2), entry("a", 7)];
        let table = Node::table(Place::START, entries, &mut problems);
        assert_eq!(table, Node::new(Place::START, Kind::Table(vec![entry("a", 1), entry("b", 2)])));
        let (problems, _) = problems.sorted();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].line, 7);
        assert_eq!(problems[0].message, "\"a\" is given twice, on line 1 and on line 7: leave one out");
    }

    #[test]
    fn long_texts_are_shortened_and_control_characters_escaped() {
        assert_eq!(quoted("a\u{1b}"), "\"a\\u{1b}\"");
        assert_eq!(quoted(&"ä".repeat(61)), format!("\"{}\"…", "ä".repeat(60)));
    }
}
