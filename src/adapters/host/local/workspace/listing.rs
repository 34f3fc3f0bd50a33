//! What a commit adds to the base of an attempt, as git lists it while it makes sure that all of it can be read.

use crate::adapters::git::{Git, GitError};
use crate::domain::values::{CommitId, Tip, TreeId};
use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// Everything that is reachable from one commit and not from the base.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The commit itself with its message; absent when the base has it.
    pub(crate) head: Option<(Tip, String)>,
    /// How many commits.
    pub(crate) commits: u32,
    /// Whether the base is a parent of one of them.
    pub(crate) on_base: bool,
    /// The ids of all objects, commits too.
    pub(crate) objects: HashSet<String>,
}

/// How listing ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Everything is there.
    Whole(Listing),
    /// More than can be held.
    TooMuch,
    /// Something is missing, or the name is that of no commit.
    Broken,
}

/// Lists what `rev` adds to `base`; git reads every commit and tree of it, and looks for every blob.
pub(crate) async fn list(git: &Git, rev: &str, base: &CommitId) -> Result<Listed, GitError> {
    let format = "--format=%H %T %P%x00%B%x00";
    let listing = ["rev-list", "--objects", "--no-object-names", "--no-commit-header", format];
    match git.run(&[&listing[..], &[rev, "--not", base.as_str(), "--"]].concat()).await {
        Ok(output) if output.success() => Ok(read(&output.stdout, base).map_or(Listed::Broken, Listed::Whole)),
        Ok(_) => Ok(Listed::Broken),
        Err(GitError::Unexpected { .. }) => Ok(Listed::TooMuch),
        Err(error) => Err(error),
    }
}

/// Reads the listing: commits first, each as `<id> <tree> <parents> NUL <message> NUL LF`, then a line for each object.
fn read(bytes: &[u8], base: &CommitId) -> Option<Listing> {
    let mut found = Listing::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let line = rest.iter().position(|byte| *byte == b'\n')?;
        if CommitId::new(std::str::from_utf8(&rest[..line]).unwrap_or_default()).is_ok() {
            found.objects.insert(String::from_utf8_lossy(&rest[..line]).into_owned());
            rest = &rest[line + 1..];
            continue;
        }
        let mut parts = rest.splitn(3, |byte| *byte == 0);
        let (ids, message) = (std::str::from_utf8(parts.next()?).ok()?, parts.next()?);
        rest = parts.next()?.strip_prefix(b"\n")?;
        let mut ids = ids.split(' ');
        let tip = Tip { commit: CommitId::new(ids.next()?).ok()?, tree: TreeId::new(ids.next()?).ok()? };
        found.on_base |= ids.any(|parent| parent == base.as_str());
        found.commits += 1;
        found.objects.insert(tip.commit.as_str().to_owned());
        found.head.get_or_insert_with(|| (tip, String::from_utf8_lossy(message).into_owned()));
    }
    Some(found)
}

/// How many objects the store of a clone holds itself, when every one of them is a loose one that `listing` has; `None`: it
/// holds more, or it is for git to say.
pub(crate) fn nothing_else(objects: &Path, listing: &Listing) -> Option<usize> {
    let mut count = 0;
    for folder in fs::read_dir(objects).ok()? {
        let folder = folder.ok()?;
        let name = folder.file_name().into_string().ok()?;
        match name.as_str() {
            "info" => continue,
            "pack" if fs::read_dir(folder.path()).ok()?.next().is_none() => continue,
            _ => {}
        }
        for object in fs::read_dir(folder.path()).ok()? {
            let object = object.ok()?;
            let id = format!("{name}{}", object.file_name().to_str()?);
            if !listing.objects.contains(&id) || !object.file_type().ok()?.is_file() {
                return None;
            }
            count += 1;
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(letter: &str) -> String {
        letter.repeat(40)
    }

    #[test]
    fn listings_are_read() {
        let (base, head, parent) = (CommitId::new(&id("b")).unwrap(), id("c"), id("d"));
        let (tree, blob) = (id("e"), id("f"));
        let text =
            format!("{head} {tree} {parent} {base}\0two\n{blob}\nlines\n\0\n{parent} {tree} \0\0\n{tree}\n{blob}\n");
        let found = read(text.as_bytes(), &base).unwrap();
        let tip = Tip { commit: CommitId::new(&head).unwrap(), tree: TreeId::new(&tree).unwrap() };
        assert_eq!(found.head, Some((tip, format!("two\n{blob}\nlines\n"))));
        assert_eq!((found.commits, found.on_base), (2, true));
        assert_eq!(found.objects, HashSet::from([head, parent, tree, blob.clone()]));
        assert_eq!(read(b"", &base), Some(Listing::default()));
        // Cut within a commit or a line it says nothing.
        let first = text.find("\0\n").unwrap() + 2;
        assert!((1..first).all(|cut| read(&text.as_bytes()[..cut], &base).is_none()));
        assert_eq!(read(&text.as_bytes()[..text.len() - 1], &base), None);
    }

    #[test]
    fn a_store_with_anything_else_in_it_is_for_git() {
        let dir = tempfile::tempdir().unwrap();
        let (known, other) = (id("a"), id("b"));
        let listing = Listing { objects: HashSet::from([known.clone()]), ..Listing::default() };
        let put = |id: &str| {
            fs::create_dir_all(dir.path().join(&id[..2])).unwrap();
            fs::write(dir.path().join(&id[..2]).join(&id[2..]), "").unwrap();
        };
        fs::create_dir_all(dir.path().join("info")).unwrap();
        fs::create_dir_all(dir.path().join("pack")).unwrap();
        assert_eq!(nothing_else(dir.path(), &listing), Some(0));
        put(&known);
        assert_eq!(nothing_else(dir.path(), &listing), Some(1));
        put(&other);
        assert_eq!(nothing_else(dir.path(), &listing), None);
        fs::remove_dir_all(dir.path().join(&other[..2])).unwrap();
        fs::write(dir.path().join("pack/pack-x.pack"), "").unwrap();
        assert_eq!(nothing_else(dir.path(), &listing), None);
        fs::remove_file(dir.path().join("pack/pack-x.pack")).unwrap();
        fs::write(dir.path().join("aa/tmp_obj_x"), "").unwrap();
        assert_eq!(nothing_else(dir.path(), &listing), None);
    }
}
