//! Bytes per live key, as a process of its own finds them: there nobody else has touched memory before.

use std::alloc::System;
use std::hint::black_box;
use std::process::Command;

use stats_alloc::StatsAlloc;

use super::Outcome;
use super::setup::Setup;
use super::subject::{Key, Subject};

/// In thousands. A table that doubles is at its best just before and at its worst just after, so one size would
/// show whatever one likes: these cover an octave in even steps, and a second one beside it.
pub(crate) const POPULATIONS: [usize; 5] = [700, 1_000, 1_400, 2_000, 2_800];

/// Heap and resident bytes per key, as the measuring process prints them.
pub(crate) fn measured_by(measuring: &mut Command) -> Outcome<[f64; 2]> {
    let output = measuring.output()?;
    if !output.status.success() {
        return Err(format!("{measuring:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let mut figures = text.split_whitespace().map(str::parse::<f64>);
    match (figures.next(), figures.next()) {
        (Some(heap), Some(resident)) => Ok([heap?, resident?]),
        _ => Err(format!("{measuring:?}: unexpected answer {text:?}").into()),
    }
}

/// The measuring process: prints heap and resident bytes per key after one request of each.
pub(crate) fn measure<K: Key, S: Subject<K>>(
    heap: &StatsAlloc<System>,
    setup: &Setup,
    key: impl Fn(u64) -> K,
    count: usize,
) -> Outcome<()> {
    let (live, resident) = (live_bytes(heap), resident_bytes()?);
    let subject = S::build(setup)?;
    let admitted = (0..count as u64).filter(|&rank| subject.check(&key(rank))).count();
    if admitted != count {
        return Err(format!("{admitted} of {count} keys admitted").into());
    }
    let per_key = |before: usize, after: usize| {
        #[allow(clippy::cast_precision_loss, reason = "bytes and keys are far below 2^53")]
        let (bytes, count) = (after.saturating_sub(before) as f64, count as f64);
        bytes / count
    };
    println!("{} {}", per_key(live, live_bytes(heap)), per_key(resident, resident_bytes()?));
    black_box(subject);
    Ok(())
}

/// Bytes allocated and not yet freed, as asked for: what the allocator adds to each shows only in the resident size.
pub(crate) fn live_bytes(heap: &StatsAlloc<System>) -> usize {
    let stats = heap.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Bytes of this process in memory; 0 where the system does not tell in this way.
fn resident_bytes() -> Outcome<usize> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.map_or(Ok(0), str::parse::<usize>)? << 10)
}
