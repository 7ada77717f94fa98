//! `POST /check` and `POST /check/batch`: limits that come with the request.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::answer::{self, BatchAnswer, CheckAnswer};
use super::bodies::{self, Batch, Question};
use super::json::{self, Json, Text};
use super::problem::Problem;
use crate::server::caller::{Answer, Ask, CallerError};
use crate::server::service::Service;

/// `POST /check`
pub(super) async fn one(State(service): State<Arc<Service>>, body: Body) -> Result<Response, Problem> {
    let body = json::bytes(body, service.settings.limits.body_bytes).await?;
    let check = bodies::check(&body)?;
    let question = check.question(|field| format!("/{field}"))?;
    let answer = service.check_caller(question.key.as_bytes(), question.limit, question.cost).await;
    let answer = answer.map_err(|error| refused(&error, &question, |field| format!("/{field}")))?;
    Ok(told(&question, &answer))
}

fn told(question: &Question<'_>, answer: &Answer) -> Response {
    let report = answer::report(question, answer);
    let status = match (answer.allowed, report.failed()) {
        (true, _) => StatusCode::OK,
        (false, false) => StatusCode::TOO_MANY_REQUESTS,
        // It is not the client that asks for too much.
        (false, true) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = (status, Json(CheckAnswer::from(answer))).into_response();
    answer::write_fields(&[report], !answer.allowed, response.headers_mut());
    response
}

/// `POST /check/batch`
pub(super) async fn batch(
    State(service): State<Arc<Service>>,
    body: Body,
) -> Result<Json<BatchAnswer>, Problem> {
    let body = json::bytes(body, service.settings.limits.batch_bytes).await?;
    let batch = bodies::batch(&body)?;
    let questions = batch.questions()?;
    within_bounds(&service, &batch, &questions)?;
    let asks: Vec<_> = questions
        .iter()
        .map(|asked| Ask { key: asked.key.as_bytes(), limit: asked.limit, cost: asked.cost })
        .collect();
    let mut answers = Vec::with_capacity(asks.len());
    let off = |error: CallerError| Problem::new(StatusCode::FORBIDDEN, error.to_string());
    service.check_callers(&asks, &mut answers).await.map_err(off)?;
    // All others have been asked, and spent what they were told.
    let result = |answer: &Result<Answer, CallerError>| match answer {
        Ok(answer) => CheckAnswer::from(answer),
        Err(error) => CheckAnswer::not_asked(error),
    };
    let results: Vec<_> = answers.iter().map(result).collect();
    let allowed = results.iter().filter(|answer| answer.allowed).count();
    Ok(Json(BatchAnswer { allowed, refused: results.len() - allowed, results }))
}

/// Refuses all if one key or limit is beyond the service's bounds, before anything is spent.
fn within_bounds(
    service: &Service,
    batch: &Batch<Text<'_>>,
    questions: &[Question<'_>],
) -> Result<(), Problem> {
    let Some(callers) = &service.callers else { return Ok(()) };
    let mut known = None;
    for (place, question) in questions.iter().enumerate() {
        let wrong = |error| refused(&error, question, |field| batch.pointer(place, field));
        callers.validate_key(question.key.as_bytes()).map_err(wrong)?;
        // Most batches have one limit for all.
        if known != Some(question.limit) {
            callers.validate(question.limit).map_err(wrong)?;
            known = Some(question.limit);
        }
    }
    Ok(())
}

/// A limit that was not asked.
fn refused(error: &CallerError, question: &Question<'_>, at: impl Fn(&str) -> String) -> Problem {
    match error {
        CallerError::Off => Problem::new(StatusCode::FORBIDDEN, error.to_string()),
        CallerError::Field { field, message } => {
            let field = question.name_of(field);
            Problem::unfit(at(field), format!("{field}: {message}"))
        }
        // Limits and keys that are not used are forgotten within seconds.
        CallerError::TooManyLimits { .. } | CallerError::TooManyKeys { .. } | CallerError::Backend { .. } => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).retry_after(1)
        }
    }
}
