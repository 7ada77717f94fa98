//! Header fields for the response to Envoy's client.

use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderMap;

use super::status::Told;
use crate::http::{HeaderDialect, fields};
use crate::server::grpc::generated::envoy::config::core::v3::HeaderValue;

/// The same fields as the middleware writes.
pub(super) fn fields(dialects: &[HeaderDialect], told: &[Told], refused: bool) -> Vec<HeaderValue> {
    if dialects.is_empty() {
        return Vec::new();
    }
    let reports: Vec<_> = told.iter().flat_map(Told::reports).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut headers = HeaderMap::new();
    if refused {
        fields::write_retry_after(&reports, &mut headers);
    }
    for dialect in dialects {
        fields::write(*dialect, &reports, refused, now, &mut headers);
    }
    headers.iter().map(|(name, value)| field(name.as_str(), value)).collect()
}

fn field(name: &str, value: &http::HeaderValue) -> HeaderValue {
    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
    HeaderValue { key: name.to_owned(), value, raw_value: Vec::new() }
}
