//! How the service starts, what it bears, and how it ends.

use crate::node::Node;

#[test]
fn it_starts_on_a_free_port_says_which_and_answers() {
    let node = Node::start(&[]);
    let answer = node.get("/ping");
    assert_eq!((answer.status, answer.body.as_str()), (200, "pong"));
}
