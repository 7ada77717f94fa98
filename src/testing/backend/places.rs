//! Promises about places that are held.

use std::time::Duration;

use super::trial::{Outcome, Trial, expect, expect_that};
use crate::distributed::{Operation, PlaceRequest, Reply, Rule, Standing, Subject};

pub(super) async fn places(trial: &Trial, rule: Rule, hold: Duration) -> Outcome {
    let subject = trial.subject(rule);
    let last = u128::from(rule.limit()) - 1;
    for holder in 0..=last {
        expect("whether a place that is free is had", &acquire(trial, &subject, holder).await?.0, &true)?;
    }
    let (admitted, standing) = acquire(trial, &subject, last + 1).await?;
    expect("whether one more is had", &admitted, &false)?;
    let wait = standing.retry_after;
    let by_then = wait.is_some_and(|wait| !wait.is_zero() && wait <= hold);
    expect_that("one is free by the end of a hold", by_then, &standing)?;
    again(trial, &subject, last).await?;
    release(trial, &subject, last + 1).await?;
    expect("what remains after a stranger left", &trial.remaining(&subject).await?, &0)?;
    release(trial, &subject, 0).await?;
    expect("what remains after a holder left", &trial.remaining(&subject).await?, &1)?;
    expect("whether it still holds its place", &renew(trial, &subject, 0).await?, &false)?;
    expect("whether its place is had", &acquire(trial, &subject, u128::MAX).await?.0, &true)?;
    trial.done(Operation::Reset(subject.clone())).await?;
    expect("what remains after a reset", &trial.remaining(&subject).await?, &rule.limit())
}

/// Who holds a place keeps it, and takes no other.
async fn again(trial: &Trial, subject: &Subject, holder: u128) -> Outcome {
    expect("whether a holder has its place again", &acquire(trial, subject, holder).await?.0, &true)?;
    expect("whether it holds it", &renew(trial, subject, holder).await?, &true)?;
    release(trial, subject, holder).await?;
    expect("what remains when it has left once", &trial.remaining(subject).await?, &1)?;
    expect("whether it has a place once more", &acquire(trial, subject, holder).await?.0, &true)
}

async fn acquire(trial: &Trial, subject: &Subject, holder: u128) -> Result<(bool, Standing), String> {
    match trial.ask(Operation::Acquire(PlaceRequest::new(subject.clone(), holder))).await? {
        Reply::Checked { admitted, standings } if standings.len() == 1 => Ok((admitted, standings[0])),
        reply => Err(format!("an acquisition is answered by {reply:?}")),
    }
}

async fn renew(trial: &Trial, subject: &Subject, holder: u128) -> Result<bool, String> {
    match trial.ask(Operation::Renew(PlaceRequest::new(subject.clone(), holder))).await? {
        Reply::Held(held) => Ok(held),
        reply => Err(format!("a renewal is answered by {reply:?}")),
    }
}

async fn release(trial: &Trial, subject: &Subject, holder: u128) -> Outcome {
    trial.done(Operation::Release(PlaceRequest::new(subject.clone(), holder))).await
}
