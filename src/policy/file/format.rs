//! [`Format`]: in which language a file is written.

use std::fmt;
use std::path::{Path, PathBuf};

/// The language of a file of policies.
///
/// For an example see [`Format::of_path`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// TOML 1.1.
    Toml,
    /// JSON as in RFC 8259: no comments, no trailing commas.
    Json,
    /// YAML 1.2 with the core schema: `yes` is text. One document, no tags, no merging by `<<`; aliases are allowed.
    Yaml,
}

impl Format {
    /// The format that a file's ending says: `.toml`, `.json`, `.yaml` or `.yml`, in capitals or not.
    ///
    /// # Errors
    ///
    /// [`UnknownFormat`] at any other ending, or none.
    ///
    /// ```
    /// use tollgate::policy::Format;
    ///
    /// assert_eq!(Format::of_path("limits.yml".as_ref()), Ok(Format::Yaml));
    /// assert!(Format::of_path("limits.conf".as_ref()).is_err());
    /// ```
    pub fn of_path(path: &Path) -> Result<Format, UnknownFormat> {
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        match ending.as_deref() {
            Some("toml") => Ok(Format::Toml),
            Some("json") => Ok(Format::Json),
            Some("yaml" | "yml") => Ok(Format::Yaml),
            _ => Err(UnknownFormat { path: path.to_owned() }),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Format::Toml => "TOML",
            Format::Json => "JSON",
            Format::Yaml => "YAML",
        })
    }
}

/// A file's ending does not say its format.
///
/// For an example see [`Format::of_path`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownFormat {
    /// The file.
    pub path: PathBuf,
}

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: the name of a policy file must end in .toml, .json, .yaml or .yml",
            self.path.display()
        )
    }
}

impl std::error::Error for UnknownFormat {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_the_format_in_capitals_or_not() {
        let format = |path: &str| Format::of_path(Path::new(path)).map(|format| format.to_string());
        assert_eq!(format("a/b.toml"), Ok("TOML".into()));
        assert_eq!(format("b.JSON"), Ok("JSON".into()));
        assert_eq!(format("b.yaml"), Ok("YAML".into()));
        assert_eq!(format("b.yml"), Ok("YAML".into()));
        for unknown in ["toml", ".toml", "b.toml.bak", ""] {
            assert!(format(unknown).unwrap_err().to_string().contains("must end in .toml"), "{unknown}");
        }
    }
}
