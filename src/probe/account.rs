//! [`Account`]: what a key was told, and whether that fits its limit.
//!
//! A probe does not see when the service decides, only when a request was sent and when its answer came. So all that is said here holds
//! for every moment in between: a service that keeps the limit is never accused, whatever the network does.

use crate::quota::Quota;

/// Two clocks may run at different speeds, in parts per million: what NTP corrects at most.
const CLOCKS_APART: u128 = 500;

const MILLION: u128 = 1_000_000;

/// What a key was told so far. Times are nanoseconds since the probe began.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    admitted: u64,
    refused: u64,
    /// Sent, and not answered (yet).
    in_flight: u64,
    first_sent: u64,
    /// Refusals so close to each other that the key cannot have been full in between.
    pressed: Option<Pressed>,
    pub(super) worst: Worst,
}

/// By how much what was admitted ever was beyond its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Worst {
    pub(super) too_many: u64,
    pub(super) too_few: u64,
}

/// Since when a key has had less than a token, again and again.
#[derive(Clone, Copy, Debug)]
struct Pressed {
    /// When the first of the refusals was received, and how many had been admitted for sure before it was sent.
    since: u64,
    admitted_before: u64,
    /// When the last of them was sent.
    last_sent: u64,
}

/// A request as an account remembers it when it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) at: u64,
    admitted_before: u64,
}

impl Account {
    /// A check goes out.
    pub(super) fn send(&mut self, at: u64) -> Sent {
        if !self.is_asked() {
            self.first_sent = at;
        }
        self.in_flight += 1;
        Sent { at, admitted_before: self.admitted }
    }

    /// It was admitted.
    pub(super) fn admit(&mut self, received: u64, limit: Quota) {
        self.in_flight -= 1;
        self.admitted += 1;
        let longest = received.saturating_sub(self.first_sent);
        let most = limit.capacity().saturating_add(comes_back(limit, longest, MILLION + CLOCKS_APART));
        self.worst.too_many = self.worst.too_many.max(self.admitted.saturating_sub(most));
    }

    /// It was refused: the key had less than a token.
    pub(super) fn refuse(&mut self, sent: Sent, received: u64, limit: Quota) {
        self.in_flight -= 1;
        self.refused += 1;
        // All that may have been admitted by then.
        let admitted = self.admitted + self.in_flight;
        let mut short = limit.capacity().saturating_sub(admitted);
        match &mut self.pressed {
            // Refusals may overtake each other.
            Some(pressed) if sent.at <= pressed.last_sent => {}
            Some(pressed) if received - pressed.last_sent < shortest_refill(limit) => {
                pressed.last_sent = sent.at;
                // From less than a token to less than a token: all that came back was spent.
                let shortest = sent.at.saturating_sub(pressed.since);
                let least = comes_back(limit, shortest, MILLION - CLOCKS_APART).saturating_sub(1);
                short = short.max(least.saturating_sub(admitted - pressed.admitted_before));
            }
            pressed => {
                let since =
                    Pressed { since: received, admitted_before: sent.admitted_before, last_sent: sent.at };
                *pressed = Some(since);
            }
        }
        self.worst.too_few = self.worst.too_few.max(short);
    }

    pub(super) fn is_asked(&self) -> bool {
        self.admitted + self.refused + self.in_flight > 0
    }

    pub(super) fn admitted(&self) -> u64 {
        self.admitted
    }
}

/// Tokens that come back in a time, as a clock tells that runs at `speed` millionths of ours; rounded down.
fn comes_back(limit: Quota, nanos: u64, speed: u128) -> u64 {
    let nanos = u128::from(nanos) * speed / MILLION;
    let tokens = nanos * u128::from(limit.count()) / u128::from(limit.period_nanos());
    u64::try_from(tokens).unwrap_or(u64::MAX)
}

/// The time in which a key that has less than a token cannot become full.
fn shortest_refill(limit: Quota) -> u64 {
    let tokens = u128::from(limit.capacity().saturating_sub(1));
    let nanos = tokens * u128::from(limit.period_nanos()) / u128::from(limit.count().max(1));
    u64::try_from(nanos.saturating_mul(MILLION - CLOCKS_APART) / MILLION).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const LIMIT: Quota = Quota::per_second(100).burst(20);
    const MILLISECOND: u64 = 1_000_000;

    /// Asks a service one after the other, every millisecond for a second; it decides half-way.
    fn ask(mut decide: impl FnMut(u64) -> bool) -> Worst {
        let mut account = Account::default();
        for now in (0..1_000).map(|number| number * MILLISECOND) {
            let sent = account.send(now);
            let received = now + MILLISECOND;
            if decide(now + MILLISECOND / 2) {
                account.admit(received, LIMIT);
            } else {
                account.refuse(sent, received, LIMIT);
            }
        }
        account.worst
    }

    /// A bucket that keeps the limit, but for a factor in its rate.
    fn bucket(speed: f64, burst: f64) -> impl FnMut(u64) -> bool {
        let (mut level, mut last) = (burst, 0);
        move |now| {
            #[expect(clippy::cast_precision_loss)]
            let refill = (now - last) as f64 * 1e-9 * 100.0 * speed;
            (level, last) = ((level + refill).min(burst), now);
            let fits = level >= 1.0;
            level -= f64::from(u8::from(fits));
            fits
        }
    }

    #[test]
    fn a_service_that_keeps_the_limit_is_not_accused() {
        assert_eq!(ask(bucket(1.0, 20.0)), Worst::default());
    }

    #[test]
    fn one_that_admits_too_many_is() {
        assert!(ask(bucket(1.05, 20.0)).too_many >= 4);
        assert!(ask(bucket(1.0, 23.0)).too_many >= 2);
        assert!(ask(|_| true).too_many > 800);
    }

    #[test]
    fn one_that_admits_too_few_is() {
        assert!(ask(bucket(0.95, 20.0)).too_few >= 2);
        assert!(ask(bucket(1.0, 15.0)).too_few >= 4);
        assert!(ask(|_| false).too_few >= 98);
    }

    #[test]
    fn answers_that_overtake_each_other_accuse_nobody() {
        let mut random = Random::new(5);
        for _ in 0..50 {
            let (mut account, mut decide) = (Account::default(), bucket(1.0, 20.0));
            let mut answers: Vec<(u64, Sent, bool)> = Vec::new();
            for now in (0..300).map(|number| number * 2 * MILLISECOND) {
                answers.sort_by_key(|(received, ..)| *received);
                while answers.first().is_some_and(|(received, ..)| *received <= now) {
                    let (received, sent, admitted) = answers.remove(0);
                    if admitted {
                        account.admit(received, LIMIT);
                    } else {
                        account.refuse(sent, received, LIMIT);
                    }
                }
                let sent = account.send(now);
                // Decided in the order of sending; answers are up to 60 ms late.
                answers.push((now + 1 + random.below(60 * MILLISECOND), sent, decide(now)));
            }
            assert_eq!(account.worst, Worst::default());
        }
    }

    #[test]
    fn a_burst_that_takes_longer_than_any_probe_to_come_back_is_no_overflow() {
        assert_eq!(shortest_refill(Quota::per_day(1).burst(u64::MAX)), u64::MAX);
    }

    #[test]
    fn a_key_that_was_left_alone_may_be_full_again() {
        let (mut account, mut decide) = (Account::default(), bucket(1.0, 20.0));
        // A crowd every second: what comes back in between, beyond the burst, is nobody's.
        for now in (0..5_000).filter(|number| number % 1_000 < 50).map(|number| number * MILLISECOND) {
            let sent = account.send(now);
            if decide(now) { account.admit(now, LIMIT) } else { account.refuse(sent, now, LIMIT) }
        }
        assert_eq!(account.worst, Worst::default());
    }
}
