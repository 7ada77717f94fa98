//! [`SettingsError`]: what is wrong with settings.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::policy::{Problem, UnknownFormat};

/// Why settings cannot be used.
///
/// [`Settings::read`](super::Settings::read) tells one; [`Settings`](super::Settings) have an example.
#[derive(Debug)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read.
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The file's name does not say how it is written.
    Format(UnknownFormat),
    /// What the file says is wrong.
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        problems: Vec<Problem>,
    },
    /// A value is wrong, wherever it came from.
    Value {
        /// The field's name in a file, as `backends.redis.url`.
        field: String,
        /// What is wrong, and what to change.
        message: String,
    },
}

impl SettingsError {
    pub(crate) fn value(field: impl Into<String>, message: impl Into<String>) -> SettingsError {
        SettingsError::Value { field: field.into(), message: message.into() }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingsError::Read { file, error } => write!(f, "{}: cannot be read: {error}", file.display()),
            SettingsError::Format(unknown) => {
                let file = unknown.path.display();
                write!(f, "{file}: the name of a settings file must end in .toml, .json, .yaml or .yml")
            }
            SettingsError::File { file, problems } => {
                for (number, problem) in problems.iter().enumerate() {
                    let between = if number == 0 { "" } else { "\n" };
                    write!(f, "{between}{}", file.display())?;
                    if problem.line > 0 {
                        write!(f, ":{}:{}", problem.line, problem.column)?;
                    }
                    f.write_str(": ")?;
                    if !problem.field.is_empty() {
                        write!(f, "{}: ", problem.field)?;
                    }
                    f.write_str(&problem.message)?;
                }
                Ok(())
            }
            SettingsError::Value { field, message } => write!(f, "{field}: {message}"),
        }
    }
}

impl std::error::Error for SettingsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SettingsError::Read { error, .. } => Some(error),
            _ => None,
        }
    }
}
