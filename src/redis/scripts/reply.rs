//! [`reply`]: what a script answered.

use std::time::Duration;

use ::redis::Value;

use crate::distributed::lease::LeaseAnswer;
use crate::distributed::unfit::terms_of;
use crate::distributed::{Applied, BackendError, BackendErrorKind, LeaseRequest, Operation, Reply, Standing};

/// The answer to an operation in what its script returned.
///
/// # Errors
///
/// [`BackendErrorKind::Protocol`] if no script of ours can have answered so.
pub fn reply(operation: &Operation, value: Value) -> Result<Reply, BackendError> {
    match value {
        Value::Array(values) => integers(&values)
            .and_then(|numbers| understood(operation, &numbers))
            .ok_or_else(|| nonsense(operation, &values)),
        other => Err(nonsense(operation, &[other])),
    }
}

fn nonsense(operation: &Operation, answer: &[Value]) -> BackendError {
    let message = format!("the answer to {} makes no sense: {answer:?}", operation.as_str());
    BackendError::new(BackendErrorKind::Protocol, Applied::Maybe, message)
}

fn understood(operation: &Operation, numbers: &[i64]) -> Option<Reply> {
    match operation {
        Operation::Check(spendings) => checked(numbers, spendings.len()),
        Operation::Acquire(_) => checked(numbers, 1),
        Operation::Peek(_) | Operation::Charge(_) => standing(numbers).map(Reply::Standing),
        Operation::Refund(_) | Operation::Reset(_) | Operation::Release(_) | Operation::Return(_) => {
            (numbers == [1]).then_some(Reply::Done)
        }
        Operation::Renew(_) => flag(*numbers.first()?).map(Reply::Held),
        Operation::Hello(_) => Some(Reply::Hello { nodes: u32::try_from(*numbers.first()?).ok()?.max(1) }),
        Operation::Lease(request) => leased(request, numbers),
    }
}

fn leased(request: &LeaseRequest, numbers: &[i64]) -> Option<Reply> {
    let [tokens, generation, retry_after, demand, nodes, remaining] = *numbers else { return None };
    if numbers.iter().any(|number| *number < 0) {
        return None;
    }
    let answer = LeaseAnswer { tokens, generation, retry_after, demand, nodes, remaining };
    let question = terms_of(&request.subject).ok()?.question(&request.ask);
    Some(Reply::Leased(answer.to(&question)))
}

/// Whether all was spent, then three numbers for every subject.
fn checked(numbers: &[i64], subjects: usize) -> Option<Reply> {
    let (admitted, rest) = numbers.split_first()?;
    let standings = rest.chunks(3).map(standing).collect::<Option<Vec<_>>>()?;
    let admitted = flag(*admitted)?;
    (standings.len() == subjects).then_some(Reply::Checked { admitted, standings })
}

/// Tokens left, microseconds until the cost fits or -1, and microseconds until it is full.
fn standing(numbers: &[i64]) -> Option<Standing> {
    let [remaining, retry, reset] = *numbers else { return None };
    let retry = if retry == -1 { None } else { Some(micros(retry)?) };
    Some(Standing::new(u64::try_from(remaining).ok()?, retry, micros(reset)?))
}

fn micros(number: i64) -> Option<Duration> {
    u64::try_from(number).ok().map(Duration::from_micros)
}

fn flag(number: i64) -> Option<bool> {
    match number {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn integers(values: &[Value]) -> Option<Vec<i64>> {
    values.iter().map(|value| if let Value::Int(number) = value { Some(*number) } else { None }).collect()
}

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use super::*;
    use crate::Quota;
    use crate::distributed::{Rule, Spending, Subject};

    #[test]
    fn an_answer_that_no_script_gives_is_an_error_and_may_have_been_applied() {
        let subject = Subject::new("limit", Rule::Gcra(Quota::per_second(1)), *b"key");
        let check = Operation::Check(vec![Spending::new(subject.clone(), 1)]);
        let cases: [(&Operation, &[i64]); 6] = [
            (&check, &[]),
            (&check, &[1]),
            (&check, &[2, 5, 0, 0]),
            (&check, &[1, 5, 0, -7]),
            (&check, &[1, 5, 0, 0, 5, 0, 0]),
            (&Operation::Reset(subject.clone()), &[0]),
        ];
        for (operation, numbers) in cases {
            let answer = Value::Array(numbers.iter().map(|number| Value::Int(*number)).collect());
            let error = reply(operation, answer).unwrap_err();
            assert_eq!(
                (error.kind(), error.applied()),
                (BackendErrorKind::Protocol, Applied::Maybe),
                "{numbers:?}"
            );
        }
        assert!(reply(&check, Value::Nil).is_err());
        assert!(reply(&check, Value::Array(vec![Value::Nil])).is_err());
    }
}
