//! Which of the named files and folders a home has, and which of them may be covered by an overlay.
//!
//! Not covered: what holds folders that must not be seen twice (the state directory, workspaces, the repository: then the parts
//! beside them are), what may not be written anyway, and what lies in another one.

use crate::adapters::host::local::process::procfs::unescape;
use crate::adapters::os::machine::may_write;
use crate::domain::verify::model::home::{FILES, FOLDERS};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A larger file is no settings of a tool, and is linked.
pub(super) const LARGEST_FILE: u64 = 1 << 20;

/// Folders whose parts are looked at one by one have no more of them.
const MOST_PARTS: usize = 500;

/// How deep is looked for parts that can be covered.
const DEEPEST: usize = 8;

/// A file or folder of the user's home.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// Its name below HOME.
    pub name: PathBuf,
    /// Its real path.
    pub real: PathBuf,
}

/// What verifications find of a home.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// Folders that an overlay may cover; none lies in another.
    pub folders: Vec<Part>,
    /// What is linked.
    pub links: Vec<Part>,
    /// Small files, which are copied.
    pub files: Vec<Part>,
}

/// Looks for the usual names and for `more` in `home`; nothing covers one of the folders `apart`.
pub fn find_parts(home: &Path, more: &[String], apart: &[PathBuf]) -> Parts {
    let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let search = Search { home, apart: apart.iter().map(real).collect(), mounted: mount_points() };
    let more = more.iter().map(|name| name.trim_end_matches('/'));
    let names: BTreeSet<PathBuf> = FOLDERS.iter().chain(FILES).copied().chain(more).map(PathBuf::from).collect();
    let mut found = Parts::default();
    let mut taken: BTreeSet<PathBuf> = BTreeSet::new();
    for name in names {
        if !name.ancestors().any(|above| taken.contains(above)) {
            search.take(&name, 0, &mut found, &mut taken);
        }
    }
    // Two names may lead to one place, or one into another.
    found.folders.sort_by(|one, other| one.real.cmp(&other.real));
    let mut folders: Vec<Part> = Vec::new();
    for part in found.folders {
        match folders.iter().any(|above| part.real.starts_with(&above.real)) {
            true => found.links.push(part),
            false => folders.push(part),
        }
    }
    Parts { folders, ..found }
}

struct Search<'a> {
    home: &'a Path,
    apart: Vec<PathBuf>,
    mounted: Vec<PathBuf>,
}

impl Search<'_> {
    fn take(&self, name: &Path, depth: usize, found: &mut Parts, taken: &mut BTreeSet<PathBuf>) {
        let path = self.home.join(name);
        let (Ok(meta), Ok(real)) = (fs::metadata(&path), path.canonicalize()) else { return };
        let part = Part { name: name.to_owned(), real };
        if self.apart.iter().any(|path| part.real.starts_with(path)) {
            return;
        }
        let within = |paths: &[PathBuf]| paths.iter().any(|path| *path != part.real && path.starts_with(&part.real));
        if !meta.is_dir() {
            match depth == 0 && meta.is_file() && meta.len() <= LARGEST_FILE {
                true => found.files.push(part),
                false => found.links.push(part),
            }
        } else if (within(&self.apart) || within(&self.mounted)) && depth < DEEPEST {
            let entries = fs::read_dir(&part.real).into_iter().flatten().flatten().take(MOST_PARTS);
            for entry in entries {
                self.take(&name.join(entry.file_name()), depth + 1, found, taken);
            }
            return;
        } else if self.apart.iter().any(|path| path.starts_with(&part.real)) || !may_write(&part.real) {
            found.links.push(part);
        } else {
            found.folders.push(part);
        }
        taken.insert(name.to_owned());
    }
}

/// Where something is mounted: an overlay does not show what is mounted below the folder it covers.
fn mount_points() -> Vec<PathBuf> {
    let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let field = |line: &[u8]| {
        line.split(|byte| *byte == b' ').nth(4).map(|path| PathBuf::from(OsString::from_vec(unescape(path))))
    };
    table.split(|byte| *byte == b'\n').filter_map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parts: &[Part]) -> Vec<&str> {
        let mut names: Vec<&str> = parts.iter().map(|part| part.name.to_str().unwrap()).collect();
        names.sort_unstable();
        names
    }

    fn home(folders: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        folders.iter().for_each(|folder| fs::create_dir_all(home.join(folder)).unwrap());
        (dir, home)
    }

    #[test]
    fn what_exists_is_taken_once() {
        let (_dir, home) = home(&[".cargo/registry", "tools/bin", "other/npm"]);
        fs::write(home.join(".gitconfig"), "[user]").unwrap();
        fs::write(home.join(".netrc"), vec![0; 2 << 20]).unwrap();
        std::os::unix::fs::symlink("other/npm", home.join(".npm")).unwrap();
        std::os::unix::fs::symlink("nowhere", home.join(".nvm")).unwrap();
        let more = ["tools/", "tools/bin", ".cargo/registry", ".npm/_cacache", "absent"].map(str::to_owned);
        let parts = find_parts(&home, &more, &[]);
        assert_eq!(names(&parts.folders), [".cargo", ".npm", "tools"]);
        assert_eq!((names(&parts.links), names(&parts.files)), (vec![".netrc"], vec![".gitconfig"]));
        assert_eq!(parts.folders.iter().find(|p| p.name == Path::new(".npm")).unwrap().real, home.join("other/npm"));
    }

    #[test]
    fn what_holds_workspaces_is_taken_in_parts() {
        let (_dir, home) = home(&[".cache/mc/pool/slot-0", ".cache/mc/else", ".cache/pip", ".npm"]);
        fs::write(home.join(".cache/note"), "").unwrap();
        let parts = find_parts(&home, &[], &[home.join(".cache/mc/pool"), home.join(".npm")]);
        assert_eq!(names(&parts.folders), [".cache/mc/else", ".cache/pip"]);
        assert_eq!(names(&parts.links), [".cache/note"]);
    }

    #[test]
    fn two_names_of_one_place_are_covered_once() {
        let (_dir, home) = home(&[".cache/npm"]);
        std::os::unix::fs::symlink(".cache/npm", home.join(".npm")).unwrap();
        let parts = find_parts(&home, &[], &[]);
        assert_eq!((names(&parts.folders), names(&parts.links)), (vec![".cache"], vec![".npm"]));
    }

    #[test]
    fn mount_points_are_read() {
        assert!(mount_points().contains(&PathBuf::from("/proc")));
    }
}
