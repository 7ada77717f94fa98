//! [`LimitName`]: what a limit is called in header fields and bodies.

use std::fmt;
use std::sync::Arc;

/// The longest name: a response names every limit twice or three times, and proxies refuse headers of more than 8 KiB;
/// so ten limits stay far below.
pub(crate) const LONGEST_NAME: usize = 64;

/// What a limit is called in header fields and bodies: 1 to 64 printable ASCII characters, spaces included.
///
/// Clients see it. Cloning is cheap.
///
/// ```
/// use tollgate::http::LimitName;
///
/// let name = LimitName::new("per-user")?;
/// assert_eq!(name.as_str(), "per-user");
/// assert_eq!(
///     LimitName::new("größe").unwrap_err().to_string(),
///     "limit name \"größe\" contains 'ö': use printable ASCII only, as header fields can carry nothing else"
/// );
/// # Ok::<(), tollgate::http::LimitNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LimitName(Arc<str>);

impl LimitName {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// [`LimitNameError`] if the name is empty, longer than 64 bytes, or has a character that is not printable ASCII.
    pub fn new(name: impl Into<Arc<str>>) -> Result<LimitName, LimitNameError> {
        let name = name.into();
        if name.is_empty() {
            return Err(LimitNameError::Empty);
        }
        if let Some(character) = name.chars().find(|character| !matches!(character, ' '..='~')) {
            return Err(LimitNameError::Character { name, character });
        }
        if name.len() > LONGEST_NAME {
            return Err(LimitNameError::TooLong { name });
        }
        Ok(LimitName(name))
    }

    /// The name, shared.
    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for LimitName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<LimitName> for Arc<str> {
    fn from(name: LimitName) -> Arc<str> {
        name.0
    }
}

/// Why a text is no [`LimitName`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitNameError {
    /// The name is empty.
    Empty,
    /// The name is longer than 64 bytes.
    TooLong {
        /// What was given.
        name: Arc<str>,
    },
    /// The name has a character that is not printable ASCII.
    Character {
        /// What was given.
        name: Arc<str>,
        /// The first such character.
        character: char,
    },
}

impl fmt::Display for LimitNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LimitNameError::Empty => {
                write!(f, "limit name \"\" is empty: use 1 to {LONGEST_NAME} printable ASCII characters")
            }
            LimitNameError::TooLong { name } => write!(
                f,
                "limit name {:?} has {} bytes: shorten it to at most {LONGEST_NAME}",
                beginning(name),
                name.len()
            ),
            LimitNameError::Character { name, character } => write!(
                f,
                "limit name {:?} contains {character:?}: use printable ASCII only, as header fields can carry nothing else",
                beginning(name)
            ),
        }
    }
}

impl std::error::Error for LimitNameError {}

/// Enough of a name for a message, however long the name is.
fn beginning(name: &str) -> String {
    let mut characters = name.chars();
    let mut beginning: String = characters.by_ref().take(LONGEST_NAME).collect();
    if characters.next().is_some() {
        beginning.push('…');
    }
    beginning
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_printable_ascii_is_a_name_quotes_and_backslashes_too() {
        for byte in b' '..=b'~' {
            let name = char::from(byte).to_string();
            assert_eq!(LimitName::new(name.as_str()).unwrap().as_str(), name);
        }
    }

    #[test]
    fn control_characters_and_other_alphabets_are_named_in_the_error() {
        for character in ['\0', '\t', '\n', '\u{7f}', 'é', '限'] {
            let error = LimitName::new(format!("a{character}b")).unwrap_err();
            let LimitNameError::Character { character: found, .. } = &error else { panic!("{error:?}") };
            assert_eq!(*found, character);
            assert!(error.to_string().contains(&format!("{character:?}")), "{error}");
        }
    }

    #[test]
    fn names_have_1_to_64_bytes() {
        assert_eq!(LimitName::new("").unwrap_err(), LimitNameError::Empty);
        assert!(LimitName::new("x".repeat(64)).is_ok());
        let error = LimitName::new("x".repeat(65)).unwrap_err();
        assert!(error.to_string().ends_with("has 65 bytes: shorten it to at most 64"), "{error}");
    }

    #[test]
    fn the_message_stays_short_for_a_name_of_a_megabyte() {
        assert!(LimitName::new("x".repeat(1 << 20)).unwrap_err().to_string().len() < 200);
    }
}
