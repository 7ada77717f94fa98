//! The service: `tollgate serve`, for programs in other languages, and for Envoy.
//!
//! It is a thin shell around [`policy::PolicySet`](crate::policy::PolicySet) and [`PerCall`](crate::PerCall) limits: REST, gRPC and RESP in front, memory or
//! Redis behind. All that decides is asked through `Service`, which counts it.

#![allow(dead_code)] // while it is being built

mod activity;
mod caller;
pub(crate) mod grpc {
    #[path = "generated/mod.rs"]
    pub(crate) mod generated;
}
mod resp;
mod service;
