//! What a run sees mounted in its own mount namespace.
//!
//! Every folder is opened first, its last part never a link, and mounted through `/proc/self/fd`: no path is looked up twice, and
//! none has to be escaped for the options of a mount.

use super::error::{StageError, Trying};
use crate::adapters::host::local::protocol::Mount;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::{MountFlags, mount, mount_bind};
use std::ffi::CString;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Without `volatile` the end of each run would wait until the whole file system of `upper` is on the disk. With `userxattr` root
/// and others make the same layers. Both together need Linux 5.11.
const OPTIONS: &str = "userxattr,index=off,volatile";

/// Makes one.
pub(super) fn make(wanted: &Mount) -> Result<(), StageError> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    match wanted {
        Mount::Bind { from, to } => {
            let (from_fd, to_fd) = (open(from)?, open(to)?);
            let made = mount_bind(fd_path(&from_fd), fd_path(&to_fd));
            made.trying(format_args!("mount {} at {}", from.display(), to.display()))
        }
        Mount::Overlay { target, upper, work, lowers } => {
            match DirBuilder::new().mode(0o700).create(work) {
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                made => made.trying(format_args!("make {}", work.display()))?,
            }
            let lowers: Vec<OwnedFd> = lowers.iter().map(|path| open(path)).collect::<Result<_, _>>()?;
            let (target_fd, upper, work) = (open(target)?, open(upper)?, open(work)?);
            let below: Vec<String> = lowers.iter().map(fd_path).collect();
            let (upper, work, below) = (fd_path(&upper), fd_path(&work), below.join(":"));
            let tried = format!("mount an overlay at {}", target.display());
            let data = format!("lowerdir={below},upperdir={upper},workdir={work},{OPTIONS}");
            let data = CString::new(data).trying(&tried)?;
            mount("overlay", fd_path(&target_fd), "overlay", flags, Some(data.as_c_str())).trying(&tried)
        }
    }
}

fn open(path: &Path) -> Result<OwnedFd, StageError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).trying(format_args!("open {}", path.display()))
}

pub(super) fn fd_path(folder: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", folder.as_raw_fd())
}
