//! `INFO`: what the service says of itself.

use super::reply::Replies;
use crate::server::service::Service;

pub(crate) fn write(_service: &Service, replies: &mut Replies) {
    let lines = [
        "# Server".to_owned(),
        // Tools that read INFO want one: the release whose protocol this is.
        "redis_version:7.0.0".to_owned(),
        "redis_mode:standalone".to_owned(),
        concat!("tollgate_version:", env!("CARGO_PKG_VERSION")).to_owned(),
        format!("process_id:{}", std::process::id()),
    ];
    replies.bulk(format!("{}\r\n", lines.join("\r\n")).as_bytes());
}
