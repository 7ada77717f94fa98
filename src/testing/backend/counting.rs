//! Promises about one key by one rule.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::trial::{Outcome, Trial, expect, expect_that};
use crate::distributed::{Operation, Rule, Spending};

pub(super) async fn full(trial: &Trial, rule: Rule) -> Outcome {
    let standing = trial.peek(&trial.subject(rule)).await?;
    expect("what remains of a new key", &standing.remaining, &rule.limit())?;
    expect_that("it is full at once", standing.reset_after.is_zero(), &standing)
}

/// Six callers ask for twice the limit together.
pub(super) async fn capacity(trial: &Arc<Trial>, rule: Rule) -> Outcome {
    const CALLERS: u64 = 6;
    let subject = trial.subject(rule);
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (trial, subject) = (Arc::clone(trial), subject.clone());
        callers.spawn(async move {
            let mut admitted = 0_u64;
            for _ in 0..(2 * rule.limit()).div_ceil(CALLERS) {
                admitted += u64::from(trial.check(&subject, 1).await?.0);
            }
            Ok::<u64, String>(admitted)
        });
    }
    let mut admitted = 0;
    while let Some(caller) = callers.join_next().await {
        admitted += caller.map_err(|error| error.to_string())??;
    }
    expect("how many were admitted", &admitted, &rule.limit())
}

pub(super) async fn refusal(trial: &Trial, rule: Rule) -> Outcome {
    let subject = trial.subject(rule);
    trial.check(&subject, rule.limit() - 1).await?;
    for _ in 0..3 {
        let (admitted, standing) = trial.check(&subject, 2).await?;
        expect("whether 2 are admitted where 1 is left", &admitted, &false)?;
        expect("what remains after a refusal", &standing.remaining, &1)?;
        expect_that("it fits later", standing.retry_after.is_some_and(|wait| !wait.is_zero()), &standing)?;
    }
    expect("whether the last one is admitted after refusals", &trial.check(&subject, 1).await?.0, &true)
}

pub(super) async fn cost_zero(trial: &Trial, rule: Rule) -> Outcome {
    let subject = trial.subject(rule);
    for remaining in [rule.limit(), 0] {
        let (admitted, standing) = trial.check(&subject, 0).await?;
        expect("whether zero is admitted", &admitted, &true)?;
        expect("what remains after a cost of zero", &standing.remaining, &remaining)?;
        trial.check(&subject, rule.limit()).await?;
    }
    Ok(())
}

pub(super) async fn above_limit(trial: &Trial, rule: Rule) -> Outcome {
    let subject = trial.subject(rule);
    for cost in [rule.limit() + 1, Rule::MOST_TOKENS] {
        let (admitted, standing) = trial.check(&subject, cost).await?;
        expect("whether more than the limit is admitted", &admitted, &false)?;
        expect("how long until it fits", &standing.retry_after, &None)?;
        expect("what remains", &standing.remaining, &rule.limit())?;
    }
    Ok(())
}

pub(super) async fn standing(trial: &Trial, rule: Rule) -> Outcome {
    let subject = trial.subject(rule);
    let (_, one) = trial.check(&subject, 1).await?;
    expect("what remains after one", &one.remaining, &(rule.limit() - 1))?;
    expect_that("another one fits at once", one.retry_after.is_some_and(|wait| wait.is_zero()), &one)?;
    expect_that("it is not full any more", !one.reset_after.is_zero(), &one)?;
    let (_, rest) = trial.check(&subject, rule.limit() - 1).await?;
    expect("what remains after all", &rest.remaining, &0)?;
    expect_that("as many again fit later", rest.retry_after.is_some_and(|wait| !wait.is_zero()), &rest)?;
    let wait = trial.peek(&subject).await?;
    let soon = wait.retry_after.is_some_and(|wait| !wait.is_zero()) && wait.retry_after <= rest.retry_after;
    expect_that("one fits later, but no later than many", soon, &(wait, rest))
}

pub(super) async fn peek(trial: &Trial, rule: Rule) -> Outcome {
    let subject = trial.subject(rule);
    for _ in 0..=rule.limit() {
        trial.peek(&subject).await?;
    }
    expect("whether all are admitted after many looks", &trial.check(&subject, rule.limit()).await?.0, &true)
}

pub(super) async fn refund(trial: &Trial, rule: Rule) -> Outcome {
    let subject = trial.subject(rule);
    let refund = |tokens| Operation::Refund(Spending::new(subject.clone(), tokens));
    trial.done(refund(1)).await?;
    expect("what remains of a full key after a refund", &trial.remaining(&subject).await?, &rule.limit())?;
    trial.check(&subject, rule.limit()).await?;
    trial.done(refund(2)).await?;
    expect("what remains after a refund of 2", &trial.remaining(&subject).await?, &2)?;
    expect("whether they are admitted", &trial.check(&subject, 2).await?.0, &true)?;
    expect("whether another one is", &trial.check(&subject, 1).await?.0, &false)?;
    trial.done(refund(Rule::MOST_TOKENS)).await?;
    expect("what remains after a huge refund", &trial.remaining(&subject).await?, &rule.limit())
}

pub(super) async fn charge(trial: &Trial, rule: Rule) -> Outcome {
    let subject = trial.subject(rule);
    let charge = |tokens| Operation::Charge(Spending::new(subject.clone(), tokens));
    let refund = |tokens| Operation::Refund(Spending::new(subject.clone(), tokens));
    let standing = trial.standing(charge(1)).await?;
    expect("what remains after a charge of 1", &standing.remaining, &(rule.limit() - 1))?;
    let standing = trial.standing(charge(rule.limit() + 1)).await?;
    expect("what remains of a key in debt", &standing.remaining, &0)?;
    expect("whether zero is admitted in debt", &trial.check(&subject, 0).await?.0, &false)?;
    trial.done(refund(2)).await?;
    expect("whether one is admitted when the debt is paid", &trial.check(&subject, 1).await?.0, &false)?;
    trial.done(refund(1)).await?;
    expect("whether one is admitted that was given back", &trial.check(&subject, 1).await?.0, &true)?;
    trial.standing(charge(Rule::MOST_TOKENS)).await?;
    expect("whether one is admitted after a huge charge", &trial.check(&subject, 1).await?.0, &false)
}

pub(super) async fn reset(trial: &Trial, rule: Rule) -> Outcome {
    let subject = trial.subject(rule);
    trial.done(Operation::Reset(subject.clone())).await?;
    trial.standing(Operation::Charge(Spending::new(subject.clone(), rule.limit() + 1))).await?;
    trial.done(Operation::Reset(subject.clone())).await?;
    expect("whether all are admitted after a reset", &trial.check(&subject, rule.limit()).await?.0, &true)
}
