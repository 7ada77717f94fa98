//! `INFO`: what the service says of itself.

use std::fmt::Write;

use super::reply::Replies;
use crate::server::service::Service;

/// Tools that read `INFO` want a version of Redis: the release whose protocol this is.
const REDIS_VERSION: &str = "7.0.0";

/// Answers `INFO`, with all that there is, whichever section was asked for.
pub(crate) fn write(service: &Service, replies: &mut Replies) {
    let mut text = format!(
        "# Server\r\nredis_version:{REDIS_VERSION}\r\nredis_mode:standalone\r\ntollgate_version:{}\r\nprocess_id:{}\r\n\r\n\
         # Decisions\r\n",
        env!("CARGO_PKG_VERSION"),
        std::process::id()
    );
    for sample in service.samples() {
        // Writing into a string does not fail.
        let _ = write!(text, "{}:admitted={},refused={}\r\n", sample.policy, sample.admitted, sample.refused);
    }
    replies.bulk(text.as_bytes());
}
