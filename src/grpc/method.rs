//! Which requests call a gRPC method.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The protocols, by the content types of their requests. A reply to one has the same content type.
const PROTOCOLS: [&str; 3] = ["application/grpc-web-text", "application/grpc-web", "application/grpc"];

/// Whether a request with these headers calls a gRPC method, be it over gRPC-Web.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    content_type(headers).is_some()
}

/// The content type of a reply to a gRPC request; `None` if it is none.
pub(super) fn content_type(headers: &HeaderMap) -> Option<&'static str> {
    let asked = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    PROTOCOLS.into_iter().find(|protocol| is_of(asked, protocol))
}

/// Whether it is this type, followed by an encoding of messages (`+proto`), parameters, or nothing.
fn is_of(content_type: &str, protocol: &str) -> bool {
    let Some((start, rest)) = content_type.split_at_checked(protocol.len()) else {
        return false;
    };
    start.eq_ignore_ascii_case(protocol) && (rest.is_empty() || rest.starts_with(['+', ';', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &'static str) -> Option<&'static str> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, http::HeaderValue::from_static(value))]);
        assert_eq!(is_grpc(&headers), content_type(&headers).is_some());
        content_type(&headers)
    }

    #[test]
    fn the_content_type_tells_grpc_from_other_requests() {
        for grpc in
            ["application/grpc", "application/grpc+proto", "Application/GRPC+json", "application/grpc;q=1"]
        {
            assert_eq!(of(grpc), Some("application/grpc"), "{grpc}");
        }
        for other in
            ["application/json", "application/grpcx", "application/grp", "application/grpc-gateway", ""]
        {
            assert_eq!(of(other), None, "{other}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn a_grpc_web_request_is_answered_in_its_own_content_type() {
        assert_eq!(of("application/grpc-web+proto"), Some("application/grpc-web"));
        assert_eq!(of("application/grpc-web"), Some("application/grpc-web"));
        assert_eq!(of("application/grpc-web-text+proto"), Some("application/grpc-web-text"));
    }
}
