//! [`LineReader`]: lines of bounded length from input of any length.

use std::io::{self, BufRead, Read};

use super::log_line::LineError;

/// The longest line that is read whole, in bytes. Web servers refuse requests a fraction of this size.
const MAX_LINE: usize = 64 * 1024;

/// Reads line by line and counts, without ever holding more than [`MAX_LINE`] bytes.
#[derive(Debug)]
pub(super) struct LineReader<R> {
    input: R,
    line: Vec<u8>,
    count: u64,
}

impl<R: BufRead> LineReader<R> {
    pub(super) fn new(input: R) -> LineReader<R> {
        LineReader { input, line: Vec::new(), count: 0 }
    }

    /// How many lines have been read, which is the number of the latest one.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The next line without its line end; `None` at the end of the input.
    ///
    /// A line that is too long is skipped, and the error returned in its place.
    pub(super) fn next(&mut self) -> io::Result<Option<Result<&[u8], LineError>>> {
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
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok(Some(Ok(line.strip_suffix(b"\r").unwrap_or(line))))
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
