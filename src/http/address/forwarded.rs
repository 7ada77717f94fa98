//! `Forwarded` (RFC 7239): the same chain with names, in which a comma may be part of a quoted string.

use http::HeaderValue;

use super::forwarded_for::FromRight;
use super::node::{LONGEST, Node};
use super::resolved::Trouble;

/// The nodes of `Forwarded`, the last one first.
pub(super) fn nodes<'a>(
    lines: impl DoubleEndedIterator<Item = &'a HeaderValue>,
) -> impl Iterator<Item = Result<Node, Trouble>> {
    FromRight::new(lines, last_comma).map(|element| for_of(element?).ok_or(Trouble::Unparsable))
}

/// The last comma outside of quotes, found from the right.
///
/// Read from the left, a quote that a client leaves open would swallow what proxies append, and a long field would have to
/// be read in full. From the right the same strings are found: within a string a quote has an odd number of backslashes
/// before it, and the one that opens it has the equals sign. So what a proxy appended is read alike whatever is before it.
///
/// Only left of a mistake may it find another comma than one would from the left; no proxy that can be trusted wrote that.
fn last_comma(line: &[u8]) -> Option<usize> {
    let mut end = line.len();
    loop {
        let at = line[..end].iter().rposition(|byte| matches!(byte, b',' | b'"'))?;
        if line[at] == b',' {
            return Some(at);
        }
        end = opening_quote(&line[..at])?;
    }
}

/// The quote that opens the string at whose closing quote the text ends.
fn opening_quote(text: &[u8]) -> Option<usize> {
    let mut end = text.len();
    loop {
        let at = text[..end].iter().rposition(|byte| *byte == b'"')?;
        let backslashes = text[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Some(at);
        }
        end = at - backslashes;
    }
}

/// The node that an element names with `for`; `None` if the element is malformed or names two.
fn for_of(element: &[u8]) -> Option<Node> {
    let mut found = None;
    let mut rest = element;
    loop {
        rest = rest.trim_ascii_start();
        // The grammar allows for nothing between two semicolons, and nothing after the last.
        if !matches!(rest, [] | [b';', ..]) {
            let (name, value, after) = pair(rest)?;
            if name.eq_ignore_ascii_case(b"for") && found.replace(value.node()?).is_some() {
                return None;
            }
            rest = after.trim_ascii_start();
        }
        match rest {
            [] => return Some(found.unwrap_or(Node::Hidden)),
            // Space beside the semicolon is not in the grammar, but often in the field.
            [b';', after @ ..] => rest = after,
            _ => return None,
        }
    }
}

/// `name=value` at the beginning, and what follows it.
fn pair(text: &[u8]) -> Option<(&[u8], Value<'_>, &[u8])> {
    let (name, rest) = token(text)?;
    let rest = rest.strip_prefix(b"=")?;
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        let (inner, rest) = until_closing_quote(quoted)?;
        return Some((name, Value::Quoted(inner), rest));
    }
    let (value, rest) = token(rest)?;
    Some((name, Value::Token(value), rest))
}

/// A token (RFC 9110, section 5.6.2) at the beginning, and what follows it.
fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let length = text.iter().take_while(|byte| is_token(byte)).count();
    if length == 0 { None } else { text.split_at_checked(length) }
}

/// What is within the quotes, still escaped, and what follows them. Bytes that a string may not have, controls, are in no
/// `HeaderValue`.
fn until_closing_quote(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some((&text[..at], &text[at + 1..])),
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
    None
}

enum Value<'a> {
    Token(&'a [u8]),
    /// Without its quotes, but with its backslashes.
    Quoted(&'a [u8]),
}

impl Value<'_> {
    fn node(&self) -> Option<Node> {
        let quoted = match self {
            Value::Token(token) => return Node::parse(token),
            Value::Quoted(quoted) => quoted,
        };
        let mut plain = [0; LONGEST];
        let mut length = 0;
        let mut bytes = quoted.iter();
        while let Some(byte) = bytes.next() {
            let byte = if *byte == b'\\' { bytes.next()? } else { byte };
            *plain.get_mut(length)? = *byte;
            length += 1;
        }
        Node::parse(&plain[..length])
    }
}
