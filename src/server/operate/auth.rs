//! [`guard`]: who may use the configuration API.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::server::rest::Problem;
use crate::server::service::Service;

const SCHEME: &[u8] = b"bearer ";
/// In it browsers say how near the page that asks is to whom it asks.
const FETCH_SITE: &str = "sec-fetch-site";

/// Middleware for routes that change or reveal configuration or keys: lets those through who have the token. If there is none, those on this machine.
///
/// `router.route_layer(axum::middleware::from_fn_with_state(service, guard))`
pub(crate) async fn guard(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let Some(token) = &service.token else {
        return if !is_local(&request) {
            misdirected()
        } else if is_of_foreign_page(request.headers())
            && !is_of_named_page(request.headers(), &service.settings.cors)
        {
            let detail = "a page of another origin asks for this: name the origin in the settings' cors, or give the service a token";
            Problem::new(StatusCode::FORBIDDEN, detail).into_response()
        } else {
            next.run(request).await
        };
    };
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
    Problem::new(StatusCode::UNAUTHORIZED, detail)
        .header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
        .into_response()
}

/// The token of a field; the scheme's name is in capitals or not.
fn bearer(field: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = field.as_bytes().split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim_ascii())
}

/// Whether the client means this machine by the name that it called. Otherwise it may be a browser with a stranger's page, whose name was made to lead here.
fn is_local(request: &Request) -> bool {
    let field = request.headers().get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let Some(authority) = request.uri().authority().cloned().or(field) else { return false };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

/// Whether a browser says that it asks for a page that is not of this service. It could not read the answer, but make changes, or hold streams open.
fn is_of_foreign_page(headers: &HeaderMap) -> bool {
    headers.get(FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none")
}

/// Whether it says so of a page of one of these origins. Without an origin nobody asks who could read the answer.
fn is_of_named_page(headers: &HeaderMap, cors: &[String]) -> bool {
    headers.get(ORIGIN).is_some_and(|origin| cors.iter().any(|named| origin == named))
}

fn misdirected() -> Response {
    let detail = "the service has no token, so it takes this only under the name localhost or an IP address: give it a token";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response()
}
