//! YAML into a [`Node`].

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};

use super::MAX_BYTES;
use super::core_schema::resolve;
use super::format::Format;
use super::lines::Lines;
use super::node::{Entry, Kind, MAX_DEPTH, Node, too_deep};
use super::problem::{Place, Problem, Problems};
use super::toml::too_large;
use super::wording::plain;

/// The root of a text, or nothing if it is not to be read. The first error of syntax ends the reading.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    // YAML allows no others, and the parser would take a zero byte for the end of the file.
    let is_stray =
        |character: char| character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\u{85}');
    if let Some(offset) = text.find(is_stray) {
        let place = Lines::new(text).place(offset);
        problems.note(Problem::at(place, "a control character stands here: delete it"));
        return None;
    }
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        end: end(text),
        anchors: HashMap::new(),
        expanded: 0,
        problems,
    };
    match reader.document() {
        Ok(root) => Some(root),
        Err(problem) => {
            problems.note(problem);
            None
        }
    }
}

/// Where a text ends. YAML has line breaks of three kinds.
fn end(text: &str) -> Place {
    let lines = text.split(['\n', '\r']).count() - text.matches("\r\n").count();
    let last = text.rsplit(['\n', '\r']).next().unwrap_or_default();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Place { line: number(lines), column: number(last.chars().count()).saturating_add(1) }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// The parser takes the end of a text that lacks its last line break for another line.
    end: Place,
    /// What aliases can stand for.
    anchors: HashMap<usize, Anchored>,
    /// The bytes that aliases have made, as [`Node::weight`] counts them.
    expanded: usize,
    problems: &'a mut Problems,
}

struct Anchored {
    node: Node,
    weight: usize,
    depth: usize,
}

/// The first problem: after it the events mean nothing.
type Parsed<T> = Result<T, Problem>;

impl<'a> Reader<'a> {
    /// The next event that says something.
    fn next(&mut self) -> Parsed<(Event<'a>, Place)> {
        match self.parser.next_event() {
            Some(Ok((event, Span { start, .. }))) => Ok((event, place(&start).min(self.end))),
            Some(Err(error)) => {
                Err(Problem::at(place(error.marker()).min(self.end), plain(Format::Yaml, error.info())))
            }
            None => Ok((Event::StreamEnd, Place::START)),
        }
    }

    fn document(&mut self) -> Parsed<Node> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => {
                    // A file without any value, as in TOML.
                    let value = root.filter(|root: &Node| root.kind != Kind::Null);
                    return Ok(value.unwrap_or_else(|| Node::new(Place::START, Kind::Table(Vec::new()))));
                }
                (Event::DocumentStart(_), place) if root.is_some() => {
                    return Err(Problem::at(
                        place,
                        "a second document starts here: leave one document in the file",
                    ));
                }
                (Event::DocumentStart(_), _) => {
                    let (event, place) = self.next()?;
                    root = Some(self.value(event, place, 1)?);
                }
                _ => {}
            }
        }
    }

    fn value(&mut self, event: Event<'a>, place: Place, depth: usize) -> Parsed<Node> {
        if depth > MAX_DEPTH {
            return Err(too_deep(place));
        }
        let (anchor, tagged) = match &event {
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(anchor, tag)
            | Event::MappingStart(anchor, tag) => (*anchor, tag.is_some()),
            _ => (0, false),
        };
        if tagged {
            return Err(Problem::at(
                place,
                "tags (!…) are not allowed: leave it out, and put text in quotes",
            ));
        }
        let node = match event {
            Event::Alias(anchor) => return self.alias(anchor, place, depth),
            Event::Scalar(text, ScalarStyle::Plain, ..) => match resolve(&text) {
                Some(kind) => Node::new(place, kind),
                None => return Err(Problem::at(place, too_large(&text))),
            },
            Event::Scalar(text, ..) => Node::new(place, Kind::Text(text.into_owned())),
            Event::SequenceStart(..) => self.list(place, depth)?,
            Event::MappingStart(..) => self.table(place, depth)?,
            _ => return Err(Problem::at(place, "a value is missing here")),
        };
        // The parser counts anchors from 1.
        if anchor > 0 {
            let (weight, depth) = (node.weight(), node.depth());
            // A copy like those that aliases make, and counted as one.
            self.expand(weight, place)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), weight, depth });
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, place: Place, depth: usize) -> Parsed<Node> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(Problem::at(place, "an alias (*…) cannot stand inside the value that it names"));
        };
        if depth + anchored.depth > MAX_DEPTH + 1 {
            return Err(too_deep(place));
        }
        let weight = anchored.weight;
        self.expand(weight, place)?;
        let node = self.anchors.get(&anchor).map(|anchored| anchored.node.clone());
        node.ok_or_else(|| Problem::at(place, "an alias (*…) without its anchor (&…)"))
    }

    fn expand(&mut self, weight: usize, place: Place) -> Parsed<()> {
        self.expanded = self.expanded.saturating_add(weight);
        if self.expanded > MAX_BYTES {
            return Err(Problem::at(
                place,
                format!("the file's aliases (*…) make more than {MAX_BYTES} bytes of it: use fewer"),
            ));
        }
        Ok(())
    }

    fn list(&mut self, place: Place, depth: usize) -> Parsed<Node> {
        let mut elements = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Node::new(place, Kind::List(elements))),
                (event, place) => elements.push(self.value(event, place, depth + 1)?),
            }
        }
    }

    fn table(&mut self, place: Place, depth: usize) -> Parsed<Node> {
        let mut entries = Vec::new();
        loop {
            let (key, key_place) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Node::table(place, entries, self.problems)),
                (Event::Scalar(key, ScalarStyle::Plain, ..), place) if key == "<<" => {
                    return Err(Problem::at(place, "tables cannot be merged (<<): write the fields out"));
                }
                (Event::Scalar(key, _, 0, None), place) => (key.into_owned(), place),
                (_, place) => {
                    return Err(Problem::at(place, "a key must be text, without anchors, aliases and tags"));
                }
            };
            let (event, place) = self.next()?;
            entries.push(Entry { key, place: key_place, value: self.value(event, place, depth + 1)? });
        }
    }
}

fn place(marker: &Marker) -> Place {
    Place {
        line: u32::try_from(marker.line()).unwrap_or(u32::MAX),
        column: u32::try_from(marker.col()).unwrap_or(u32::MAX).saturating_add(1),
    }
}
