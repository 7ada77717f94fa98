//! [`Request`]: a call of a script on its way to an answer.

use std::sync::Arc;

use redis::{Pipeline, Value};

use crate::distributed::{Applied, BackendError, BackendErrorKind};

use super::node::Node;
use super::scripts::{Call, Source};

/// A call of a script on its way to an answer.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// Of which limit it is, for messages.
    pub(super) limit: &'a str,
    pub(super) state: RequestState,
}

#[derive(Debug)]
pub(super) enum RequestState {
    /// To be sent, as it surely was not carried out yet.
    Pending(Call, Route),
    Answered(Result<Value, BackendError>),
}

/// Where a request goes, and how.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) node: Arc<Node>,
    /// With the script's body: the server does not have it.
    pub(super) with_body: bool,
    /// Who said that it is the one.
    pub(super) named_by: NamedBy,
    /// It was told to try again before.
    pub(super) tried_again: bool,
}

/// Who said that a server is the one to ask. If it was another server, the connection may have to be made first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NamedBy {
    /// It was known.
    Topology,
    /// Another server: the slot is there now.
    Moved,
    /// Another server: for this once.
    Ask,
}

impl Route {
    pub(super) fn to(node: Arc<Node>) -> Route {
        Route { node, with_body: false, named_by: NamedBy::Topology, tried_again: false }
    }

    pub(super) fn redirect(&mut self, node: Arc<Node>, named_by: NamedBy) {
        self.node = node;
        self.named_by = named_by;
    }
}

impl<'a> Request<'a> {
    /// On its way, or failed before it began.
    pub(super) fn new(limit: &'a str, routed: Result<(Call, Route), BackendError>) -> Request<'a> {
        let state = match routed {
            Ok((call, route)) => RequestState::Pending(call, route),
            Err(error) => RequestState::Answered(Err(error)),
        };
        Request { limit, state }
    }

    /// What is still to be sent, and where.
    pub(super) fn pending(&self) -> Option<(&Call, &Route)> {
        match &self.state {
            RequestState::Pending(call, route) => Some((call, route)),
            RequestState::Answered(_) => None,
        }
    }

    /// The answer; it surely was not carried out if there is none.
    pub(super) fn into_answer(self) -> Result<Value, BackendError> {
        match self.state {
            RequestState::Answered(answer) => answer,
            RequestState::Pending(..) => {
                Err(BackendError::new(BackendErrorKind::Timeout, Applied::No, "no server took it in time"))
            }
        }
    }
}

/// The commands of these requests, in their order, each with an answer of its own.
pub(super) fn pipeline<'a>(requests: impl Iterator<Item = (&'a Call, &'a Route)>, shebang: bool) -> Pipeline {
    let mut pipeline = redis::pipe();
    // Otherwise one error would take the place of all answers.
    pipeline.ignore_errors();
    let mut bodies_sent: Vec<&str> = Vec::new();
    for (call, route) in requests {
        if route.named_by == NamedBy::Ask {
            pipeline.cmd("ASKING").ignore();
        }
        let Source { body, sha1 } = if shebang { &call.script.flagged } else { &call.script.plain };
        // Once is enough: commands of a pipeline run in their order.
        if route.with_body && !bodies_sent.contains(&sha1.as_str()) {
            bodies_sent.push(sha1);
            pipeline.cmd("EVAL").arg(body);
        } else {
            pipeline.cmd("EVALSHA").arg(sha1);
        }
        pipeline.arg(call.keys.len()).arg(&call.keys).arg(&call.arguments);
    }
    pipeline
}
