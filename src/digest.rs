//! [`digest`]: what stands in a store for what is secret or long.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The SHA-256, in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing into a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
