//! Whether settings make sense together.

use std::fs;

use super::{Secret, Settings, SettingsError};

/// hyper needs as much to read a head at all.
const LEAST_HEAD_BYTES: usize = 8 << 10;
/// More cores than machines have: threads beyond that would only take up memory.
const MOST_WORKERS: usize = 1_024;
/// A token that could be guessed guards nothing: sixteen characters of base64 are 96 bits.
const LEAST_TOKEN: usize = 16;

impl Settings {
    /// Finds what is wrong without starting anything: that values make sense, also together.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] names the field, and says what to change.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let token = self.the_token()?;
        if !self.listen.ip().is_loopback() && token.is_none() {
            return Err(SettingsError::value(
                "listen",
                format!(
                    "{} can be reached from other machines, and there is no token to keep strangers from changing limits: make \
                     one with `openssl rand -hex 24 > token` and give it with --token-file, or listen on 127.0.0.1",
                    self.listen
                ),
            ));
        }
        if token.is_none() && self.cors.iter().any(|origin| origin == "*") {
            let message = "\"*\" lets any page that is opened on this machine change limits, as there is no token: make one with \
                           `openssl rand -hex 24 > token` and give it with --token-file, or name the pages";
            return Err(SettingsError::value("cors", message));
        }
        for (name, backend) in &self.backends {
            let wrong = |(field, message)| SettingsError::value(format!("backends.{name}.{field}"), message);
            backend.builder().map(drop).map_err(wrong)?;
        }
        if let Some(backend) = &self.callers.backend
            && !self.backends.contains_key(backend)
        {
            return Err(SettingsError::value(
                "callers.backend",
                format!("there is no backend {backend:?}: add [backends.{backend}]"),
            ));
        }
        if self.limits.head_bytes < LEAST_HEAD_BYTES {
            let message =
                format!("{} is too little: use at least {LEAST_HEAD_BYTES}", self.limits.head_bytes);
            return Err(SettingsError::value("limits.head_bytes", message));
        }
        let counts = [
            ("limits.connections", self.limits.connections),
            ("limits.body_bytes", self.limits.body_bytes),
            ("limits.batch_bytes", self.limits.batch_bytes),
            ("callers.max_keys", self.callers.max_keys),
            ("callers.max_key_bytes", self.callers.max_key_bytes),
            ("callers.max_limits", self.callers.max_limits),
        ];
        let nodes = [("callers.expected_nodes", self.callers.expected_nodes as usize)];
        if let Some(workers) = self.workers.filter(|workers| *workers > MOST_WORKERS) {
            let message = format!(
                "{workers} is more than any machine has a use for: use at most {MOST_WORKERS}, or leave it out"
            );
            return Err(SettingsError::value("workers", message));
        }
        let nodes = nodes.into_iter().chain(self.workers.map(|workers| ("workers", workers)));
        match counts.into_iter().chain(nodes).find(|(_, count)| *count == 0) {
            Some((field, _)) => Err(SettingsError::value(field, "is 0: use at least 1")),
            None => Ok(()),
        }
    }

    /// The bearer token, from wherever it is.
    pub(crate) fn the_token(&self) -> Result<Option<Secret>, SettingsError> {
        let (field, token) = match (&self.token, &self.token_file) {
            (Some(_), Some(_)) => {
                return Err(SettingsError::value(
                    "token",
                    "is given besides token_file: leave one of them out",
                ));
            }
            (Some(token), None) => ("token", token.clone()),
            (None, Some(file)) => {
                let text = fs::read_to_string(file).map_err(|error| {
                    SettingsError::value("token_file", format!("{} cannot be read: {error}", file.display()))
                })?;
                ("token_file", Secret::new(text.trim()))
            }
            (None, None) => return Ok(None),
        };
        let text = token.text();
        if text.len() < LEAST_TOKEN || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = format!(
                "a token is {LEAST_TOKEN} or more visible ASCII characters without blanks: make one with `openssl rand -hex 24`"
            );
            return Err(SettingsError::value(field, message));
        }
        Ok(Some(token))
    }
}
