//! Any bytes as a log of any format, in every algorithm: every line is accounted for, and so is every request.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none whole_log -- -max_total_time=60`
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tollgate::replay::{FieldNames, Options, Progress, Reading, ReplayError, replay, write_table};

const ALGORITHMS: [&str; 6] =
    ["gcra", "token-bucket", "leaky-bucket", "fixed-window", "sliding-window", "sliding-log"];

fuzz_target!(|log: &[u8]| {
    let options = Options {
        limits: vec!["2/min".parse().unwrap()],
        algorithms: ALGORITHMS.iter().map(|name| name.parse().unwrap()).collect(),
        max_keys: 100,
        reading: Reading {
            format: None,
            key: None,
            fields: FieldNames::default(),
            reorder: Duration::from_secs(1),
        },
    };
    let report = match replay("log", log, &options, &Progress::hidden()) {
        Ok(report) => report,
        Err(error) => return assert!(matches!(error, ReplayError::Header { .. })),
    };
    // A CSV header is neither, and a record may span lines.
    assert!(report.log.requests + report.log.blank + report.log.malformed <= report.log.lines);
    let over_time = |counts: &[u64]| counts.iter().sum::<u64>();
    for (position, limit) in report.limits.iter().enumerate() {
        assert_eq!(limit.admitted + limit.refused, report.log.requests);
        if let Some(series) = &report.over_time {
            assert_eq!(over_time(&series.requests), report.log.requests);
            assert_eq!(over_time(&series.refused[position]), limit.refused);
        }
    }
    let mut printed = Vec::new();
    write_table(&report, &mut printed).unwrap();
    let printed = String::from_utf8(printed).unwrap();
    assert!(printed.chars().all(|character| character == '\n' || !character.is_control()));
});
