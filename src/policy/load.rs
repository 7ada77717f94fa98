//! Policies from files and texts, and back.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::Utf8Error;

use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{Schema, schema_for};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::EnvoyError;
use super::file::{self, FLAT, Format, MAX_BYTES, Problem, UnknownFormat};
#[cfg(feature = "server")]
use super::model::Policy;
use super::model::{Limit, Policies};
use super::validate::validate;

/// Why a file of policies cannot be used: all that is wrong with it.
///
/// [`Policies::parse`](super::Policies::parse) and [`Policies::read`](super::Policies::read) tell one.
#[derive(Debug)]
#[non_exhaustive]
pub struct FileError {
    /// The file, if it was one.
    pub file: Option<PathBuf>,
    /// What is wrong with it.
    pub kind: FileErrorKind,
}

/// What is wrong with a file of policies.
///
/// For an example see [`Policies::parse`](super::Policies::parse).
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
        if let Some(policies) = &read.value {
            for invalid in validate(policies, read.problems.is_empty(), None) {
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

    /// Reads one policy, written in JSON as in the list of a file's policies.
    ///
    /// # Errors
    ///
    /// [`FileError`], as [`parse`](Policies::parse), with lines and fields of this text. That it names others that do not exist is found when it is
    /// put among them.
    #[cfg(feature = "server")]
    pub(crate) fn parse_one(text: &str) -> Result<Policy, FileError> {
        const BEFORE: &str = r#"{"policy":["#;
        // What files may begin with would keep the text from being one value.
        let text = text.trim_start_matches('\u{feff}');
        // By itself it is one value, so that it cannot end the list in which it is read.
        let is_one = serde_json::from_str::<IgnoredAny>(text).is_ok();
        let list = if is_one { &format!("{BEFORE}{text}]}}") } else { text };
        let mut read = file::read::<Policies>(list, Format::Json);
        if let Some(policies) = &read.value {
            for invalid in validate(policies, false, None) {
                read.note(&invalid.path, invalid.message);
            }
        }
        let (mut problems, omitted) = (read.problems, read.omitted);
        if is_one {
            let before = u32::try_from(BEFORE.len()).unwrap_or(u32::MAX);
            for problem in problems.iter_mut().filter(|problem| problem.line == 1) {
                problem.column = problem.column.saturating_sub(before);
            }
        }
        let policy = read.value.and_then(|mut policies| policies.policy.pop());
        match policy {
            Some(policy) if problems.is_empty() => Ok(policy),
            _ => Err(FileError { file: None, kind: FileErrorKind::Problems { problems, omitted } }),
        }
    }

    /// Reads a file, whose name says how it is written: it ends in `.toml`, `.json`, `.yaml` or `.yml`. One in YAML that has a `domain` or `descriptors` at its top
    /// is a configuration of Envoy's rate limit service, and read [as such](Policies::from_envoy).
    ///
    /// # Errors
    ///
    /// [`FileError`], as [`parse`](Policies::parse), or if it cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Policies, FileError> {
        let path = path.as_ref();
        let bytes = read_bytes(path)
            .map_err(|error| FileError { file: Some(path.to_owned()), kind: FileErrorKind::Io(error) })?;
        parse_file(path, &bytes)
    }

    /// The JSON Schema of a file, for editors: generated from the types.
    #[must_use]
    pub fn json_schema() -> Schema {
        let mut schema = schema_for!(Policies);
        let limit = schema_for!(Limit);
        // One limit may stand beside the id.
        let flat = limit.get("properties").and_then(|properties| properties.as_object()).cloned();
        let policy =
            schema.pointer_mut("/$defs/Policy/properties").and_then(|properties| properties.as_object_mut());
        if let (Some(flat), Some(policy)) = (flat, policy) {
            policy.extend(flat.into_iter().filter(|(field, _)| FLAT.contains(&field.as_str())));
        }
        RecursiveTransform(describe_for_files).transform(&mut schema);
        schema
    }
}

/// Leaves of a description, which is the documentation of a type for programmers, what readers of a schema need: the
/// first paragraph, without links.
fn describe_for_files(schema: &mut Schema) {
    let Some(serde_json::Value::String(description)) = schema.get_mut("description") else { return };
    let first = description.split("\n\n").next().unwrap_or_default();
    let mut plain = String::with_capacity(first.len());
    let mut rest = first;
    // A link is `[text](target)` or `[text]`.
    while let Some((before, (text, after))) =
        rest.split_once("[`").and_then(|(before, link)| Some((before, link.split_once("`]")?)))
    {
        plain.extend([before, text]);
        let target = after.strip_prefix('(').and_then(|target| target.split_once(')'));
        rest = target.map_or(after, |(_, after)| after);
    }
    plain.push_str(rest);
    *description = plain.replace('\n', " ");
}

/// What a file has. One that is too large is not read to its end: its length is told as a problem then.
pub(super) fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file that is no text, and where that shows.
fn not_utf_8(bytes: &[u8], error: Utf8Error) -> FileErrorKind {
    let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
    let problem = Problem::at_end(&before, "a byte here is not UTF-8: save the file in that encoding");
    FileErrorKind::Problems { problems: vec![problem], omitted: 0 }
}

/// Reads what a file has.
pub(super) fn parse_file(path: &Path, bytes: &[u8]) -> Result<Policies, FileError> {
    let error = |kind| FileError { file: Some(path.to_owned()), kind };
    let format = Format::of_path(path).map_err(|unknown| error(FileErrorKind::Format(unknown)))?;
    let text = std::str::from_utf8(bytes).map_err(|wrong| error(not_utf_8(bytes, wrong)))?;
    if is_envoy(text, format) {
        let problems =
            |wrong: EnvoyError| FileErrorKind::Problems { problems: wrong.problems, omitted: wrong.omitted };
        return Policies::from_envoy(text).map_err(|wrong| error(problems(wrong)));
    }
    Policies::parse(text, format).map_err(|failed| error(failed.kind))
}

/// Whether a file is a configuration of Envoy's rate limit service. None of policies has these at its top.
pub(crate) fn is_envoy(text: &str, format: Format) -> bool {
    let is_at_top = |top: EnvoyTop| top.domain.is_some() || top.descriptors.is_some();
    format == Format::Yaml && file::read(text, format).value.is_some_and(is_at_top)
}

/// What only a configuration of Envoy's rate limit service has at its top.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EnvoyTop {
    domain: Option<IgnoredAny>,
    descriptors: Option<IgnoredAny>,
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
            // It names the file itself.
            FileErrorKind::Format(error) => error.fmt(f),
            FileErrorKind::Problems { problems, omitted } => {
                for (place, problem) in problems.iter().enumerate() {
                    let between = if place == 0 { "" } else { "\n" };
                    write!(f, "{between}{file}{problem}")?;
                }
                if *omitted > 0 {
                    write!(f, "\n{file}and {omitted} more problems")?;
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

#[cfg(all(test, feature = "server"))]
mod tests {
    use super::Policies;

    /// With a mark before it a list of policies was taken for a file, and the last of them for the one.
    #[test]
    fn one_policy_is_one_whatever_marks_of_editors_stand_before_it() {
        let one = r#"{"id": "a", "limit": "1/s"}"#;
        let list = format!("{{\"policy\": [{one}]}}");
        for marks in ["", "\u{feff}", "\u{feff}\u{feff}"] {
            assert_eq!(Policies::parse_one(&format!("{marks}{one}")).unwrap().id, "a");
            assert!(Policies::parse_one(&format!("{marks}{list}")).is_err());
        }
    }
}
