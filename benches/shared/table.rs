//! One table for each work.

use std::cell::RefCell;

use tokio::runtime::Runtime;

use crate::common::Outcome;
use crate::common::rounds::{Arm, Rounds, Sample, median, race, ratio};
use crate::common::table::{Report, time};
use crate::common::threads::nanos_each;
use crate::contender::{CONTENDERS, Contender, Kind};
use crate::load::Work;
use crate::meter::{Meter, Usage};
use crate::servers::Standalone;

/// The goals of leases, for a hot key: so many times fewer calls than in direct mode, and so many times its checks.
const FEWER_CALLS: f64 = 50.0;
const MORE_CHECKS: f64 = 20.0;

/// All contenders, each beside the first.
pub(crate) fn beside_naive(
    report: &mut Report,
    name: &str,
    work: &Work,
    server: &Standalone,
    runtime: &Runtime,
    rounds: Rounds,
) -> Outcome<()> {
    let totals = CONTENDERS.map(|_| RefCell::new(Total::default()));
    let meter = RefCell::new(Meter::new(&server.url())?);
    let turn = |kind: Kind, tasks, total: &RefCell<Total>| -> Outcome<Sample> {
        let mut meter = meter.borrow_mut();
        meter.forget()?;
        let contender = runtime.block_on(Contender::connect(kind, &server.url(), work.quota))?;
        let before = meter.read()?;
        let done = work.run(&contender, tasks, runtime)?;
        if contender.failures() > 0 {
            return Err(format!("{name}: {} were decided by the failure policy", contender.failures()).into());
        }
        // It may have leases to return, which is a part of what it costs.
        drop(contender);
        total.borrow_mut().add(done.checks, meter.since(before)?);
        let nanos = nanos_each(done.wall, usize::try_from(done.checks)?);
        // Not measured: the server and its clients wait for each other's cores by their nature.
        let waited = 0.0;
        Ok(Sample { nanos, slowest: None, admitted: done.admitted, exact: work.exact(&done, kind), waited })
    };
    let arms = CONTENDERS.iter().zip(&totals).map(|(&(_, kind, tasks), total)| {
        let turn = &turn;
        Box::new(move || turn(kind, tasks, total)) as Arm<'_>
    });
    let samples = race(arms.collect(), rounds)?;
    report.head(&[
        name,
        "checks/s",
        "vs naive",
        "scripts per check",
        "reads per check",
        "CPU per check, here",
        "the server's",
        "admitted vs exact",
    ]);
    for (((label, ..), total), own) in CONTENDERS.iter().zip(&totals).zip(&samples) {
        let total = total.borrow();
        let [low, middle, high] = ratio(&samples[0], own);
        let mut cells = vec![
            (*label).to_owned(),
            format!("{:.0}", 1e9 / median(own)),
            format!("{middle:.2}x ({low:.2}-{high:.2})"),
        ];
        cells.extend(total.cells());
        cells.push(report.admitted(&format!("{name}, {label}"), &[*label], std::slice::from_ref(own)));
        report.row(&cells);
    }
    leased_beside_direct(report, name, &totals, &samples);
    Ok(())
}

/// With as many tasks each. The goals are for a key that has what is asked for.
fn leased_beside_direct(report: &mut Report, name: &str, totals: &[RefCell<Total>], samples: &[Vec<Sample>]) {
    let goals = if name == "hot key" {
        [FEWER_CALLS, MORE_CHECKS].map(|goal| format!("{goal}x"))
    } else {
        Default::default()
    };
    report.head(&[
        &format!("{name}, leased beside direct"),
        "fewer scripts per check",
        "goal",
        "checks/s",
        "goal",
    ]);
    for (leased, (label, kind, tasks)) in CONTENDERS.iter().enumerate() {
        if !matches!(kind, Kind::Leased) {
            continue;
        }
        let is_direct = |other: &(&str, Kind, usize)| matches!(other.1, Kind::Direct) && other.2 == *tasks;
        let Some(direct) = CONTENDERS.iter().position(is_direct) else { continue };
        let scripts = |index: usize| totals[index].borrow().scripts_per_check();
        let [low, middle, high] = ratio(&samples[direct], &samples[leased]);
        report.row(&[
            (*label).to_owned(),
            format!("{:.0}x", scripts(direct) / scripts(leased)),
            goals[0].clone(),
            format!("{middle:.1}x ({low:.1}-{high:.1})"),
            goals[1].clone(),
        ]);
    }
}

/// What all turns cost, the first one too: it only warms up what is not counted here.
#[derive(Default)]
struct Total {
    checks: u64,
    usage: Usage,
}

impl Total {
    fn add(&mut self, checks: u64, usage: Usage) {
        self.checks += checks;
        self.usage.scripts += usage.scripts;
        self.usage.reads += usage.reads;
        self.usage.server += usage.server;
        self.usage.here += usage.here;
    }

    #[allow(clippy::cast_precision_loss, reason = "some millions at most")]
    fn each(&self, count: u64) -> f64 {
        count as f64 / self.checks as f64
    }

    fn scripts_per_check(&self) -> f64 {
        self.each(self.usage.scripts)
    }

    fn cells(&self) -> [String; 4] {
        let cpu = |cpu| time(nanos_each(cpu, usize::try_from(self.checks).unwrap_or(usize::MAX)));
        [
            figures(self.scripts_per_check()),
            figures(self.each(self.usage.reads)),
            cpu(self.usage.here),
            cpu(self.usage.server),
        ]
    }
}

/// With enough places to tell something, also where it is very little.
fn figures(number: f64) -> String {
    match number {
        0.0 => "0".to_owned(),
        ..0.001 => format!("{number:.1e}"),
        _ => format!("{number:.3}"),
    }
}
