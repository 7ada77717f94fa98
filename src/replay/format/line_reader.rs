//! [`LineReader`]: lines of bounded length from input of any length.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

use super::line_error::LineError;

/// The longest line that is read whole, in bytes. Web servers refuse requests a fraction of this size.
pub(super) const MAX_LINE: usize = 64 * 1024;

/// Some programs put it before the first line, to say that the text is UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A line that was read, whole or too long.
pub(super) type Line = Result<Vec<u8>, LineError>;

/// Reads line by line and counts, without ever holding more than [`MAX_LINE`] bytes and what was put back.
#[derive(Debug)]
pub(in super::super) struct LineReader<R> {
    input: R,
    line: Vec<u8>,
    count: u64,
    /// Lines that were looked at and are to be read again.
    put_back: VecDeque<Line>,
}

impl<R: BufRead> LineReader<R> {
    pub(in super::super) fn new(input: R) -> LineReader<R> {
        LineReader { input, line: Vec::new(), count: 0, put_back: VecDeque::new() }
    }

    /// How many lines have been read, which is the number of the latest one.
    pub(in super::super) fn count(&self) -> u64 {
        self.count
    }

    /// The next line without its line end; `None` at the end of the input.
    ///
    /// A line that is too long is skipped, and the error returned in its place.
    pub(super) fn next(&mut self) -> io::Result<Option<Result<&[u8], LineError>>> {
        if let Some(line) = self.put_back.pop_front() {
            self.count += 1;
            self.line = match line {
                Ok(line) => line,
                Err(error) => return Ok(Some(Err(error))),
            };
            return Ok(Some(Ok(&self.line)));
        }
        self.line.clear();
        let most = MAX_LINE as u64 + 1;
        let read = self.input.by_ref().take(most).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.count += 1;
        if self.line.last() != Some(&b'\n') && read > MAX_LINE {
            self.input.skip_until(b'\n')?;
            return Ok(Some(Err(LineError::TooLong { most: MAX_LINE })));
        }
        if self.count == 1 && self.line.starts_with(BYTE_ORDER_MARK) {
            self.line.drain(..BYTE_ORDER_MARK.len());
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok(Some(Ok(line.strip_suffix(b"\r").unwrap_or(line))))
    }

    /// The next line, to keep.
    pub(super) fn next_owned(&mut self) -> io::Result<Option<Line>> {
        Ok(self.next()?.map(|line| line.map(<[u8]>::to_vec)))
    }

    /// Makes `lines`, which were the latest ones, the next ones again.
    pub(super) fn put_back(&mut self, lines: Vec<Line>) {
        self.count -= lines.len() as u64;
        for line in lines.into_iter().rev() {
            self.put_back.push_front(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `input`, `None` for each one that is too long.
    fn lines(input: &[u8]) -> Vec<Option<Vec<u8>>> {
        let mut reader = LineReader::new(input);
        let mut lines = Vec::new();
        while let Some(line) = reader.next().unwrap() {
            lines.push(line.ok().map(<[u8]>::to_vec));
        }
        assert_eq!(reader.count(), lines.len() as u64);
        lines
    }

    #[test]
    fn lines_end_in_lf_or_crlf_or_with_the_input() {
        let line = |text: &[u8]| Some(text.to_vec());
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"\n"), [line(b"")]);
        assert_eq!(lines(b"a\nb\r\n\nc"), [line(b"a"), line(b"b"), line(b""), line(b"c")]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        let line = |text: &[u8]| Some(text.to_vec());
        assert_eq!(lines(b"\xef\xbb\xbfa\n\xef\xbb\xbfb"), [line(b"a"), line(b"\xef\xbb\xbfb")]);
        assert_eq!(lines(b"\xef\xbb\xbf"), [line(b"")]);
    }

    #[test]
    fn lines_put_back_come_again_in_their_order_with_their_numbers() {
        let mut reader = LineReader::new(&b"a\nb\nc\nd"[..]);
        let ahead = |reader: &mut LineReader<&[u8]>| {
            vec![reader.next_owned().unwrap().unwrap(), reader.next_owned().unwrap().unwrap()]
        };
        let taken = ahead(&mut reader);
        reader.put_back(taken);
        assert_eq!(reader.next().unwrap().unwrap(), Ok(&b"a"[..]));
        let taken = ahead(&mut reader);
        reader.put_back(taken);
        assert_eq!(reader.count(), 1);
        for (line, count) in [(b"b", 2), (b"c", 3), (b"d", 4)] {
            assert_eq!(reader.next().unwrap().unwrap(), Ok(&line[..]));
            assert_eq!(reader.count(), count);
        }
        assert_eq!(reader.next().unwrap(), None);
    }

    #[test]
    fn the_longest_line_is_read_and_one_byte_more_is_not() {
        let mut input = vec![b'x'; MAX_LINE];
        assert_eq!(lines(&input), [Some(input.clone())]);
        input.extend(b"\ny\n");
        assert_eq!(lines(&input), [Some(vec![b'x'; MAX_LINE]), Some(b"y".to_vec())]);
        input.insert(0, b'x');
        assert_eq!(lines(&input), [None, Some(b"y".to_vec())]);
    }

    #[test]
    fn a_long_line_is_never_held_whole() {
        let mut input = vec![b'x'; 100 * MAX_LINE];
        input.extend(b"\ny");
        let mut reader = LineReader::new(&input[..]);
        assert!(reader.next().unwrap().unwrap().is_err());
        assert_eq!(reader.next().unwrap().unwrap(), Ok(&b"y"[..]));
        assert!(reader.line.capacity() <= 2 * MAX_LINE);
    }
}
