//! [`Problem`]: what is wrong with a request, as RFC 9457 has it.

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::place::field_at;
use crate::http::problem;
use crate::policy;

/// What is wrong with a request, and what to change: an answer that is an error.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Problem {
    // Boxed, because it is large and rare.
    body: Box<Details>,
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What is wrong with a request, and what to change: the body of every answer that is an error.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
struct Details {
    /// What kind of problem it is; `about:blank` for those that the status tells.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status.
    #[serde(serialize_with = "status_number")]
    #[schemars(with = "u16")]
    status: StatusCode,
    /// What is wrong, and what to change.
    detail: String,
    /// The field that is wrong: a JSON pointer into the body, or the name of a parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// All that is wrong, where that is more than one thing, or its place in the body is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    errors: Vec<Wrong>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Wrong {
    /// The field: a JSON pointer into the body. Empty if it is the whole.
    pub(super) field: String,
    /// What is wrong with it, and what to change.
    pub(super) detail: String,
    /// The line of the body, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<u32>,
    /// The column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) column: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn status_number<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem with this status, and in `detail` what to change.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        let body = Details {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status,
            detail: detail.into(),
            field: None,
            errors: Vec::new(),
        };
        Problem { body: Box::new(body), headers: Vec::new() }
    }

    /// The request is not of the form that is asked for.
    pub(crate) fn bad(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// The request has its form, and makes no sense.
    pub(crate) fn unfit(field: impl Into<String>, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).field(field)
    }

    /// Several things, or one, and the first of them in short.
    pub(super) fn of(status: StatusCode, errors: Vec<Wrong>) -> Problem {
        let Some(first) = errors.first() else { return Problem::new(status, "") };
        let place = match (first.line, first.column) {
            (Some(line), Some(column)) => format!("line {line}, column {column}: "),
            _ => String::new(),
        };
        let more = match errors.len() {
            1 => String::new(),
            number => format!(" ({number} problems in all: see errors)"),
        };
        let mut problem = Problem::new(status, format!("{place}{}{more}", first.detail));
        problem.body.field = Some(first.field.clone()).filter(|field| !field.is_empty());
        problem.body.errors = errors;
        problem
    }

    /// About this field: a JSON pointer, or the name of a parameter.
    pub(crate) fn field(mut self, field: impl Into<String>) -> Problem {
        self.body.field = Some(field.into());
        self
    }

    /// With this header field.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.headers.push((name, value));
        self
    }

    /// To be tried again after so many seconds.
    pub(crate) fn retry_after(self, seconds: u64) -> Problem {
        self.header(RETRY_AFTER, seconds.into())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.body.detail)
    }
}

impl Wrong {
    /// What is wrong with a text, as its reader says.
    pub(super) fn of(problem: &policy::Problem, text: &str) -> Wrong {
        let known = |place: u32| (place > 0).then_some(place);
        let (line, column) = (known(problem.line), known(problem.column));
        let mut field = pointer(&problem.field);
        if let Some(lacking) = missing(&problem.message) {
            field = format!("{field}/{lacking}");
        } else if field.is_empty() {
            field = field_at(text, problem.line, problem.column).unwrap_or_default();
        }
        Wrong { field, detail: problem.message.clone(), line, column }
    }
}

/// The field that is missing, if that is what the message says.
fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field \"")?.strip_suffix('"')
}

/// A field as files of policies call it, `limits[1].burst`, as a JSON pointer: `/limits/1/burst`.
pub(super) fn pointer(field: &str) -> String {
    if field.is_empty() {
        return String::new();
    }
    let escaped = field.replace('~', "~0").replace('/', "~1");
    format!("/{}", escaped.replace(['.', '['], "/").replace(']', ""))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Texts and numbers are always JSON; an empty body would be one that says less.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.body.status, body).into_response();
        response.headers_mut().insert(CONTENT_TYPE, problem::CONTENT_TYPE);
        response.headers_mut().extend(self.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_as_json_pointers() {
        assert_eq!(pointer("limits[1].burst"), "/limits/1/burst");
        assert_eq!(pointer("key"), "/key");
        assert_eq!(pointer(""), "");
        assert_eq!(pointer("match.header:a/b"), "/match/header:a~1b");
    }

    #[test]
    fn the_first_of_several_problems_is_told_in_short() {
        let wrong =
            |field: &str| Wrong { field: field.into(), detail: "no".into(), line: Some(2), column: Some(5) };
        let problem = Problem::of(StatusCode::BAD_REQUEST, vec![wrong("/a"), wrong("/b")]);
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["detail"], "line 2, column 5: no (2 problems in all: see errors)");
        assert_eq!((&json["field"], &json["errors"][1]["field"]), (&"/a".into(), &"/b".into()));
        assert_eq!((&json["status"], &json["title"]), (&400.into(), &"Bad Request".into()));
    }
}
