//! Health and reflection.

use std::collections::BTreeSet;

use tokio_stream::StreamExt;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServiceResponse};
use tonic_reflection::pb::v1alpha;

use crate::curl::curl;
use crate::grpc_clients::connect;
use crate::node::Node;

const SERVICES: [&str; 5] = [
    "envoy.service.ratelimit.v3.RateLimitService",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "tollgate.v1.RateLimitService",
];

#[tokio::test(flavor = "multi_thread")]
async fn health_is_serving_until_the_service_drains() {
    let builder = Node::builder();
    let settings = builder.file("tollgate.toml", "listen = \"127.0.0.1:0\"\n[shutdown]\ndelay = \"1s\"");
    let mut node = builder.flags(&["--config", settings.to_str().unwrap()]).start();
    let mut client = HealthClient::new(connect(&node).await);
    for service in ["", SERVICES[0], SERVICES[4]] {
        let watched =
            client.watch(HealthCheckRequest { service: service.to_owned() }).await.unwrap().into_inner();
        let mut serving = watched.map(|answer| answer.unwrap().status());
        while serving.next().await.unwrap() != ServingStatus::Serving {}
    }
    let unknown = client.check(HealthCheckRequest { service: "no.Such".to_owned() }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);

    let watched = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let mut statuses = watched.map(|answer| answer.unwrap().status());
    node.signal("TERM");
    while statuses.next().await.unwrap() != ServingStatus::NotServing {}
    drop((statuses, client));
    node.wait();
}

#[test]
fn a_page_cannot_send_it_as_a_form() {
    let node = Node::start(&[]);
    // An empty message, as a form of another origin could have it.
    let path = "/grpc.health.v1.Health/Check";
    let answer = curl(["-H", "Content-Type: text/plain", "--data-binary", "@/dev/null", &node.url(path)]);
    assert_eq!((answer.status, &answer.problem()["field"]), (415, &"Content-Type".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_lists_all_services_and_defines_them() {
    let node = Node::start(&[]);
    let mut client = ServerReflectionClient::new(connect(&node).await);
    let asked = |message| ServerReflectionRequest { host: String::new(), message_request: Some(message) };
    let services: Vec<_> = SERVICES.into_iter().filter(|name| !name.contains("v1alpha")).collect();
    let mut questions = vec![asked(MessageRequest::ListServices(String::new()))];
    questions
        .extend(services.iter().map(|name| asked(MessageRequest::FileContainingSymbol((*name).to_owned()))));
    let questions = tokio_stream::iter(questions);
    let mut answers = client.server_reflection_info(questions).await.unwrap().into_inner();

    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let names: BTreeSet<_> = list.service.into_iter().map(|ServiceResponse { name }| name).collect();
    for service in services {
        assert!(names.contains(service), "{service}: {names:?}");
        let answer = answers.next().await.unwrap().unwrap();
        let Some(MessageResponse::FileDescriptorResponse(files)) = answer.message_response else {
            panic!("{service}: {answer:?}")
        };
        assert!(!files.file_descriptor_proto.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn older_clients_reflect_too() {
    use v1alpha::server_reflection_client::ServerReflectionClient;
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;
    let node = Node::start(&[]);
    let mut client = ServerReflectionClient::new(connect(&node).await);
    let message = MessageRequest::ListServices(String::new());
    let asked = v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(message) };
    let mut answers = client.server_reflection_info(tokio_stream::iter([asked])).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    assert!(list.service.iter().any(|service| service.name == SERVICES[4]));
}
