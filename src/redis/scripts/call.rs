//! [`call`]: an operation as a script with its keys and arguments.

use super::{
    ALL_RULES, FIXED_WINDOW, GCRA, LEASE, LEASED, PLACES, RESET, SLIDING_LOG, SLIDING_WINDOW, Script,
    TOKEN_BUCKET, key,
};
use crate::distributed::lease::LeaseTerms;
use crate::distributed::parameters::Parameters;
use crate::distributed::unfit::{
    named_twice, names_none, only_places_are_acquired, parameters_of, places_are_acquired, terms_of,
};
use crate::distributed::{
    BackendError, Hello, LeaseRequest, LeaseReturn, Operation, PlaceRequest, Rule, Spending, Subject,
};

/// A script and what it is called with.
#[derive(Debug)]
pub struct Call {
    /// What is run.
    pub script: &'static Script,
    /// All in one slot, if the subjects are in one place.
    pub keys: Vec<Vec<u8>>,
    /// What follows the keys.
    pub arguments: Vec<Vec<u8>>,
}

/// What to call for an operation. All names of keys begin with the prefix. A time in microseconds of Unix time takes the place of the
/// server's own: for tests.
///
/// # Errors
///
/// [`BackendErrorKind::Configuration`](crate::distributed::BackendErrorKind::Configuration) for what no store can count by.
pub fn call(operation: &Operation, prefix: &str, now: Option<i64>) -> Result<Call, BackendError> {
    let now = now.map_or_else(String::new, |now| now.to_string());
    let mut call = match operation {
        Operation::Check(spendings) => count("check", spendings, prefix),
        Operation::Peek(subject) => peek(subject, prefix),
        Operation::Charge(spending) => count("charge", std::slice::from_ref(spending), prefix),
        Operation::Refund(spending) => count("refund", std::slice::from_ref(spending), prefix),
        Operation::Reset(subject) => reset(subject, prefix),
        Operation::Acquire(request) => place("acquire", &request.subject, Some(request), prefix),
        Operation::Renew(request) => place("renew", &request.subject, Some(request), prefix),
        Operation::Release(request) => place("release", &request.subject, Some(request), prefix),
        Operation::Lease(request) => lease(request, prefix),
        Operation::Return(request) => give_back(request, prefix),
        Operation::Hello(node) => Ok(hello(node, prefix)),
    }?;
    call.arguments.insert(0, now.into_bytes());
    Ok(call)
}

/// The name of a subject's key. All names begin with the prefix.
///
/// # Errors
///
/// As [`call`].
pub fn key_of(subject: &Subject, prefix: &str) -> Result<Vec<u8>, BackendError> {
    Ok(key::of_subject(prefix, subject, &parameters_of(subject)?))
}

fn count(verb: &str, spendings: &[Spending], prefix: &str) -> Result<Call, BackendError> {
    let mut script: Option<&'static Script> = None;
    let (mut keys, mut arguments) = (Vec::new(), vec![verb.into()]);
    for Spending { subject, tokens } in spendings {
        let parameters = parameters_of(subject)?;
        let (rule, name, numbers) = rule(&parameters).ok_or_else(places_are_acquired)?;
        let one_rule = script.is_none_or(|first| std::ptr::eq(first, rule));
        script = Some(if one_rule { rule } else { &ALL_RULES });
        let key = key::of_subject(prefix, subject, &parameters);
        if keys.contains(&key) {
            return Err(named_twice());
        }
        keys.push(key);
        arguments.push(name.into());
        arguments.push((*tokens).min(Rule::MOST_TOKENS).to_string().into_bytes());
        arguments.extend(numbers.map(|number| number.to_string().into_bytes()));
    }
    let script = script.ok_or_else(names_none)?;
    Ok(Call { script, keys, arguments })
}

/// The script of a rule alone, the rule's name in all scripts, and its parameters there.
fn rule(parameters: &Parameters) -> Option<(&'static Script, &'static str, [i64; 5])> {
    Some(match *parameters {
        Parameters::Gcra { limit, interval } => (&GCRA, "gcra", [limit, interval, 0, 0, 0]),
        Parameters::TokenBucket { limit, token, refill, unit } => {
            (&TOKEN_BUCKET, "bucket", [limit, token, refill, unit, 0])
        }
        Parameters::FixedWindow { limit, window } => (&FIXED_WINDOW, "fixed", [limit, window, 0, 0, 0]),
        Parameters::SlidingWindow { limit, window, unit } => {
            (&SLIDING_WINDOW, "sliding", [limit, window, unit, 0, 0])
        }
        Parameters::SlidingLog { limit, window } => (&SLIDING_LOG, "log", [limit, window, 0, 0, 0]),
        Parameters::Leased(terms) => (&LEASED, "leased", terms.parameters()),
        Parameters::Concurrency { .. } => return None,
    })
}

fn peek(subject: &Subject, prefix: &str) -> Result<Call, BackendError> {
    match parameters_of(subject)? {
        Parameters::Concurrency { .. } => place("peek", subject, None, prefix),
        _ => count("peek", &[Spending::new(subject.clone(), 1)], prefix),
    }
}

fn place(
    verb: &str,
    subject: &Subject,
    request: Option<&PlaceRequest>,
    prefix: &str,
) -> Result<Call, BackendError> {
    let parameters = parameters_of(subject)?;
    let Parameters::Concurrency { limit, hold } = parameters else {
        return Err(only_places_are_acquired());
    };
    let key = key::of_subject(prefix, subject, &parameters);
    Ok(self::hold(verb, key, [limit, hold], request.map(|request| request.holder)))
}

fn reset(subject: &Subject, prefix: &str) -> Result<Call, BackendError> {
    let parameters = parameters_of(subject)?;
    if let Parameters::Leased(terms) = parameters {
        return Ok(leased("reset", subject, terms, &[], prefix));
    }
    let key = key::of_subject(prefix, subject, &parameters);
    Ok(Call { script: &RESET, keys: vec![key], arguments: Vec::new() })
}

fn lease(request: &LeaseRequest, prefix: &str) -> Result<Call, BackendError> {
    let terms = terms_of(&request.subject)?;
    let numbers = terms.question(&request.ask).numbers();
    Ok(leased("lease", &request.subject, terms, &numbers, prefix))
}

fn give_back(request: &LeaseReturn, prefix: &str) -> Result<Call, BackendError> {
    let terms = terms_of(&request.subject)?;
    Ok(leased("return", &request.subject, terms, &request.numbers(), prefix))
}

fn leased(verb: &str, subject: &Subject, terms: LeaseTerms, numbers: &[i64], prefix: &str) -> Call {
    let mut arguments = vec![verb.into()];
    arguments.extend(terms.parameters().iter().chain(numbers).map(|number| number.to_string().into_bytes()));
    let key = key::of_subject(prefix, subject, &Parameters::Leased(terms));
    Call { script: &LEASE, keys: vec![key], arguments }
}

fn hello(hello: &Hello, prefix: &str) -> Call {
    hold("hello", key::of_nodes(prefix, hello.domain), [0, hello.life_micros()], Some(hello.node.into()))
}

fn hold(verb: &str, key: Vec<u8>, [limit, hold]: [i64; 2], holder: Option<u128>) -> Call {
    let holder = holder.map_or_else(String::new, |holder| format!("{holder:032x}"));
    let arguments = [verb.to_owned(), limit.to_string(), hold.to_string(), holder];
    Call { script: &PLACES, keys: vec![key], arguments: arguments.map(String::into_bytes).into() }
}
