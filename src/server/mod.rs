//! The service: `tollgate serve`, for programs in other languages, and for Envoy.
//!
//! It is a thin shell around [`policy::PolicySet`](crate::policy::PolicySet) and [`PerCall`](crate::PerCall) limits: REST, gRPC and RESP in front, memory or
//! Redis behind. All that decides is asked through `Service`, which counts it.

mod activity;
mod caller;
mod counting;
mod dashboard;
mod error;
pub(crate) mod grpc;
mod operate;
mod policy_file;
mod resp;
mod rest;
mod routes;
#[expect(clippy::module_inception, reason = "it is what the module is about")]
mod server;
mod service;
mod settings;
mod told;

pub use error::ServerError;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use resp::resp_answers;
#[doc(hidden)]
pub use rest::machinery;
pub use server::{Running, Server};
pub use settings::{
    BackendSettings, CallerSettings, ConnectionLimits, GrpcSettings, Secret, Settings, SettingsError,
    ShutdownSettings, SnapshotSettings, TlsSettings,
};
