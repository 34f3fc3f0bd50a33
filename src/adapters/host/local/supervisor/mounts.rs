//! What a run sees mounted in its own mount namespace.
//!
//! Every folder is opened first, its last part never a link, and mounted through `/proc/self/fd`: no path is looked up twice, and
//! none has to be escaped for the options of a mount.

use crate::adapters::host::local::protocol::Mount;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind};
use std::ffi::CString;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Without `volatile` the end of each run would wait until the whole file system of `upper` is on the disk. With `userxattr` root
/// and others make the same layers. Both together need Linux 5.11.
const OPTIONS: &str = "userxattr,index=off,volatile";

/// Makes all of them, in their order.
pub(super) fn make_all(mounts: &[Mount]) -> Result<(), String> {
    mounts.iter().try_for_each(make)
}

/// Makes one.
pub(super) fn make(wanted: &Mount) -> Result<(), String> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    match wanted {
        Mount::Bind { from, to } => {
            let (from_fd, to_fd) = (open(from)?, open(to)?);
            let failed = |e| format!("mount {} at {}: {e}", from.display(), to.display());
            mount_bind(through(&from_fd), through(&to_fd)).map_err(failed)
        }
        Mount::Overlay { target, upper, work, lowers } => {
            match DirBuilder::new().mode(0o700).create(work) {
                Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(format!("make {}: {e}", work.display())),
                _ => {}
            }
            let lowers: Vec<OwnedFd> = lowers.iter().map(|path| open(path)).collect::<Result<_, _>>()?;
            let (target_fd, upper, work) = (open(target)?, open(upper)?, open(work)?);
            let below: Vec<String> = lowers.iter().map(through).collect();
            let (upper, work, below) = (through(&upper), through(&work), below.join(":"));
            let data = CString::new(format!("lowerdir={below},upperdir={upper},workdir={work},{OPTIONS}"));
            let data = data.map_err(|e| e.to_string())?;
            let failed = |e: Errno| format!("mount an overlay at {}: {e}", target.display());
            mount("overlay", through(&target_fd), "overlay", flags, Some(data.as_c_str())).map_err(failed)
        }
    }
}

fn open(path: &Path) -> Result<OwnedFd, String> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).map_err(|e| format!("open {}: {e}", path.display()))
}

pub(super) fn through(folder: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", folder.as_raw_fd())
}
