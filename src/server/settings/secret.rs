//! [`Secret`]: text that gets into no log.

use std::fmt;

use serde::Deserialize;
use subtle::ConstantTimeEq;

/// Text that is not shown by `Debug`: a token, or a password.
///
/// ```
/// use tollgate::server::Secret;
///
/// let token = Secret::new("a token that nobody guesses");
/// assert!(!format!("{token:?}").contains("guesses"));
/// ```
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// This text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Whether it is this text. Takes as long for a wrong text as for the right one.
    pub(crate) fn is(&self, text: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(text).into()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
