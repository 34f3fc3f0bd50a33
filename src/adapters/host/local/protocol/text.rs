//! Bytes of others as words of a run directory's files.

use super::error::RunError;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

pub(super) fn encode(what: &'static str, value: &OsStr) -> Result<String, RunError> {
    let mut text = String::with_capacity(value.len());
    for byte in value.as_bytes() {
        match byte {
            0 => return Err(RunError::Nul { what }),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'/' | b'-' | b':' | b'=' | b',' | b'+' => {
                text.push(char::from(*byte));
            }
            other => text += &format!("\\0{other:03o}"),
        }
    }
    Ok(text)
}

pub(super) fn decode(text: &str) -> OsString {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let octal = tail.get(1..4).and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 8).ok());
        match octal.filter(|_| *first == b'\\') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[4..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes)
}
