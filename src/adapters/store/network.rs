//! Which file systems live on another machine: SQLite's WAL and the engine's lock cannot be trusted there.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Name of the network file system that holds `path`; `None` on a local one.
pub(super) fn kind(path: &Path) -> std::io::Result<Option<String>> {
    let system = rustix::fs::statfs(path)?;
    // f_type is signed and of different widths; the magic numbers are 32 bits.
    #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "only the low 32 bits count")]
    let magic = system.f_type as u32;
    Ok(network_name(magic, || mount_type(path)))
}

/// `FUSE_SUPER_MAGIC` of linux/magic.h.
const FUSE: u32 = 0x6573_5546;

/// File systems that live on another machine or are shared by several. Numbers: linux/magic.h, and for those that are
/// not in the kernel's tree the list in coreutils' src/stat.c (checked against gnulib's and coreutils' own remote list).
const NETWORK: &[(u32, &str)] = &[
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x0102_1997, "9p"),
    (0x00C3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x564C, "NCP"),
    (0x7461_636F, "OCFS2"),
    (0x0116_1970, "GFS2"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0xAAD7_AAEA, "PanFS"),
    (0x6163_6673, "ACFS"),
    (0x0131_11A8, "IBRIX"),
    (0xBEEF_DEAD, "SNFS"),
    (0x786F_4256, "vboxsf"),
    (0xBACB_ACBC, "vmhgfs"),
    (0x7C7C_6673, "prl_fs"),
];

/// Name of the network file system with this magic number. All FUSE file systems share one number: only those whose
/// mount type is known to be local pass, since sshfs, s3fs, rclone and the like cannot be listed to the end.
fn network_name(magic: u32, mount_type: impl FnOnce() -> Option<String>) -> Option<String> {
    if magic == FUSE {
        let kind = mount_type().unwrap_or_else(|| "FUSE".to_owned());
        let local = ["fuseblk", "fuse.ntfs-3g", "fuse.fuse-overlayfs"].contains(&kind.as_str());
        return (!local).then_some(kind);
    }
    NETWORK.iter().find(|(number, _)| *number == magic).map(|(_, name)| (*name).to_owned())
}

/// Type of the file system that holds `path`, from `/proc/self/mountinfo` (proc(5): field 3 is major:minor, the type
/// follows the `-`).
fn mount_type(path: &Path) -> Option<String> {
    let dev = path.metadata().ok()?.dev();
    let wanted = format!("{}:{}", rustix::fs::major(dev), rustix::fs::minor(dev));
    let text = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = text.lines().rfind(|line| line.split(' ').nth(2) == Some(&wanted))?;
    Some(line.split_once(" - ")?.1.split(' ').next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_number_and_fuse_by_mount_type() {
        let never = || -> Option<String> { unreachable!() };
        assert_eq!(network_name(0x6969, never).as_deref(), Some("NFS"));
        assert_eq!(network_name(0xFF53_4D42, never).as_deref(), Some("CIFS"));
        assert_eq!(network_name(0x0102_1997, never).as_deref(), Some("9p"));
        for local in [0xEF53, 0x9123_683E, 0x0102_1994, 0x5846_5342, 0x794c_7630] {
            assert_eq!(network_name(local, never), None);
        }
        assert_eq!(network_name(FUSE, || Some("fuse.sshfs".to_owned())).as_deref(), Some("fuse.sshfs"));
        assert_eq!(network_name(FUSE, || None).as_deref(), Some("FUSE"));
        assert_eq!(network_name(FUSE, || Some("fuseblk".to_owned())), None);
    }

    #[test]
    fn the_mount_type_of_proc_is_proc() {
        assert_eq!(mount_type(Path::new("/proc")).as_deref(), Some("proc"));
    }
}
