//! What a run sees mounted in its own mount namespace, and whether that can be had here.
//!
//! Every folder is opened first, its last part never a link, and mounted through `/proc/self/fd`: no path is looked up twice, and
//! none has to be escaped for the options of a mount.

use super::namespace::{self, enter, settle};
use super::{BROKEN, flavour, limits, stage};
use crate::adapters::host::local::rundir::{Mount, SMALL, Settings, parse_settings};
use crate::adapters::os::files::{create_new, read_untrusted};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind};
use std::ffi::CString;
use std::fs::DirBuilder;
use std::io::{BufReader, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// What is said of a mount that works.
pub const MOUNTED: &str = "mounted";

/// Without `volatile` the end of each run would wait until the whole file system of `upper` is on the disk. With `userxattr` root
/// and others make the same layers. Both together need Linux 5.11.
const OPTIONS: &str = "userxattr,index=off,volatile";

/// Makes all of them, in their order.
pub(super) fn make_all(mounts: &[Mount]) -> Result<(), String> {
    mounts.iter().try_for_each(make)
}

fn make(wanted: &Mount) -> Result<(), String> {
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

/// Tries the mounts of a run file, each by itself: a line of standard output for each, [`MOUNTED`] or what went wrong; then its
/// fence, if there is one, with a line of its own.
pub(super) fn try_out(file: &Path) -> Result<u8, String> {
    let settings = settings(file)?;
    enter(flavour(settings.isolation).ok_or("no pid namespace")?)?;
    let (said, says) = std::io::pipe().map_err(|e| format!("make a pipe: {e}"))?;
    let (waits, mut gate) = std::io::pipe().map_err(|e| format!("make a pipe: {e}"))?;
    let mut init = stage(file.as_os_str(), "tried");
    let mut child = init.stdin(waits).stdout(says).spawn().map_err(|e| format!("start pid 1: {e}"))?;
    drop(init);
    let mut said = BufReader::new(said);
    loop {
        let line = namespace::answer(child.id(), &mut said, &mut gate)?;
        if line.is_empty() {
            break;
        }
        std::io::stdout().write_all(line.as_bytes()).map_err(|e| e.to_string())?;
    }
    let status = child.wait().map_err(|e| format!("wait for pid 1: {e}"))?;
    if let Some(fence) = settings.fence {
        let _ = limits::leave(&fence.caps, &settings.cookie);
    }
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(BROKEN))
}

/// As the pid 1 of such a trial.
pub(super) fn tried(file: &Path) -> Result<u8, String> {
    let settings = settings(file)?;
    let mut out = std::io::stdout();
    let mut say = |done: Result<(), String>| {
        let said = done.map_or_else(|why| why.replace('\n', " "), |()| MOUNTED.to_owned());
        writeln!(out, "{said}").map_err(|e| e.to_string())
    };
    let mut fenced = Ok(Vec::new());
    settle(|| {
        for wanted in &settings.mounts {
            say(make(wanted).and_then(|()| written(wanted)))?;
        }
        fenced = namespace::raise(&settings);
        Ok(())
    })?;
    if settings.fence.is_some() {
        let gaps = fenced.as_deref().unwrap_or_default().to_vec();
        gaps.into_iter().try_for_each(|gap| say(Err(gap)))?;
        say(fenced.and_then(|_| namespace::lock(&settings)))?;
    }
    Ok(0)
}

/// What the run file says.
pub(super) fn settings(file: &Path) -> Result<Settings, String> {
    let settings = read_untrusted(file, SMALL).as_deref().and_then(parse_settings);
    settings.ok_or_else(|| "the run file is incomplete".to_owned())
}

/// A mount that can be looked at and not be written to is none for a run.
fn written(made: &Mount) -> Result<(), String> {
    let place = match made {
        Mount::Overlay { target, .. } => target,
        Mount::Bind { to, .. } => to,
    };
    let file = place.join(format!(".mc-{:016x}", fastrand::u64(..)));
    let failed = |e: std::io::Error| format!("write into {}: {e}", place.display());
    create_new(&file, b"").map_err(failed)?;
    std::fs::remove_file(&file).map_err(failed)
}
