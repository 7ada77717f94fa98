//! [`GrpcSettings`]: what gRPC clients may take up, and what Envoy is told.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::http::HeaderDialect;

/// What gRPC clients may take up, and what Envoy is told.
///
/// A part of [`Settings`](super::Settings), which have an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct GrpcSettings {
    /// How many reservations are kept at a time; default 10 000. Each takes about 1 KiB.
    pub reservations: usize,
    /// How long a reservation may last; default one hour.
    #[serde(deserialize_with = "super::duration::positive")]
    pub reservation_lifetime: Duration,
    /// Which header fields Envoy adds to the responses to its clients: `draft11`, `draft07`, `draft06`, `x-delta`, `x-epoch`; default `["draft11"]`. With none
    /// it adds no `Retry-After` either.
    #[serde(deserialize_with = "dialects")]
    pub envoy_headers: Vec<HeaderDialect>,
}

impl Default for GrpcSettings {
    fn default() -> GrpcSettings {
        GrpcSettings {
            reservations: 10_000,
            reservation_lifetime: Duration::from_secs(3_600),
            envoy_headers: vec![HeaderDialect::default()],
        }
    }
}

/// The dialects as files call them.
#[derive(Clone, Copy, Debug, Deserialize)]
enum Dialect {
    #[serde(rename = "draft11")]
    Draft11,
    #[serde(rename = "draft07")]
    Draft07,
    #[serde(rename = "draft06")]
    Draft06,
    #[serde(rename = "x-delta")]
    XDelta,
    #[serde(rename = "x-epoch")]
    XEpoch,
}

fn dialects<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<HeaderDialect>, D::Error> {
    let named = Vec::<Dialect>::deserialize(deserializer)?;
    let dialect = |named| match named {
        Dialect::Draft11 => HeaderDialect::Draft11,
        Dialect::Draft07 => HeaderDialect::Draft07,
        Dialect::Draft06 => HeaderDialect::Draft06,
        Dialect::XDelta => HeaderDialect::XDelta,
        Dialect::XEpoch => HeaderDialect::XEpoch,
    };
    Ok(named.into_iter().map(dialect).collect())
}
