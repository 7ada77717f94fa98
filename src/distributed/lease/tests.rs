//! What a node does with what it is told.

use std::time::Duration;

use ahash::RandomState;

use super::node::NodeLease;
use super::{LeaseAsk, LeaseGrant, LeasePlan, LeaseReport, LeaseSettings, LeaseTable, LeaseTerms, Spend};
use crate::distributed::Rule;
use crate::quota::Quota;

const MILLISECOND: u64 = 1_000_000;
const LIFE: u64 = 200 * MILLISECOND;

/// A thousand tokens a second, leased for 200 ms.
fn plan() -> LeasePlan {
    LeasePlan::new(LeaseSettings::default(), Quota::per_second(1_000))
}

fn grant(tokens: u64, generation: u64) -> LeaseGrant {
    LeaseGrant { tokens, generation, nodes: 1, ..LeaseGrant::default() }
}

fn refusal(retry_after: Duration) -> LeaseGrant {
    LeaseGrant { retry_after, ..grant(0, 1) }
}

fn asked(spend: Spend) -> LeaseAsk {
    match spend {
        Spend::Ask(ask) | Spend::Admit { ahead: Some(ask), .. } => ask,
        other => panic!("{other:?} asks nothing"),
    }
}

/// A node that asked at time zero for as much as this and got it.
fn holding(tokens: u64) -> NodeLease {
    let mut lease = NodeLease::new(0);
    asked(lease.spend(&plan(), 0, tokens, None));
    lease.granted(&plan(), MILLISECOND, 0, grant(tokens, 1));
    lease
}

#[test]
fn what_was_leased_is_spent_without_asking() {
    let mut lease = holding(3);
    for remaining in [2, 1] {
        assert_eq!(lease.spend(&plan(), MILLISECOND, 1, Some(0)), Spend::Admit { remaining, ahead: None });
    }
    assert!(matches!(lease.spend(&plan(), MILLISECOND, 1, Some(0)), Spend::Admit { remaining: 0, .. }));
    assert!(matches!(lease.spend(&plan(), MILLISECOND, 1, None), Spend::Ask(_) | Spend::Join { .. }));
}

#[test]
fn a_lease_lives_from_when_it_was_asked_for_and_less_than_its_life() {
    let mut lease = holding(3);
    let trusted = LIFE - LIFE / 1_000;
    assert_eq!((lease.held(trusted - 1), lease.held(trusted)), (3, 0));
}

#[test]
fn an_answer_that_comes_too_late_is_worth_nothing() {
    let mut lease = NodeLease::new(0);
    asked(lease.spend(&plan(), 0, 3, None));
    lease.granted(&plan(), LIFE, 0, grant(3, 1));
    assert_eq!(lease.held(LIFE), 0);
}

#[test]
fn what_was_spent_is_reported_once() {
    let mut lease = holding(2);
    lease.spend(&plan(), MILLISECOND, 2, Some(0));
    let first = asked(lease.spend(&plan(), 2 * MILLISECOND, 5, None));
    assert!(first.reports.contains(&LeaseReport::new(1, 2)), "{first:?}");
    lease.lost(2 * MILLISECOND);
    let second = asked(lease.spend(&plan(), 3 * MILLISECOND, 5, None));
    assert!(second.reports.iter().all(|report| report.spent == 0), "{second:?}");
}

/// A slot that was never used is of generation 0, as is what a store leases at the beginning of its time: both took the report back.
#[test]
fn what_could_not_be_reported_is_reported_once() {
    let mut lease = NodeLease::new(0);
    asked(lease.spend(&plan(), 0, 3, None));
    lease.granted(&plan(), MILLISECOND, 0, grant(3, 0));
    lease.spend(&plan(), MILLISECOND, 2, Some(0));
    let unheard = asked(lease.spend(&plan(), 2 * MILLISECOND, 5, None));
    lease.unsent(2 * MILLISECOND, &unheard);
    let second = asked(lease.spend(&plan(), 3 * MILLISECOND, 5, None));
    assert_eq!(second.reports.iter().map(|report| report.spent).sum::<u64>(), 2, "{second:?}");
}

#[test]
fn one_asks_and_the_others_wait_for_its_answer() {
    let mut lease = NodeLease::new(0);
    asked(lease.spend(&plan(), 0, 1, None));
    assert_eq!(lease.spend(&plan(), 1, 1, None), Spend::Join { asked: 0 });
    lease.lost(0);
    assert_eq!(lease.spend(&plan(), 2, 1, Some(0)), Spend::Lost, "whoever waited does not ask again");
    assert!(matches!(lease.spend(&plan(), 2, 1, None), Spend::Ask(_)));
}

#[test]
fn nobody_waits_for_ever_for_an_answer_that_nobody_brings() {
    let mut lease = NodeLease::new(0);
    asked(lease.spend(&plan(), 0, 1, None));
    assert!(matches!(lease.spend(&plan(), LIFE, 1, None), Spend::Ask(_)));
}

#[test]
fn a_refusal_holds_for_as_much_and_more_until_its_wait_is_over() {
    let mut lease = NodeLease::new(0);
    asked(lease.spend(&plan(), 0, 5, None));
    lease.granted(&plan(), MILLISECOND, 0, refusal(Duration::from_millis(10)));
    let wait = Duration::from_millis(9);
    assert_eq!(lease.spend(&plan(), MILLISECOND, 5, None), Spend::Deny { retry_after: wait, remaining: 0 });
    assert_eq!(lease.spend(&plan(), MILLISECOND, 6, None), Spend::Deny { retry_after: wait, remaining: 0 });
    assert!(matches!(lease.spend(&plan(), MILLISECOND, 4, None), Spend::Ask(_)));
    lease.lost(MILLISECOND);
    assert!(matches!(lease.spend(&plan(), 10 * MILLISECOND, 5, None), Spend::Ask(_)));
}

/// It was taken for the refusal of whatever had been asked last, be it less.
#[test]
fn a_refusal_that_comes_when_the_question_was_given_up_is_of_no_other() {
    let mut lease = NodeLease::new(0);
    asked(lease.spend(&plan(), 0, 5, None));
    asked(lease.spend(&plan(), LIFE, 1, None));
    lease.granted(&plan(), LIFE + MILLISECOND, 0, refusal(Duration::from_secs(1)));
    assert_eq!(lease.spend(&plan(), LIFE + MILLISECOND, 1, None), Spend::Join { asked: LIFE });
}

#[test]
fn a_long_refusal_is_told_in_full_but_believed_for_two_seconds() {
    let mut lease = NodeLease::new(0);
    asked(lease.spend(&plan(), 0, 1, None));
    lease.granted(&plan(), 0, 0, refusal(Duration::from_secs(3_600)));
    assert_eq!(
        lease.spend(&plan(), 0, 1, None),
        Spend::Deny { retry_after: Duration::from_secs(3_600), remaining: 0 }
    );
    assert!(matches!(lease.spend(&plan(), 2_000 * MILLISECOND, 1, None), Spend::Ask(_)));
}

#[test]
fn what_lies_idle_comes_back_once() {
    let mut lease = holding(3);
    lease.spend(&plan(), MILLISECOND, 1, Some(0));
    assert_eq!(lease.idle(&plan(), 2 * MILLISECOND), [None, None], "it is in use");
    let returned: Vec<_> = lease.idle(&plan(), LIFE * 3 / 4).into_iter().flatten().collect();
    assert_eq!(returned.len(), 1);
    assert_eq!((returned[0].tokens, returned[0].report), (2, LeaseReport::new(1, 1)));
    assert_eq!((lease.held(LIFE * 3 / 4), lease.idle(&plan(), LIFE * 3 / 4)), (0, [None, None]));
}

#[test]
fn nothing_is_leased_where_a_life_brings_less_than_a_token_to_each_node() {
    let plan = LeasePlan::new(LeaseSettings::default(), Quota::per_second(1_000));
    assert!(plan.leases_among(200) && !plan.leases_among(201));
    let small = LeasePlan::new(LeaseSettings::default(), Quota::per_second(1_000).burst(100));
    assert!(!small.leases_among(1), "50 ms bring half of the burst");
}

#[test]
fn a_life_is_a_fifth_of_the_time_to_full_within_its_bounds() {
    let life = |quota| LeaseSettings::default().life_for(quota);
    assert_eq!(life(Quota::per_second(1_000)), Duration::from_millis(200));
    assert_eq!(life(Quota::per_second(1_000).burst(10)), Duration::from_millis(50));
    assert_eq!(life(Quota::per_day(10)), Duration::from_secs(5));
    assert_eq!(life(Quota::per_second(0)), Duration::from_millis(50));
    let asked = LeaseSettings::default().life(Duration::from_nanos(1_234_567_890));
    assert_eq!(asked.life_for(Quota::per_day(10)), Duration::from_micros(1_234_567));
}

#[test]
fn any_numbers_of_a_question_fit() {
    let most = LeaseAsk {
        need: u64::MAX,
        want: 0,
        demand: u64::MAX,
        since_last: Duration::MAX,
        generation: Some(u64::MAX),
        reports: [LeaseReport::new(u64::MAX, u64::MAX); 2],
        random: u32::MAX,
    };
    let quotas =
        [Quota::per_second(u32::MAX).burst(1 << 32), Quota::per_day(1).burst(3), Quota::per_second(0)];
    for quota in quotas {
        let terms = LeaseTerms::of(&Rule::Leased { quota, life: Duration::from_secs(1) }).unwrap();
        let question = terms.question(&most);
        assert!(question.need <= 1 << 32 && question.want >= question.need, "{question:?}");
        assert!(question.demand <= 10 << 24 && question.since_last <= 1_000_000, "{question:?}");
        assert!(question.rounding < terms.token && question.pause <= 500_000, "{question:?}");
    }
}

fn table(max_keys: usize) -> LeaseTable<str> {
    LeaseTable::new(plan(), max_keys, RandomState::with_seed(1))
}

fn hold(table: &LeaseTable<str>, key: &str) {
    asked(table.spend(0, key, 1, None));
    table.granted(0, 0, key, grant(1, 1));
}

#[test]
fn a_full_table_forgets_what_was_not_asked_for_longest() {
    let table = table(4);
    for key in ["a", "b", "c"] {
        hold(&table, key);
    }
    // Asked for once more, it is young again.
    table.spend(1, "a", 0, None);
    for key in ["d", "e"] {
        hold(&table, key);
    }
    assert_eq!(["a", "b", "d", "e"].map(|key| table.held(1, key)), [1, 0, 1, 1]);
}

#[test]
fn an_answer_for_a_key_that_was_forgotten_is_not_lost() {
    let table = table(2);
    asked(table.spend(0, "a", 1, None));
    for key in ["b", "c", "d"] {
        hold(&table, key);
    }
    table.granted(1, 0, "a", grant(1, 1));
    assert!(matches!(table.spend(1, "a", 1, Some(0)), Spend::Admit { .. }));
}

#[test]
fn a_table_that_is_left_brings_everything_back() {
    let table = table(100_000);
    for key in ["a", "b"] {
        hold(&table, key);
    }
    let all = || (0..table.shards()).flat_map(|shard| table.sweep(1, shard, true)).collect::<Vec<_>>();
    let mut keys: Vec<_> = all().into_iter().map(|(key, unspent)| (key, unspent.tokens)).collect();
    keys.sort_unstable();
    assert_eq!(keys, [("a".to_owned(), 1), ("b".to_owned(), 1)]);
    assert_eq!(all(), []);
}
