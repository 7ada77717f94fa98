//! Requests, from bytes: arrays of bulk strings, and inline commands.
//!
//! The parser is our own. That of the crate `redis-protocol` descends into arrays within arrays without a bound, so that a
//! few kilobytes overflow the stack, and makes an owned tree of each request; a request is a flat list, and its arguments
//! can stay where they are.

use std::borrow::Cow;
use std::fmt;

use smallvec::SmallVec;

/// The most arguments of a request, its name among them: `COMMAND INFO` with all of Redis' names would have more, and nobody
/// asks that of this service.
pub(crate) const MAX_ARGUMENTS: usize = 128;

/// The longest argument, in bytes: sixteen times as long as a key may be, unless the service is set otherwise.
pub(crate) const MAX_ARGUMENT: usize = 64 * 1024;

/// The longest request, in bytes: one argument of the largest size, and room for the rest.
pub(crate) const MAX_REQUEST: usize = 2 * MAX_ARGUMENT;

/// The longest inline command, in bytes: people type them.
const MAX_INLINE: usize = 8 * 1024;

/// The longest line with a count, with its end: `*`, a sign, the 19 digits of a 64-bit number, and some zeros.
const MAX_COUNT_LINE: usize = 32;

/// A request's arguments, its name first. `CL.THROTTLE` has six at most.
pub(crate) type Arguments<'a> = SmallVec<[Cow<'a, [u8]>; 6]>;

/// The first request of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    /// None, if it was an empty line or an empty array. It gets no answer.
    pub(crate) arguments: Arguments<'a>,
    /// Its bytes.
    pub(crate) length: usize,
}

/// Bytes that are no request. What follows cannot be understood either, so the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProtocolError {
    ArgumentCount,
    ArgumentLength,
    NoBulk(u8),
    CountLine,
    LengthLine,
    Inline,
    Quotes,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProtocolError::ArgumentCount => f.write_str("invalid multibulk length"),
            ProtocolError::ArgumentLength => f.write_str("invalid bulk length"),
            ProtocolError::NoBulk(byte) => write!(f, "expected '$', got '{}'", byte.escape_ascii()),
            ProtocolError::CountLine => f.write_str("too big mbulk count string"),
            ProtocolError::LengthLine => f.write_str("too big bulk count string"),
            ProtocolError::Inline => f.write_str("too big inline request"),
            ProtocolError::Quotes => f.write_str("unbalanced quotes in request"),
        }
    }
}

impl<'a> Request<'a> {
    /// The first request of `input`; `None` while there is only a part of it. O(arguments), whatever their length, but for
    /// inline commands.
    ///
    /// # Errors
    ///
    /// What is wrong with the bytes, or beyond a bound.
    pub(crate) fn read(input: &'a [u8]) -> Result<Option<Request<'a>>, ProtocolError> {
        match input.first() {
            None => Ok(None),
            Some(b'*') => read_array(input),
            Some(_) => read_inline(input),
        }
    }
}

fn read_array(input: &[u8]) -> Result<Option<Request<'_>>, ProtocolError> {
    let Some((count, mut length)) = read_count(&input[1..]).map_err(|_| ProtocolError::CountLine)? else {
        return Ok(None);
    };
    length += 1;
    // A count below zero is an empty array, as in Redis.
    let count = usize::try_from(count.ok_or(ProtocolError::ArgumentCount)?.max(0)).unwrap_or(usize::MAX);
    if count > MAX_ARGUMENTS {
        return Err(ProtocolError::ArgumentCount);
    }
    let mut arguments = Arguments::new();
    for _ in 0..count {
        let Some((argument, used)) = read_bulk(&input[length..])? else {
            return Ok(None);
        };
        arguments.push(Cow::Borrowed(argument));
        length += used;
        if length > MAX_REQUEST {
            return Err(ProtocolError::ArgumentLength);
        }
    }
    Ok(Some(Request { arguments, length }))
}

/// `$3\r\nkey\r\n`
fn read_bulk(input: &[u8]) -> Result<Option<(&[u8], usize)>, ProtocolError> {
    match input.first() {
        None => return Ok(None),
        Some(b'$') => {}
        Some(&other) => return Err(ProtocolError::NoBulk(other)),
    }
    let Some((size, line)) = read_count(&input[1..]).map_err(|_| ProtocolError::LengthLine)? else {
        return Ok(None);
    };
    let size = size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= MAX_ARGUMENT);
    let size = size.ok_or(ProtocolError::ArgumentLength)?;
    let (start, end) = (1 + line, 1 + line + size);
    match input.get(end..end + 2) {
        None => Ok(None),
        Some(b"\r\n") => Ok(Some((&input[start..end], end + 2))),
        // Redis takes any two bytes; whoever counted wrong would then be understood as somebody else.
        Some(_) => Err(ProtocolError::ArgumentLength),
    }
}

/// A line is too long to hold a number.
struct LineTooLong;

/// The number of a line and the bytes up to the next line; no number where the line has something else.
fn read_count(input: &[u8]) -> Result<Option<(Option<i64>, usize)>, LineTooLong> {
    let start = &input[..input.len().min(MAX_COUNT_LINE)];
    match start.iter().position(|byte| *byte == b'\n') {
        Some(end) => {
            let number = start[..end].strip_suffix(b"\r").and_then(number);
            Ok(Some((number, end + 1)))
        }
        None if start.len() == MAX_COUNT_LINE => Err(LineTooLong),
        None => Ok(None),
    }
}

/// A whole number, as Redis and Rust write it.
pub(crate) fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The beginning of an argument, for messages.
pub(crate) fn excerpt(argument: &[u8]) -> String {
    // As much of a name as Redis quotes.
    String::from_utf8_lossy(&argument[..argument.len().min(128)]).into_owned()
}

/// `PING\r\n`: words with blanks between them, some in quotes.
fn read_inline(input: &[u8]) -> Result<Option<Request<'_>>, ProtocolError> {
    let start = &input[..input.len().min(MAX_INLINE)];
    let Some(end) = start.iter().position(|byte| *byte == b'\n') else {
        return if start.len() == MAX_INLINE { Err(ProtocolError::Inline) } else { Ok(None) };
    };
    let mut rest = &start[..end];
    let mut arguments = Arguments::new();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Ok(Some(Request { arguments, length: end + 1 }));
        }
        if arguments.len() == MAX_ARGUMENTS {
            return Err(ProtocolError::ArgumentCount);
        }
        let (word, after) = read_word(rest)?;
        arguments.push(word);
        rest = after;
    }
}

/// The first word of a line, and what follows it.
fn read_word(line: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), ProtocolError> {
    let plain = line.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\''));
    let plain = plain.unwrap_or(line.len());
    let (mut word, mut rest) = (line[..plain].to_vec(), &line[plain..]);
    match rest.first() {
        Some(b'"') => rest = read_quoted(&rest[1..], &mut word)?,
        Some(b'\'') => rest = read_single_quoted(&rest[1..], &mut word)?,
        _ => return Ok((Cow::Borrowed(&line[..plain]), rest)),
    }
    // A closing quote ends the word.
    if rest.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
        return Err(ProtocolError::Quotes);
    }
    Ok((Cow::Owned(word), rest))
}

/// Up to the closing `"`, with `\n`, `\x2a` and the like; what follows it.
fn read_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex_value(*high) << 4 | hex_value(*low));
                after
            }
            [b'\\', escaped, after @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                after
            }
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
            [] => return Err(ProtocolError::Quotes),
        }
    }
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Up to the closing `'`; what follows it.
fn read_single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        rest = match rest {
            [b'\'', after @ ..] => return Ok(after),
            [b'\\', b'\'', after @ ..] => {
                word.push(b'\'');
                after
            }
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
            [] => return Err(ProtocolError::Quotes),
        }
    }
}
