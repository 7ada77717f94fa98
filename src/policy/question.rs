//! [`Question`]: which of the policies that concern a request are asked, and what for.

use super::in_force::PolicyInForce;
use super::matching::Seen;
use super::model::AlgorithmName;

/// Which of the policies that concern a request are asked, and what for. What is always the same costs nothing to ask.
pub(super) trait Question {
    /// Whether the policy at this place is asked.
    fn asks(&self, place: u32, policy: &PolicyInForce) -> bool;

    /// What the request costs under a policy.
    fn cost(&self, policy: &PolicyInForce, seen: &Seen<'_, '_>) -> u64;

    /// Whether the cost is the caller's word.
    fn tells_cost(&self) -> bool;

    /// Whether policies are looked at although another one refuses, or keeps them from being asked.
    fn goes_on(&self) -> bool;
}

/// All policies, by their own cost rules.
pub(super) struct Everything;

impl Question for Everything {
    #[inline(always)]
    fn asks(&self, _place: u32, _policy: &PolicyInForce) -> bool {
        true
    }

    #[inline(always)]
    fn cost(&self, policy: &PolicyInForce, seen: &Seen<'_, '_>) -> u64 {
        policy.cost(seen)
    }

    #[inline(always)]
    fn tells_cost(&self) -> bool {
        false
    }

    #[inline(always)]
    fn goes_on(&self) -> bool {
        false
    }
}

/// What a query is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'q> {
    pub(super) cost: Option<u64>,
    pub(super) only: Only<'q>,
    pub(super) goes_on: bool,
    /// The places of those that are not asked, whatever else is told.
    pub(super) without: &'q [u32],
}

/// Which policies a query is to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Only<'q> {
    All,
    Policy(&'q str),
    Algorithm(AlgorithmName),
}

impl Question for Wanted<'_> {
    fn asks(&self, place: u32, policy: &PolicyInForce) -> bool {
        let asks = match self.only {
            Only::All => true,
            Only::Policy(id) => policy.policy.id == id,
            Only::Algorithm(algorithm) => policy.counts_by(algorithm),
        };
        asks && !self.without.contains(&place)
    }

    fn cost(&self, policy: &PolicyInForce, seen: &Seen<'_, '_>) -> u64 {
        self.cost.unwrap_or_else(|| policy.cost(seen))
    }

    fn tells_cost(&self) -> bool {
        self.cost.is_some()
    }

    fn goes_on(&self) -> bool {
        self.goes_on
    }
}
