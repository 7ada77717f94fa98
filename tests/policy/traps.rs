//! Traps by name: each of these was walked into once.

use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use tollgate::Clock;
use tollgate::policy::{Amount, Attributes, Customer, Format, Policies, PolicySet, Value};

fn policies(text: &str) -> Policies {
    Policies::parse(text, Format::Toml).unwrap()
}

fn set_of(text: &str) -> (PolicySet, tollgate::ManualClock) {
    let (clock, hand) = Clock::manual();
    let set = PolicySet::builder().clock(clock).build();
    set.apply(policies(text)).unwrap();
    (set, hand)
}

fn admitted(set: &PolicySet) -> usize {
    (0..100).take_while(|_| set.check(&Attributes::new().user("ann")).is_allowed()).count()
}

#[test]
fn a_policy_that_only_watches_replaces_nothing() {
    for watching in ["shadow = true", "enforce_percent = 0"] {
        let (set, _hand) = set_of(&format!(
            "
            [[policy]]
            id = 'old'
            scope = 'user'
            limit = '2/min'
            [[policy]]
            id = 'new'
            scope = 'user'
            limit = '1/min'
            replaces = ['old']
            {watching}",
        ));
        assert_eq!(admitted(&set), 2, "{watching}");
    }
}

#[test]
fn an_override_counts_in_place_of_a_word() {
    for word in ["unlimited", "block"] {
        let (set, _hand) = set_of(&format!(
            "
            [[policy]]
            id = 'all'
            scope = 'user'
            limit = '{word}'
            priority = 1
            overrides = [{{ match = {{ user = 'ann' }}, limit = '9/min' }}]
            [[policy]]
            id = 'below'
            scope = 'user'
            limit = '3/min'",
        ));
        assert_eq!(admitted(&set), 3, "{word}: the one below is asked too");
        set.remove("below").unwrap();
        assert_eq!(admitted(&set), 6, "{word}: three of nine are spent");
        let others = (0..50).filter(|_| set.check(&Attributes::new().user("ben")).is_allowed()).count();
        assert_eq!(others, if word == "block" { 0 } else { 50 });
    }
}

#[test]
fn a_limit_goes_on_from_the_one_of_its_period_though_another_went_or_the_order_changed() {
    for after in ["limit = '20/min'", "limits = [{ limit = '20/min' }, { limit = '7/s' }]"] {
        let policy = |limits: &str| format!("[[policy]]\nid = 'api'\nscope = 'user'\n{limits}");
        let (set, hand) = set_of(&policy("limits = [{ limit = '5/s' }, { limit = '10/min' }]"));
        assert_eq!(admitted(&set), 5);
        hand.advance(Duration::from_secs(1));
        assert_eq!(admitted(&set), 5);
        assert!(set.apply(policies(&policy(after))).unwrap().restarted.is_empty());
        let mut more = 0;
        for _ in 0..3 {
            more += admitted(&set);
            hand.advance(Duration::from_secs(1));
        }
        assert!(
            more <= 11,
            "{more}: ten of ten were spent, the raise is ten, and little comes back in three seconds"
        );
    }
}

#[test]
fn what_a_request_costs_in_the_end_is_charged_when_it_ends_though_the_limit_has_changed() {
    let policy = |algorithm: &str, limit: &str| {
        format!(
            "[[policy]]\nid = 'api'\nscope = 'user'\nlimit = '{limit}'\nalgorithm = '{algorithm}'\ncost = {{ attribute = 'tokens' }}"
        )
    };
    for algorithm in ["gcra", "token_bucket", "fixed_window", "sliding_window", "sliding_log"] {
        let [kept, changed] = [None, Some("61/min")].map(|change| {
            let (set, hand) = set_of(&policy(algorithm, "60/min"));
            let ann = Attributes::new().user("ann");
            let verdict = set.check(&ann.clone().with("tokens", 1));
            if let Some(limit) = change {
                set.apply(policies(&policy(algorithm, limit))).unwrap();
            }
            hand.advance(Duration::from_secs(40));
            verdict.settle(50);
            60 - set.check(&ann.with("tokens", 0)).remaining().min(60)
        });
        assert!(changed + 1 >= kept, "{algorithm}: {changed} spent, and {kept} without the change");
    }
}

#[test]
fn an_ipv4_address_in_ipv6_form_is_the_ipv4_address_wherever_it_stands() {
    let (set, _hand) = set_of(
        "
        [[policy]]
        id = 'inside'
        limit = 'block'
        match = { ip = '::ffff:10.0.0.0/104' }
        [[policy]]
        id = 'peers'
        scope = 'peer'
        limit = '1/min'
        match = { peer = '*' }",
    );
    assert!(!set.check(&Attributes::new().ip([10, 1, 2, 3].into())).is_allowed());
    assert!(set.check(&Attributes::new().ip([11, 1, 2, 3].into())).is_allowed());
    for last in 1..4 {
        let peer = Value::Address(Ipv4Addr::new(192, 0, 2, last).to_ipv6_mapped().into());
        assert!(set.check(&Attributes::new().with("peer", peer)).is_allowed());
    }
}

#[test]
fn a_slow_answer_does_not_take_the_place_of_one_to_a_later_question() {
    let (asks, asked) = channel();
    let (open, opened) = channel::<()>();
    let (asks, opened, calls) = (Mutex::new(asks), Mutex::new(opened), AtomicUsize::new(0));
    let set = PolicySet::builder()
        .clock(Clock::manual().0)
        .lookup("user", move |_: &str| {
            let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
            if first {
                asks.lock().unwrap().send(()).unwrap();
                opened.lock().unwrap().recv().unwrap();
            }
            Ok(Some(Customer::new().limit("api", if first { Amount::Unlimited } else { Amount::Block })))
        })
        .build();
    set.apply(policies("[[policy]]\nid = 'api'\nscope = 'user'\nlimit = '9/min'")).unwrap();
    let ann = Attributes::new().user("ann");
    assert!(set.check(&ann).is_allowed());
    asked.recv().unwrap();
    set.look_up("ann").unwrap();
    assert!(!set.check(&ann).is_allowed(), "looked up, and blocked");
    open.send(()).unwrap();
    while set.lookup_stats().waiting > 0 {
        std::thread::yield_now();
    }
    assert!(!set.check(&ann).is_allowed(), "still");
}
