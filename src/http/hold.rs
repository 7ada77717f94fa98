//! Requests that are held until their turn comes.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{self, sleep};

use super::guard::Guard;
use super::limit::Asked;
#[cfg(feature = "policy")]
use super::policies::Checked;
use super::refusal::Why;
use super::report::{LimitReport, Unit};
use super::rules::{HeldPlace, Passed, Refused, Rules};
use crate::clock::{Instant, saturating_nanos};
use crate::concurrency::Permit;
use crate::decision::Denied;
use crate::limiter::{AllowedAll, Turn};

/// What a held request has waited for.
pub(super) enum Due {
    Decided(Box<Result<Passed, Refused>>),
    #[cfg(feature = "policy")]
    Checked(Box<Checked>),
}

pub(super) type Turns = Pin<Box<dyn Future<Output = Due> + Send>>;

impl Due {
    pub(super) fn decided(turns: impl Future<Output = Result<Passed, Refused>> + Send + 'static) -> Turns {
        Box::pin(async { Due::Decided(Box::new(turns.await)) })
    }
}

/// Turns that were taken and not yet used; given back when this is dropped, unless others stand behind.
pub(super) struct Waiting {
    rules: Arc<Rules>,
    asked: Vec<Asked>,
    taken: Vec<(Asked, Turn)>,
    permits: Vec<Permit<'static>>,
    give_up: time::Instant,
    /// Held as long as this is.
    place: Option<HeldPlace>,
}

impl Waiting {
    /// Takes a turn in each limit that has turns; places in concurrency limits come later, so that none is held by whoever only waits.
    pub(super) fn begin(
        rules: &Arc<Rules>,
        asked: Vec<Asked>,
        taken: Vec<(Asked, Turn)>,
    ) -> Result<Waiting, Refused> {
        // Who is held without having been told to wait has a turn already, and waits for nothing else.
        let max_delay = rules.max_delay.unwrap_or_default();
        let now = time::Instant::now();
        let mut waiting = Waiting {
            asked,
            taken,
            permits: Vec::new(),
            // A wait that no clock can tell is as good as the longest it can: some decades.
            give_up: now.checked_add(max_delay).unwrap_or(now + LONGEST),
            place: None,
            rules: Arc::clone(rules),
        };
        // From here on, what was taken is given back if it comes to nothing.
        waiting.place = rules.hold();
        if waiting.place.is_none() {
            return Err(Refused { why: Why::TooManyWait, ..waiting.refused(None) });
        }
        for place in 0..waiting.asked.len() {
            let asked = waiting.asked[place];
            let has_turn = waiting.taken.iter().any(|(taken, _)| rules.are_one(taken, &asked));
            if rules.limits[asked.limit].source.unit == Unit::Rate && !has_turn {
                // One turn for all of them: of two, the first could not be given back, as the second stands behind it.
                let parts = waiting.asked.iter().filter(|part| rules.are_one(part, &asked));
                let cost = parts.fold(0, |cost: u64, part| cost.saturating_add(part.cost));
                waiting.take(Asked { cost, ..asked }, max_delay)?;
            }
        }
        Ok(waiting)
    }

    /// Waits for all turns, then for places; then it passes.
    pub(super) async fn turns(self) -> Result<Passed, Refused> {
        self.all().await.map(Waiting::go_on)
    }

    /// Waits for all turns, then for places.
    pub(super) async fn all(mut self) -> Result<Waiting, Refused> {
        loop {
            let rest = self.rest();
            if rest.is_zero() {
                break;
            }
            // More than once where a limiter's clock and tokio's do not go alike.
            sleep(rest).await;
        }
        for place in 0..self.asked.len() {
            let asked = self.asked[place];
            let source = &self.rules.limits[asked.limit].source;
            match (source.unit, &source.queue) {
                // Its queue is for single places.
                (Unit::Concurrency, Some(queue)) if asked.cost == 1 => {
                    let left = self.give_up.saturating_duration_since(time::Instant::now());
                    match queue.acquire_owned_within(left).await {
                        Ok(permit) => self.permits.push(permit),
                        Err(_) => return Err(self.refused(Some((asked, None)))),
                    }
                }
                (Unit::Concurrency, _) => self.take(asked, Duration::ZERO)?,
                (Unit::Rate, _) => {}
            }
        }
        Ok(self)
    }

    fn take(&mut self, asked: Asked, max_delay: Duration) -> Result<(), Refused> {
        let gate = &self.rules.limits[asked.limit].source.gate;
        match gate.schedule(asked.tag, asked.cost, saturating_nanos(max_delay)) {
            Ok(turn) => {
                self.taken.push((asked, turn));
                Ok(())
            }
            Err(denied) => Err(self.refused(Some((asked, Some(denied))))),
        }
    }

    /// How long it is until the last turn comes.
    fn rest(&self) -> Duration {
        let rests = self
            .taken
            .iter()
            .map(|(asked, turn)| self.rules.limits[asked.limit].source.gate.until(turn.time));
        rests.max().unwrap_or_default()
    }

    /// What a limit said, if one did, and where all stand once its turns are given back.
    pub(super) fn refused(&mut self, by: Option<(Asked, Option<Denied>)>) -> Refused {
        self.give_back();
        let reports = self.asked.iter().map(|asked| match by {
            Some((refusing, denied)) if asked.limit == refusing.limit => match denied {
                Some(denied) => self.rules.limits[asked.limit].report(
                    denied.figures(),
                    asked.cost,
                    denied.retry_after(),
                    true,
                ),
                None => LimitReport { refuses: true, ..self.rules.standing(asked) },
            },
            _ => self.rules.standing(asked),
        });
        Refused { why: Why::Limits, reports: reports.collect() }
    }

    pub(super) fn go_on(mut self) -> Passed {
        let reports = if self.rules.tells() {
            self.asked.iter().map(|asked| self.rules.standing(asked)).collect()
        } else {
            Vec::new()
        };
        let (taken, permits) = (std::mem::take(&mut self.taken), std::mem::take(&mut self.permits));
        let mut asked = self.asked.clone();
        // Stable, and what has no turn of its own comes last: in the order that a guard needs.
        asked.sort_by_key(|asked| {
            taken.iter().position(|(taken, _)| taken.limit == asked.limit).unwrap_or(taken.len())
        });
        let on = |(asked, turn): (Asked, Turn)| (self.rules.limits[asked.limit].on(asked), turn.receipt);
        let all = AllowedAll::taken(taken.into_iter().map(on));
        let outlasts = self.asked.iter().any(|asked| self.rules.limits[asked.limit].outlasts_the_check());
        let guard = outlasts.then(|| Guard::new(all, permits, Arc::clone(&self.rules), asked));
        let paid = self.rules.paid(&self.asked);
        Passed { reports, guard, paid, refused: false }
    }
}

impl Rules {
    /// Where a limit stands, and whether its turn would come too late.
    pub(super) fn standing(&self, asked: &Asked) -> LimitReport {
        let rule = &self.limits[asked.limit];
        let max_delay = self.max_delay.unwrap_or_default();
        match rule.source.gate.look(&mut Instant::default(), asked.tag, asked.cost) {
            Ok(allowed) => {
                let figures = allowed.figures();
                rule.report(figures, asked.cost, figures.retry_after(), false)
            }
            Err(denied) => {
                let wait = denied.retry_after();
                let too_late = rule.source.unit == Unit::Rate && wait.is_none_or(|wait| wait > max_delay);
                let rest = wait.map(|wait| if too_late { wait.saturating_sub(max_delay) } else { wait });
                rule.report(denied.figures(), asked.cost, rest, too_late)
            }
        }
    }
}

/// About 30 years, as tokio has it.
const LONGEST: Duration = Duration::from_secs(86_400 * 365 * 30);

impl Waiting {
    fn give_back(&mut self) {
        for (asked, turn) in self.taken.drain(..) {
            self.rules.limits[asked.limit].source.gate.unschedule(asked.tag, asked.cost, turn.receipt);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.give_back();
    }
}
