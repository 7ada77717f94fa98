//! Clients of the service's gRPC: of what is generated from `proto/`.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::node::Node;

#[path = "../../src/server/grpc/generated/mod.rs"]
mod generated;

pub(crate) use generated::tollgate::v1;
use v1::check_request::Subject;
use v1::rate_limit_service_client::RateLimitServiceClient;

/// A client of `tollgate.v1`.
pub(crate) type Client = RateLimitServiceClient<Channel>;

/// A connection to a node.
pub(crate) async fn connect(node: &Node) -> Channel {
    Endpoint::from_shared(node.url("")).unwrap().connect().await.unwrap()
}

/// A client of `tollgate.v1`.
pub(crate) async fn client(node: &Node) -> Client {
    Client::new(connect(node).await)
}

/// A check of a request with these attributes.
pub(crate) fn about(attributes: &[(&str, &str)]) -> v1::CheckRequest {
    v1::CheckRequest { cost: None, subject: Some(Subject::Request(request(attributes))) }
}

/// A request with these attributes.
pub(crate) fn request(attributes: &[(&str, &str)]) -> v1::RequestSubject {
    let attributes =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    v1::RequestSubject { attributes, policy: String::new() }
}

/// A check of a key by so many in a day.
pub(crate) fn per_day(key: &str, count: u64) -> v1::CheckRequest {
    let limit = v1::Limit { count, period: seconds(86_400), ..v1::Limit::default() };
    let key = v1::KeySubject { key: key.to_owned(), limit: Some(limit) };
    v1::CheckRequest { cost: None, subject: Some(Subject::Key(key)) }
}

/// A duration in a message.
#[allow(clippy::unnecessary_wraps, reason = "as messages have it")]
pub(crate) fn seconds(seconds: u64) -> Option<prost_types::Duration> {
    Some(Duration::from_secs(seconds).try_into().unwrap())
}

/// The field that a call is told to be wrong.
pub(crate) fn wrong_field(status: &Status) -> String {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let [violation] = status.get_details_bad_request().unwrap().field_violations.try_into().unwrap();
    assert!(!violation.description.is_empty());
    violation.field
}
