//! That the servers of the tests are what they should be.

use crate::servers::{Cluster, Sentinels, Standalone};

#[test]
fn a_server_that_is_killed_starts_again_empty_on_its_port() {
    let mut server = Standalone::start();
    server.say::<()>("SET a 1");
    let url = server.url();
    server.kill();
    server.restart();
    assert_eq!(server.say::<u64>("DBSIZE"), 0);
    assert_eq!(server.url(), url);
}

#[test]
fn a_server_with_a_password_answers_nobody_else() {
    let server = Standalone::builder().password("open-sesame").start();
    assert_eq!(server.say::<String>("PING"), "PONG");
    let stranger = redis::Client::open(format!("redis://{}/", server.address())).unwrap();
    let refused = stranger.get_connection().and_then(|mut c| redis::cmd("PING").query::<String>(&mut c));
    assert_eq!(refused.unwrap_err().code(), Some("NOAUTH"));
}

#[test]
fn sentinels_replace_a_master_that_was_killed() {
    let mut all = Sentinels::start();
    assert_eq!(all.master(), 0);
    all.server_mut(0).kill();
    all.wait_for_another_master(0);
    assert_ne!(all.master(), 0);
    assert_eq!(all.urls().len(), 3);
    let master = all.master();
    assert_eq!(all.server(master).say::<String>("SET a 1"), "OK");
}

#[test]
fn a_slot_of_a_cluster_moves_with_its_keys() {
    let cluster = Cluster::start();
    let slot: usize = cluster.node(0).say("CLUSTER KEYSLOT a");
    let owner = Cluster::first_owner(slot);
    cluster.node(owner).say::<()>("SET a 1");
    let other = (owner + 1) % 3;
    cluster.migrate(slot, owner, other);
    assert_eq!(cluster.node(other).say::<u64>("GET a"), 1);
    assert_eq!(cluster.urls().len(), 3);
}

#[test]
fn a_replica_takes_its_masters_place_in_peace_and_in_war() {
    let mut cluster = Cluster::with_replicas();
    cluster.fail_over(0);
    cluster.node_mut(1).kill();
    cluster.wait_until_replaced(1);
}
