//! The dashboard: one page at `/`, kept up to date by server-sent events from `/events`.
//!
//! The page holds no data and asks nobody but this service, so anybody may read it. The events show keys: they are guarded as the configuration is.

mod feed;
mod page;
mod sample;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use self::feed::Feed;
use self::page::Page;
use super::operate::guard;
use super::rest::Problem;
use super::service::Service;

/// The routes. Begins to take samples, until the service stops: to be called within a runtime.
pub(crate) fn router(service: &Arc<Service>) -> Router {
    let page = Arc::new(Page::new());
    let feed = Feed::start(Arc::clone(service));
    Router::new()
        .route("/events", get(events))
        .route_layer(middleware::from_fn_with_state(Arc::clone(service), guard))
        .with_state(feed)
        .route("/", get(move || async move { page.response() }))
}

async fn events(State(feed): State<Arc<Feed>>) -> Response {
    match feed.follow() {
        Some(events) => {
            let events = futures_util::StreamExt::map(events, Ok::<_, Infallible>);
            Sse::new(events).keep_alive(KeepAlive::default()).into_response()
        }
        None => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "{} dashboards are open, as many as this service feeds: close one, or wait",
                Feed::MOST_CLIENTS
            ),
        )
        .into_response(),
    }
}
