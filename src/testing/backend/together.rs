//! Promises about several keys, and several operations.

use std::sync::Arc;
use std::time::Duration;

use super::trial::{Outcome, Trial, expect, expect_that};
use crate::distributed::{Hello, Operation, Reply, Rule, Spending, Subject};

/// Longer than the suite takes.
const NODE_LIFE: Duration = Duration::from_secs(600);

/// Two subjects, of which the second has one token less than it is asked for.
pub(super) async fn all_or_none(trial: &Trial, rule: Rule, other: Rule) -> Outcome {
    let (first, second) = (trial.subject(rule), trial.subject(other));
    trial.check(&second, 1).await?;
    let both = |tokens| vec![Spending::new(first.clone(), 1), Spending::new(second.clone(), tokens)];
    let (admitted, standings) = trial.check_all(both(other.limit())).await?;
    expect("whether both are admitted where one does not fit", &admitted, &false)?;
    let [one, two] = standings[..] else { return Ok(()) };
    expect_that("the one that fits need not wait", one.retry_after == Some(Duration::ZERO), &one)?;
    expect_that("the other must", two.retry_after.is_some_and(|wait| !wait.is_zero()), &two)?;
    expect("what remains of the one that fits", &trial.remaining(&first).await?, &rule.limit())?;
    let (admitted, standings) = trial.check_all(both(other.limit() - 1)).await?;
    expect("whether both are admitted where both fit", &admitted, &true)?;
    let remaining: Vec<u64> = standings.iter().map(|standing| standing.remaining).collect();
    expect("what remains of both, in order", &remaining, &vec![rule.limit() - 1, 0])
}

pub(super) async fn independence(trial: &Trial, rules: &[Rule]) -> Outcome {
    for subject in confusable(trial, rules) {
        let (_, standing) = trial.check(&subject, 1).await?;
        let seen = (&subject, standing);
        expect_that("a new key is full", standing.remaining + 1 == subject.rule.limit(), &seen)?;
    }
    Ok(())
}

/// Subjects that a store may take for one another if it is careless with their names.
fn confusable(trial: &Trial, rules: &[Rule]) -> Vec<Subject> {
    const LARGE: usize = 64 * 1024;
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let mut keys: Vec<Vec<u8>> =
        ["", "a", "A", "a ", ":a", "{", "}", "{}", "{a}", "%", "%7D", "0", "-1", "\r\n"]
            .iter()
            .map(|key| key.as_bytes().to_vec())
            .collect();
    keys.extend([every_byte, vec![0], vec![0, 0], vec![b'x'; LARGE], vec![b'x'; LARGE + 1]]);
    let tags: [Option<&[u8]>; 6] = [None, Some(b""), Some(b"a"), Some(b"}"), Some(b"a:"), Some(b"{a")];
    let mut subjects = Vec::new();
    for rule in rules {
        for limit in ["names", "names:", "names:a", "names{", "names}", "na%mes", ""] {
            let limit: Arc<str> = trial.limit(limit).into();
            for tag in tags {
                // All keys by one limit, and those by all limits that a separator may confuse.
                for key in keys.iter().filter(|key| *limit == *trial.limit("names") || key.len() < 3) {
                    let subject = Subject::new(Arc::clone(&limit), *rule, key.as_slice());
                    subjects.push(tag.map_or(subject.clone(), |tag| subject.with_tag(tag)));
                }
            }
        }
    }
    subjects
}

pub(super) async fn batch(trial: &Trial, rule: Rule) -> Outcome {
    let subjects: Vec<Subject> = (0..20).map(|_| trial.subject(rule)).collect();
    let mut operations = Vec::new();
    for (number, subject) in (0_u64..).zip(&subjects) {
        let spending = |tokens| Spending::new(subject.clone(), tokens);
        operations.push(match number % 4 {
            0 => Operation::Check(vec![spending(number % 3)]),
            1 => Operation::Peek(subject.clone()),
            2 => Operation::Charge(spending(number % 3)),
            _ => Operation::Reset(subject.clone()),
        });
    }
    let replies = trial.batch(&operations).await?;
    for (number, reply) in (0_u64..).zip(replies) {
        let left = match &reply {
            Reply::Checked { admitted: true, standings } => (0, standings[0].remaining),
            Reply::Standing(standing) if number % 4 == 1 => (1, standing.remaining),
            Reply::Standing(standing) => (2, standing.remaining),
            _ => (3, 0),
        };
        let spent = if number % 2 == 0 { number % 3 } else { 0 };
        let promised = if number % 4 == 3 { 0 } else { rule.limit() - spent };
        expect_that(
            "answers are in the order of questions",
            left == (number % 4, promised),
            &(number, reply),
        )?;
    }
    expect("the answers to no questions", &trial.batch(&[]).await?, &Vec::new())
}

pub(super) async fn hello(trial: &Trial) -> Outcome {
    let hello = async |node| match trial.ask(Operation::Hello(Hello::new(node, NODE_LIFE, 0))).await? {
        Reply::Hello { nodes } => Ok(nodes),
        reply => Err(format!("a hello is answered by {reply:?}")),
    };
    let (first, second) = (trial.number(), trial.number());
    let nodes = hello(first).await?;
    expect_that("there is at least the node that asks", nodes > 0, &nodes)?;
    expect("how many nodes there are when one says hello again", &hello(first).await?, &nodes)?;
    expect("how many there are with another one", &hello(second).await?, &(nodes + 1))
}
