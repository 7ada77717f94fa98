//! [`Sentinels`]: a master, its replicas, and those that watch over them.

use super::server::Server;
use super::{Standalone, wait_until};

/// A master, two replicas and three sentinels.
#[derive(Debug)]
pub(crate) struct Sentinels {
    /// The first was the master when it began.
    servers: Vec<Standalone>,
    sentinels: Vec<Server>,
}

impl Sentinels {
    /// By what name the sentinels know the master.
    pub(crate) const MASTER: &'static str = "mymaster";

    /// Starts all, and waits until each knows the others.
    pub(crate) fn start() -> Sentinels {
        let master = Standalone::start();
        let replica_of = format!("replicaof 127.0.0.1 {}", master.port());
        let replicas = [(); 2].map(|()| Standalone::builder().line(&replica_of).start());
        let name = Sentinels::MASTER;
        // Two of three must agree. The times are short, so that a test is.
        let watch = [format!(
            "sentinel monitor {name} 127.0.0.1 {} 2\n\
             sentinel down-after-milliseconds {name} 500\n\
             sentinel failover-timeout {name} 3000\n\
             sentinel parallel-syncs {name} 2",
            master.port()
        )];
        let sentinels = Vec::from([(); 3].map(|()| Server::start(&watch, None, &["--sentinel"])));
        let mut servers = vec![master];
        servers.extend(replicas);
        let all = Sentinels { servers, sentinels };
        wait_until("each sentinel knows all others", || all.know_each_other());
        all
    }

    /// Of the sentinels.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Server::url).collect()
    }

    /// Which server is the master, as most sentinels have it.
    pub(crate) fn master(&self) -> usize {
        let votes = |server: &Standalone| {
            self.sentinels.iter().filter(|sentinel| master_port(sentinel) == Some(server.port())).count()
        };
        self.servers.iter().position(|server| votes(server) >= 2).expect("the sentinels agree on a master")
    }

    pub(crate) fn server(&self, number: usize) -> &Standalone {
        &self.servers[number]
    }

    pub(crate) fn server_mut(&mut self, number: usize) -> &mut Standalone {
        &mut self.servers[number]
    }

    /// Asks for another master, and does not wait for it.
    pub(crate) fn fail_over(&self) {
        self.sentinels[0].say::<()>(&format!("SENTINEL FAILOVER {}", Sentinels::MASTER));
    }

    /// Waits until another than this is the master: the sentinels say so, and it does.
    pub(crate) fn wait_for_another_master(&self, than: usize) {
        let others: Vec<_> = (0..self.servers.len()).filter(|&number| number != than).collect();
        wait_until("a replica is the master, and all sentinels know it", || {
            others.iter().any(|&number| {
                let server = &self.servers[number];
                self.sentinels.iter().all(|sentinel| master_port(sentinel) == Some(server.port()))
                    && server.value_of("INFO replication", "role").as_deref() == Some("master")
            })
        });
    }

    fn know_each_other(&self) -> bool {
        self.sentinels.iter().all(|sentinel| {
            let state = sentinel.value_of("INFO sentinel", "master0").unwrap_or_default();
            state.contains("status=ok,") && state.ends_with(",slaves=2,sentinels=3")
        }) && self.servers[1..].iter().all(|replica| {
            replica.value_of("INFO replication", "master_link_status").as_deref() == Some("up")
        })
    }
}

fn master_port(sentinel: &Server) -> Option<u16> {
    let question = format!("SENTINEL GET-MASTER-ADDR-BY-NAME {}", Sentinels::MASTER);
    let (_, port): (String, u16) = sentinel.ask(&super::server::question(&question)).ok()?;
    Some(port)
}
