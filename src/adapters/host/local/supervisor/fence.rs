//! The fence of a run, raised in its own mount namespace by pid 1.
//!
//! What it may write is copied first, as detached mounts; then every mount is made read-only; then what is to be seen where is
//! put there; then keys and sockets are covered. Nothing is held open afterwards: a run may look at its pid 1, and through a
//! descriptor it would come around the fence.

use super::error::{StageError, Trying};
use super::mounts::fd_path;
use crate::adapters::host::local::process::procfs::unescape;
use crate::adapters::host::local::protocol::{Fence, Mount};
use crate::adapters::os::nofollow;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, fchmod, fstat, openat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags, mount, mount_remount, move_mount, open_tree};
use std::collections::BTreeMap;
use std::ffi::{CStr, OsString};
use std::fs::{self, DirBuilder};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

/// What a closed folder shows: nothing, and nobody can write into it. The size is for the folders that lead to what is put there.
const CLOSED: &CStr = c"mode=0755,size=1m,nr_inodes=10k";

/// Everybody may write there, and delete what is theirs.
const SHARED: &CStr = c"mode=1777";

/// Where the devices are. Closed, it keeps the links that programs expect in it.
const DEVICES: &str = "/dev";

/// A `/proc` of which everything is seen and nothing can be written, in a closed `/dev`.
const WHOLE: &str = "/dev/.proc";

/// Those links, with where they lead to (as systemd and container engines make them).
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// What of `/proc` changes the machine, and whose owner is root in every user namespace that maps root to itself.
const OF_THE_MACHINE: [&str; 6] =
    ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi"];

/// A mount that is not anywhere yet.
struct Tree {
    place: PathBuf,
    tree: OwnedFd,
    folder: bool,
}

/// A part of the fence.
enum Step<'a> {
    Memory(&'a Path),
    Close(&'a Path),
    Put(Tree),
}

impl Step<'_> {
    fn place(&self) -> &Path {
        match self {
            Self::Memory(path) | Self::Close(path) => path,
            Self::Put(tree) => &tree.place,
        }
    }
}

/// Raises the fence around what `mounts` has mounted before.
pub(super) fn raise(fence: &Fence, mounts: &[Mount]) -> Result<(), StageError> {
    let mounted = mounts.iter().map(|made| match made {
        Mount::Overlay { target, .. } => target,
        Mount::Bind { to, .. } => to,
    });
    let mut trees = fence.writable.iter().chain(mounted).map(|path| copy(path, path)).collect::<Result<Vec<_>, _>>()?;
    let private = fence.private.iter().map(|(own, place)| {
        // As /tmp is for everybody, so that a run of root can give files to others; nobody else comes to it by its own path.
        let _ = nofollow::open(own, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
            .map(|folder| fchmod(folder, Mode::from_raw_mode(0o1777)));
        copy(own, place)
    });
    let private = private.collect::<Result<Vec<_>, _>>()?;
    seal_mounts()?;
    for path in &fence.readable {
        trees.push(copy(path, path)?);
    }
    let mut steps: Vec<Step<'_>> = private.into_iter().map(Step::Put).collect();
    steps.extend(fence.memory.iter().map(|path| Step::Memory(path)));
    steps.extend(fence.closed.iter().map(|path| Step::Close(path)));
    steps.extend(trees.into_iter().map(Step::Put));
    // What is inside of something else comes after it; of two at one place, what is to be seen comes last.
    steps.sort_by_key(|step| step.place().as_os_str().len());
    for step in steps {
        match step {
            Step::Memory(path) => {
                let made = DirBuilder::new().recursive(true).mode(0o755).create(path);
                made.trying(format_args!("make {}", path.display()))?;
                empty(path, SHARED)?;
            }
            Step::Close(path) => close(path)?,
            Step::Put(tree) => {
                make_place(&tree)?;
                mount_copy(tree)?;
            }
        }
    }
    mount_terminals();
    for path in &fence.closed {
        remount_read_only(path, MountFlags::NOSUID | MountFlags::NODEV).or_else(skip_absent)?;
    }
    fence.hidden.iter().try_for_each(|path| hide_file(path))
}

/// Gives the run terminals of its own, where the kernel does: through those of a person keys could be read and written.
fn mount_terminals() {
    let place = Path::new("/dev/pts");
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    if DirBuilder::new().recursive(true).create(place).is_ok() {
        let _ = mount("devpts", place, "devpts", flags, c"newinstance,ptmxmode=0666,mode=620");
    }
}

/// Makes read-only what of `/proc` root could change the machine with. For any other `/proc` the kernel wants one to be seen whole
/// (mount_namespaces(7)): there is one that is read-only, and so is whatever is mounted because of it.
pub(super) fn protect_machine() -> Result<(), StageError> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    if Path::new(WHOLE).exists() {
        mount("proc", WHOLE, "proc", flags, None).trying(format_args!("mount {WHOLE}"))?;
    }
    let there = OF_THE_MACHINE.map(Path::new).into_iter().filter(|path| path.exists());
    for path in there {
        mount_copy(copy(path, path)?)?;
        remount_read_only(path, MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC)?;
    }
    Ok(())
}

/// A detached copy of what is mounted at and below a path, to be seen at `place`.
fn copy(path: &Path, place: &Path) -> Result<Tree, StageError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(CWD, path, flags, Mode::empty()).and_then(|it| Ok((fstat(&it)?, it)));
    let (stat, it) = opened.trying(format_args!("open {}", path.display()))?;
    let folder = FileType::from_raw_mode(stat.st_mode).is_dir();
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = open_tree(it.as_fd(), "", flags | OpenTreeFlags::AT_RECURSIVE);
    let tree = tree.trying(format_args!("copy the mount of {}", path.display()))?;
    Ok(Tree { place: place.to_owned(), tree, folder })
}

/// Puts a copy where it is to be seen.
fn mount_copy(Tree { place, tree, .. }: Tree) -> Result<(), StageError> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(tree.as_fd(), "", CWD, &place, flags).trying(format_args!("mount {}", place.display()))
}

/// Makes every mount read-only but `/proc`, which is the run's own.
fn seal_mounts() -> Result<(), StageError> {
    let table = fs::read("/proc/self/mountinfo").trying("read the table of mounts")?;
    for (place, options) in find_topmost(&table) {
        let options: Vec<&[u8]> = options.split(|byte| *byte == b',').collect();
        if place == Path::new("/proc") || options.contains(&&b"ro"[..]) {
            continue;
        }
        // What a mount may not lose, it is given again (mount(2)); its way with times of access stays by itself.
        let known = [("nosuid", MountFlags::NOSUID), ("nodev", MountFlags::NODEV), ("noexec", MountFlags::NOEXEC)];
        let known = known.iter().filter(|(word, _)| options.contains(&word.as_bytes()));
        let flags = known.fold(MountFlags::empty(), |all, (_, flag)| all | *flag);
        remount_read_only(&place, flags).or_else(skip_absent)?;
    }
    Ok(())
}

/// Each place of a table of mounts with the options of what is seen there: what was mounted over something else comes later.
fn find_topmost<'t>(table: &'t [u8]) -> BTreeMap<PathBuf, &'t [u8]> {
    let lines = table.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let entry = |line: &'t [u8]| {
        // proc_pid_mountinfo(5): number, parent, device, root, place, options …
        let mut words = line.split(|byte| *byte == b' ').skip(4);
        Some((PathBuf::from(OsString::from_vec(unescape(words.next()?))), words.next()?))
    };
    lines.filter_map(entry).collect()
}

fn remount_read_only(place: &Path, keeps: MountFlags) -> Result<(), StageError> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | keeps;
    mount_remount(place, flags, "").trying(format_args!("make {} read-only", place.display()))
}

/// What cannot be reached by its path, a run cannot reach either.
fn skip_absent(e: StageError) -> Result<(), StageError> {
    let errno = if let StageError::System { source, .. } = &e { Errno::from_io_error(source) } else { None };
    match errno {
        Some(Errno::NOENT | Errno::ACCESS | Errno::NOTDIR | Errno::INVAL) => Ok(()),
        _ => Err(e),
    }
}

/// Lets nothing be seen of a folder.
fn close(path: &Path) -> Result<(), StageError> {
    empty(path, CLOSED)?;
    if path == Path::new(DEVICES) {
        DirBuilder::new().mode(0o755).create(WHOLE).trying(format_args!("make {WHOLE}"))?;
        for (name, target) in LINKS {
            symlink(target, path.join(name)).trying(format_args!("make {name} in {}", path.display()))?;
        }
    }
    Ok(())
}

/// Mounts an empty folder in memory over one; one that is not there, or is in what is covered already, needs nothing.
fn empty(path: &Path, options: &CStr) -> Result<(), StageError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let covered = match openat(CWD, path, flags, Mode::empty()) {
        Err(Errno::NOENT) => Ok(()),
        opened => opened.and_then(|folder| {
            mount("tmpfs", fd_path(&folder), "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, options)
        }),
    };
    covered.trying(format_args!("cover {}", path.display()))
}

/// Makes what a tree is mounted on, where that is not there: in something private or closed.
fn make_place(tree: &Tree) -> Result<(), StageError> {
    if fs::symlink_metadata(&tree.place).is_ok() {
        return Ok(());
    }
    let folder = if tree.folder { Some(tree.place.as_path()) } else { tree.place.parent() };
    let mut made = folder.map_or(Ok(()), |folder| DirBuilder::new().recursive(true).mode(0o755).create(folder));
    if !tree.folder {
        made = made.and_then(|()| fs::File::create_new(&tree.place).map(drop));
    }
    made.trying(format_args!("make {}", tree.place.display()))
}

/// Covers a file or a socket by nothing; one that is not there needs nothing.
fn hide_file(path: &Path) -> Result<(), StageError> {
    match fs::symlink_metadata(path) {
        Ok(meta) if !meta.is_dir() && !meta.is_symlink() => mount_copy(copy(Path::new("/dev/null"), path)?),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_mounts_at_one_place_the_last_is_seen() {
        let table = b"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / /dev/shm rw - tmpfs x rw\n3 2 0:3 / /dev/shm rw,nosuid - tmpfs x rw\n";
        let found: Vec<_> = find_topmost(table).into_iter().collect();
        assert_eq!(found, [("/".into(), &b"rw"[..]), ("/dev/shm".into(), b"rw,nosuid")]);
    }
}
