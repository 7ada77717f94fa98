//! [`open`]: a log file or standard input, plain or compressed, or a clear word on why not.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::progress::Progress;

/// Reading in larger pieces than the default saves system calls on long logs.
const BUFFER: usize = 64 * 1024;

/// The first bytes of every gzip file: rotated logs are usually compressed.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Opens `file` for reading, or standard input if it is `-`. What is compressed by gzip is unpacked.
///
/// # Errors
///
/// [`InputError`] when there is no such file or it cannot be read.
pub fn open(file: &str, progress: &Progress) -> Result<Box<dyn BufRead>, InputError> {
    let fail = |error| InputError { file: file.to_owned(), error };
    let input: Box<dyn Read> = if file == "-" {
        Box::new(progress.watch(io::stdin().lock(), None))
    } else {
        let opened = File::open(file).map_err(fail)?;
        // A pipe has no size.
        let size = opened.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
        Box::new(progress.watch(opened, size))
    };
    decoded(input).map_err(fail)
}

/// Unpacks what is compressed, which its first bytes tell. The first read also tells a directory from a file.
fn decoded(mut input: Box<dyn Read>) -> io::Result<Box<dyn BufRead>> {
    let mut start = Vec::new();
    input.by_ref().take(GZIP.len() as u64).read_to_end(&mut start)?;
    let compressed = start == GZIP;
    let whole = BufReader::with_capacity(BUFFER, io::Cursor::new(start).chain(input));
    if compressed {
        Ok(Box::new(BufReader::with_capacity(BUFFER, Gunzip(MultiGzDecoder::new(whole)))))
    } else {
        Ok(Box::new(whole))
    }
}

/// Unpacks gzip, and says in its errors that this is what failed.
struct Gunzip<R>(MultiGzDecoder<R>);

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            kind @ io::ErrorKind::UnexpectedEof => io::Error::new(
                kind,
                "the gzip data ends too early; was the file copied while it was written?",
            ),
            kind @ (io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => {
                io::Error::new(kind, format!("the gzip data is damaged ({error})"))
            }
            _ => error,
        })
    }
}

/// A log that cannot be read.
#[derive(Debug)]
pub struct InputError {
    file: String,
    error: io::Error,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        write!(f, "cannot read {file}: ")?;
        match self.error.kind() {
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
            _ => self.error.fmt(f),
        }
    }
}

impl std::error::Error for InputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
