//! Input that is not what `snapshot` has made: an error, or the very same snapshot.

use std::time::Duration;

use serde_json::Value;
use tollgate::{
    FixedWindow, Gcra, Limiter, PerCall, Quota, SlidingLog, SlidingWindow, Snapshot, Snapshots, TokenBucket,
};

use super::{SECOND, limiter_at};

const MINUTE: Duration = Duration::from_secs(60);

/// A snapshot of every kind, with some keys.
fn snapshots() -> Vec<Snapshot> {
    fn of<A: Snapshots>(algorithm: A) -> Snapshot {
        let (limiter, _) = limiter_at(algorithm, 100 * SECOND);
        for key in 0..3_u64 {
            let _ = limiter.charge(&key, key + 1);
        }
        limiter.snapshot()
    }
    let quota = Quota::per_hour(10);
    vec![
        of(Gcra::new(quota)),
        of(TokenBucket::new(10).refill(10, MINUTE).refill_at_once()),
        of(PerCall::new().otherwise(quota)),
        of(FixedWindow::new(10, MINUTE)),
        of(SlidingWindow::new(10, MINUTE)),
        of(SlidingLog::new(10, MINUTE)),
    ]
}

fn json(snapshot: &Snapshot) -> String {
    serde_json::to_string(snapshot).unwrap()
}

#[test]
fn json_with_a_byte_changed_is_refused_or_says_the_same() {
    for snapshot in snapshots() {
        let text = json(&snapshot);
        for (place, mask) in (0..text.len())
            .flat_map(|place| [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0xFF].map(|mask| (place, mask)))
        {
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= mask;
            if let Ok(read) = serde_json::from_slice::<Snapshot>(&bytes) {
                assert_eq!(json(&read), text, "byte {place} with {mask:#x}");
            }
        }
    }
}

#[test]
fn a_binary_snapshot_with_a_byte_changed_is_refused_or_says_the_same() {
    for snapshot in snapshots() {
        let original = postcard::to_stdvec(&snapshot).unwrap();
        for (place, mask) in (0..original.len()).flat_map(|place| (1..=255).map(move |mask| (place, mask))) {
            let mut bytes = original.clone();
            bytes[place] ^= mask;
            if let Ok(read) = postcard::from_bytes::<Snapshot>(&bytes) {
                assert_eq!(postcard::to_stdvec(&read).unwrap(), original, "byte {place} with {mask:#x}");
            }
        }
    }
}

#[test]
fn a_snapshot_that_was_cut_off_is_refused_at_every_length() {
    for snapshot in snapshots() {
        let text = json(&snapshot);
        for length in 0..text.len() {
            assert!(serde_json::from_str::<Snapshot>(&text[..length]).is_err(), "{length} bytes");
        }
        let bytes = postcard::to_stdvec(&snapshot).unwrap();
        for length in 0..bytes.len() {
            assert!(postcard::from_bytes::<Snapshot>(&bytes[..length]).is_err(), "{length} bytes");
        }
    }
}

#[test]
fn foreign_json_is_refused() {
    for text in [
        "",
        "null",
        "{}",
        "[]",
        "7",
        "\"snapshot\"",
        "{\"version\":1}",
        "[1,[],0]",
        "{\"name\":\"x\",\"version\":1}",
    ] {
        assert!(serde_json::from_str::<Snapshot>(text).is_err(), "{text}");
    }
}

#[test]
fn a_number_that_was_edited_by_hand_is_found() {
    let mut value = serde_json::to_value(&snapshots()[0]).unwrap();
    value["content"]["unix"] = Value::from(1);
    let error = serde_json::from_value::<Snapshot>(value).unwrap_err();
    assert!(error.to_string().contains("damaged, its checksum is wrong"), "{error}");
}

#[test]
fn another_version_is_refused_by_name_before_anything_else_is_read() {
    let text = json(&snapshots()[0]).replacen("\"version\":1", "\"version\":2", 1);
    for text in [text.as_str(), r#"{"version":2,"something":"new"}"#] {
        let error = serde_json::from_str::<Snapshot>(text).unwrap_err().to_string();
        assert!(error.contains("is of version 2 and this release of tollgate reads version 1"), "{error}");
    }
}

#[test]
fn neither_a_snapshot_nor_a_builder_shows_the_seeds() {
    for snapshot in snapshots() {
        let Value::Array(seeds) = serde_json::to_value(&snapshot).unwrap()["content"]["seeds"].take() else {
            panic!("no seeds");
        };
        let shown = format!(
            "{snapshot:?} {:#?}",
            Limiter::builder(Gcra::new(Quota::per_hour(1))).restore(snapshot.clone())
        );
        assert!(seeds.len() == 4 && seeds.iter().all(|seed| !shown.contains(&seed.to_string())), "{shown}");
    }
}
