//! [`Series`]: counts over time in bounded memory, without knowing beforehand how long the time is.

use super::time::{NANOS_PER_SECOND, UnixNanos};

/// The most buckets that are kept, 8 KiB a row. When they widen it is at most fivefold, so two hundred of them are in use.
const MOST: usize = 1_000;

const MILLI: u64 = NANOS_PER_SECOND / 1_000;
const SECOND: u64 = NANOS_PER_SECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Widths that one can say in a word, each unit's up to the next unit; days up to what spreads 130 years over fifty buckets.
const WIDTHS: [(u64, &[u64]); 5] = [
    (MILLI, &[1, 2, 5, 10, 20, 50, 100, 200, 500]),
    (SECOND, &[1, 2, 5, 10, 15, 20, 30]),
    (MINUTE, &[1, 2, 5, 10, 15, 20, 30]),
    (HOUR, &[1, 2, 3, 4, 6, 12]),
    (DAY, &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024]),
];

/// Wide enough for any time that a log can bear.
const WIDEST: u64 = 1_024 * DAY;

fn widths() -> impl Iterator<Item = u64> {
    WIDTHS.iter().flat_map(|(unit, times)| times.iter().map(move |times| unit * times))
}

/// The narrowest width of those that one can say in a word that is not below `least`.
pub(super) fn round_width(least: u64) -> u64 {
    widths().find(|width| *width >= least).unwrap_or(WIDEST)
}

/// Rows of counts in buckets of equal width, which starts at a millisecond and grows with the time that they must cover.
///
/// Buckets begin at whole multiples of their width since 1970, so at full minutes, hours and days of UTC.
#[derive(Clone, Debug)]
pub(super) struct Series {
    width: u64,
    /// The number of the first bucket since 1970.
    first: Option<u64>,
    /// How many buckets are in use.
    len: usize,
    whole_seconds: bool,
    rows: Vec<Vec<u64>>,
}

impl Series {
    /// So many rows without any count.
    pub(super) fn new(rows: usize) -> Series {
        Series { width: MILLI, first: None, len: 0, whole_seconds: true, rows: vec![Vec::new(); rows] }
    }

    /// Counts one in `row` at `time`. A time before the first one counts as the first.
    pub(super) fn count(&mut self, row: usize, time: UnixNanos) {
        self.whole_seconds &= time.is_multiple_of(SECOND);
        if self.bucket(time) >= MOST {
            self.widen(time, MOST);
        }
        let bucket = self.bucket(time).min(MOST - 1);
        self.len = self.len.max(bucket + 1);
        let row = &mut self.rows[row];
        if row.len() <= bucket {
            row.resize(bucket + 1, 0);
        }
        row[bucket] += 1;
    }

    /// The same counts in at most `most` buckets, all rows of one length.
    ///
    /// Where all times were whole seconds, no bucket is narrower than one: every other one would be empty.
    pub(super) fn view(&self, most: usize) -> View {
        let mut series = self.clone();
        let last = (self.start() / self.width + self.len.saturating_sub(1) as u64) * self.width;
        series.widen(last, most);
        for row in &mut series.rows {
            row.resize(series.len, 0);
        }
        View { start: series.start(), width: series.width, rows: series.rows }
    }

    fn start(&self) -> UnixNanos {
        self.first.unwrap_or(0) * self.width
    }

    fn bucket(&mut self, time: UnixNanos) -> usize {
        let first = *self.first.get_or_insert(time / self.width);
        usize::try_from((time / self.width).saturating_sub(first)).unwrap_or(usize::MAX)
    }

    /// Widens the buckets until at most `most` of them cover the time from the first one to `last`.
    fn widen(&mut self, last: UnixNanos, most: usize) {
        let (old, start) = (self.width, self.start());
        let narrowest = if self.whole_seconds { SECOND } else { MILLI };
        let enough = |width: &u64| {
            *width >= narrowest && width.is_multiple_of(old) && last / width - start / width < most as u64
        };
        self.width = widths().find(enough).unwrap_or(WIDEST);
        let first = start / self.width;
        // A wider bucket has no higher number.
        let place = |bucket: usize| {
            let at = (start + bucket as u64 * old) / self.width - first;
            usize::try_from(at).unwrap_or(bucket)
        };
        for row in &mut self.rows {
            let counts = std::mem::take(row);
            for (bucket, count) in counts.into_iter().enumerate() {
                let at = place(bucket);
                if row.len() <= at {
                    row.resize(at + 1, 0);
                }
                row[at] += count;
            }
        }
        self.len = if self.len == 0 { 0 } else { place(self.len - 1) + 1 };
        self.first = self.first.map(|_| first);
    }
}

/// Counts over time, to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// Where the first bucket begins.
    pub(super) start: UnixNanos,
    /// How long each bucket is, in nanoseconds.
    pub(super) width: u64,
    /// As many counts in each row as there are buckets.
    pub(super) rows: Vec<Vec<u64>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(times: impl IntoIterator<Item = u64>) -> Series {
        let mut series = Series::new(2);
        for time in times {
            series.count(0, time);
        }
        series
    }

    #[test]
    fn nothing_counted_is_no_bucket() {
        assert_eq!(series([]).view(10).rows, [Vec::<u64>::new(), Vec::new()]);
    }

    #[test]
    fn one_moment_is_one_bucket() {
        let view = series([5 * MINUTE + MILLI; 3]).view(10);
        assert_eq!(view, View { start: 5 * MINUTE + MILLI, width: MILLI, rows: vec![vec![3], vec![0]] });
    }

    #[test]
    fn whole_seconds_are_never_split() {
        let view = series([100 * SECOND, 101 * SECOND, 103 * SECOND]).view(1_000);
        assert_eq!((view.start, view.width), (100 * SECOND, SECOND));
        assert_eq!(view.rows[0], [1, 1, 0, 1]);
    }

    #[test]
    fn buckets_are_those_of_the_calendar() {
        let view = series((0..90).map(|minute| 10 * HOUR + (50 + minute) * MINUTE)).view(4);
        assert_eq!((view.start, view.width), (10 * HOUR + 30 * MINUTE, 30 * MINUTE));
        assert_eq!(view.rows[0], [10, 30, 30, 20]);
    }

    #[test]
    fn counts_are_the_same_as_with_the_last_width_from_the_start() {
        // Steps that grow, so that every width is passed through.
        let mut times = vec![1_700_000_000 * SECOND + 123_456_789];
        for step in 0..60_u32 {
            let last = times[times.len() - 1];
            times.extend((1..200).map(|number| last + number * (1 << (step * 35 / 60)) * MILLI / 100));
        }
        times.retain(|time| *time < 4_102_444_800 * SECOND);
        let mut grown = series(times.iter().copied());
        grown.count(1, times[times.len() - 1]);
        for most in [1_000, 240, 60] {
            let view = grown.view(most);
            let mut expected = vec![0; view.rows[0].len()];
            for time in &times {
                expected[usize::try_from((time - view.start) / view.width).unwrap()] += 1;
            }
            assert_eq!(view.rows[0], expected);
            assert_eq!(view.rows[1].iter().sum::<u64>(), 1);
            assert_eq!(view.rows[1].last(), Some(&1));
            assert!(view.rows[0].len() <= most);
        }
    }

    #[test]
    fn any_time_there_is_fits_from_the_first_to_the_last() {
        for last in (0..63).map(|bits| 1 << bits) {
            for last in [last - 1, last, last + 1] {
                let series = series([0, last]);
                assert!(series.rows[0].len() <= MOST);
                for most in [1_000, 240, 60] {
                    let view = series.view(most);
                    assert!(view.rows[0].len() <= most || last > 4_102_444_800 * SECOND);
                    assert_eq!(view.rows[0].iter().sum::<u64>(), 2);
                }
            }
        }
    }

    #[test]
    fn widening_keeps_at_least_a_fifth_of_the_buckets_in_use() {
        for seconds in 1..2_000_u64 {
            let end = seconds * seconds * SECOND;
            let mut series = series([0, MILLI]);
            for part in 1..=500 {
                series.count(0, end / 500 * part);
            }
            assert!(series.len >= MOST / 5, "{end}");
        }
    }

    #[test]
    fn a_time_that_steps_back_counts_as_the_first() {
        assert_eq!(series([10 * SECOND, 5 * SECOND]).view(10).rows[0], [2]);
    }
}
