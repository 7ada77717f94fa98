//! `X-Forwarded-For`: the elements of a header's lines from the right, within bounds.

use http::{HeaderName, HeaderValue};

use super::node::Node;
use super::resolved::Trouble;

/// The header field.
pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The most elements that are read, empty ones too. No chain of proxies in use is nearly so long, and reading so many takes
/// a few microseconds.
pub(super) const MOST_ELEMENTS: u8 = 32;

/// The most bytes that are read: 128 for each element.
const MOST_BYTES: usize = 4096;

/// The nodes of `X-Forwarded-For`, the last one first.
pub(super) fn nodes<'a>(
    lines: impl DoubleEndedIterator<Item = &'a HeaderValue>,
) -> impl Iterator<Item = Result<Node, Trouble>> {
    FromRight::new(lines, |line| line.iter().rposition(|byte| *byte == b','))
        .map(|element| Node::parse(element?).ok_or(Trouble::Unparsable))
}

/// The elements of a list (RFC 9110, section 5.6.1) in several lines, from the right: what proxies appended comes before
/// what a client may have made up, and none of that is read unless it is asked for. Empty elements are left out.
pub(super) struct FromRight<'a, Lines, LastComma> {
    lines: Lines,
    /// What is left of the line that is being read.
    line: Option<&'a [u8]>,
    last_comma: LastComma,
    elements_left: u8,
    bytes_left: usize,
}

impl<'a, Lines, LastComma> FromRight<'a, Lines, LastComma>
where
    Lines: DoubleEndedIterator<Item = &'a HeaderValue>,
    LastComma: Fn(&[u8]) -> Option<usize>,
{
    /// `last_comma` finds the last comma of a line that separates elements.
    pub(super) fn new(lines: Lines, last_comma: LastComma) -> Self {
        FromRight { lines, line: None, last_comma, elements_left: MOST_ELEMENTS, bytes_left: MOST_BYTES }
    }

    /// The next element, without the space around it; it may be empty.
    fn next_element(&mut self) -> Option<Result<&'a [u8], Trouble>> {
        let line = match self.line.take() {
            Some(line) => line,
            None => self.lines.next_back()?.as_bytes(),
        };
        let unread = line.len().saturating_sub(self.bytes_left);
        let comma = (self.last_comma)(&line[unread..]);
        if self.elements_left == 0 || (comma.is_none() && unread > 0) {
            return Some(Err(Trouble::TooLong));
        }
        let element = match comma {
            Some(comma) => {
                let comma = unread + comma;
                self.line = Some(&line[..comma]);
                &line[comma + 1..]
            }
            None => line,
        };
        self.elements_left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(element.len() + 1);
        Some(Ok(element.trim_ascii()))
    }
}

impl<'a, Lines, LastComma> Iterator for FromRight<'a, Lines, LastComma>
where
    Lines: DoubleEndedIterator<Item = &'a HeaderValue>,
    LastComma: Fn(&[u8]) -> Option<usize>,
{
    type Item = Result<&'a [u8], Trouble>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_element()? {
                Ok([]) => {}
                read => return Some(read),
            }
        }
    }
}
