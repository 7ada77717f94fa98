//! [`guard`]: who may use the configuration API.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use super::front::problem;
use crate::server::service::Service;

const SCHEME: &[u8] = b"bearer ";

/// Middleware for routes that change or reveal configuration or keys: lets those through who have the token, or all if there is none.
///
/// `router.route_layer(axum::middleware::from_fn_with_state(service, guard))`
pub(crate) async fn guard(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let Some(token) = &service.token else { return next.run(request).await };
    let given = request.headers().get(AUTHORIZATION).and_then(bearer);
    let (challenge, detail) = match given {
        Some(given) if token.is(given) => return next.run(request).await,
        Some(_) => (
            r#"Bearer realm="tollgate", error="invalid_token""#,
            "the bearer token is not the one of this service",
        ),
        None => (
            r#"Bearer realm="tollgate""#,
            "send the service's token in the field: Authorization: Bearer TOKEN",
        ),
    };
    let mut response = problem(StatusCode::UNAUTHORIZED, detail);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// The token of a field; the scheme's name is in capitals or not.
fn bearer(field: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = field.as_bytes().split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim_ascii())
}
