//! RESP, the protocol of Redis: `CL.THROTTLE` as the module `redis-cell` has it, for any Redis client.
//!
//! `request` and `reply` are the bytes, `session` is what a client has asked for, and `connection` does it. Everything but the connection is
//! plain work on bytes, and waits for nothing.

mod catalogue;
mod connection;
#[cfg(any(fuzzing, test))]
mod fuzzing;
mod info;
mod reply;
mod request;
mod session;
mod throttle;

pub(crate) use connection::serve;
#[cfg(fuzzing)]
pub use fuzzing::resp_answers;
