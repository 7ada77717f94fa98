//! Any bytes as a line of an access log: read or refused, never a panic; and what was read comes from the line.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none log_line -- -max_total_time=60`
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::replay::LogLine;

/// What stands in a line for a field that is not there.
const ABSENT: &[u8] = b"-";

fuzz_target!(|line: &[u8]| {
    match LogLine::parse(line) {
        Ok(parsed) => {
            for field in [parsed.host, parsed.user, parsed.method, parsed.path] {
                assert!(!field.is_empty());
                assert!(field == ABSENT || line.windows(field.len()).any(|part| part == field));
            }
            assert!(parsed.time < 4_102_444_800_000_000_000);
        }
        // Messages quote the line, but not all of a long one.
        Err(error) => assert!(error.to_string().len() < 300),
    }
});
