//! Appending lines to a private file, which may be bounded.

use super::nofollow;
use rustix::fs::{Mode, OFlags};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file that only grows, mode 0600; with a bound its older half moves to a second file, whose content is given up then.
#[derive(Debug)]
pub struct Appender {
    file: File,
    path: PathBuf,
    bytes: u64,
    bound: Option<u64>,
}

impl Appender {
    /// Opens or makes it.
    ///
    /// # Errors
    /// The system's reason.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        // Where it is was said by whoever started us, with links on the way where they like them.
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        Self::of(file, path, None)
    }

    fn of(file: File, path: &Path, bound: Option<u64>) -> std::io::Result<Self> {
        let bytes = file.metadata()?.len();
        Ok(Self { file, path: path.to_owned(), bytes, bound })
    }

    /// Opens or makes it where no link leads; before a line would take it above `bound` bytes, it becomes `<name>.1` and a new one is begun. The
    /// two together never hold more than twice the bound, and one line.
    ///
    /// # Errors
    /// The system's reason.
    pub fn bounded(path: &Path, bound: u64) -> std::io::Result<Self> {
        Self::of(append(path)?, path, Some(bound))
    }

    /// Writes one line in one call.
    ///
    /// # Errors
    /// The system's reason.
    pub fn write_line(&mut self, text: &str) -> std::io::Result<()> {
        let line = format!("{text}\n");
        let more = line.len() as u64;
        if self.bound.is_some_and(|bound| self.bytes > 0 && self.bytes + more > bound) {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            std::fs::rename(&self.path, old)?;
            (self.file, self.bytes) = (append(&self.path)?, 0);
        }
        self.bytes += more;
        self.file.write_all(line.as_bytes())
    }
}

/// A log of ours: nothing is written through a link that somebody put there.
fn append(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NONBLOCK;
    nofollow::open(path, flags, Mode::RUSR | Mode::WUSR).map(File::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_file_keeps_the_newest_lines_in_two_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = Appender::bounded(&path, 20).unwrap();
        (0..10).for_each(|n| log.write_line(&format!("line {n}")).unwrap());
        drop(log);
        Appender::bounded(&path, 20).unwrap().write_line("line 10").unwrap();
        let text = |path: &Path| std::fs::read_to_string(path).unwrap();
        assert_eq!(text(&path), "line 10\n", "it goes on where it was");
        assert_eq!(text(&dir.path().join("log.1")), "line 8\nline 9\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
