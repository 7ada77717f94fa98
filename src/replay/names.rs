//! The names that fields of JSON and CSV logs usually go by.
//!
//! Gathered from what writes such logs: nginx (its times: `time_iso8601`, `time_local`, `msec`), Caddy and zap (`ts`), Traefik
//! (`StartUTC`), Elastic (`@timestamp`), Cloudflare (`EdgeStartTimestamp`), Google Cloud, and the loggers of many languages.

/// The names that a time goes by when none is given, the first that is there first.
pub(super) const TIME_NAMES: [&str; 13] = [
    "time",
    "timestamp",
    "ts",
    "@timestamp",
    "datetime",
    "time_iso8601",
    "time_local",
    "msec",
    "StartUTC",
    "EdgeStartTimestamp",
    "created_at",
    "event_time",
    "t",
];

/// The names that a client's address goes by. Behind a proxy the client's own address is wanted, so names that
/// say client stand before those of the connection.
const CLIENT_NAMES: [&str; 17] = [
    "client_ip",
    "clientip",
    "clientIp",
    "ClientIP",
    "ClientHost",
    "request.client_ip",
    "client.ip",
    "ip",
    "ip_address",
    "remote_ip",
    "remoteIp",
    "request.remote_ip",
    "remote_addr",
    "remoteAddr",
    "RemoteAddr",
    "httpRequest.remoteIp",
    "source.ip",
];

/// The names that a key goes by when none is given: the client's address, or else who is logged in.
pub(super) fn key_names() -> impl Iterator<Item = &'static str> {
    CLIENT_NAMES.into_iter().chain(["user"])
}

/// The names of fields that hold an attribute of policies, the first that is there first; those not listed go by their
/// own.
const ATTRIBUTE_NAMES: [(&str, &[&str]); 6] = [
    ("ip", &CLIENT_NAMES),
    (
        "route",
        &[
            "route",
            "path",
            "uri",
            "url",
            "request.uri",
            "request_uri",
            "request_path",
            "RequestPath",
            "url.path",
            "ClientRequestPath",
            "ClientRequestURI",
            "httpRequest.requestUrl",
        ],
    ),
    (
        "method",
        &[
            "method",
            "request.method",
            "request_method",
            "http_method",
            "RequestMethod",
            "http.request.method",
            "ClientRequestMethod",
            "httpRequest.requestMethod",
        ],
    ),
    ("user", &["user", "user_id", "username", "remote_user", "user.id", "user.name", "ClientUsername"]),
    (
        "status",
        &[
            "status",
            "status_code",
            "DownstreamStatus",
            "http.response.status_code",
            "EdgeResponseStatus",
            "httpRequest.status",
        ],
    ),
    (
        "bytes",
        &[
            "bytes",
            "size",
            "body_bytes_sent",
            "bytes_sent",
            "DownstreamContentSize",
            "http.response.bytes",
            "EdgeResponseBytes",
            "httpRequest.responseSize",
        ],
    ),
];

/// The fields that may hold an attribute.
pub(super) fn attribute_names(attribute: &str) -> &'static [&'static str] {
    ATTRIBUTE_NAMES.iter().find(|(known, _)| *known == attribute).map_or(&[], |(_, names)| *names)
}
