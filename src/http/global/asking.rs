//! [`Asking`]: a request that the limits of this process let pass, while those are asked that many nodes share.

use std::sync::Arc;
use std::time::Instant;

use super::answers::Answers;
use super::{Asked, Owed};
use crate::http::guard::Guard;
use crate::http::hold::Waiting;
use crate::http::limit::{Asked as AskedHere, Checked};
use crate::http::refusal::Why;
use crate::http::report::LimitReport;
use crate::http::rules::{Decided, Passed, Refused, Rules};
use crate::http::{Head, observed};
use crate::limiter::AllowedAll;

/// A request that the limits of this process let pass, while those are asked that many nodes share. Dropped, it gives back what was spent.
pub(in crate::http) struct Asking {
    rules: Arc<Rules>,
    here: Here,
    asked: Vec<Asked>,
    /// Since when it is being decided, if anybody wants to know how long that takes.
    pub(in crate::http) begun: Option<Instant>,
}

/// What was taken from the limits of this process; dropped, it is given back.
enum Here {
    Charged(Charged),
    /// A turn that is still to come: the others are asked then, so that whoever leaves before has spent nothing of theirs.
    Waits(Waiting),
}

impl Asking {
    /// Asks the limits of this process.
    pub(in crate::http) fn begin(rules: &Arc<Rules>, head: &Head<'_>) -> Result<Decided, Refused> {
        let begun = observed::begun(rules);
        // Before anything is spent, all keys are known to be there.
        let (asked_here, asked) = (rules.ask_each(head)?, rules.ask_each_global(head)?);
        if asked.is_empty() {
            return Ok(rules.decide_several(asked_here));
        }
        let charged = rules.charge(&asked_here);
        let all = charged.map_err(|reports| Refused { why: Why::Limits, reports })?;
        let here = if rules.is_to_wait(&all) {
            let turns = Rules::turns(&asked_here, all);
            Here::Waits(Waiting::begin(rules, asked_here, turns)?)
        } else {
            Here::Charged(Charged { rules: Arc::clone(rules), asked: asked_here, all: Some(all) })
        };
        Ok(Decided::Ask(Asking { rules: Arc::clone(rules), here, asked, begun }))
    }

    /// Asks the others, all together. A refusal gives back what was taken here.
    pub(in crate::http) async fn decide(self) -> Result<Passed, Refused> {
        let Asking { rules, here, asked, .. } = self;
        let here = here.turn().await?;
        let answers = Answers::to(&rules, &asked).await;
        let reports = answers.reports(&rules, &asked);
        if !answers.all_admit() {
            let reports = here.give_back().into_iter().chain(reports).collect();
            return Err(Refused { why: Why::Limits, reports });
        }
        let mut passed = here.go_on();
        if rules.tells() {
            passed.reports.extend(reports);
        }
        let limits = asked.iter().map(|asked| &rules.global[asked.limit]);
        passed.paid.extend(limits.filter(|limit| limit.is_used_elsewhere()).map(Checked::identity));
        let owed = Owed::of(&rules, asked, answers);
        if !owed.is_nothing() {
            let guard = passed.guard.unwrap_or_else(|| Guard::of_nothing(Arc::clone(&rules)));
            passed.guard = Some(guard.and_of(owed));
        }
        Ok(passed)
    }
}

impl Here {
    async fn turn(self) -> Result<Here, Refused> {
        match self {
            Here::Charged(_) => Ok(self),
            Here::Waits(waiting) => waiting.all().await.map(Here::Waits),
        }
    }

    fn go_on(self) -> Passed {
        match self {
            Here::Charged(charged) => charged.go_on(),
            Here::Waits(waiting) => waiting.go_on(),
        }
    }

    /// And says where the limits stand then.
    fn give_back(self) -> Vec<LimitReport> {
        match self {
            Here::Charged(charged) => charged.give_back(),
            Here::Waits(mut waiting) => waiting.refused(None).reports,
        }
    }
}

/// What the limits of this process were charged.
struct Charged {
    rules: Arc<Rules>,
    asked: Vec<AskedHere>,
    all: Option<AllowedAll<'static>>,
}

impl Charged {
    fn go_on(mut self) -> Passed {
        let asked = std::mem::take(&mut self.asked);
        self.all.take().map_or_else(Passed::default, |all| self.rules.passed(all, asked))
    }

    fn give_back(mut self) -> Vec<LimitReport> {
        if let Some(all) = self.all.take() {
            all.cancel();
        }
        self.asked.iter().map(|asked| self.rules.standing(asked)).collect()
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        if let Some(all) = self.all.take() {
            all.cancel();
        }
    }
}
