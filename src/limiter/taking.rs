//! [`take_all`]: from all limits or from none, whoever asks.

use super::engine::Receipt;
use super::gate::{Gate, On, Prepared};
use crate::clock::{Instant, Now};
use crate::decision::Denied;

/// What is to be taken from one limit, and then what was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taking<'a> {
    prepared: Prepared<'a>,
    receipt: Option<Receipt>,
}

impl Taking<'_> {
    /// When it was taken, and what.
    #[inline]
    pub(crate) fn taken(&self) -> Option<(Now, Receipt)> {
        self.receipt.map(|receipt| (self.prepared.now, receipt))
    }
}

/// A limit that refused.
pub(crate) struct Refusal {
    pub(crate) refusing: usize,
    /// What it said, if that was for want of room: looking again would not tell.
    pub(crate) no_room: Option<Box<Denied>>,
}

/// Limits, keys and costs, whoever keeps them.
pub(crate) trait Asks<'s> {
    /// The limit at this place; `None` if there is none, which refuses nothing.
    fn gate(&self, place: usize) -> Option<&'s dyn Gate>;
    fn tag(&self, place: usize) -> u64;
    fn cost(&self, place: usize) -> u64;
}

impl<'s> Asks<'s> for &'s [On<'_>] {
    #[inline]
    fn gate(&self, place: usize) -> Option<&'s dyn Gate> {
        Some(self[place].gate())
    }

    #[inline]
    fn tag(&self, place: usize) -> u64 {
        self[place].tag
    }

    #[inline]
    fn cost(&self, place: usize) -> u64 {
        self[place].cost
    }
}

/// Takes from all, of which there are as many as takings; or from none, because of a limit that refused. No limit and key is there twice.
#[inline]
pub(crate) fn take_all<'s>(limits: &impl Asks<'s>, takings: &mut [Taking<'s>]) -> Result<(), Refusal> {
    let mut instant = Instant::default();
    for (place, taking) in takings.iter_mut().enumerate() {
        let Some(gate) = limits.gate(place) else { continue };
        if !gate.prepare(&mut instant, limits.tag(place), limits.cost(place), &mut taking.prepared) {
            return Err(Refusal { refusing: place, no_room: None });
        }
    }
    // One right after the other: an exchange waits for all that was written before it.
    let mut all = true;
    for taking in &mut *takings {
        taking.receipt = taking.prepared.take();
        all &= taking.receipt.is_some();
    }
    if all { Ok(()) } else { take_rest(limits, takings, &mut instant) }
}

/// Takes from those limits that have no short way, or where somebody else came first. If one of them refuses, all get back what was taken.
#[inline(never)]
fn take_rest<'s>(
    limits: &impl Asks<'s>,
    takings: &mut [Taking<'s>],
    instant: &mut Instant,
) -> Result<(), Refusal> {
    for place in 0..takings.len() {
        let Some(gate) = limits.gate(place).filter(|_| takings[place].receipt.is_none()) else { continue };
        match gate.take(instant, limits.tag(place), limits.cost(place)) {
            Ok((now, receipt)) => {
                takings[place].prepared.now = now;
                takings[place].receipt = Some(receipt);
            }
            Err(denied) => {
                give_back(limits, takings);
                let no_room = denied.at_capacity().then(|| Box::new(denied));
                return Err(Refusal { refusing: place, no_room });
            }
        }
    }
    Ok(())
}

#[cold]
fn give_back<'s>(limits: &impl Asks<'s>, takings: &[Taking<'_>]) {
    for (place, taking) in takings.iter().enumerate() {
        if let (Some(receipt), Some(gate)) = (taking.receipt, limits.gate(place)) {
            gate.undo(limits.tag(place), limits.cost(place), receipt);
        }
    }
}
