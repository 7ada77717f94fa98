//! [`Lines`]: from a byte of a text to its line and column.

use super::problem::Place;

/// So many bytes are walked at most to find a place: a file of one long line costs no more than one of many, and the
/// table takes a sixteenth of the text.
const STRIDE: usize = 128;

/// Where the lines of a text are.
pub(super) struct Lines<'a> {
    text: &'a str,
    /// The place of the first character at or after each multiple of [`STRIDE`], and that character's offset.
    marks: Vec<(usize, Place)>,
}

impl<'a> Lines<'a> {
    /// Walks the text once.
    pub(super) fn new(text: &'a str) -> Lines<'a> {
        let mut marks = Vec::with_capacity(text.len() / STRIDE + 1);
        let mut place = Place::START;
        for (offset, character) in text.char_indices() {
            if offset >= marks.len() * STRIDE {
                marks.push((offset, place));
            }
            place = after(place, character);
        }
        Lines { text, marks }
    }

    /// The place of a byte; of the end if it is behind the end.
    pub(super) fn place(&self, offset: usize) -> Place {
        let mark = self.marks.get((offset / STRIDE).min(self.marks.len().saturating_sub(1)));
        let &(start, mut place) = mark.unwrap_or(&(0, Place::START));
        for (step, character) in self.text[start..].char_indices() {
            if start + step >= offset {
                break;
            }
            place = after(place, character);
        }
        place
    }
}

/// The place of the next character.
fn after(place: Place, character: char) -> Place {
    if character == '\n' {
        Place { line: place.line.saturating_add(1), column: 1 }
    } else {
        Place { column: place.column.saturating_add(1), ..place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters_from_1_at_every_offset() {
        let text = "ä\nüb\n\n".to_owned() + &"é".repeat(1_000) + "\nx";
        let lines = Lines::new(&text);
        let mut expected = Place::START;
        for (offset, character) in text.char_indices() {
            assert_eq!(lines.place(offset), expected, "{offset}");
            expected = after(expected, character);
        }
        assert_eq!(lines.place(text.len() + 9), expected);
        assert_eq!(Lines::new("").place(5), Place::START);
    }
}
