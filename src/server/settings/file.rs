//! Settings from a file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;

use super::{Settings, SettingsError};
use crate::policy::{Format, Problem, read_text};

/// What a file of policies may have at its top.
const OF_POLICIES: [&str; 2] = ["policy", "tier"];

impl Settings {
    /// Reads a file, whose name says how it is written: it ends in `.toml`, `.json`, `.yaml` or `.yml`.
    ///
    /// A file that holds nothing but policies is the file of policies, and all settings are the defaults.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if it cannot be read, or with all that is wrong in it: fields that are not known, and values that make no sense.
    pub fn read(file: impl AsRef<Path>) -> Result<Settings, SettingsError> {
        let file = file.as_ref();
        let format = Format::of_path(file).map_err(SettingsError::Format)?;
        let text =
            fs::read_to_string(file).map_err(|error| SettingsError::Read { file: file.to_owned(), error })?;
        let wrong = |problems| SettingsError::File { file: file.to_owned(), problems };
        #[expect(clippy::zero_sized_map_values, reason = "it is read as a map, and only its keys matter")]
        let top = read_text::<BTreeMap<String, IgnoredAny>>(&text, format).value.unwrap_or_default();
        let of_policies = top.keys().find(|key| OF_POLICIES.contains(&key.as_str()));
        if let Some(key) = of_policies {
            let other = top.keys().find(|key| !OF_POLICIES.contains(&key.as_str()));
            let Some(other) = other else {
                return Ok(Settings { policies: Some(file.to_owned()), ..Settings::default() });
            };
            let message = format!(
                "the file holds policies ({key:?}) and settings ({other:?}): move [[policy]] and [[tier]] into a file of their \
                 own, which changes while the service runs, and name it here: policies = \"policies.toml\""
            );
            return Err(wrong(vec![Problem::whole(message)]));
        }
        let read = read_text::<Settings>(&text, format);
        match read.value {
            Some(settings) if read.problems.is_empty() => {
                Ok(settings.with_paths_from(file.parent().unwrap_or(Path::new(""))))
            }
            _ => Err(wrong(read.problems)),
        }
    }

    fn with_paths_from(mut self, directory: &Path) -> Settings {
        let resolve = |path: &mut PathBuf| *path = directory.join(&*path);
        self.policies.as_mut().map(resolve);
        self.token_file.as_mut().map(resolve);
        self.snapshot.file.as_mut().map(resolve);
        if let Some(tls) = &mut self.tls {
            resolve(&mut tls.certificate);
            resolve(&mut tls.key);
        }
        self
    }
}
