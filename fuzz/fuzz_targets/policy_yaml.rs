//! Any text as policies in YAML: what `policies.rs` says of them.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none policy_yaml -- -max_total_time=60`
#![no_main]

#[path = "../policies.rs"]
mod policies;

use libfuzzer_sys::fuzz_target;
use tollgate::policy::{Format, Policies};

fuzz_target!(|text: &str| {
    match Policies::parse(text, Format::Yaml) {
        Ok(read) => policies::check(&read),
        Err(error) => policies::check_problems(error.problems(), text),
    }
});
