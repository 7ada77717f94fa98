//! [`CutText`]: the text of a name, in a fixed number of bytes.

use std::fmt::{self, Write};
use std::hash::{BuildHasher, Hasher};

use crate::limiter::{KeyHasher, RandomState};

/// A SHA-256 in hexadecimal just fits, the longest of the usual names: an IPv6 address takes 45 bytes, a UUID 36.
pub(super) const MAX_BYTES: usize = 64;

/// The first [`MAX_BYTES`] of a text, and a hash of the rest that tells it from others that begin alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CutText {
    bytes: [u8; MAX_BYTES],
    length: usize,
    /// `None` if nothing was cut off.
    rest: Option<u64>,
}

impl CutText {
    /// What `text` displays. Texts compare if they were made with the same `state`.
    pub(super) fn of(text: &dyn fmt::Display, state: &RandomState) -> CutText {
        let mut cut = CutText { bytes: [0; MAX_BYTES], length: 0, rest: None };
        let mut writer = Writer { cut: &mut cut, rest: state.build_hasher(), is_full: false };
        // The writer never fails. A `Display` that does has said what it could.
        let _ = write!(writer, "{text}");
        cut.rest = writer.is_full.then(|| writer.rest.finish());
        cut
    }
}

impl fmt::Display for CutText {
    /// An ellipsis stands for what was cut off.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes[..self.length]))?;
        if self.rest.is_some() { f.write_char('…') } else { Ok(()) }
    }
}

/// Fills a text, then hashes.
struct Writer<'a> {
    cut: &'a mut CutText,
    rest: KeyHasher,
    is_full: bool,
}

impl Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = if self.is_full { 0 } else { MAX_BYTES - self.cut.length };
        let mut fits = room.min(text.len());
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        let (kept, rest) = text.as_bytes().split_at(fits);
        self.cut.bytes[self.cut.length..][..fits].copy_from_slice(kept);
        self.cut.length += fits;
        self.is_full |= !rest.is_empty();
        // One by one: a text hashes the same in whatever pieces it comes.
        for &byte in rest {
            self.rest.write_u8(byte);
        }
        Ok(())
    }
}

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use super::{CutText, MAX_BYTES};
    use crate::limiter::RandomState;
    use std::fmt;

    /// Displays its text in pieces of so many characters.
    struct InPieces<'a>(&'a str, usize);

    impl fmt::Display for InPieces<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let characters: Vec<char> = self.0.chars().collect();
            let mut pieces = characters.chunks(self.1);
            pieces.try_for_each(|piece| f.write_str(&piece.iter().collect::<String>()))
        }
    }

    #[test]
    fn a_text_that_just_fits_is_kept_whole() {
        let text = "x".repeat(MAX_BYTES);
        assert_eq!(CutText::of(&text, &RandomState::new()).to_string(), text);
    }

    #[test]
    fn a_longer_text_is_cut_between_characters() {
        let text = "x".repeat(MAX_BYTES - 1) + "€uro";
        let cut = CutText::of(&text, &RandomState::new()).to_string();
        assert_eq!(
            cut,
            "x".repeat(MAX_BYTES - 1) + "…",
            "three bytes do not fit, and what follows has no place either"
        );
    }

    #[test]
    fn texts_that_differ_only_beyond_the_cut_are_told_apart() {
        let state = RandomState::new();
        let texts = ["", "a", "b"].map(|end| CutText::of(&("x".repeat(MAX_BYTES) + end), &state));
        assert!(texts[0] != texts[1] && texts[1] != texts[2] && texts[0] != texts[2]);
    }

    #[test]
    fn a_text_is_the_same_in_whatever_pieces_it_comes() {
        let state = RandomState::new();
        let text = "straße ".repeat(30);
        let whole = CutText::of(&text, &state);
        for length in [1, 7, 63, 64, 65, 100] {
            assert_eq!(CutText::of(&InPieces(&text, length), &state), whole, "pieces of {length}");
        }
    }
}
