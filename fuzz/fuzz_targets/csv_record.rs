//! Any bytes as a CSV log, the first line its header: read or refused, never a panic; and a record is read the same whatever
//! was read before it.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none csv_record -- -max_total_time=60`
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::replay::{CsvRecords, FieldNames};

fuzz_target!(|log: &[u8]| {
    let mut lines = log.split(|byte| *byte == b'\n');
    let header = lines.next().unwrap_or_default();
    let fresh = match CsvRecords::new(header, &FieldNames::default()) {
        Ok(records) => records,
        // The message shows some columns.
        Err(error) => {
            assert!(error.to_string().len() < 4_000);
            CsvRecords::new(b"ts,ip,x", &FieldNames::default()).unwrap()
        }
    };
    let mut records = fresh.clone();
    for record in lines {
        let (mut key, mut fresh_key) = (Vec::new(), Vec::new());
        let read = records.read(record, &mut key);
        assert_eq!(read, fresh.clone().read(record, &mut fresh_key));
        match read {
            Ok(entry) => {
                assert_eq!(key, fresh_key);
                assert!(entry.time < 4_102_444_800_000_000_000);
            }
            Err(error) => assert!(error.to_string().len() < 300),
        }
    }
});
