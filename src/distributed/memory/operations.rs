//! [`answer`]: what is done with a subject's state, as in the scripts `count.lua`, `places.lua` and `reset.lua`.

use super::count::Count;
use super::fixed_window::FixedWindow;
use super::gcra::Gcra;
use super::leased::Leased;
use super::places::Places;
use super::sliding_log::SlidingLog;
use super::sliding_window::SlidingWindow;
use super::table::{Name, Table};
use super::token_bucket::{Rate, TokenBucket};
use crate::distributed::backend::BackendError;
use crate::distributed::lease::{LeaseGrant, LeaseRequest, LeaseReturn};
use crate::distributed::operation::{Hello, Operation, PlaceRequest, Spending};
use crate::distributed::parameters::Parameters;
use crate::distributed::reply::{Reply, Standing};
use crate::distributed::rule::Rule;
use crate::distributed::subject::Subject;
use crate::distributed::unfit::{
    named_twice, names_none, only_places_are_acquired, parameters_of, places_are_acquired, terms_of,
};

/// Carries out an operation at a time, in microseconds of Unix time.
pub(super) fn answer(operation: &Operation, table: &mut Table, now: i64) -> Result<Reply, BackendError> {
    match operation {
        Operation::Check(spendings) => check(spendings, table, now),
        Operation::Peek(subject) => peek(subject, table, now).map(Reply::Standing),
        Operation::Charge(spending) => {
            let subject = spend(spending, tokens(spending), table, now)?;
            Ok(Reply::Standing(subject.standing(1)))
        }
        Operation::Refund(spending) => spend(spending, -tokens(spending), table, now).map(|_| Reply::Done),
        Operation::Reset(subject) => reset(subject, table, now),
        Operation::Acquire(request) => acquire(request, table, now),
        Operation::Renew(request) => renew(request, table, now).map(Reply::Held),
        Operation::Release(request) => release(request, table, now).map(|()| Reply::Done),
        Operation::Lease(request) => lease(request, table, now).map(Reply::Leased),
        Operation::Return(request) => give_back(request, table, now),
        Operation::Hello(hello) => Ok(Reply::Hello { nodes: nodes(hello, table, now) }),
    }
}

fn check(spendings: &[Spending], table: &mut Table, now: i64) -> Result<Reply, BackendError> {
    let mut names = Vec::with_capacity(spendings.len());
    let mut counts = Vec::with_capacity(spendings.len());
    for spending in spendings {
        let (name, count) = read(&spending.subject, table, now)?;
        if names.contains(&name) {
            return Err(named_twice());
        }
        names.push(name);
        counts.push((count, tokens(spending)));
    }
    if names.is_empty() {
        return Err(names_none());
    }
    let fits = |(count, cost): &(Box<dyn Count>, i64)| {
        count.standing(*cost).retry_after.is_some_and(|wait| wait.is_zero())
    };
    let admitted = counts.iter().all(fits);
    let mut standings = Vec::with_capacity(counts.len());
    for (name, (mut count, cost)) in names.into_iter().zip(counts) {
        let spent = admitted && cost > 0;
        if spent {
            count.spend(cost);
        }
        standings.push(count.standing(cost));
        // What is mended is stored even if it is refused: otherwise the wait that it is told would begin anew with every check.
        if spent || count.mended() {
            table.set(name, count.stored(), now);
        }
    }
    Ok(Reply::Checked { admitted, standings })
}

fn peek(subject: &Subject, table: &Table, now: i64) -> Result<Standing, BackendError> {
    if let Rule::Concurrency { .. } = subject.rule {
        return places(subject, table, now).map(|(_, places)| places.standing());
    }
    read(subject, table, now).map(|(_, count)| count.standing(1))
}

/// Spends so many tokens whether they are there or not, or gives them back.
fn spend(
    spending: &Spending,
    tokens: i64,
    table: &mut Table,
    now: i64,
) -> Result<Box<dyn Count>, BackendError> {
    let (name, mut count) = read(&spending.subject, table, now)?;
    count.spend(tokens);
    table.set(name, count.stored(), now);
    Ok(count)
}

fn reset(subject: &Subject, table: &mut Table, now: i64) -> Result<Reply, BackendError> {
    let parameters = parameters_of(subject)?;
    let name = Name::of(subject, &parameters);
    let stored = match parameters {
        Parameters::Leased(terms) => Leased::read(terms, table.get(&name), now).refilled(),
        _ => None,
    };
    table.set(name, stored, now);
    Ok(Reply::Done)
}

fn lease(request: &LeaseRequest, table: &mut Table, now: i64) -> Result<LeaseGrant, BackendError> {
    let terms = terms_of(&request.subject)?;
    let name = Name::of(&request.subject, &Parameters::Leased(terms));
    let mut leased = Leased::read(terms, table.get(&name), now);
    let question = terms.question(&request.ask);
    let (answer, changed) = leased.lease(&question);
    if changed || leased.mended() {
        table.set(name, leased.stored(), now);
    }
    Ok(answer.to(&question))
}

fn give_back(request: &LeaseReturn, table: &mut Table, now: i64) -> Result<Reply, BackendError> {
    let terms = terms_of(&request.subject)?;
    let name = Name::of(&request.subject, &Parameters::Leased(terms));
    let mut leased = Leased::read(terms, table.get(&name), now);
    leased.give_back(request);
    table.set(name, leased.stored(), now);
    Ok(Reply::Done)
}

fn acquire(request: &PlaceRequest, table: &mut Table, now: i64) -> Result<Reply, BackendError> {
    let (name, mut places) = places(&request.subject, table, now)?;
    let admitted = places.acquire(request.holder);
    let standings = vec![places.standing()];
    if admitted || places.mended() {
        table.set(name, places.stored(), now);
    }
    Ok(Reply::Checked { admitted, standings })
}

fn renew(request: &PlaceRequest, table: &mut Table, now: i64) -> Result<bool, BackendError> {
    let (name, mut places) = places(&request.subject, table, now)?;
    let held = places.renew(request.holder);
    if held {
        table.set(name, places.stored(), now);
    }
    Ok(held)
}

fn release(request: &PlaceRequest, table: &mut Table, now: i64) -> Result<(), BackendError> {
    let (name, mut places) = places(&request.subject, table, now)?;
    places.release(request.holder);
    table.set(name, places.stored(), now);
    Ok(())
}

/// How many nodes there are, this one among them.
fn nodes(hello: &Hello, table: &mut Table, now: i64) -> u32 {
    let name = Name::Nodes { domain: hello.domain };
    let mut nodes = Places::read(i64::MAX, hello.life_micros(), table.get(&name), now);
    nodes.acquire(hello.node.into());
    table.set(name, nodes.stored(), now);
    u32::try_from(nodes.count()).unwrap_or(u32::MAX)
}

fn places(subject: &Subject, table: &Table, now: i64) -> Result<(Name, Places), BackendError> {
    let parameters = parameters_of(subject)?;
    let Parameters::Concurrency { limit, hold } = parameters else {
        return Err(only_places_are_acquired());
    };
    let name = Name::of(subject, &parameters);
    let places = Places::read(limit, hold, table.get(&name), now);
    Ok((name, places))
}

fn read(subject: &Subject, table: &Table, now: i64) -> Result<(Name, Box<dyn Count>), BackendError> {
    let parameters = parameters_of(subject)?;
    let name = Name::of(subject, &parameters);
    let stored = table.get(&name);
    let count: Box<dyn Count> = match parameters {
        Parameters::Gcra { limit, interval } => Box::new(Gcra::read(limit, interval, stored, now)),
        Parameters::TokenBucket { limit, token, refill, unit } => {
            Box::new(TokenBucket::read(limit, Rate { token, refill, unit }, stored, now))
        }
        Parameters::Leased(terms) => Box::new(Leased::read(terms, stored, now)),
        Parameters::FixedWindow { limit, window } => Box::new(FixedWindow::read(limit, window, stored, now)),
        Parameters::SlidingWindow { limit, window, unit } => {
            Box::new(SlidingWindow::read(limit, (window, unit), stored, now))
        }
        Parameters::SlidingLog { limit, window } => Box::new(SlidingLog::read(limit, window, stored, now)),
        Parameters::Concurrency { .. } => return Err(places_are_acquired()),
    };
    Ok((name, count))
}

/// The fields of a spending can be set to anything.
fn tokens(spending: &Spending) -> i64 {
    i64::try_from(spending.tokens.min(Rule::MOST_TOKENS)).unwrap_or(0)
}
