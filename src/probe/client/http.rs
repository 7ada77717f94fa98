//! [`Http`]: `POST /check` and `POST /check/batch`.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{Told, tcp};
use crate::probe::plan::{PlanError, Target};
use crate::quota::Quota;

/// A connection in HTTP/1.1.
pub(in crate::probe) struct Http {
    requests: SendRequest<Full<Bytes>>,
    authority: String,
    limit: Quota,
}

#[derive(Serialize)]
struct Check<'a> {
    key: &'a str,
    #[serde(flatten)]
    limit: Limit,
}

#[derive(Serialize)]
struct Batch<'a> {
    keys: &'a [String],
    #[serde(flatten)]
    limit: Limit,
}

/// So many in so many seconds.
#[derive(Serialize)]
struct Limit {
    rate: u64,
    interval: f64,
    burst: u64,
}

#[derive(Deserialize)]
struct BatchAnswer {
    results: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    allowed: bool,
    error: Option<String>,
}

impl Http {
    pub(in crate::probe) async fn connect(
        target: &Target,
        tls: Option<&TlsConnector>,
        limit: Quota,
    ) -> Result<Http, String> {
        let stream = tcp(target.bare_host(), target.port).await?;
        let requests = match tls {
            None => shake_hands(stream).await?,
            Some(tls) => {
                let name =
                    ServerName::try_from(target.bare_host().to_owned()).map_err(|error| error.to_string())?;
                shake_hands(tls.connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?).await?
            }
        };
        Ok(Http { requests, authority: target.authority(), limit })
    }

    pub(super) async fn check(&mut self, keys: &[String], told: &mut Vec<Told>) -> Result<(), String> {
        let limit = Limit {
            rate: self.limit.count(),
            interval: self.limit.period().as_secs_f64(),
            burst: self.limit.capacity(),
        };
        match keys {
            [key] => {
                let (status, body) = self.post("/check", &Check { key, limit }).await?;
                told.push(match status {
                    StatusCode::OK => Told::Admitted,
                    StatusCode::TOO_MANY_REQUESTS => Told::Refused,
                    _ => Told::Failed(failure(status, &body)),
                });
            }
            keys => {
                let (status, body) = self.post("/check/batch", &Batch { keys, limit }).await?;
                if status != StatusCode::OK {
                    told.resize(told.len() + keys.len(), Told::Failed(failure(status, &body)));
                    return Ok(());
                }
                let answer: BatchAnswer =
                    serde_json::from_slice(&body).map_err(|error| format!("the answer: {error}"))?;
                told.extend(answer.results.into_iter().map(|one| match one.error {
                    Some(error) => Told::Failed(error),
                    None if one.allowed => Told::Admitted,
                    None => Told::Refused,
                }));
            }
        }
        Ok(())
    }

    async fn post(&mut self, path: &str, body: &impl Serialize) -> Result<(StatusCode, Bytes), String> {
        let body = serde_json::to_vec(body).map_err(|error| error.to_string())?;
        self.ask(Method::POST, path, body.into()).await
    }

    /// Sends a request and reads all of its answer.
    pub(in crate::probe) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), String> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        self.requests.ready().await.map_err(|error| error.to_string())?;
        let answer = self.requests.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    }
}

async fn shake_hands<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (requests, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // Its error comes out at the request that meets it.
    drop(tokio::spawn(connection));
    Ok(requests)
}

/// A status, and what a problem document says of it.
fn failure(status: StatusCode, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => format!("{}: {}", status.as_u16(), problem.detail),
        Err(_) => status.as_u16().to_string(),
    }
}

/// Trusts the certificates of a file, and those that they sign.
pub(super) fn trust(file: &Path) -> Result<TlsConnector, PlanError> {
    let problem =
        |error: &dyn std::fmt::Display| PlanError::Authorities(format!("{}: {error}", file.display()));
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| problem(&error))? {
        roots.add(certificate.map_err(|error| problem(&error))?).map_err(|error| problem(&error))?;
    }
    if roots.is_empty() {
        return Err(problem(&"there is no certificate in it"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| problem(&error))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()).into())
}
