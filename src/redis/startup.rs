//! [`check`]: whether servers run the scripts for this user.

use std::time::Duration;

use redis::{Pipeline, RedisResult, Value};
use tokio::time::timeout;

use crate::Quota;
use crate::distributed::{Hello, LeaseAsk, LeaseRequest, Operation, PlaceRequest, Rule, Spending, Subject};

use super::error::{RedisError, reason_of, unknown_command};
use super::failure::code_of;
use super::live::Live;
use super::scripts;
use super::topology::Topology;

/// Under this name each rule is tried. Its keys are gone with the end of the check.
const LIMIT: &str = "start-up check";
/// How long a window or a place of it lasts: as good as nothing.
const MOMENT: Duration = Duration::from_millis(1);

/// Runs every script once on each server.
///
/// It fails for what somebody must change: what passes by itself, such as a full memory, is for operations to tell.
pub(super) async fn check(topology: &Topology, prefix: &str, bound: Duration) -> Result<(), RedisError> {
    for node in topology.nodes() {
        let Ok(live) = node.live() else { continue };
        let commands = commands(prefix, live.knows_shebang());
        let mut connection = live.connection();
        let answers: Vec<RedisResult<Value>> = timeout(bound, commands.query_async(&mut connection))
            .await
            .map_err(|_| RedisError::ConnectTimeout { server: live.address().to_string(), timeout: bound })?
            .map_err(|error| RedisError::of_connecting(live.address(), &error))?;
        for answer in answers {
            answer.or_else(|error| excuse(&error, &live))?;
        }
    }
    Ok(())
}

/// Each script with its body, and one of them by its digest.
fn commands(prefix: &str, shebang: bool) -> Pipeline {
    let mut commands = redis::pipe();
    commands.ignore_errors();
    let calls = operations().into_iter().filter_map(|operation| scripts::call(&operation, prefix, None).ok());
    for (index, call) in calls.enumerate() {
        let source = if shebang { &call.script.flagged } else { &call.script.plain };
        commands.cmd("EVAL").arg(&source.body).arg(call.keys.len()).arg(&call.keys).arg(&call.arguments);
        if index == 0 {
            commands
                .cmd("EVALSHA")
                .arg(&source.sha1)
                .arg(call.keys.len())
                .arg(&call.keys)
                .arg(&call.arguments);
        }
    }
    commands
}

fn operations() -> Vec<Operation> {
    let quota = Quota::per_second(1_000);
    let (limit, window, places, hold) = (1, MOMENT, 1, MOMENT);
    let leased = Rule::Leased { quota, life: MOMENT };
    let rules = [
        Rule::Gcra(quota),
        Rule::TokenBucket(quota),
        Rule::FixedWindow { limit, window },
        Rule::SlidingWindow { limit, window },
        Rule::SlidingLog { limit, window },
        leased,
    ];
    let subject = |rule| Subject::new(LIMIT, rule, LIMIT.as_bytes());
    let mut operations: Vec<_> =
        rules.map(|rule| Operation::Check(vec![Spending::new(subject(rule), 1)])).into_iter().collect();
    let place = PlaceRequest::new(subject(Rule::Concurrency { places, hold }), 0);
    operations.push(Operation::Acquire(place.clone()));
    operations.push(Operation::Renew(place.clone()));
    operations.push(Operation::Release(place));
    operations.push(Operation::Lease(LeaseRequest::new(subject(leased), LeaseAsk::exactly(1))));
    operations.push(Operation::Hello(Hello::new(0, MOMENT, u16::MAX)));
    operations.extend(rules.map(|rule| Operation::Reset(subject(rule))));
    operations
}

/// What is no reason not to start.
fn excuse(error: &redis::RedisError, live: &Live) -> Result<Value, RedisError> {
    let (server, reason) = (live.address().to_string(), reason_of(error));
    match code_of(error) {
        "NOPERM" => Err(RedisError::Permission { server, reason }),
        "READONLY" => Err(RedisError::Replica { server }),
        "ERR" if unknown_command(error).is_some() => Err(RedisError::NoScripts { server, reason }),
        "ERR" => Err(RedisError::Server { server, reason }),
        _ => Ok(Value::Nil),
    }
}
