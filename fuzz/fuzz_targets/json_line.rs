//! Any bytes as a line of JSON: read or refused, never a panic; and what was read is a time that a log can bear.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none json_line -- -max_total_time=60`
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::replay::{FieldNames, JsonLines};

fuzz_target!(|line: &[u8]| {
    let nested = FieldNames {
        time: Some("t".to_owned()),
        key: vec!["a.b".to_owned(), "a".to_owned()],
        cost: Some("a.c".to_owned()),
        attributes: None,
    };
    for names in [FieldNames::default(), nested] {
        let mut lines = JsonLines::new(&names);
        let mut key = Vec::new();
        match lines.read(line, &mut key) {
            Ok(entry) => {
                assert!(entry.time < 4_102_444_800_000_000_000);
                assert!(!key.is_empty());
                // Which fields are taken is settled now, and they are in the line.
                assert_eq!(lines.read(line, &mut key), Ok(entry));
            }
            // Messages quote the line, but not all of a long one.
            Err(error) => assert!(error.to_string().len() < 300),
        }
    }
});
