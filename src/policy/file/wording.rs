//! What parsers say of errors of syntax, in the words of the other problems.

use super::format::Format;

/// Of a message of a format's parser, a part that tells it from others, and what is told in its place. The first that
/// fits counts.
type Wording = (&'static str, &'static str);

const TOML: &[Wording] = &[
    ("invalid basic string", "text begins with \" here and does not end on the line: write \" at its end"),
    ("invalid literal string", "text begins with ' here and does not end on the line: write ' at its end"),
    (
        "invalid multi-line basic string",
        "text begins with \"\"\" here and does not end: write \"\"\" at its end",
    ),
    ("invalid multi-line literal string", "text begins with ''' here and does not end: write ''' at its end"),
    ("unclosed array table", "the header is not closed: write ]] at its end"),
    ("unclosed table", "the header is not closed: write ] at its end"),
    ("unclosed array", "a list is not closed: write ] at its end"),
    ("unclosed inline table", "a table is not closed: write } at its end"),
    ("key with no value", "a key stands here without a value: write `key = value`"),
    ("missing comma", "a comma is missing here"),
    ("missing value", "a value is missing here"),
    ("unexpected key or value", "what stands here belongs on a line of its own, or nowhere"),
    (
        "missing escaped value",
        "what a backslash stands before is unknown: write \\\\ for a backslash, or the text in ' '",
    ),
    ("cannot extend value", "this key has a value already: it cannot be a table as well"),
    ("recursion", "too many lists and tables stand in one another here: make it flatter"),
];

const JSON: &[Wording] = &[
    ("Trailing commas", "JSON has no comma after the last element: delete it"),
    ("Comments are not allowed", "JSON has no comments: delete it, or write the file in TOML or YAML"),
    ("Single-quoted", "text must stand in double quotes: write \" in place of '"),
    ("Expected comma", "a comma is missing here"),
    ("Unterminated object", "the { that stands here is not closed: write } at its end"),
    ("Unterminated array", "the [ that stands here is not closed: write ] at its end"),
    ("Unterminated string", "the text that begins here is not closed: write \" at its end"),
    ("more than one JSON value", "a second value begins here: leave one in the file"),
    ("Expected string for object property", "a key must stand in double quotes"),
    ("Expected colon", "a colon is missing after the key"),
    ("Expected value after colon", "a value is missing here"),
    ("Unexpected word", "text must stand in double quotes"),
    (
        "control character",
        "a line break or another control character stands in a text: write \\n for a line break",
    ),
    ("recursion", "too many lists and tables stand in one another here: make it flatter"),
    ("epth", "too many lists and tables stand in one another here: make it flatter"),
];

const YAML: &[Wording] = &[
    ("tab", "a tab stands here: indent with spaces"),
    (
        "expected '-' indicator",
        "the line fits neither the list above nor what holds it: indent it as its neighbours are",
    ),
    (
        "did not find expected key",
        "the line fits neither the keys above nor what holds them: indent it as its neighbours are",
    ),
    (
        "simple key expect",
        "a key has no value: write a colon and a space after it, here or on the line above",
    ),
    (
        "mapping values are not allowed",
        "a colon cannot stand here: is one missing on the line above? If it is part of a text, put that in quotes",
    ),
    (
        "block sequence entries are not allowed",
        "a dash begins no list here: indent it, or put the text in quotes",
    ),
    (
        "unknown anchor",
        "an alias (*…) needs its anchor (&…) above it: if it is no alias, put the text in quotes",
    ),
    ("scanning an anchor or alias", "* and & have a meaning of their own in YAML: put the text in quotes"),
    ("flow sequence", "a list in [ ] is not closed, or lacks a comma"),
    ("flow mapping", "a table in { } is not closed, or lacks a comma"),
    ("found unexpected end of stream", "a text is not closed: write its quote at its end"),
    ("unexpected character", "text that begins so must stand in quotes"),
    (
        "unknown escape character",
        "what a backslash stands before is unknown: write \\\\ for a backslash, or the text in ' '",
    ),
    ("expected node content", "a value is missing here"),
    ("invalid indentation", "the line is indented too little for what it belongs to"),
];

/// A message that needs no knowledge of the parser; its own if it has another.
pub(super) fn plain(format: Format, message: &str) -> String {
    let wordings = match format {
        Format::Toml => TOML,
        Format::Json => JSON,
        Format::Yaml => YAML,
    };
    let ours = wordings.iter().find(|(theirs, _)| message.contains(theirs));
    ours.map_or(message, |(_, ours)| ours).to_owned()
}
