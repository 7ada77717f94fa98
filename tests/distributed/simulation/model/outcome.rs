//! What came of a run.

use std::fmt;

use super::{Fault, Mode, Size};

/// How many keys count as hot: those that are asked for more than their limit, and some.
pub(crate) const HOT: usize = 16;

/// Counts of a run.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) mode: Mode,
    pub(crate) fault: Fault,
    pub(crate) size: Size,
    /// Of all keys, and of the hot ones alone.
    pub(crate) requests: [u64; 2],
    pub(crate) admitted: [u64; 2],
    pub(crate) ideal: [u64; 2],
    pub(crate) calls: [u64; 2],
    /// Of the hottest key: requests and admissions by node.
    pub(crate) by_node: Vec<(u64, u64)>,
    /// By how many tokens the worst interval of any key had too many.
    pub(crate) excess: u64,
    /// Tokens that were reported twice, because a question came twice.
    pub(crate) reported_twice: u64,
}

impl Outcome {
    pub(crate) fn new(mode: Mode, fault: Fault, size: Size) -> Outcome {
        let zero = [0; 2];
        Outcome {
            mode,
            fault,
            size,
            requests: zero,
            admitted: zero,
            ideal: zero,
            calls: zero,
            by_node: vec![(0, 0); size.nodes],
            excess: 0,
            reported_twice: 0,
        }
    }

    /// By how many tokens an interval may have too many, at most.
    pub(crate) fn bound(&self) -> u64 {
        self.fault.bursts_too_many() * u64::from(self.size.rate) + self.reported_twice
    }

    /// Which part of what one ideal bucket admits was admitted, of the hot keys.
    pub(crate) fn utilisation(&self) -> f64 {
        self.admitted[1] as f64 / self.ideal[1] as f64
    }

    /// Of all keys, and of the hot ones.
    pub(crate) fn calls_per_request(&self) -> [f64; 2] {
        [0, 1].map(|which| self.calls[which] as f64 / self.requests[which] as f64)
    }

    /// Jain's index of the nodes' acceptance of the hottest key: 1 if it is the same on all of them, and one part in so many nodes if
    /// only one accepts anything. Nodes that were hardly asked say nothing.
    pub(crate) fn fairness(&self) -> f64 {
        let rates: Vec<f64> = self
            .by_node
            .iter()
            .filter(|(requests, _)| *requests >= 50)
            .map(|(requests, admitted)| *admitted as f64 / *requests as f64)
            .collect();
        let (sum, squares) =
            rates.iter().fold((0.0, 0.0), |(sum, squares), rate| (sum + rate, squares + rate * rate));
        sum * sum / (rates.len() as f64 * squares)
    }

    /// Of a table whose rows are outcomes.
    pub(crate) const HEADER: &str = "\
| mode | fault | over-admission | % of burst | bound | utilisation | calls/request | of hot keys | Jain |\n\
|---|---|---|---|---|---|---|---|---|";
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [all, hot] = self.calls_per_request();
        write!(
            f,
            "| {} | {} | {} | {:.1} | {} | {:.3} | {all:.3} | {hot:.4} | {:.4} |",
            if self.mode == Mode::Direct { "direct" } else { "leased" },
            self.fault.name(),
            self.excess,
            self.excess as f64 * 100.0 / f64::from(self.size.rate),
            self.bound(),
            self.utilisation(),
            self.fairness()
        )
    }
}
