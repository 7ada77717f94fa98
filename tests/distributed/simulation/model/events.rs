//! What is to happen, in the order of its time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use tollgate::distributed::machinery::Unspent;
use tollgate::distributed::{LeaseAsk, LeaseGrant};

/// What is to happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    AtStore(Message),
    /// Nothing is lost of a reply but all of it.
    Reply(Message, Answer),
    /// Nobody waits any more for this answer.
    Timeout(Message),
    Sweep {
        node: usize,
    },
    Crash {
        node: usize,
    },
    Probe {
        node: usize,
    },
    StoreFallsBehind,
    StoreForgets,
    StoreFailsOver,
}

/// A question on its way to the store, or its answer on the way back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub(crate) node: usize,
    pub(crate) key: u32,
    /// Each has its own.
    pub(crate) number: u64,
    /// When, by the node's own clock.
    pub(crate) sent: u64,
    /// When the request came that waits for it, if one does.
    pub(crate) asker: Option<u64>,
    pub(crate) question: Question,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Question {
    Check,
    Lease(LeaseAsk),
    Return(Unspent),
    Probe,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// When the next token is there, if there is none now.
    Checked(Result<(), Duration>),
    Leased(LeaseGrant),
    Done,
}

/// What is to happen, in the order of its time, and of its making at the same time.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
    made: u64,
    /// Apart from the others: they are in order already, since all questions may take as long.
    timeouts: VecDeque<(u64, Message)>,
}

impl Agenda {
    pub(crate) fn add(&mut self, time: u64, event: Event) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[place] = Some(event);
        self.made += 1;
        self.heap.push(Reverse((time, self.made, place)));
    }

    pub(crate) fn next_time(&self) -> Option<u64> {
        let next = self.heap.peek().map(|Reverse((time, ..))| *time);
        next.into_iter().chain(self.timeouts.front().map(|(time, _)| *time)).min()
    }

    /// No earlier than any timeout that was added before.
    pub(crate) fn add_timeout(&mut self, time: u64, message: Message) {
        self.timeouts.push_back((time, message));
    }

    pub(crate) fn take_next(&mut self) -> Option<(u64, Event)> {
        let next_time = self.next_time()?;
        if self.timeouts.front().is_some_and(|(time, _)| *time == next_time) {
            return self.timeouts.pop_front().map(|(time, message)| (time, Event::Timeout(message)));
        }
        let Reverse((time, _, place)) = self.heap.pop()?;
        self.free.push(place);
        Some((time, self.events[place].take()?))
    }
}
