//! [`Replies`]: answers, as bytes.

use std::fmt::{Display, Write};

/// The version of the protocol that a client has asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

/// Answers that wait to be sent.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    bytes: Vec<u8>,
}

impl Replies {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Answers that are bytes already.
    pub(crate) fn append(&mut self, answered: &[u8]) {
        self.bytes.extend_from_slice(answered);
    }

    /// A word of the protocol, such as `OK`.
    pub(crate) fn simple(&mut self, text: &'static str) {
        self.bytes.push(b'+');
        self.bytes.extend_from_slice(text.as_bytes());
        self.end_line();
    }

    /// An error. Its first word is its kind: `ERR` if there is none better.
    pub(crate) fn error(&mut self, message: impl Display) {
        self.bytes.push(b'-');
        let mut line = String::new();
        // Writing into a string does not fail.
        let _ = write!(line, "{message}");
        // It may quote what the client sent, and is one line.
        self.bytes.extend(line.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
        self.end_line();
    }

    pub(crate) fn bulk(&mut self, text: &[u8]) {
        self.count(b'$', text.len());
        self.bytes.extend_from_slice(text);
        self.end_line();
    }

    pub(crate) fn nil(&mut self, protocol: Protocol) {
        self.bytes.extend_from_slice(match protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// So many values follow.
    pub(crate) fn array(&mut self, values: usize) {
        self.count(b'*', values);
    }

    /// So many pairs of values follow.
    pub(crate) fn map(&mut self, protocol: Protocol, pairs: usize) {
        match protocol {
            Protocol::Resp2 => self.count(b'*', 2 * pairs),
            Protocol::Resp3 => self.count(b'%', pairs),
        }
    }

    pub(crate) fn integer(&mut self, value: i64) {
        self.bytes.push(b':');
        if value < 0 {
            self.bytes.push(b'-');
        }
        self.digits(value.unsigned_abs());
        self.end_line();
    }

    fn count(&mut self, kind: u8, count: usize) {
        self.bytes.push(kind);
        self.digits(count as u64);
        self.end_line();
    }

    /// Five numbers go out for each check: `write!` takes five times as long.
    fn digits(&mut self, mut value: u64) {
        // 2⁶⁴ has 20 digits.
        let mut digits = [0; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            let digit = (value % 10) as u8;
            digits[start] = b'0' + digit;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.bytes.extend_from_slice(&digits[start..]);
    }

    fn end_line(&mut self) {
        self.bytes.extend_from_slice(b"\r\n");
    }
}
