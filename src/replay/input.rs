//! [`open`]: a log file or standard input, or a clear word on why not.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

/// Reading in larger pieces than the default saves system calls on long logs.
const BUFFER: usize = 64 * 1024;

/// The first bytes of every gzip file: rotated logs are usually compressed.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Opens `file` for reading, or standard input if it is `-`.
///
/// # Errors
///
/// [`InputError`] when there is no such file, it cannot be read, or it is compressed.
pub fn open(file: &str) -> Result<Box<dyn BufRead>, InputError> {
    let fail = |problem| InputError { file: file.to_owned(), problem };
    let mut input: Box<dyn BufRead> = if file == "-" {
        Box::new(io::stdin().lock())
    } else {
        let opened = File::open(file).map_err(|error| fail(InputProblem::Io(error)))?;
        Box::new(BufReader::with_capacity(BUFFER, opened))
    };
    // The first read also tells a directory from a file.
    let start = input.fill_buf().map_err(|error| fail(InputProblem::Io(error)))?;
    if start.starts_with(&GZIP) {
        return Err(fail(InputProblem::Gzip));
    }
    Ok(input)
}

/// A log that cannot be read.
#[derive(Debug)]
pub struct InputError {
    file: String,
    problem: InputProblem,
}

/// What is wrong with it.
#[derive(Debug)]
#[non_exhaustive]
pub enum InputProblem {
    /// The system cannot read it.
    Io(io::Error),
    /// It is compressed.
    Gzip,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        write!(f, "cannot read {file}: ")?;
        let error = match &self.problem {
            InputProblem::Gzip => {
                return write!(f, "it is compressed; unpack it: gzip -dc {file} | tollgate replay - ...");
            }
            InputProblem::Io(error) => error,
        };
        match error.kind() {
            io::ErrorKind::NotFound => {
                f.write_str("there is no such file; check the path, or give - for standard input")
            }
            io::ErrorKind::PermissionDenied => {
                write!(
                    f,
                    "permission denied; pipe it in as a user who may: sudo cat {file} | tollgate replay - ..."
                )
            }
            io::ErrorKind::IsADirectory => {
                write!(
                    f,
                    "it is a directory; give one file, or pipe several in, oldest first: cat ... | tollgate replay - ..."
                )
            }
            _ => error.fmt(f),
        }
    }
}

impl std::error::Error for InputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            InputProblem::Io(error) => Some(error),
            InputProblem::Gzip => None,
        }
    }
}
