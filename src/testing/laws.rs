//! The laws of [`Algorithm`](crate::Algorithm), function by function, for one value at one reading.

use std::cmp::Ordering;

use super::moment::Moment;
use super::record::Broken;
use super::violation::Law;
use crate::algorithm::Algorithm;

/// So many single tokens are spent to see whether a sum of them fits.
const MOST_SINGLES: u64 = 64;

pub(super) fn time<A: Algorithm>(moment: &Moment<'_, A>, later: &Moment<'_, A>) -> Result<(), Broken> {
    let (now, then) = (moment.position(), later.position());
    moment.expect(Law::Time, now <= then, || {
        format!("the position is {now:#x}, and {then:#x} at {} ns", later.time)
    })
}

pub(super) fn idle<A: Algorithm>(
    moment: &Moment<'_, A>,
    later: &[Moment<'_, A>],
    costs: &[u64],
) -> Result<(), Broken> {
    if moment.value > moment.position() {
        return Ok(());
    }
    for then in [moment].into_iter().chain(later) {
        let difference = then.difference(&then.fresh(), costs);
        then.expect(Law::Idle, difference.is_none(), || {
            format!("idle since {} ns, but not as a new key: {}", moment.time, difference.unwrap_or_default())
        })?;
    }
    let debt = |value| moment.algorithm.debt(&moment.reading, value);
    moment.expect(Law::Idle, debt(moment.value) == debt(0), || {
        format!("idle, but its debt is {}, a new key's {}", debt(moment.value), debt(0))
    })
}

pub(super) fn spending<A: Algorithm>(moment: &Moment<'_, A>, cost: u64) -> Result<(), Broken> {
    let Some(value) = moment.spend(cost) else { return Ok(()) };
    moment.expect_in_range(value)?;
    if cost > 0 {
        let position = moment.position();
        return moment.expect(Law::Spending, value > position, || {
            format!(
                "a cost of {cost} was admitted and left {value:#x}, not above the position, {position:#x}"
            )
        });
    }
    unchanged(moment, value, Law::Spending, "a cost of 0")
}

/// A value that says the same need not be the same: an idle one is as good as 0.
fn unchanged<A: Algorithm>(moment: &Moment<'_, A>, value: u64, law: Law, what: &str) -> Result<(), Broken> {
    let difference = moment.with(value).difference(moment, &[0, 1]);
    moment.expect(law, difference.is_none(), || {
        format!("{what} left {value:#x}: {}", difference.unwrap_or_default())
    })
}

/// Whether `first` and then `second` fit iff their sum does, and single tokens do, also where not much is left.
pub(super) fn splitting<A: Algorithm>(moment: &Moment<'_, A>, first: u64, second: u64) -> Result<(), Broken> {
    if first > 0 && second > 0 {
        let sum = first.checked_add(second).is_some_and(|sum| moment.admits(sum));
        let value = moment.spend(first);
        let parts = value.is_some_and(|value| moment.with(value).admits(second));
        moment.expect(Law::Splitting, sum == parts, || {
            format!("{first} and then {second} are {}, together they are {}", said(parts), said(sum))
        })?;
    }
    let few = first % MOST_SINGLES;
    let near_the_end = moment.remaining().saturating_sub(few);
    let value = moment.spend(near_the_end).unwrap_or(moment.value);
    singles(&moment.with(value), few + second % 3)
}

fn singles<A: Algorithm>(moment: &Moment<'_, A>, count: u64) -> Result<(), Broken> {
    if count == 0 {
        return Ok(());
    }
    let mut value = Some(moment.value);
    for _ in 0..count {
        value = value.and_then(|value| moment.with(value).spend(1));
    }
    let (single, whole) = (value.is_some(), moment.admits(count));
    moment.expect(Law::Splitting, single == whole, || {
        format!("{count} single tokens are {}, {count} at once are {}", said(single), said(whole))
    })
}

pub(super) fn giving_back<A: Algorithm>(moment: &Moment<'_, A>, tokens: u64) -> Result<(), Broken> {
    let (refunded, charged) = (moment.refund(tokens), moment.charge(tokens));
    moment.expect_in_range(refunded)?;
    moment.expect_in_range(charged)?;
    moment.expect(Law::GivingBack, refunded <= moment.value && charged >= moment.value, || {
        format!("a refund of {tokens} leads to {refunded:#x}, a charge to {charged:#x}")
    })?;
    let left = |value| moment.with(value).remaining();
    let (less, now, more) = (left(charged), left(moment.value), left(refunded));
    moment.expect(Law::GivingBack, less <= now && now <= more, || {
        format!("of {now} tokens a charge of {tokens} leaves {less}, a refund {more}")
    })?;
    if tokens > 0 {
        return Ok(());
    }
    unchanged(moment, refunded, Law::GivingBack, "a refund of 0")?;
    unchanged(moment, charged, Law::GivingBack, "a charge of 0")
}

pub(super) fn refused_for_all<A: Algorithm>(moment: &Moment<'_, A>, cost: u64) -> Result<(), Broken> {
    let holds = moment.fresh().admits(cost) || !moment.admits(cost);
    moment.expect(Law::RefusedForAll, holds, || format!("a cost of {cost} is admitted, but not of a new key"))
}

pub(super) fn catch_up<A: Algorithm>(moment: &Moment<'_, A>, costs: &[u64]) -> Result<(), Broken> {
    let Moment { algorithm, reading, value, .. } = *moment;
    let caught_up = Moment { reading: algorithm.catch_up(&reading, value), ..*moment };
    let (own, position) = (moment.position(), caught_up.position());
    if value <= own {
        return moment.expect(Law::CatchUp, position == own, || {
            format!("the value is idle already at {own:#x}, but catch_up goes to {position:#x}")
        });
    }
    // A value that no reading makes idle is never forgotten.
    let Some(earliest) = first_idle(moment) else { return Ok(()) };
    let bound = earliest.position();
    moment.expect(Law::CatchUp, value <= position && position <= bound, || {
        format!(
            "caught up to {position:#x}; the first time whose position is no less than the value is {} ns, at {bound:#x}",
            earliest.time
        )
    })?;
    // Callers who are late spend from there.
    costs.iter().try_for_each(|cost| spending(&caught_up.fresh(), *cost))?;
    let difference = caught_up.difference(&caught_up.fresh(), costs);
    moment.expect(Law::Idle, difference.is_none(), || {
        format!("caught up, it is not decided as a new key: {}", difference.unwrap_or_default())
    })?;
    let laxer =
        costs.iter().find(|cost| caught_up.fresh().admits(**cost) && !earliest.fresh().admits(**cost));
    moment.expect(Law::CatchUp, laxer.is_none(), || {
        format!("caught up, a cost of {} is admitted, at {} ns it is not", laxer.unwrap_or(&0), earliest.time)
    })
}

/// The moment from which the value is idle, found by halving.
fn first_idle<'a, A: Algorithm>(moment: &Moment<'a, A>) -> Option<Moment<'a, A>> {
    let is_idle = |time| moment.value <= moment.at(time).position();
    if !is_idle(u64::MAX) {
        return None;
    }
    let (mut low, mut high) = (moment.time, u64::MAX);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_idle(middle) { high = middle } else { low = middle + 1 }
    }
    Some(moment.at(high))
}

/// `moment` is older than the value, `own` as old as the value.
pub(super) fn late<A: Algorithm>(
    moment: &Moment<'_, A>,
    own: &Moment<'_, A>,
    cost: u64,
) -> Result<(), Broken> {
    let holds = !moment.admits(cost) || own.admits(cost);
    moment.expect(Law::Late, holds, || {
        format!("a cost of {cost} is admitted; it is refused at {} ns, where the value comes from", own.time)
    })
}

/// Where the next free slot is, and that whoever comes behind it goes no earlier.
pub(super) fn slots<A: Algorithm>(moment: &Moment<'_, A>, cost: u64) -> Result<(), Broken> {
    let spent = moment.spend(cost);
    let Some(slot) = moment.schedule(cost) else {
        // What never drains, at the end of an axis, is a queue in which a turn may never come.
        let never = spent.is_some_and(|value| moment.with(value).figures(1).reset_at().is_none());
        return moment.expect(Law::Slots, spent.is_none() || never, || {
            format!("a cost of {cost} is admitted, but there is no slot for it")
        });
    };
    moment.expect_in_range(slot.value())?;
    if let Some(value) = spent {
        moment.expect(Law::Slots, slot.value() == value, || {
            format!("a cost of {cost} leaves {value:#x}, its slot {:#x}", slot.value())
        })?;
    } else {
        let (due, behind) = (slot.time(), slot.time() > moment.time);
        moment.expect(Law::Slots, behind && moment.at(due).admits(cost), || {
            format!("refused now, a cost of {cost} is given the slot at {due} ns, at which it is not admitted either")
        })?;
    }
    let next = moment.with(slot.value()).schedule(cost);
    let earlier = next.filter(|next| next.time() < slot.time());
    moment.expect(Law::Slots, earlier.is_none(), || {
        format!("the slot behind the one at {} ns is earlier: {earlier:?}", slot.time())
    })
}

/// What becomes of a charge of `estimate` that turns out to be one of `actual`.
pub(super) fn settling<A: Algorithm>(
    moment: &Moment<'_, A>,
    estimate: u64,
    actual: u64,
) -> Result<(), Broken> {
    if estimate > moment.limit() {
        // Nobody reserves so much: it is never admitted.
        return Ok(());
    }
    let charged = moment.charge(estimate);
    let then = moment.with(charged);
    let settled = then.settle(charged, estimate, actual);
    moment.expect_in_range(settled)?;
    let right = match actual.cmp(&estimate) {
        Ordering::Equal => settled == charged,
        Ordering::Less => settled <= charged,
        Ordering::Greater => settled >= charged,
    };
    moment.expect(Law::Settling, right, || {
        format!("a charge of {estimate} led to {charged:#x}, settled at {actual} it is {settled:#x}")
    })
}

pub(super) fn remaining<A: Algorithm>(moment: &Moment<'_, A>) -> Result<(), Broken> {
    let (left, limit) = (moment.remaining(), moment.limit());
    let fits = left == 0 || moment.admits(left);
    let more = left.checked_add(1).is_some_and(|more| moment.admits(more));
    moment.expect(Law::Remaining, fits && !more, || {
        let wrong = if fits { "one more is admitted" } else { "they are refused" };
        format!("{left} are said to be left, but {wrong}")
    })?;
    let new = moment.fresh().remaining();
    moment.expect(Law::Remaining, left <= limit && new == limit, || {
        format!("of a limit of {limit}, {left} are left, and {new} of a new key")
    })
}

pub(super) fn retry<A: Algorithm>(moment: &Moment<'_, A>, cost: u64) -> Result<(), Broken> {
    let fits = moment.admits(cost);
    let Some(due) = moment.figures(cost).retry_at() else {
        let ever = fits || moment.at(u64::MAX).admits(cost);
        return moment.expect(Law::Retry, !ever, || {
            format!("a cost of {cost} is said never to fit, but it does now or at the clock's end")
        });
    };
    if due <= moment.time || fits {
        return moment.expect(Law::Retry, fits && due <= moment.time, || {
            format!("a cost of {cost} is {} now, though said to fit at {due} ns", said(fits))
        });
    }
    let (early, then) = (moment.at(due - 1).admits(cost), moment.at(due).admits(cost));
    moment.expect(Law::Retry, !early && then, || {
        format!(
            "said to fit at {due} ns, a cost of {cost} is {} then, {} 1 ns earlier",
            said(then),
            said(early)
        )
    })
}

pub(super) fn reset<A: Algorithm>(moment: &Moment<'_, A>, costs: &[u64]) -> Result<(), Broken> {
    let is_new = |moment: &Moment<'_, A>| moment.difference(&moment.fresh(), costs).is_none();
    let Some(due) = moment.figures(1).reset_at() else {
        return moment.expect(Law::Reset, !is_new(&moment.at(u64::MAX)), || {
            "said never to be full again, but is at the clock's end".into()
        });
    };
    let then = moment.at(due.max(moment.time));
    moment.expect(Law::Reset, is_new(&then), || format!("said to be full at {due} ns, but is not"))?;
    let early = due > moment.time && is_new(&moment.at(due - 1));
    moment.expect(Law::Reset, !early, || format!("said to be full at {due} ns, but is 1 ns earlier"))
}

fn said(admitted: bool) -> &'static str {
    if admitted { "admitted" } else { "refused" }
}
