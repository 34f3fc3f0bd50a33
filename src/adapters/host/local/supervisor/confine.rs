//! The fence of a run where nobody mounts anything for it: rules of Landlock (landlock(7)), which the program gives itself before
//! it begins.
//!
//! Rules only ever allow, for a folder with all that is in it. What is hidden is therefore what nothing beside it reaches: every
//! folder on the way to it is allowed entry by entry. A name made later beside something hidden cannot be opened.

use super::error::StageError;
use super::limits;
use crate::adapters::host::local::protocol::{ERRORS, Fence, OUTPUT};
use crate::domain::fence::DEVICES;
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    Scope, path_beneath_rules,
};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The oldest that can keep a file from being cut off (`truncate`), and lets files move between folders.
const OLDEST: ABI = ABI::V3;

/// Since this one signals and abstract sockets of others can be out of reach.
const SCOPES: ABI = ABI::V6;

/// Where the devices are.
const DEV: &str = "/dev";

/// What root can do to a machine beside its files (capabilities(7)).
const OF_THE_MACHINE: [CapabilitySet; 12] = [
    CapabilitySet::SYS_ADMIN,
    CapabilitySet::SYS_MODULE,
    CapabilitySet::SYS_BOOT,
    CapabilitySet::SYS_TIME,
    CapabilitySet::SYS_RAWIO,
    CapabilitySet::SYS_PTRACE,
    CapabilitySet::SYS_RESOURCE,
    CapabilitySet::NET_ADMIN,
    CapabilitySet::MKNOD,
    CapabilitySet::SYSLOG,
    CapabilitySet::BPF,
    CapabilitySet::PERFMON,
];

/// What is allowed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rules {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
}

/// What nothing may reach, with the folders on the way to it. Each is known by what it is: a folder may be mounted at a second
/// place, and a rule holds wherever its folder is seen.
#[derive(Debug, Default)]
struct HiddenPaths {
    own: HashSet<(u64, u64)>,
    above: HashSet<(u64, u64)>,
}

impl HiddenPaths {
    fn of<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> Self {
        let mut kept = Self::default();
        for path in paths {
            kept.own.extend(identity(path));
            kept.above.extend(path.ancestors().skip(1).filter_map(identity));
        }
        kept
    }

    /// Allows a path, but for what is kept.
    fn allow(&self, path: &Path, allowed: &mut Vec<PathBuf>) {
        if !identity(path).is_some_and(|id| self.own.contains(&id)) {
            self.allow_inside(path, allowed);
        }
    }

    /// Allows what is in a path, but for what is kept inside of it.
    fn allow_inside(&self, path: &Path, allowed: &mut Vec<PathBuf>) {
        if !self.is_above(path) {
            allowed.push(path.to_owned());
            return;
        }
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            // A link is followed by whoever opens it, to what is allowed for itself.
            if entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
                self.allow(&entry.path(), allowed);
            }
        }
    }

    fn is_above(&self, path: &Path) -> bool {
        identity(path).is_some_and(|id| self.above.contains(&id))
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

impl Rules {
    fn of(fence: &Fence) -> Self {
        let kept = HiddenPaths::of(fence.closed.iter().chain(&fence.hidden));
        let mut rules = Self::default();
        kept.allow(Path::new("/"), &mut rules.read);
        fence.readable.iter().for_each(|path| kept.allow_inside(path, &mut rules.read));
        // What is only to be read stays so inside of what may be written.
        let shut = HiddenPaths::of(fence.closed.iter().chain(&fence.hidden).chain(&fence.readable));
        fence.writable.iter().for_each(|path| shut.allow_inside(path, &mut rules.write));
        // Nobody has folders of temporary files for himself here. One with something in it that is kept stays shut.
        let shared = fence.private.iter().map(|(_, place)| place).chain(&fence.memory);
        rules.write.extend(shared.filter(|place| !shut.is_above(place)).cloned());
        match fence.closed.iter().any(|path| path == Path::new(DEV)) {
            // Nobody puts a link there, as where /dev is mounted anew.
            true => rules.write.extend(DEVICES.iter().chain(&["/dev/ptmx"]).map(PathBuf::from)),
            false => shut.allow_inside(Path::new(DEV), &mut rules.write),
        }
        rules
    }
}

/// Gives this process the fence of a run file, with the logs beside that file; what of its limits does not hold.
pub(super) fn confine(fence: &Fence, file: &Path) -> Result<Vec<String>, StageError> {
    let mut rules = Rules::of(fence);
    // `/dev/stdout` is opened anew by whoever names it.
    rules.write.extend([OUTPUT, ERRORS].map(|log| file.with_file_name(log)).into_iter().filter(|log| log.exists()));
    restrict(&rules)?;
    // Files are not all that root can change. Who is not root has none of these.
    for right in OF_THE_MACHINE {
        let _ = remove_capability_from_bounding_set(right);
    }
    Ok(limits::take_alone(&fence.caps))
}

fn restrict(rules: &Rules) -> Result<(), StageError> {
    let read = AccessFs::from_read(OLDEST);
    // A device of one's own would lead around everything.
    let write = AccessFs::from_all(OLDEST) & !(AccessFs::MakeBlock | AccessFs::MakeChar);
    let list: BitFlags<AccessFs> = AccessFs::ReadDir.into();
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let ruleset = ruleset.handle_access(AccessFs::from_all(OLDEST))?;
    let ruleset = ruleset.set_compatibility(CompatLevel::BestEffort).scope(Scope::from_all(SCOPES))?;
    let created = ruleset.create()?;
    let created = created.add_rules(path_beneath_rules(["/"], list))?;
    let created = created.add_rules(path_beneath_rules(&rules.read, read))?;
    let created = created.add_rules(path_beneath_rules(&rules.write, write))?;
    match created.restrict_self()?.ruleset {
        RulesetStatus::NotEnforced => Err("restrict a run by Landlock: this kernel has none".into()),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_nothing_beside_it_reaches() {
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        for name in ["home/keys", "home/repo/.git", "home/work/deep", "etc"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        std::os::unix::fs::symlink(at("home/keys"), at("home/alias")).unwrap();
        let allowed = |names: &[&str], by: &dyn Fn(&HiddenPaths, &mut Vec<PathBuf>)| {
            let (paths, mut allowed): (Vec<_>, _) = (names.iter().map(|name| at(name)).collect(), Vec::new());
            by(&HiddenPaths::of(&paths), &mut allowed);
            allowed.sort();
            allowed
        };
        let both = ["home/keys", "home/work"];
        assert_eq!(allowed(&both, &|kept, found| kept.allow(top.path(), found)), [at("etc"), at("home/repo")]);
        // A folder that is open inside of a closed one.
        let deep = allowed(&["home/work"], &|kept, found| kept.allow_inside(&at("home/work/deep"), found));
        assert_eq!(deep, [at("home/work/deep")]);
        assert!(allowed(&["home/keys"], &|kept, found| kept.allow(&at("home/keys"), found)).is_empty());
        // By whatever name it is come to.
        let named = at("home/repo/../keys");
        assert!(allowed(&["home/keys"], &|kept, found| kept.allow(&named, found)).is_empty());
    }
}
