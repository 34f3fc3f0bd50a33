//! Beginning and end of a log file, in bounded memory.

use crate::adapters::host::local::protocol::ERRORS;
use crate::adapters::os::files::open_untrusted;
use crate::domain::verify::formats::excerpt::left_out;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// The last `limit` bytes as text; bytes that are not UTF-8 are replaced. Empty when the file cannot be read.
pub fn of(path: &Path, limit: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = open_untrusted(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
}

/// The last of what a program printed, whose standard error may be a file beside `log`: at most `limit` bytes of each, output first.
pub fn of_both(log: &Path, limit: u64) -> String {
    let (output, errors) = (of(log, limit), of(&log.with_file_name(ERRORS), limit));
    let between = if output.is_empty() || output.ends_with('\n') || errors.is_empty() { "" } else { "\n" };
    format!("{output}{between}{errors}")
}

/// Gives a log in chunks of at most `size` bytes, from its beginning to its end.
///
/// # Errors
/// The system's reason.
pub fn read_chunks(path: &Path, size: usize, mut on_chunk: impl FnMut(&[u8])) -> std::io::Result<()> {
    let mut file = open_untrusted(path)?;
    let mut chunk = vec![0; size];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(()),
            n => on_chunk(&chunk[..n]),
        }
    }
}

/// The first `limit` bytes of a log, and whether there are more.
///
/// # Errors
/// The system's reason.
pub fn read_head(path: &Path, limit: u64) -> std::io::Result<(Vec<u8>, bool)> {
    let mut file = open_untrusted(path)?;
    let mut bytes = Vec::new();
    file.by_ref().take(limit).read_to_end(&mut bytes)?;
    Ok((bytes, file.metadata()?.len() > limit))
}

/// The whole log as text if it has at most `limit` bytes, else its beginning (a third of them) and its end with a line between
/// that says how much is missing: tools name the reason first and sum up last. Bytes that are not UTF-8 are replaced; empty
/// when the file cannot be read.
pub fn read_ends(path: &Path, limit: u64) -> String {
    let read = || -> std::io::Result<String> {
        let (mut start, more) = read_head(path, limit)?;
        if !more {
            return Ok(String::from_utf8_lossy(&start).into_owned());
        }
        let first = limit / 3;
        start.truncate(usize::try_from(first).unwrap_or(usize::MAX));
        let missing = open_untrusted(path)?.metadata()?.len().saturating_sub(limit);
        let mark = left_out(usize::try_from(missing).unwrap_or(usize::MAX));
        Ok(format!("{}{mark}{}", String::from_utf8_lossy(&start), of(path, limit - first)))
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_long_log_are_shown_and_a_short_one_whole() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("out.log");
        assert_eq!(read_ends(&log, 30), "");
        std::fs::write(&log, "reason 1\nreason 2\n").unwrap();
        assert_eq!(read_ends(&log, 30), "reason 1\nreason 2\n");
        std::fs::write(&log, format!("reason\n{}sum of it all\n", "noise\n".repeat(1_000))).unwrap();
        assert_eq!(read_ends(&log, 30), "reason\nnoi\n[… 5991 bytes left out …]\nnoise\nsum of it all\n");
    }
}
