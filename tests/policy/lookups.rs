//! What a lookup says about single customers, and what it may not do to a service.

use std::collections::HashMap;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tollgate::policy::{
    Amount, Attributes, Builder, Conditions, Customer, Format, Lookup, LookupSettings, Policies, PolicySet,
    Tier,
};
use tollgate::{Clock, ManualClock, Quota};

type Answer = Result<Option<Customer>, Box<dyn Error + Send + Sync>>;

/// One in a minute for everybody, three for gold.
const POLICIES: &str = "
    [[policy]]
    id = 'api'
    scope = 'user'
    limit = '1/min'

    [[policy.overrides]]
    match.tier = 'gold'
    limit = '3/min'
";

/// Waits for what another thread does.
fn until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never comes to that");
        thread::yield_now();
    }
}

fn set_with(settings: impl FnOnce(Builder) -> Builder) -> (PolicySet, ManualClock) {
    let (clock, hand) = Clock::manual();
    let set = settings(PolicySet::builder().clock(clock)).build();
    set.apply(Policies::parse(POLICIES, Format::Toml).unwrap()).unwrap();
    (set, hand)
}

/// How many requests of a user pass.
fn admitted(set: &PolicySet, user: &str) -> usize {
    let asked = Attributes::new().user(user);
    (0..20).filter(|_| set.check(&asked).is_allowed()).count()
}

/// Customers who may change, or a source that fails.
#[derive(Clone, Default)]
struct Accounts {
    customers: Arc<Mutex<HashMap<String, Customer>>>,
    failing: Arc<Mutex<Option<&'static str>>>,
    asked: Arc<AtomicUsize>,
}

impl Accounts {
    fn set(&self, key: &str, quota: u32) {
        let customer = Customer::new().limit("api", Amount::Quota(Quota::per_minute(quota)));
        self.customers.lock().unwrap().insert(key.to_owned(), customer);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Lookup for Accounts {
    fn find(&self, key: &str) -> Answer {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match *self.failing.lock().unwrap() {
            Some(why) => Err(why.into()),
            None => Ok(self.customers.lock().unwrap().get(key).cloned()),
        }
    }
}

#[test]
fn a_customer_has_the_tier_and_the_limits_that_the_lookup_says() {
    let find = |key: &str| -> Answer {
        Ok(match key {
            "tier" => Some(Customer::new().tier("gold")),
            "quota" => Some(Customer::new().limit("api", Amount::Quota(Quota::per_minute(7)))),
            "both" => Some(Customer::new().tier("gold").limit("api", Amount::Quota(Quota::per_minute(5)))),
            "free" => Some(Customer::new().limit("api", Amount::Unlimited)),
            "out" => Some(Customer::new().limit("api", Amount::Block)),
            "other" => Some(Customer::new().limit("another", Amount::Block)),
            _ => None,
        })
    };
    let (set, _hand) = set_with(|builder| builder.lookup("user", find));
    for key in ["tier", "quota", "both", "free", "out", "other"] {
        assert!(set.look_up(key).unwrap().is_some(), "{key}");
    }
    assert_eq!(set.look_up("nobody").unwrap(), None);
    let users = ["tier", "quota", "both", "free", "out", "other", "nobody"];
    assert_eq!(users.map(|user| admitted(&set, user)), [3, 7, 5, 20, 0, 1, 1]);
}

#[test]
fn its_tier_goes_before_the_files_and_after_the_requests() {
    let (set, _hand) =
        set_with(|builder| builder.lookup("user", |_: &str| Ok(Some(Customer::new().tier("gold")))));
    let mut policies = Policies::clone(&set.policies());
    policies.tier = vec![Tier::new("free", [Conditions::new().with("user", ["*"])])];
    set.apply(policies).unwrap();
    let admitted =
        |attributes: &Attributes<'_>| (0..9).filter(|_| set.check(attributes).is_allowed()).count();
    for user in ["ann", "bob"] {
        set.look_up(user).unwrap();
    }
    assert_eq!(admitted(&Attributes::new().user("ann")), 3);
    assert_eq!(admitted(&Attributes::new().user("bob").tier("free")), 1);
}

#[test]
fn the_first_request_is_decided_without_and_later_ones_with_it() {
    let accounts = Accounts::default();
    accounts.set("acme", 5);
    let (gate, opened) = channel();
    let (opened, asked) = (Mutex::new(opened), accounts.clone());
    let find = move |key: &str| -> Answer {
        opened.lock().unwrap().recv()?;
        asked.find(key)
    };
    let (set, _hand) = set_with(|builder| builder.lookup("user", find));
    assert_eq!(admitted(&set, "acme"), 1, "as everybody, as long as it takes");
    assert_eq!(set.lookup_stats().waiting, 1);
    gate.send(()).unwrap();
    until(|| set.lookup_stats().waiting == 0);
    assert_eq!(admitted(&set, "acme"), 5);
}

#[test]
fn that_nothing_is_special_is_remembered_too() {
    let accounts = Accounts::default();
    let (set, _hand) = set_with(|builder| builder.lookup("user", accounts.clone()));
    admitted(&set, "nobody");
    until(|| set.lookup_stats().waiting == 0);
    admitted(&set, "nobody");
    assert_eq!((set.lookup_stats().waiting, set.lookup_stats().known, accounts.asked()), (0, 1, 1));
}

#[test]
fn an_answer_is_used_until_its_successor_is_there() {
    let accounts = Accounts::default();
    accounts.set("acme", 3);
    let (set, hand) = set_with(|builder| builder.lookup("user", accounts.clone()));
    set.look_up("acme").unwrap();
    accounts.set("acme", 5);
    hand.set(Duration::from_nanos(59_999_999_999));
    assert_eq!(admitted(&set, "acme"), 3);
    assert_eq!((set.lookup_stats().waiting, accounts.asked()), (0, 1), "a minute is not over");
    hand.set(Duration::from_secs(60));
    let _ = set.check(&Attributes::new().user("acme"));
    until(|| set.lookup_stats().found == 2 && set.lookup_stats().waiting == 0);
    hand.set(Duration::from_nanos(119_999_999_999));
    assert_eq!(admitted(&set, "acme"), 5);
    assert_eq!(accounts.asked(), 2);
}

#[test]
fn an_error_leaves_what_was_known_and_is_tried_again_after_a_while() {
    let accounts = Accounts::default();
    accounts.set("acme", 3);
    let settings =
        LookupSettings::default().time_to_live(Duration::from_secs(100)).retry_after(Duration::from_secs(9));
    let (set, hand) = set_with(|builder| builder.lookup("user", accounts.clone()).lookup_settings(settings));
    set.look_up("acme").unwrap();
    accounts.set("acme", 5);
    *accounts.failing.lock().unwrap() = Some("no connection");

    hand.set(Duration::from_secs(100));
    assert_eq!(admitted(&set, "acme"), 3);
    until(|| set.lookup_stats().waiting == 0);
    assert_eq!(set.lookup_stats().errors, 1);
    let error = set.last_lookup_error().unwrap();
    assert_eq!(
        (error.key(), error.to_string().as_str()),
        ("acme", "the lookup of a customer failed: no connection")
    );

    hand.set(Duration::from_nanos(108_999_999_999));
    admitted(&set, "acme");
    assert_eq!((set.lookup_stats().waiting, accounts.asked()), (0, 2), "not again so soon");

    *accounts.failing.lock().unwrap() = None;
    hand.set(Duration::from_secs(200));
    let _ = set.check(&Attributes::new().user("acme"));
    until(|| set.lookup_stats().found == 2 && set.lookup_stats().waiting == 0);
    hand.set(Duration::from_nanos(299_999_999_999));
    assert_eq!(admitted(&set, "acme"), 5);
}

#[test]
fn a_customer_of_whom_nothing_is_known_is_not_asked_for_again_so_soon_after_an_error_either() {
    let accounts = Accounts::default();
    *accounts.failing.lock().unwrap() = Some("no connection");
    let (set, hand) = set_with(|builder| builder.lookup("user", accounts.clone()));
    admitted(&set, "acme");
    until(|| set.lookup_stats().waiting == 0);
    admitted(&set, "acme");
    assert_eq!((set.lookup_stats().waiting, set.lookup_stats().errors, accounts.asked()), (0, 1, 1));
    hand.advance(Duration::from_secs(5));
    admitted(&set, "acme");
    until(|| accounts.asked() == 2);
}

#[test]
fn a_million_keys_take_no_more_room_than_they_may_and_leave_those_who_come_often() {
    let find = |key: &str| -> Answer {
        let special = key.starts_with("regular");
        Ok(special.then(|| Customer::new().limit("api", Amount::Unlimited)))
    };
    let settings = LookupSettings::default().capacity(10_000);
    let (set, _hand) = set_with(|builder| builder.lookup("user", find).lookup_settings(settings));
    let regulars: Vec<String> = (0..1_000).map(|number| format!("regular-{number}")).collect();
    for regular in &regulars {
        set.look_up(regular).unwrap();
        admitted(&set, regular);
    }
    for number in 0..1_000_000_u64 {
        // Looked up at once, which is worse than any flood: that one waits for the thread.
        set.look_up(&format!("{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))).unwrap();
        if number % 1_000 == 0 {
            assert!(set.lookup_stats().known <= 10_000 + 10_000 / 32);
        }
    }
    let kept = regulars.iter().filter(|regular| admitted(&set, regular) == 20).count();
    assert!(kept > 900, "only {kept} of 1000 are left");
}

/// A lookup that does not end before the test does.
fn stuck(opened: Receiver<()>) -> impl Fn(&str) -> Answer {
    let opened = Mutex::new(opened);
    move |_: &str| {
        // An error says that the test is over, too.
        let _ = opened.lock().unwrap().recv();
        Ok(None)
    }
}

#[test]
fn only_so_many_wait_each_once_and_others_are_counted() {
    let (_gate, opened) = channel();
    let settings = LookupSettings::default().queue(100);
    let (set, _hand) = set_with(|builder| builder.lookup("user", stuck(opened)).lookup_settings(settings));
    let keys: Vec<String> = (0..1_000_u32).map(|number| number.to_string()).collect();
    for key in keys[..99].iter().chain(&keys[..99]) {
        assert!(set.check(&Attributes::new().user(key)).limits().count() > 0);
    }
    assert_eq!((set.lookup_stats().waiting, set.lookup_stats().dropped), (99, 0));
    for key in &keys[99..] {
        let _ = set.check(&Attributes::new().user(key));
    }
    let stats = set.lookup_stats();
    assert_eq!((stats.waiting, stats.dropped, stats.known), (100, 900, 0));
}

#[test]
fn a_key_that_is_too_long_is_not_looked_up() {
    let accounts = Accounts::default();
    let (set, _hand) = set_with(|builder| builder.lookup("user", accounts.clone()));
    let (long, longer) = ("a".repeat(256), "a".repeat(257));
    let _ = set.check(&Attributes::new().user(&longer));
    assert_eq!((set.lookup_stats().waiting, set.lookup_stats().dropped), (0, 1));
    let _ = set.check(&Attributes::new().user(&long));
    until(|| set.lookup_stats().found == 1);
    assert_eq!((accounts.asked(), set.lookup_stats().dropped), (1, 1));
}

#[test]
fn a_lookup_may_be_about_any_attribute_and_a_request_without_it_asks_for_nothing() {
    let find = |key: &str| -> Answer {
        Ok((key == "192.0.2.1" || key == "7").then(|| Customer::new().tier("gold")))
    };
    let by = |attribute: &str| set_with(|builder| builder.lookup(attribute, find)).0;
    let address = Attributes::new().user("ann").ip([192, 0, 2, 1].into());
    let number = Attributes::new().user("ann").with("account", 7);
    for (attribute, attributes) in [("ip", address), ("account", number)] {
        let set = by(attribute);
        let _ = set.check(&Attributes::new().user("bob"));
        assert_eq!(set.lookup_stats().waiting, 0);
        let _ = set.check(&attributes);
        until(|| set.lookup_stats().found == 1);
        assert_eq!((0..9).filter(|_| set.check(&attributes).is_allowed()).count(), 3);
    }
}

#[test]
fn a_lookup_that_panics_counts_as_an_error_and_harms_nobody() {
    let find = |key: &str| -> Answer {
        assert_ne!(key, "trap", "this is a test");
        Ok(Some(Customer::new().tier("gold")))
    };
    let (set, _hand) = set_with(|builder| builder.lookup("user", find));
    assert_eq!(admitted(&set, "trap"), 1);
    until(|| set.lookup_stats().waiting == 0);
    assert_eq!(set.lookup_stats().errors, 1);
    assert!(set.look_up("trap").unwrap_err().to_string().ends_with("the lookup panicked"));
    let _ = set.check(&Attributes::new().user("ann"));
    until(|| set.lookup_stats().found == 1);
}

#[test]
fn the_thread_ends_with_the_set_and_nobody_waits_for_a_lookup_that_does_not() {
    let accounts = Accounts::default();
    let (set, _hand) = set_with(|builder| builder.lookup("user", accounts.clone()));
    drop(set);
    until(|| Arc::strong_count(&accounts.asked) == 1);

    let (gate, opened) = channel();
    let (begun, stuck) = (Arc::new(AtomicUsize::new(0)), stuck(opened));
    let counted = Arc::clone(&begun);
    let find = move |key: &str| {
        counted.fetch_add(1, Ordering::Relaxed);
        stuck(key)
    };
    let (set, _hand) = set_with(|builder| builder.lookup("user", find));
    for user in ["ann", "bob"] {
        let _ = set.check(&Attributes::new().user(user));
    }
    until(|| begun.load(Ordering::Relaxed) == 1);
    drop(set);
    assert_eq!(Arc::strong_count(&begun), 2, "it is still under way");
    gate.send(()).unwrap();
    until(|| Arc::strong_count(&begun) == 1);
    assert_eq!(begun.load(Ordering::Relaxed), 1, "bob is not asked for any more");
}

#[test]
fn without_a_lookup_there_is_nothing_to_tell() {
    let (set, _hand) = set_with(|builder| builder);
    assert_eq!(set.look_up("ann").unwrap(), None);
    assert_eq!(set.lookup_stats(), tollgate::policy::LookupStats::default());
    assert!(set.last_lookup_error().is_none());
}
