//! [`Group`]: those of several limits that are in one place, asked as one operation.

use super::all::Part;
use super::unfit_reply;
use crate::distributed::backend::{Applied, BackendError};
use crate::distributed::decision::{GlobalDecision, Source};
use crate::distributed::operation::{Operation, Spending};
use crate::distributed::reply::{Reply, Standing};
use crate::distributed::store::{Pending, SharedStore};

/// Those of several limits that are in one place of a store.
pub(super) struct Group<'a> {
    store: &'a SharedStore,
    place: u32,
    domain: usize,
    /// Indices of the parts.
    members: Vec<usize>,
    spendings: Vec<Spending>,
    state: State,
}

enum State {
    /// The question is on its way.
    Asked(Result<Pending, BackendError>),
    /// The store took it.
    Taken,
    /// The store refused: there is nothing to give back.
    Refused,
    /// The failure policies decided. If it is still to be heard of, the answer may come late.
    Failed(Applied, Option<Pending>),
}

/// The places of those that are not leased, each asked at once, within the shortest budget.
pub(super) fn of<'a>(parts: &[Part<'a>]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (index, part) in parts.iter().enumerate().filter(|(_, part)| part.limit.leases.is_none()) {
        let spending = Spending::new(part.limit.subjects.of(part.question.key), part.question.cost);
        let store = &part.limit.store;
        let place = store.place(&spending.subject);
        let known = groups.iter_mut().find(|group| group.place == place && group.store.is_same_as(store));
        if let Some(group) = known {
            group.members.push(index);
            group.spendings.push(spending);
        } else {
            let (domain, state) = (store.domain(place), State::Refused);
            groups.push(Group {
                store,
                place,
                domain,
                members: vec![index],
                spendings: vec![spending],
                state,
            });
        }
    }
    if let Some(deadline) = parts.iter().map(|part| part.limit.deadline()).min() {
        for group in &mut groups {
            let operation = Operation::Check(group.spendings.clone());
            group.state = State::Asked(group.store.submit(operation, deadline));
        }
    }
    groups
}

impl Group<'_> {
    /// What each member decides, by the store or by its failure policy.
    pub(super) async fn hear(&mut self, parts: &[Part<'_>], decisions: &mut [Option<GlobalDecision>]) {
        let answer = match &mut self.state {
            State::Asked(Ok(pending)) => pending.answer().await,
            State::Asked(Err(error)) => Err(error.clone()),
            _ => return,
        };
        match answer.and_then(|reply| self.read(reply)) {
            Ok((admitted, standings)) => {
                self.state = if admitted { State::Taken } else { State::Refused };
                for (&index, standing) in self.members.iter().zip(standings) {
                    decisions[index] = Some(heard(&parts[index], admitted, standing));
                }
            }
            Err(error) => {
                for &index in &self.members {
                    let Part { limit, question } = &parts[index];
                    limit.note_failure(question, self.domain, error.kind());
                    decisions[index] = Some(limit.decide_alone(question, self.domain));
                }
                self.fail(error.applied());
            }
        }
    }

    fn read(&self, reply: Reply) -> Result<(bool, Vec<Standing>), BackendError> {
        match reply {
            Reply::Checked { admitted, standings } if standings.len() == self.members.len() => {
                Ok((admitted, standings))
            }
            _ => Err(unfit_reply()),
        }
    }

    fn fail(&mut self, applied: Applied) {
        let asked = std::mem::replace(&mut self.state, State::Refused);
        let pending = if let State::Asked(Ok(pending)) = asked { Some(pending) } else { None };
        self.state = State::Failed(applied, pending);
    }

    /// All admit: it stays spent.
    pub(super) fn keep(mut self, parts: &[Part<'_>], decisions: &[Option<GlobalDecision>]) {
        let State::Failed(applied, pending) = std::mem::replace(&mut self.state, State::Refused) else {
            return;
        };
        for &index in &self.members {
            let Part { limit, question } = &parts[index];
            if let Some(decision) = &decisions[index] {
                limit.owe_after(question, self.domain, decision, applied);
            }
        }
        if let Some(pending) = pending {
            pending.keep();
        }
    }

    /// Another refuses: what was spent is given back, in this node's shares too.
    pub(super) fn give_back(self, parts: &[Part<'_>], decisions: &[Option<GlobalDecision>]) {
        for &index in &self.members {
            let Part { limit, question } = &parts[index];
            let spent =
                |decision: GlobalDecision| decision.is_allowed() && decision.source() == Source::Fallback;
            if decisions[index].is_some_and(spent) {
                limit.failing.give_back(question, limit.situation(question, self.domain));
            }
        }
    }
}

/// Of several that are refused together, those that would have been admitted need not wait.
fn heard(part: &Part<'_>, admitted: bool, standing: Standing) -> GlobalDecision {
    let would_admit = admitted || standing.retry_after.is_some_and(|wait| wait.is_zero());
    part.limit.hear(&part.question, would_admit, standing)
}

impl Drop for Group<'_> {
    /// Also when the caller leaves in the middle: what one place took while another was not heard of yet is given back.
    fn drop(&mut self) {
        if matches!(self.state, State::Taken) {
            for spending in self.spendings.drain(..).filter(|spending| spending.tokens > 0) {
                self.store.tell(Operation::Refund(spending));
            }
        }
    }
}
