//! Any `X-Forwarded-For`: an answer, never a panic; and what comes before the elements of proxies never changes it.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none forwarded_for -- -max_total_time=60`
#![no_main]

#[path = "../client_address.rs"]
mod client_address;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let behind = client_address::behind();
    client_address::check("x-forwarded-for", behind, "203.0.113.7:80, 10.0.0.2", text);
});
