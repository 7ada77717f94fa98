//! Running the service: listeners and their limits, who may do what, how it is and how it ends.

mod auth;
mod backends;
mod connections;
mod front;
mod health;
mod http;
mod pulse;
mod resp;
pub(super) mod snapshot;
mod stream;
mod tls;

pub(crate) use auth::guard;
pub(super) use backends::connect;
pub(super) use connections::{Connections, Listening};
pub(super) use front::Front;
pub(crate) use front::is_grpc;
pub(crate) use health::{BackendHealth, Health, State};
pub(super) use http::Http;
pub(super) use resp::serve_resp;
pub(super) use stream::{Stream, stream};
pub(super) use tls::acceptor;
