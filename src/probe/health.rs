//! [`is_ready`]: whether a service takes requests.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};

use super::client::{Client, Connector};
use super::plan::Plan;

/// Whether the service answers `GET /health/ready` with 200, and what it says.
///
/// # Errors
///
/// It cannot be asked: it is not there, speaks no HTTP, or is not trusted.
pub async fn is_ready(plan: Plan) -> Result<(bool, String), String> {
    let connector = Connector::new(&Arc::new(plan)).map_err(|error| error.to_string())?;
    let Client::Http(mut client) = connector.connect().await? else {
        return Err("--health asks over HTTP: give an http:// or https:// address".to_owned());
    };
    let asking = client.ask(Method::GET, "/health/ready", Bytes::new());
    let (status, body) = super::client::in_time(asking).await?;
    let said = String::from_utf8_lossy(&body).trim().to_owned();
    Ok((status == StatusCode::OK, format!("{}: {said}", status.as_u16())))
}
