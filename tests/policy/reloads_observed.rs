//! What observers are told of a file that is watched.

use std::fs;
use std::sync::Arc;
use std::sync::mpsc::channel;

use tollgate::observe::Observer;
use tollgate::policy::{PolicyReload, PolicySet, Watcher};

use crate::watching::{DEADLINE, Directory, NEVER, Teller, policy, replace};

#[test]
fn an_observer_that_panics_does_not_end_the_watching() {
    /// Panics whatever it is told.
    struct Trap;

    impl Observer for Trap {
        fn policies_reloaded(&self, _: &PolicyReload<'_>) {
            panic!("this is a test");
        }
    }

    let directory = Directory::new();
    let file = directory.file("policies.toml");
    fs::write(&file, policy("a")).unwrap();
    let (teller, told) = channel();
    let observers: Vec<Arc<dyn Observer>> = vec![Arc::new(Teller(teller)), Arc::new(Trap)];
    let set = Arc::new(PolicySet::new());
    let _watcher = Watcher::builder(&file).observer(Arc::new(observers)).poll(NEVER).start(&set).unwrap();
    for version in 1..4 {
        assert_eq!(told.recv_timeout(DEADLINE).unwrap(), Ok(version));
        replace(&file, &policy(&format!("p{version}")));
    }
}

#[cfg(feature = "metrics")]
#[test]
fn metrics_count_readings_and_say_when_the_last_was_applied() {
    use std::time::SystemTime;

    use metrics_util::debugging::{DebugValue, DebuggingRecorder};
    use tollgate::observe::MetricsObserver;

    /// The recorder of this test only, on whatever thread.
    struct Local(Arc<DebuggingRecorder>, MetricsObserver);

    impl Observer for Local {
        fn policies_reloaded(&self, reload: &PolicyReload<'_>) {
            metrics::with_local_recorder(&*self.0, || self.1.policies_reloaded(reload));
        }
    }

    let directory = Directory::new();
    let file = directory.file("policies.toml");
    fs::write(&file, policy("a")).unwrap();
    let recorder = Arc::new(DebuggingRecorder::new());
    let (teller, told) = channel();
    let local = Local(Arc::clone(&recorder), MetricsObserver::new(["a"]));
    let set = Arc::new(PolicySet::new());
    // The members of a tuple are told in their order.
    let watcher = Watcher::builder(&file).observer(Arc::new((local, Teller(teller)))).start(&set).unwrap();
    replace(&file, "no");
    assert_eq!(told.recv_timeout(DEADLINE).unwrap(), Ok(1));
    assert!(told.recv_timeout(DEADLINE).unwrap().is_err());

    let metrics: Vec<_> = recorder.snapshotter().snapshot().into_vec();
    let value = |name: &str, result: Option<&str>| {
        let is_meant = |key: &metrics::Key| {
            key.name() == name && key.labels().next().map(metrics::Label::value) == result
        };
        metrics.iter().find(|(key, ..)| is_meant(key.key())).map(|(.., value)| value)
    };
    let reloads = |result| value("tollgate_policy_reloads_total", Some(result));
    assert_eq!(reloads("applied"), Some(&DebugValue::Counter(1)));
    assert_eq!(reloads("failed"), Some(&DebugValue::Counter(1)));
    let applied = watcher.stats().last_applied.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let gauge = value("tollgate_policy_last_reload_success_timestamp_seconds", None);
    assert_eq!(gauge, Some(&DebugValue::Gauge(applied.into())));
}

#[cfg(feature = "tracing")]
#[test]
fn tracing_tells_of_what_came_in_force_and_of_what_did_not() {
    use std::io::{self, Write};
    use std::sync::Mutex;

    use tollgate::observe::TracingObserver;
    use tracing_subscriber::fmt::MakeWriter;

    /// A log in memory.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Log {
        type Writer = Log;

        fn make_writer(&'a self) -> Log {
            self.clone()
        }
    }

    /// The subscriber of this test only, on whatever thread.
    struct Local(Log);

    impl Observer for Local {
        fn policies_reloaded(&self, reload: &PolicyReload<'_>) {
            let subscriber = tracing_subscriber::fmt().with_writer(self.0.clone()).with_ansi(false).finish();
            tracing::subscriber::with_default(subscriber, || {
                TracingObserver::new().policies_reloaded(reload);
            });
        }
    }

    let directory = Directory::new();
    let file = directory.file("policies.toml");
    fs::write(&file, policy("a")).unwrap();
    let (log, (teller, told)) = (Log::default(), channel());
    let set = Arc::new(PolicySet::new());
    let observer = Arc::new((Local(log.clone()), Teller(teller)));
    let _watcher = Watcher::builder(&file).observer(observer).start(&set).unwrap();
    replace(&file, "no");
    assert_eq!(told.recv_timeout(DEADLINE).unwrap(), Ok(1));
    assert!(told.recv_timeout(DEADLINE).unwrap().is_err());

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let line = |level: &str| log.lines().find(|line| line.contains(level)).unwrap_or_default().to_owned();
    let (info, warn) =
        (line(" INFO tollgate: policies in force"), line(" WARN tollgate: policies not in force"));
    assert!(info.contains("policies.toml version=1 change=version 1 is in force; added: a"), "{log}");
    assert!(warn.contains("policies.toml error=") && warn.contains("line 1"), "{log}");
}
