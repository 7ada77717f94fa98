//! What the fuzz target drives, and a test: sessions without a connection.

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
#[allow(unreachable_pub, reason = "fuzz targets reach it")]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// What requests are made of, and what breaks them.
    const PARTS: [&[u8]; 17] = [
        b"*5\r\n$11\r\nCL.THROTTLE\r\n$1\r\nk\r\n$1\r\n9\r\n$1\r\n1\r\n$1\r\n1\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n",
        b"CL.THROTTLE k 9 1 1 3\r\n",
        b"HELLO 3\r\n",
        b"INFO\r\n",
        b"COMMAND\n",
        b"ECHO \"a\\x41\"\r\n",
        b"*-1\r\n",
        b"\r\n",
        b"*2\r\n",
        b"$4\r\nPING\r\n",
        b"$9",
        b"'",
        b"\xff",
        b"*1\r\n$9999999\r\n",
        b"QUIT\r\n",
    ];

    #[test]
    fn bytes_are_answered_alike_however_they_are_cut() {
        let mut random = Random::new(8);
        for _ in 0..2_000 {
            let mut sent = Vec::new();
            for _ in 0..=random.below(12) {
                // The breaking parts are few among the others, so that most requests are met by what went well before.
                let part = if random.below(4) > 0 { random.index(8) } else { random.index(PARTS.len()) };
                sent.extend_from_slice(PARTS[part]);
            }
            let whole = resp_answers([&sent[..]]);
            let (first, second) = sent.split_at(random.index(sent.len() + 1));
            assert_eq!(whole, resp_answers([first, second]), "{}", sent.escape_ascii());
            assert_eq!(whole, resp_answers(sent.chunks(1)), "{}", sent.escape_ascii());
        }
    }
}
