//! [`Cluster`]: three masters that share the slots, and perhaps a replica of each.

use std::time::Duration;

use super::ports::free_port;
use super::server::Server;
use super::wait_until;

const MASTERS: usize = 3;
const SLOTS: usize = 16_384;

/// Three masters, and a replica of each if there are replicas: node `n + 3` follows node `n`.
#[derive(Debug)]
pub(crate) struct Cluster {
    nodes: Vec<Server>,
    identities: Vec<String>,
}

impl Cluster {
    /// Three masters.
    pub(crate) fn start() -> Cluster {
        Cluster::with_nodes(MASTERS, Duration::from_secs(15))
    }

    /// Three masters with a replica each.
    pub(crate) fn with_replicas() -> Cluster {
        Cluster::with_nodes(2 * MASTERS, Duration::from_secs(1))
    }

    /// A node that does not answer for so long is taken for dead: soon where another is to take its place, and never on a busy machine
    /// where none can.
    fn with_nodes(count: usize, node_timeout: Duration) -> Cluster {
        let nodes: Vec<_> = (0..count).map(|_| start_node(node_timeout)).collect();
        let identities = nodes.iter().map(|node| node.say("CLUSTER MYID")).collect();
        let cluster = Cluster { nodes, identities };
        for (number, node) in cluster.nodes.iter().enumerate() {
            // Nodes that agree on nothing yet settle it by these numbers, which take long to find if all are alike.
            node.say::<()>(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1));
        }
        for (number, node) in cluster.nodes[..MASTERS].iter().enumerate() {
            let (first, end) = (number * SLOTS / MASTERS, (number + 1) * SLOTS / MASTERS);
            node.say::<()>(&format!("CLUSTER ADDSLOTSRANGE {first} {}", end - 1));
        }
        cluster.meet();
        for replica in MASTERS..count {
            let follow = format!("CLUSTER REPLICATE {}", cluster.identities[replica - MASTERS]);
            cluster.nodes[replica].say::<()>(&follow);
        }
        wait_until("replicas follow, and everybody knows all", || cluster.is_well());
        cluster
    }

    fn meet(&self) {
        let bus = |node: &Server| -> u16 {
            let (_, port): (String, u16) = node.say("CONFIG GET cluster-port");
            port
        };
        for node in &self.nodes[1..] {
            let meet = format!("CLUSTER MEET 127.0.0.1 {} {}", node.port(), bus(node));
            self.nodes[0].say::<()>(&meet);
        }
        wait_until("every node knows every other", || {
            let count = self.nodes.len().to_string();
            let knows_all = |node: &Server| {
                node.value_of("CLUSTER INFO", "cluster_known_nodes").is_some_and(|known| known == count)
            };
            self.nodes.iter().all(knows_all)
        });
    }

    fn is_well(&self) -> bool {
        let is_ok = |node: &Server| {
            node.value_of("CLUSTER INFO", "cluster_state").as_deref() == Some("ok")
                && node.value_of("CLUSTER INFO", "cluster_size") == Some(MASTERS.to_string())
        };
        let follows =
            |node: &Server| node.value_of("INFO replication", "master_link_status").as_deref() == Some("up");
        self.nodes.iter().all(is_ok) && self.nodes[MASTERS..].iter().all(follows)
    }

    /// Of all nodes.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }

    pub(crate) fn node(&self, number: usize) -> &Server {
        &self.nodes[number]
    }

    pub(crate) fn node_mut(&mut self, number: usize) -> &mut Server {
        &mut self.nodes[number]
    }

    /// Which master a slot belonged to when it began.
    pub(crate) fn first_owner(slot: usize) -> usize {
        (0..MASTERS).find(|number| slot < (number + 1) * SLOTS / MASTERS).expect("a slot is below 16384")
    }

    /// Asks the replica of a master to take its place, which it does in peace; waits until it has.
    pub(crate) fn fail_over(&self, master: usize) {
        let replica = &self.nodes[master + MASTERS];
        replica.say::<()>("CLUSTER FAILOVER");
        self.wait_until_replaced(master);
    }

    /// Waits until the replica of a master has taken its place.
    pub(crate) fn wait_until_replaced(&self, master: usize) {
        let replica = &self.nodes[master + MASTERS];
        wait_until("a replica takes its master's place", || {
            replica.value_of("INFO replication", "role").as_deref() == Some("master")
                && replica.value_of("CLUSTER INFO", "cluster_state").as_deref() == Some("ok")
        });
    }

    /// Says to both that a slot is on its way: its source answers `ASK` for keys that it no longer has.
    pub(crate) fn begin_migration(&self, slot: usize, from: usize, to: usize) {
        self.nodes[to].say::<()>(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", self.identities[from]));
        self.nodes[from].say::<()>(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", self.identities[to]));
    }

    /// Moves so many keys of a slot that is on its way, or all that it has by now. How many were moved.
    pub(crate) fn migrate_keys(&self, slot: usize, from: usize, to: usize, most: usize) -> usize {
        let keys: Vec<Vec<u8>> = self.nodes[from].say(&format!("CLUSTER GETKEYSINSLOT {slot} {most}"));
        if !keys.is_empty() {
            let mut migrate = redis::cmd("MIGRATE");
            migrate
                .arg("127.0.0.1")
                .arg(self.nodes[to].port())
                .arg("")
                .arg(0)
                .arg(5_000)
                .arg("KEYS")
                .arg(&keys);
            self.nodes[from].ask::<String>(&migrate).unwrap();
        }
        keys.len()
    }

    /// Says to all whose the slot is now.
    pub(crate) fn end_migration(&self, slot: usize, to: usize) {
        // The new owner is told first, or for a moment each would name the other.
        self.tell_owner(to, slot, to);
        for number in (0..MASTERS).filter(|number| *number != to) {
            self.tell_owner(number, slot, to);
        }
    }

    /// Says to one whose the slot is now.
    pub(crate) fn tell_owner(&self, told: usize, slot: usize, owner: usize) {
        let owner = &self.identities[owner];
        self.nodes[told].say::<()>(&format!("CLUSTER SETSLOT {slot} NODE {owner}"));
    }

    /// Moves a slot with all its keys, while they are in use.
    pub(crate) fn migrate(&self, slot: usize, from: usize, to: usize) {
        self.begin_migration(slot, from, to);
        while self.migrate_keys(slot, from, to, 10) > 0 {}
        self.end_migration(slot, to);
    }
}

fn start_node(node_timeout: Duration) -> Server {
    let line = [
        "save \"\"".to_owned(),
        "appendonly no".to_owned(),
        "repl-diskless-sync-delay 0".to_owned(),
        "cluster-enabled yes".to_owned(),
        "cluster-config-file nodes.conf".to_owned(),
        format!("cluster-node-timeout {}", node_timeout.as_millis()),
        // Not its usual place 10 000 above the port, where others may be.
        format!("cluster-port {}", free_port()),
        // Slots whose master is away leave the others alone.
        "cluster-require-full-coverage no".to_owned(),
        // A replica of a master that was busy for a moment may take its place all the same.
        "cluster-replica-validity-factor 0".to_owned(),
    ];
    Server::start(&line, None, &[])
}
