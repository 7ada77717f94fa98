//! What the fuzz target drives: sessions without a connection.

use super::reply::Replies;
use super::session::{Next, Session};
use super::throttle::write_answer;
use crate::clock::Clock;
use crate::server::caller::{Bounds, CallerLimits};

/// What a client that sends these bytes reads if its pieces arrive one by one; and how many requests were answered. Time stands still.
///
/// # Panics
///
/// If the service has a bug.
#[must_use]
#[expect(clippy::expect_used, reason = "fuzz targets are to see it")]
pub fn resp_answers<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, usize) {
    let (clock, _) = Clock::manual();
    let limits = CallerLimits::in_memory(Bounds::default(), clock).expect("bounds that are in range");
    let (mut session, mut replies, mut answered) = (Session::new(1), Replies::default(), 0);
    let mut input = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        let mut used = 0;
        while let Some((next, length)) = session.take(&input[used..], &mut replies) {
            assert!(length > 0, "a request of no bytes would be taken for ever");
            used += length;
            answered += 1;
            match next {
                Next::Answered => {}
                Next::Check(check) => {
                    write_answer(&limits.check_now(&check.key, check.limit, check.quantity), &mut replies);
                }
                Next::Info => replies.bulk(b""),
                Next::Close => return (replies.as_bytes().to_vec(), answered),
            }
        }
        input.drain(..used);
        assert!(input.len() <= super::request::MAX_REQUEST, "{} bytes are held", input.len());
    }
    (replies.as_bytes().to_vec(), answered)
}
