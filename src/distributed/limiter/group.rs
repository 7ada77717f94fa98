//! [`Group`]: those of several limits that are in one place, asked as one operation.

use super::all::Part;
use super::unfit_reply;
use crate::distributed::backend::{Applied, BackendError};
use crate::distributed::decision::{GlobalDecision, Source};
use crate::distributed::operation::{Operation, Spending};
use crate::distributed::reply::{Reply, Standing};
use crate::distributed::store::{Pending, SharedStore};

/// Those of several limits that are in one place of a store. What they spent is given back unless all admit, also when the caller leaves
/// in the middle.
pub(super) struct Group<'a> {
    parts: &'a [Part<'a>],
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
    /// There is nothing to give back: the store refused, or it stays spent.
    Over,
    /// The failure policies decided.
    Failed(Alone),
}

/// What was decided without the store.
struct Alone {
    /// By each member, in their order.
    decisions: Vec<GlobalDecision>,
    applied: Applied,
    /// The answer may come late.
    pending: Option<Pending>,
}

/// The places of those that are not leased, each asked at once, within the shortest budget.
pub(super) fn of<'a>(parts: &'a [Part<'a>]) -> Vec<Group<'a>> {
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
            let (domain, state) = (store.domain(place), State::Over);
            groups.push(Group {
                parts,
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

impl<'a> Group<'a> {
    /// What each member decides, by the store or by its failure policy.
    pub(super) async fn hear(&mut self, decisions: &mut [Option<GlobalDecision>]) {
        let answer = match &mut self.state {
            State::Asked(Ok(pending)) => pending.answer().await,
            State::Asked(Err(error)) => Err(error.clone()),
            _ => return,
        };
        match answer.and_then(|reply| self.read(reply)) {
            Ok((admitted, standings)) => {
                self.state = if admitted { State::Taken } else { State::Over };
                for (&index, standing) in self.members.iter().zip(standings) {
                    decisions[index] = Some(heard(&self.parts[index], admitted, standing));
                }
            }
            Err(error) => {
                let alone = self.decide_alone(&error);
                for (&index, decision) in self.members.iter().zip(&alone.decisions) {
                    decisions[index] = Some(*decision);
                }
                self.state = State::Failed(alone);
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

    fn decide_alone(&mut self, error: &BackendError) -> Alone {
        let decide = |part: &Part<'_>| {
            part.limit.note_failure(&part.question, self.domain, error.kind());
            part.limit.decide_alone(&part.question, self.domain)
        };
        let decisions = self.members().map(decide).collect();
        let asked = std::mem::replace(&mut self.state, State::Over);
        let pending = if let State::Asked(Ok(pending)) = asked { Some(pending) } else { None };
        Alone { decisions, applied: error.applied(), pending }
    }

    fn members(&self) -> impl Iterator<Item = &'a Part<'a>> {
        let parts = self.parts;
        self.members.iter().map(move |index| &parts[*index])
    }

    /// All admit: it stays spent.
    pub(super) fn keep(mut self) {
        let State::Failed(alone) = std::mem::replace(&mut self.state, State::Over) else { return };
        for (Part { limit, question }, decision) in self.members().zip(&alone.decisions) {
            limit.owe_after(question, self.domain, decision, alone.applied);
        }
        if let Some(pending) = alone.pending {
            pending.keep();
        }
    }
}

/// Of several that are refused together, those that would have been admitted need not wait.
fn heard(part: &Part<'_>, admitted: bool, standing: Standing) -> GlobalDecision {
    let would_admit = admitted || standing.retry_after.is_some_and(|wait| wait.is_zero());
    part.limit.hear(&part.question, would_admit, standing)
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        match &self.state {
            State::Taken => {
                for spending in self.spendings.drain(..).filter(|spending| spending.tokens > 0) {
                    self.store.tell(Operation::Refund(spending));
                }
            }
            State::Failed(alone) => {
                for (Part { limit, question }, decision) in self.members().zip(&alone.decisions) {
                    if decision.is_allowed() && decision.source() == Source::Fallback {
                        limit.failing.give_back(question, limit.situation(question, self.domain));
                    }
                }
            }
            State::Asked(_) | State::Over => {}
        }
    }
}
