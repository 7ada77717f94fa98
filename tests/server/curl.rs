//! What curl gets.

use std::process::Command;

use serde_json::Value;

/// What curl got.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `1.1` or `2`.
    pub(crate) version: String,
    /// Names in small letters.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// A field's value.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The problem that it tells.
    pub(crate) fn problem(&self) -> Value {
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        problem
    }
}

/// Runs curl with these arguments.
///
/// # Panics
///
/// If curl gets no answer.
pub(crate) fn curl<A: AsRef<str>>(arguments: impl IntoIterator<Item = A>) -> Answer {
    try_curl(arguments).unwrap_or_else(|error| panic!("curl: {error}"))
}

/// Runs curl with these arguments; why it got no answer, if it got none.
pub(crate) fn try_curl<A: AsRef<str>>(arguments: impl IntoIterator<Item = A>) -> Result<Answer, String> {
    let arguments: Vec<_> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
    let output = Command::new("curl")
        .args(["-sS", "-D", "/dev/stderr", "--max-time", "30"])
        .args(&arguments)
        .output()
        .expect("curl is installed");
    let (head, body) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    if !output.status.success() {
        return Err(format!("{arguments:?}: {head}"));
    }
    // Before it may come one of an interim answer.
    let head = head.trim_end().rsplit("\r\n\r\n").next().unwrap_or_default();
    let mut lines = head.lines();
    let mut status_line = lines.next().unwrap_or_default().split_whitespace();
    let version = status_line.next().and_then(|version| version.strip_prefix("HTTP/")).unwrap_or_default();
    let status = status_line
        .next()
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| format!("no status: {head}"))?;
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    Ok(Answer {
        status,
        version: version.to_owned(),
        fields: lines.filter_map(field).collect(),
        body: body.into_owned(),
    })
}
