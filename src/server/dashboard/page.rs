//! [`Page`]: the dashboard's one document.

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

const FRAME: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
/// One script: each part uses what those before it define.
const SCRIPT: &str = concat!(
    include_str!("page/words.js"),
    include_str!("page/stream.js"),
    include_str!("page/charts.js"),
    include_str!("page/policies.js"),
    include_str!("page/beside.js"),
    include_str!("page/try.js"),
    include_str!("page/page.js"),
);

/// The dashboard's one document, with its style and its script.
#[derive(Debug)]
pub(super) struct Page {
    html: Bytes,
    /// Nothing but this style and this script may run, and they may ask nobody but this service.
    content_security_policy: String,
}

impl Page {
    pub(super) fn new() -> Page {
        let html = FRAME.replace("{style}", STYLE).replace("{script}", SCRIPT);
        let content_security_policy = format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
            STANDARD.encode(Sha256::digest(SCRIPT)),
            STANDARD.encode(Sha256::digest(STYLE)),
        );
        Page { html: html.into(), content_security_policy }
    }

    pub(super) fn response(&self) -> Response {
        let fields = [
            (header::CONTENT_SECURITY_POLICY, self.content_security_policy.as_str()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        (fields, Html(self.html.clone())).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_page_takes_data_for_markup() {
        let ways = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "setHTML",
        ];
        for way in ways {
            assert!(!SCRIPT.contains(way), "{way}");
        }
    }

    #[test]
    fn the_page_is_whole() {
        let html = String::from_utf8(Page::new().html.into()).unwrap();
        assert!(!html.contains("{style}") && !html.contains("{script}"));
        assert!(html.contains(&format!("<style>{STYLE}</style>")));
        assert!(html.contains(&format!("<script type=\"module\">{SCRIPT}</script>")));
    }
}
