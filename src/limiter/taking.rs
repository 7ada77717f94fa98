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

/// A limit, a key and a cost, whoever keeps them.
pub(crate) trait Ask {
    fn gate(&self) -> &dyn Gate;
    fn tag(&self) -> u64;
    fn cost(&self) -> u64;
}

impl Ask for On<'_> {
    #[inline]
    fn gate(&self) -> &dyn Gate {
        On::gate(self)
    }

    #[inline]
    fn tag(&self) -> u64 {
        self.tag
    }

    #[inline]
    fn cost(&self) -> u64 {
        self.cost
    }
}

/// Takes from all; or from none, because of a limit that refused. No limit and key is there twice.
#[inline]
pub(crate) fn take_all<'s>(limits: &'s [impl Ask], takings: &mut [Taking<'s>]) -> Result<(), Refusal> {
    let mut instant = Instant::default();
    for (index, (on, taking)) in limits.iter().zip(&mut *takings).enumerate() {
        if !on.gate().prepare(&mut instant, on.tag(), on.cost(), &mut taking.prepared) {
            return Err(Refusal { refusing: index, no_room: None });
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
fn take_rest(limits: &[impl Ask], takings: &mut [Taking<'_>], instant: &mut Instant) -> Result<(), Refusal> {
    for (index, on) in limits.iter().enumerate() {
        if takings[index].receipt.is_some() {
            continue;
        }
        match on.gate().take(instant, on.tag(), on.cost()) {
            Ok((now, receipt)) => {
                takings[index].prepared.now = now;
                takings[index].receipt = Some(receipt);
            }
            Err(denied) => {
                give_back(limits, takings);
                let no_room = denied.at_capacity().then(|| Box::new(denied));
                return Err(Refusal { refusing: index, no_room });
            }
        }
    }
    Ok(())
}

#[cold]
fn give_back(limits: &[impl Ask], takings: &[Taking<'_>]) {
    for (on, taking) in limits.iter().zip(takings) {
        if let Some(receipt) = taking.receipt {
            on.gate().undo(on.tag(), on.cost(), receipt);
        }
    }
}
