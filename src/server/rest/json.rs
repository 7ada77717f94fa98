//! Bodies in JSON: read borrowed where they are right, and once more, by the reader of policy files, where they are wrong: that one knows all that is.

use std::borrow::Cow;
use std::error::Error;

use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::place::field_at;
use super::problem::{Problem, Wrong};
use crate::policy::{Format, read_text};

/// The longest body that is read a second time to tell all that is wrong with it: that takes far longer than the first reading, and more than twice as long
/// for twice as much. What people write by hand is shorter.
const LONGEST_EXPLAINED: usize = 64 << 10;

/// As much of an error is told: it may quote what is wrong, whole.
const LONGEST_DETAIL: usize = 300;

/// A text of the body, borrowed from it unless it is written with escapes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Reads a body of at most so many bytes.
pub(super) async fn bytes(body: Body, most: usize) -> Result<Bytes, Problem> {
    to_bytes(body, most).await.map_err(|error| {
        if error.source().is_some_and(<dyn Error>::is::<LengthLimitError>) {
            let detail = format!("the body has more than {most} bytes: send less at once");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
        } else {
            Problem::bad(format!("the body did not arrive: {error}"))
        }
    })
}

/// What a body says. `Owned` is the same type without borrows, for the second reading.
pub(super) fn parse<'a, Borrowed: Deserialize<'a>, Owned: DeserializeOwned>(
    body: &'a [u8],
) -> Result<Borrowed, Problem> {
    let text = utf_8(body)?;
    serde_json::from_str(text).map_err(|error| explain::<Owned>(text, &error))
}

/// The body as text.
pub(super) fn utf_8(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        Problem::bad(format!("byte {at} of the body is not UTF-8: send JSON in that encoding"))
    })
}

/// All that is wrong with a text that was not read.
fn explain<T: DeserializeOwned>(text: &str, error: &serde_json::Error) -> Problem {
    if text.trim_ascii().is_empty() {
        return Problem::bad("the body is empty: send a JSON object");
    }
    let place = |number: usize| u32::try_from(number).ok();
    let (line, column) = (place(error.line()), place(error.column()));
    let mut field = None;
    if text.len() <= LONGEST_EXPLAINED {
        let read = read_text::<T>(text, Format::Json);
        if !read.problems.is_empty() {
            let wrong = read.problems.iter().map(|problem| Wrong::of(problem, text)).collect();
            return Problem::of(StatusCode::BAD_REQUEST, wrong);
        }
        // One reader may be stricter than the other.
        field = line.zip(column).and_then(|(line, column)| field_at(text, line, column));
    }
    let detail = error.to_string().chars().take(LONGEST_DETAIL).collect();
    let wrong = Wrong { field: field.unwrap_or_default(), detail, line, column };
    Problem::of(StatusCode::BAD_REQUEST, vec![wrong])
}

/// Refuses what is not said to be JSON. A page of another origin cannot send that unasked, so none can change the configuration of a service on
/// its reader's machine.
pub(super) fn must_be_json(headers: &HeaderMap) -> Result<(), Problem> {
    let said = headers.get(CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
    let media_type = said.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = "send JSON, with the header field Content-Type: application/json";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).field("Content-Type"))
}

/// An answer in JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        // A usual answer fits without growing.
        let mut body = Vec::with_capacity(256);
        match serde_json::to_writer(&mut body, &self.0) {
            Ok(()) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
            // Never: texts and numbers are always JSON.
            Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }
}
