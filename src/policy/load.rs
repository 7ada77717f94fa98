//! Policies from files and texts, and back.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use schemars::{Schema, schema_for};

use super::file::{self, Format, Problem, UnknownFormat};
use super::model::{Limit, Policies};
use super::validate::validate;

/// Why a file of policies cannot be used: all that is wrong with it.
#[derive(Debug)]
#[non_exhaustive]
pub struct FileError {
    /// The file, if it was one.
    pub file: Option<PathBuf>,
    /// What is wrong with it.
    pub kind: FileErrorKind,
}

/// What is wrong with a file of policies.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileErrorKind {
    /// It cannot be read.
    Io(io::Error),
    /// Its name does not say how it is written.
    Format(UnknownFormat),
    /// What it says is wrong.
    Problems {
        /// The problems, by line; at most 100.
        problems: Vec<Problem>,
        /// How many there are beyond those.
        omitted: usize,
    },
}

impl Policies {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// [`FileError`] with all that is wrong in it, each problem with its line, its policy and its field.
    ///
    /// ```
    /// use tollgate::policy::{Format, Policies};
    ///
    /// let error = Policies::parse("[[policy]]\nid = \"api\"\nlimit = \"5/fortnight\"\nbrust = 3", Format::Toml).unwrap_err();
    /// let lines: Vec<_> = error.problems().iter().map(|problem| problem.line).collect();
    /// assert_eq!(lines, [3, 4]);
    /// assert_eq!(error.problems()[1].message, "unknown field \"brust\": did you mean \"burst\"?");
    /// ```
    pub fn parse(text: &str, format: Format) -> Result<Policies, FileError> {
        let mut read = file::read::<Policies>(text, format);
        if read.problems.is_empty()
            && let Some(policies) = &read.value
        {
            for invalid in validate(policies, None) {
                read.note(&invalid.path, invalid.message);
            }
        }
        match read.value {
            Some(policies) if read.problems.is_empty() => Ok(policies),
            _ => {
                let (problems, omitted) = (read.problems, read.omitted);
                Err(FileError { file: None, kind: FileErrorKind::Problems { problems, omitted } })
            }
        }
    }

    /// Reads a file, whose name says how it is written: it ends in `.toml`, `.json`, `.yaml` or `.yml`.
    ///
    /// # Errors
    ///
    /// [`FileError`], as [`parse`](Policies::parse), or if it cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Policies, FileError> {
        let path = path.as_ref();
        let error = |kind| FileError { file: Some(path.to_owned()), kind };
        let format = Format::of_path(path).map_err(|unknown| error(FileErrorKind::Format(unknown)))?;
        let text = file::read_text(path).map_err(|failed| error(FileErrorKind::Io(failed)))?;
        Policies::parse(&text, format).map_err(|failed| error(failed.kind))
    }

    /// The JSON Schema of a file, for editors: generated from the types.
    #[must_use]
    pub fn json_schema() -> Schema {
        let mut schema = schema_for!(Policies);
        let limit = schema_for!(Limit);
        // One limit may stand beside the id.
        let flat = limit.get("properties").and_then(|properties| properties.as_object()).cloned();
        let policy = schema.pointer_mut("/$defs/Policy/properties").and_then(|properties| properties.as_object_mut());
        if let (Some(flat), Some(policy)) = (flat, policy) {
            policy.extend(flat.into_iter().filter(|(field, _)| field != "name"));
        }
        schema
    }
}

impl FileError {
    /// The problems, by line; none if the file could not even be read.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match &self.kind {
            FileErrorKind::Problems { problems, .. } => problems,
            FileErrorKind::Io(_) | FileErrorKind::Format(_) => &[],
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_ref().map(|file| format!("{}: ", file.display())).unwrap_or_default();
        match &self.kind {
            FileErrorKind::Io(error) => write!(f, "{file}cannot be read: {error}"),
            FileErrorKind::Format(error) => write!(f, "{file}{error}"),
            FileErrorKind::Problems { problems, omitted } => {
                for (place, problem) in problems.iter().enumerate() {
                    let between = if place == 0 { "" } else { "\n" };
                    write!(f, "{between}{file}{problem}")?;
                }
                if *omitted > 0 {
                    write!(f, "\n{file}and {omitted} problems more")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            FileErrorKind::Io(error) => Some(error),
            FileErrorKind::Format(error) => Some(error),
            FileErrorKind::Problems { .. } => None,
        }
    }
}
