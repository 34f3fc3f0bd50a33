//! Facts about this machine and its programs: disk, memory, processors, user, what is on the PATH. Reads only, but for
//! folders of its own that vanish again.

use rustix::fs::Access;
use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Name of this machine, as the kernel knows it.
pub fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Kernel, its release and the architecture of this machine: `Linux 6.1.0 x86_64`.
pub fn describe_system() -> String {
    let system = rustix::system::uname();
    let words = [system.sysname(), system.release(), system.machine()].map(|word| word.to_string_lossy());
    words.join(" ")
}

/// Processes that ran or wanted to in the last minute, on average, in hundredths (proc_loadavg(5)).
pub fn read_load() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    let (whole, hundredths) = text.split_whitespace().next()?.split_once('.')?;
    Some(whole.parse::<u64>().ok()?.saturating_mul(100).saturating_add(hundredths.parse().ok()?))
}

/// Bytes that may still be written where `path`, or the nearest folder above it that exists, is.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let there = path.ancestors().find(|dir| dir.exists())?;
    let system = rustix::fs::statvfs(there).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

/// Whether so little may be written where `path` is that a small file or two do not fit.
pub fn no_room(path: &Path) -> bool {
    free_bytes(path).is_some_and(|bytes| bytes < 64 << 10)
}

/// How many more files may be made where `path` is; absent where the file system does not say.
pub fn free_inodes(path: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(path).ok()?;
    (system.f_files > 0).then_some(system.f_favail)
}

/// Memory that programs could still get, in bytes (`MemAvailable` of proc_meminfo(5)).
pub fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.saturating_mul(1024))
}

/// Whether the system tells of its processes.
pub fn has_procfs() -> bool {
    Path::new("/proc/self/stat").exists()
}

/// The longest file this process may write, where there is a limit.
pub fn file_size_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current
}

/// Processors this process may use.
pub fn count_processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Number of the user this process runs as; 0 is root.
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The home of this user as the system knows it (passwd(5)), whatever HOME says.
pub fn known_home() -> Option<PathBuf> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let own = user().to_string();
    let home = users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(2) == Some(&own.as_str())).then(|| fields.get(5).copied()).flatten()
    });
    home.filter(|home| home.len() > 1 && home.starts_with('/')).map(PathBuf::from)
}

/// Whether this user may make files in a folder.
pub fn may_write(folder: &Path) -> bool {
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Whether others than the owner may read a folder.
pub fn open_to_others(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
}

/// The file a program's name leads to: itself when it has a folder, else the first executable of that name on `path`.
pub fn find_program(name: &str, path: &OsStr, cwd: &Path) -> Option<PathBuf> {
    let runs = |file: &Path| file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    if name.contains('/') {
        return Some(cwd.join(name)).filter(|file| runs(file));
    }
    std::env::split_paths(path).map(|dir| cwd.join(dir).join(name)).find(|file| runs(file))
}

/// A private folder that is removed with everything in it.
#[derive(Debug)]
pub struct Scratch {
    dir: TempDir,
    path: PathBuf,
}

impl Scratch {
    /// Makes it below `parent`, which is made when absent (mode 0700).
    ///
    /// # Errors
    /// The system's reason.
    pub fn create_in(parent: &Path) -> std::io::Result<Self> {
        super::files::make_private_dir(parent)?;
        Self::create_named("try-", parent)
    }

    /// Makes it below the folder for temporary files; its name begins so.
    ///
    /// # Errors
    /// The system's reason.
    pub fn new(prefix: &str) -> std::io::Result<Self> {
        Self::create_named(prefix, &std::env::temp_dir())
    }

    fn create_named(prefix: &str, parent: &Path) -> std::io::Result<Self> {
        let private = Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new().prefix(prefix).permissions(private).tempdir_in(parent)?;
        let path = dir.path().canonicalize()?;
        Ok(Self { dir, path })
    }

    /// Leaves it where it is.
    pub fn keep(mut self) {
        self.dir.disable_cleanup(true);
    }

    /// Its real path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, and the folders of `parents` that are empty then, in this order.
    ///
    /// # Errors
    /// The system's reason, when something of it cannot be removed.
    pub fn remove(self, parents: &[PathBuf]) -> std::io::Result<()> {
        self.dir.close()?;
        for parent in parents {
            if std::fs::remove_dir(parent).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Bits of mode that new files and folders do not get (umask(2)), as the kernel tells it without changing it.
pub fn read_umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let told = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    told.and_then(|digits| u32::from_str_radix(digits.trim(), 8).ok()).unwrap_or(0o022)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_seen() {
        assert!(free_bytes(Path::new("/no/such/folder")).is_some_and(|bytes| bytes > 0));
        assert!(free_memory().is_some_and(|bytes| bytes > 1 << 20) && count_processors() > 0);
        let path = OsStr::new("/usr/bin:/bin");
        assert!(find_program("sh", path, Path::new("/")).is_some());
        assert!(find_program("no-such-program", path, Path::new("/")).is_none());
        assert!(
            find_program("bin/sh", path, Path::new("/")).is_some()
                && find_program("/etc/passwd", path, Path::new("/")).is_none()
        );
    }

    #[test]
    fn a_scratch_folder_leaves_nothing() {
        let home = tempfile::tempdir().expect("a folder");
        let (state, parent) = (home.path().join("state"), home.path().join("state/scratch"));
        let scratch = Scratch::create_in(&parent).expect("a scratch folder");
        assert!(scratch.path().is_dir() && !open_to_others(scratch.path()));
        scratch.remove(&[parent, state.clone()]).expect("removed");
        assert!(!state.exists() && home.path().exists());
    }
}
