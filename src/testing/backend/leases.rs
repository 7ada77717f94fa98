//! Promises about tokens that are leased.

use super::trial::{Outcome, Trial, expect, expect_that};
use crate::distributed::{
    LeaseAsk, LeaseGrant, LeaseReport, LeaseRequest, LeaseReturn, Operation, Reply, Rule, Subject,
};

pub(super) async fn leases(trial: &Trial, rule: Rule) -> Outcome {
    let subject = trial.subject(rule);
    let limit = rule.limit();
    let first = lease(trial, &subject, LeaseAsk::exactly(3)).await?;
    expect("how many of 3 are leased", &first.tokens, &3)?;
    expect("what remains beside them", &trial.remaining(&subject).await?, &(limit - 3))?;
    let refused = lease(trial, &subject, LeaseAsk::exactly(limit)).await?;
    expect("how many are leased that are not there", &refused.tokens, &0)?;
    expect_that("there is a wait for them", !refused.retry_after.is_zero(), &refused)?;
    let rest = lease(trial, &subject, LeaseAsk { want: 2 * limit, ..LeaseAsk::exactly(1) }).await?;
    expect("how many of all are leased", &rest.tokens, &(limit - 3))?;
    expect("whether a leased one is admitted", &trial.check(&subject, 1).await?.0, &false)?;
    give_back(trial, &subject, LeaseReport::new(first.generation, 1), 2).await?;
    expect("what remains after 2 came back", &trial.remaining(&subject).await?, &2)?;
    for generation in [first.generation, rest.generation] {
        give_back(trial, &subject, LeaseReport::new(generation, 0), Rule::MOST_TOKENS).await?;
    }
    expect("what remains after too many came back", &trial.remaining(&subject).await?, &(limit - 1))
}

async fn lease(trial: &Trial, subject: &Subject, ask: LeaseAsk) -> Result<LeaseGrant, String> {
    match trial.ask(Operation::Lease(LeaseRequest::new(subject.clone(), ask))).await? {
        Reply::Leased(grant) => Ok(grant),
        reply => Err(format!("who asks for a lease is answered by {reply:?}")),
    }
}

async fn give_back(trial: &Trial, subject: &Subject, report: LeaseReport, unspent: u64) -> Outcome {
    trial.done(Operation::Return(LeaseReturn::new(subject.clone(), report, unspent))).await
}
