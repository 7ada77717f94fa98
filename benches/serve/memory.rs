//! What live keys take.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;

use super::common::Outcome;
use super::common::table::Report;
use super::services::{Contender, Service, Workers};

/// Requests that are sent before their answers are read.
const AT_ONCE: usize = 1_000;

pub(crate) fn table(report: &mut Report, keys: usize) {
    report.head(&["memory", "at first", &format!("{keys} live keys"), "of which a key", "goal"]);
    for contender in [Contender::Tollgate, Contender::Throttlecrab] {
        let name = format!("{contender:?}").to_lowercase();
        match measure(contender, keys) {
            Ok([first, last]) => {
                let each = last.saturating_sub(first) / keys as u64;
                let goal = if contender == Contender::Tollgate { "100 MB" } else { "" };
                report.row(&[
                    name,
                    megabytes(first),
                    megabytes(last),
                    format!("{each} bytes"),
                    goal.to_owned(),
                ]);
            }
            Err(missing) => report.row(&[name, missing.to_string()]),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures of a bench")]
fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// Bytes before, and with so many keys that stay live for a day.
fn measure(contender: Contender, keys: usize) -> Outcome<[u64; 2]> {
    let service = Service::start(contender, Workers::Default)?;
    let first = service.resident_bytes()?;
    let command = match contender {
        Contender::Tollgate => "CL.THROTTLE",
        Contender::Throttlecrab => "THROTTLE",
    };
    let mut stream = TcpStream::connect(service.resp)?;
    for start in (0..keys).step_by(AT_ONCE) {
        let mut sent = String::new();
        let numbers = start..keys.min(start + AT_ONCE);
        let expected = numbers.len();
        for number in numbers {
            let key = format!("user:{number:012}");
            write!(
                sent,
                "*5\r\n${}\r\n{command}\r\n$17\r\n{key}\r\n$1\r\n9\r\n$2\r\n10\r\n$5\r\n86400\r\n",
                command.len()
            )?;
        }
        // Sent in full before anything is read: the service holds some, and the kernel the rest.
        let mut writing = stream.try_clone()?;
        let writer = std::thread::spawn(move || writing.write_all(sent.as_bytes()));
        read_answers(&mut stream, expected)?;
        writer.join().map_err(|_| "the writer panicked")??;
    }
    Ok([first, service.resident_bytes()?])
}

/// Reads so many arrays of five numbers.
fn read_answers(stream: &mut TcpStream, count: usize) -> Outcome<()> {
    let (mut lines, mut buffer) = (0, [0; 16 * 1024]);
    while lines < 6 * count {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err("the service does not answer".into());
        }
        lines += buffer[..read].split(|byte| *byte == b'\n').count() - 1;
    }
    Ok(())
}
