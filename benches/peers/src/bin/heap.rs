//! Prints the heap and resident bytes per live key of one limiter: `heap NAME KEYS`. A program of its own: an allocator that
//! counts would slow down what is timed.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[path = "../../../common/mod.rs"]
mod common;
#[path = "../peers.rs"]
#[allow(dead_code, reason = "the tables are the other program's")]
mod peers;
#[path = "../subjects.rs"]
mod subjects;

use common::Outcome;
use common::setup::live;
use common::subject::Subject;
use common::{keys, memory};
use peers::{Visit, visit};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let [name, count] = [args.next(), args.next()].map(Option::unwrap_or_default);
    visit(&name, &Fill(count.parse()?))
}

/// Asks once for each of so many keys.
struct Fill(usize);

impl Visit for Fill {
    type Output = ();

    fn visit<S: Subject<String> + 'static>(&self) -> Outcome<()> {
        let text = |rank| keys::text(keys::key(rank));
        memory::measure::<String, S>(HEAP, &live(self.0, 10), text, self.0)
    }
}
