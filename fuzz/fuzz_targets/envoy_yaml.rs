//! Any text as a configuration of Envoy's rate limit service: what `policies.rs` says of the policies it makes.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none envoy_yaml -- -max_total_time=60`
#![no_main]

#[path = "../policies.rs"]
mod policies;

use libfuzzer_sys::fuzz_target;
use tollgate::policy::Policies;

fuzz_target!(|text: &str| {
    match Policies::from_envoy(text) {
        Ok(read) => policies::check(&read),
        Err(error) => policies::check_problems(&error.problems, text),
    }
});
