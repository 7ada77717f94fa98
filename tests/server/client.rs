//! [`Client`]: many requests a second, over connections that are kept.

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::http::request;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Error};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Clones share connections.
#[derive(Clone, Debug)]
pub(crate) struct Client(legacy::Client<HttpConnector, Full<Bytes>>);

impl Client {
    pub(crate) fn new() -> Client {
        Client(legacy::Client::builder(TokioExecutor::new()).build_http())
    }

    /// The status and the body of what a `POST` of JSON gets, or why it got nothing.
    pub(crate) async fn post(&self, url: &str, body: &Value) -> Result<(u16, Bytes), Error> {
        self.send(Request::post(url).header("Content-Type", "application/json"), body.to_string()).await
    }

    /// The same of a `GET`.
    pub(crate) async fn get(&self, url: &str) -> Result<(u16, Bytes), Error> {
        self.send(Request::get(url), String::new()).await
    }

    async fn send(&self, request: request::Builder, body: String) -> Result<(u16, Bytes), Error> {
        let response = self.0.request(request.body(Full::from(body)).unwrap()).await?;
        let status = response.status().as_u16();
        // Whoever has got the head gets the body.
        Ok((status, response.into_body().collect().await.unwrap().to_bytes()))
    }

    /// Whether a check is allowed.
    ///
    /// # Panics
    ///
    /// If it is neither allowed nor refused.
    pub(crate) async fn is_allowed(&self, node: &str, check: &Value) -> bool {
        let (status, body) = self.post(node, check).await.unwrap();
        match status {
            200 => true,
            429 => false,
            _ => panic!("{status}: {}", String::from_utf8_lossy(&body)),
        }
    }
}
