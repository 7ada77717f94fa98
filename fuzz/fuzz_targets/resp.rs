//! Any bytes from a client of the service's RESP port: they are answered alike however they are cut, in frames that a client can read.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none resp -- -max_total_time=60`
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_protocol::resp2;
use redis_protocol::resp3;
use tollgate::server::resp_answers;

fuzz_target!(|sent: (Vec<u8>, Vec<u8>)| {
    let (mut first, second) = sent;
    let apart = resp_answers([&first[..], &second[..]]);
    let cut = first.len();
    first.extend_from_slice(&second);
    let (answers, answered) = resp_answers([&first[..]]);
    assert_eq!(apart, (answers.clone(), answered), "cut after {cut} bytes");
    assert_eq!(apart, resp_answers(first.chunks(1)), "byte by byte");

    let (mut rest, mut frames) = (&answers[..], 0);
    while !rest.is_empty() {
        // RESP3 has all frames of RESP2 but its nil.
        let used = match resp3::decode::complete::decode(rest) {
            Ok(Some((_, used))) => used,
            _ => resp2::decode::decode(rest).unwrap().expect("a whole frame").1,
        };
        rest = &rest[used..];
        frames += 1;
    }
    // Empty requests get no answer.
    assert!(frames <= answered);
});
