//! What the file of an index says without git: how many entries it has, and which of them were written so late that a change
//! in the same second does not show.
//!
//! Format: `gitformat-index(5)`. Versions 2 and 3 are read; of any other nothing is known.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Signature, version and count.
const HEADER: usize = 12;

/// Times, device, inode, mode, owner, group and size, before the id of the object.
const STAT: usize = 40;

/// Entries are as long as a multiple of this.
const ALIGNED: usize = 8;

/// A second field of flags follows the first.
const EXTENDED: u16 = 0x4000;

/// How many entries an index says it has.
pub(super) fn entries(index: &Path) -> Option<u64> {
    let mut header = [0; HEADER];
    fs::File::open(index).ok()?.read_exact(&mut header).ok()?;
    header.starts_with(b"DIRC").then_some(())?;
    number(&header, 8).map(u64::from)
}

/// Paths of the files that changed in the second in which the index was written, or later. Git compares times in whole
/// seconds (unless it is built with `USE_NSEC`): a mode that such a file got in that second does not show. Every other file
/// has another time once it was changed. Absent when the index is of a form that is not read here. `id_length`: bytes of an
/// object's id.
pub(super) fn late_entries(index: &Path, id_length: usize) -> Option<Vec<PathBuf>> {
    let written = fs::symlink_metadata(index).ok()?.mtime();
    late_entries_of(&fs::read(index).ok()?, written, id_length)
}

fn late_entries_of(index: &[u8], written_s: i64, id_length: usize) -> Option<Vec<PathBuf>> {
    index.starts_with(b"DIRC").then_some(())?;
    let version = number(index, 4)?;
    (version == 2 || version == 3).then_some(())?;
    let (mut at, mut late) = (HEADER, Vec::new());
    for _ in 0..number(index, 8)? {
        let flags_at = at + STAT + id_length;
        let flags = u16::from_be_bytes(index.get(flags_at..flags_at + 2)?.try_into().ok()?);
        let name_at = flags_at + if flags & EXTENDED == 0 { 2 } else { 4 };
        let length = index.get(name_at..)?.iter().position(|byte| *byte == 0)?;
        if i64::from(number(index, at)?) >= written_s {
            let name = index.get(name_at..name_at + length)?;
            late.push(PathBuf::from(OsString::from_vec(name.to_vec())));
        }
        // At least one zero ends the name.
        at += (name_at + length - at + ALIGNED) / ALIGNED * ALIGNED;
    }
    Some(late)
}

/// A number of four bytes at a place.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn git(folder: &Path, args: &[&str]) {
        let done = Command::new("git").args(args).current_dir(folder).output();
        assert!(done.is_ok_and(|done| done.status.success()), "{args:?}");
    }

    /// The index of a repository with files whose names have every length up to 20 bytes, and its bytes.
    fn indexed(format: &str, version: &str) -> std::io::Result<(tempfile::TempDir, Vec<u8>)> {
        let folder = tempfile::tempdir()?;
        git(folder.path(), &["init", "-q", &format!("--object-format={format}")]);
        git(folder.path(), &["config", "index.version", version]);
        for length in 1..=20 {
            fs::write(folder.path().join("n".repeat(length)), "x")?;
        }
        git(folder.path(), &["add", "-A"]);
        if version == "3" {
            fs::write(folder.path().join("intended"), "x")?;
            git(folder.path(), &["add", "-N", "intended"]);
        }
        let index = fs::read(folder.path().join(".git/index"))?;
        Ok((folder, index))
    }

    #[test]
    fn late_entries_are_those_of_the_second_in_which_the_index_was_written() -> std::io::Result<()> {
        for (format, id_length, version, count) in
            [("sha1", 20, "2", 20), ("sha256", 32, "2", 20), ("sha1", 20, "3", 21)]
        {
            let (folder, index) = indexed(format, version)?;
            let meta = fs::metadata(folder.path().join("n"))?;
            let mut names = late_entries_of(&index, meta.ctime(), id_length).unwrap_or_default();
            names.retain(|name| name.as_os_str() != "intended");
            let mut wanted: Vec<PathBuf> = (1..=20).map(|length| PathBuf::from("n".repeat(length))).collect();
            wanted.sort();
            assert_eq!(names, wanted, "{format}");
            assert_eq!(late_entries_of(&index, meta.ctime() + 60, id_length), Some(Vec::new()));
            assert_eq!(entries(&folder.path().join(".git/index")), Some(count));
        }
        Ok(())
    }

    #[test]
    fn another_form_of_an_index_is_not_guessed_at() -> std::io::Result<()> {
        let (_folder, compressed) = indexed("sha1", "4")?;
        assert_eq!(late_entries_of(&compressed, 0, 20), None);
        let (_folder, index) = indexed("sha1", "2")?;
        assert_eq!(late_entries_of(index.get(..200).unwrap_or_default(), 0, 20), None, "cut off");
        assert_eq!(late_entries_of(b"nothing of the kind", 0, 20), None);
        Ok(())
    }
}
