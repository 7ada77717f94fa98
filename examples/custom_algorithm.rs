//! An algorithm of one's own: a mail gateway that lets everybody send some messages at once every hour, and then one more every few minutes.
//!
//! What is needed is a value of 60 bits from which the rule can be decided, and a position that says which values no longer matter. Here
//! a value is the number of an hour and what was sent in it; as soon as the next hour begins it does not matter any more. The limiter does
//! everything else. The tests at the end are the conformance suite, and a model.
//!
//! ```sh
//! cargo run --release --example custom_algorithm
//! cargo test --example custom_algorithm
//! ```

use std::time::Duration;

use tollgate::{Algorithm, BuildError, Clock, Figures, Limiter, Start};

/// So many at the beginning of every window, and one more with every interval of it that has passed.
#[derive(Clone, Copy, Debug)]
struct Trickle {
    at_once: u64,
    /// Nanoseconds.
    interval: u64,
    window: u64,
    /// When the first window began.
    start: u64,
}

/// A value is the number of a window and so many bits of count: 16 million messages, and 36 bits that number the seconds of the clock.
const COUNT_BITS: u32 = 24;
const MOST: u64 = (1 << COUNT_BITS) - 1;
const SHORTEST_WINDOW: Duration = Duration::from_secs(1);

/// A key in the window in which it is decided.
struct Count {
    number: u64,
    /// Nanoseconds of the window that have passed.
    elapsed: u64,
    sent: u64,
}

impl Trickle {
    fn new(at_once: u64, interval: Duration, window: Duration) -> Trickle {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Trickle { at_once, interval: nanos(interval), window: nanos(window), start: 0 }
    }

    /// What may have been sent when so much of a window has passed.
    fn allowance(&self, elapsed: u64) -> u64 {
        self.at_once + elapsed / self.interval
    }

    /// When in a window so many may have been sent; not within the window when it takes longer.
    fn time_of(&self, sent: u64) -> Option<u64> {
        let elapsed = sent.saturating_sub(self.at_once).checked_mul(self.interval)?;
        Some(elapsed).filter(|elapsed| *elapsed < self.window)
    }

    /// A value from a window that is over counts for nothing. A caller who is late, whose key is in a later window already, is decided at the
    /// beginning of that one.
    fn count(&self, time: u64, value: u64) -> Count {
        let (number, now) = (value >> COUNT_BITS, time / self.window);
        if number > now {
            return Count { number, elapsed: 0, sent: value & MOST };
        }
        let sent = if number == now { value & MOST } else { 0 };
        Count { number: now, elapsed: time % self.window, sent }
    }

    fn value(number: u64, sent: u64) -> u64 {
        number << COUNT_BITS | sent.min(MOST)
    }

    /// A time on the limiter's clock; `None` beyond its end.
    fn on_clock(&self, number: u64, elapsed: u64) -> Option<u64> {
        number.checked_mul(self.window)?.checked_add(elapsed)?.checked_add(self.start)
    }
}

impl Algorithm for Trickle {
    /// Nanoseconds since the start.
    type Reading = u64;

    fn name(&self) -> &'static str {
        "trickle"
    }

    fn start(&mut self, start: Start) -> Result<(), BuildError> {
        if Duration::from_nanos(self.window) < SHORTEST_WINDOW || self.interval == 0 {
            let reason = "window must be at least 1s and interval at least 1ns: lengthen them".into();
            return Err(BuildError::Algorithm { reason });
        }
        let most = self.at_once.saturating_add(self.window / self.interval);
        if most > MOST {
            let reason = format!("{most} messages a window are too many: at most {MOST} can be counted");
            return Err(BuildError::Algorithm { reason });
        }
        self.start = start.now();
        Ok(())
    }

    fn read(&self, now: u64) -> u64 {
        now.saturating_sub(self.start)
    }

    /// Nothing sent in this window, or anything in an earlier one.
    fn position(&self, time: &u64) -> u64 {
        Trickle::value(time / self.window, 0)
    }

    fn catch_up(&self, time: &u64, value: u64) -> u64 {
        let number = (value >> COUNT_BITS) + u64::from(value & MOST > 0);
        number.saturating_mul(self.window).max(*time)
    }

    fn spend(&self, time: &u64, value: u64, cost: u64) -> Option<u64> {
        let count = self.count(*time, value);
        let sent = count.sent.checked_add(cost).filter(|sent| *sent <= self.allowance(count.elapsed))?;
        Some(if cost == 0 { value } else { Trickle::value(count.number, sent) })
    }

    fn figures(&self, time: &u64, value: u64, cost: u64) -> Figures {
        let Count { number, elapsed, sent } = self.count(*time, value);
        let limit = self.allowance(elapsed);
        let reset_at = if sent == 0 { Some(0) } else { self.on_clock(number + 1, 0) };
        // In this window, or in the next one, where nothing has been sent yet; what does not fit there never does.
        let in_this = sent.checked_add(cost).and_then(|sent| self.time_of(sent));
        let retry_at = match in_this {
            Some(due) if due <= elapsed => Some(0),
            Some(due) => self.on_clock(number, due),
            None => self.time_of(cost).and_then(|due| self.on_clock(number + 1, due)),
        };
        Figures::new(limit, limit.saturating_sub(sent), reset_at, retry_at)
    }

    fn charge(&self, time: &u64, value: u64, tokens: u64) -> u64 {
        if tokens == 0 {
            return value;
        }
        let count = self.count(*time, value);
        Trickle::value(count.number, count.sent.saturating_add(tokens))
    }

    fn refund(&self, time: &u64, value: u64, tokens: u64) -> u64 {
        value - self.count(*time, value).sent.min(tokens)
    }

    fn debt(&self, time: &u64, value: u64) -> u64 {
        self.count(*time, value).sent
    }
}

fn main() -> Result<(), BuildError> {
    let minutes = |count: u64| Duration::from_secs(60 * count);
    // An hour in a moment: time is moved by hand.
    let (clock, hand) = Clock::manual();
    let gateway = Trickle::new(20, minutes(5), minutes(60));
    let limiter = Limiter::builder(gateway).clock(clock).build()?;

    for minute in (0..=70).step_by(10) {
        hand.set(minutes(minute));
        let sent = (0..100).filter(|_| limiter.check("newsletter@example.org").is_ok()).count();
        println!("minute {minute:>2}: {sent:>2} of 100 messages go out");
    }
    match limiter.check_n("newsletter@example.org", 15) {
        Ok(_) => println!("15 more go out"),
        Err(denied) => println!("15 more: {denied}"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate::testing::{Conformance, Model, Violation};

    const INTERVAL: Duration = Duration::from_secs(7);
    const WINDOW: Duration = Duration::from_secs(60);

    fn trickle() -> Trickle {
        Trickle::new(3, INTERVAL, WINDOW)
    }

    /// The same rule, as plain as can be: all messages with the window in which they were sent.
    #[derive(Default)]
    struct Sent(Vec<u128>);

    fn window_of(now: Duration) -> u128 {
        now.as_nanos() / WINDOW.as_nanos()
    }

    impl Model for Sent {
        fn spend(&mut self, now: Duration, cost: u64) -> bool {
            let fits = cost <= self.remaining(now) && self.0.len() as u128 <= allowance(now);
            if fits {
                self.charge(now, cost);
            }
            fits
        }

        fn charge(&mut self, now: Duration, tokens: u64) {
            self.0.extend((0..tokens).map(|_| window_of(now)));
        }

        fn refund(&mut self, now: Duration, tokens: u64) {
            self.0.retain(|window| *window == window_of(now));
            for _ in 0..tokens {
                if self.0.pop().is_none() {
                    break;
                }
            }
        }

        fn remaining(&mut self, now: Duration) -> u64 {
            self.0.retain(|window| *window == window_of(now));
            u64::try_from(allowance(now).saturating_sub(self.0.len() as u128)).unwrap_or(0)
        }
    }

    fn allowance(now: Duration) -> u128 {
        3 + now.as_nanos() % WINDOW.as_nanos() / INTERVAL.as_nanos()
    }

    #[test]
    fn a_trickle_keeps_the_laws() -> Result<(), Violation> {
        Conformance::new(trickle).run()
    }

    #[test]
    fn a_trickle_is_what_it_is_meant_to_be() -> Result<(), Violation> {
        Conformance::new(trickle).against(Sent::default)
    }
}
