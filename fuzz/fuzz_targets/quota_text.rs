//! Any text as a quota: read or refused, never a panic; and what was read is read again from what it prints.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none quota_text -- -max_total_time=60`
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::Quota;

fuzz_target!(|text: &str| {
    match text.parse::<Quota>() {
        Ok(quota) => assert_eq!(quota.to_string().parse(), Ok(quota)),
        // Messages quote the input, but not all of a long one.
        Err(error) => assert!(error.to_string().len() < 600),
    }
});
