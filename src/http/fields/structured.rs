//! Values of structured header fields (RFC 9651): the few shapes that the `RateLimit` fields need.

use std::fmt::Write as _;

use http::HeaderValue;

/// The largest integer of a structured field: 15 digits (RFC 9651, section 3.3.1).
pub(super) const LARGEST_INTEGER: u64 = 999_999_999_999_999;

/// A value that grows in one buffer, which becomes the header's.
pub(super) struct FieldValue {
    text: String,
}

impl FieldValue {
    pub(super) fn with_capacity(bytes: usize) -> FieldValue {
        FieldValue { text: String::with_capacity(bytes) }
    }

    /// Begins the next member of a list, a string. It must be printable ASCII, as a limit's name is.
    pub(super) fn member(&mut self, string: &str) {
        self.separate();
        self.string(string);
    }

    /// Begins the next member of a list, an integer.
    pub(super) fn integer_member(&mut self, value: u64) {
        self.separate();
        self.integer(value);
    }

    /// Begins the next member of a dictionary.
    pub(super) fn entry(&mut self, key: &str, value: u64) {
        self.separate();
        self.text.push_str(key);
        self.text.push('=');
        self.integer(value);
    }

    /// Adds a parameter to the member begun last.
    pub(super) fn parameter(&mut self, key: &str, value: u64) {
        self.parameter_key(key);
        self.integer(value);
    }

    /// Adds a parameter that is a string to the member begun last.
    pub(super) fn string_parameter(&mut self, key: &str, value: &str) {
        self.parameter_key(key);
        self.string(value);
    }

    /// The header's value; `None` if nothing was written, as an empty list is no field at all.
    pub(super) fn finish(self) -> Option<HeaderValue> {
        if self.text.is_empty() { None } else { HeaderValue::try_from(self.text).ok() }
    }

    fn separate(&mut self) {
        if !self.text.is_empty() {
            self.text.push_str(", ");
        }
    }

    fn parameter_key(&mut self, key: &str) {
        self.text.push(';');
        self.text.push_str(key);
        self.text.push('=');
    }

    fn string(&mut self, string: &str) {
        self.text.push('"');
        for character in string.chars() {
            if matches!(character, '"' | '\\') {
                self.text.push('\\');
            }
            self.text.push(character);
        }
        self.text.push('"');
    }

    fn integer(&mut self, value: u64) {
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{}", value.min(LARGEST_INTEGER));
    }
}
