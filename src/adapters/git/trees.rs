//! Trees compared by what they hold, read through the process that stays.
//!
//! Promises: what cannot be read here is left to git itself, never guessed.

use super::{Git, GitError, reader};
use crate::domain::base::to_hex;
use crate::domain::values::CommitId;
use std::collections::{BTreeMap, BTreeSet};

/// Most trees read to compare files by name.
const MOST: usize = 100;

impl Git {
    /// Names of the entries at the root that differ between two commits, in mode or content; a folder counts as a whole.
    ///
    /// # Errors
    /// [`GitError`] when one of them does not exist.
    pub async fn differing_at_root(&self, a: &CommitId, b: &CommitId) -> Result<BTreeSet<String>, GitError> {
        if let (Some(a), Some(b)) = (self.root(a).await, self.root(b).await) {
            return Ok(diff_names(&a, &b).map(|name| String::from_utf8_lossy(name).into_owned()).collect());
        }
        self.names(&[
            "diff-tree",
            "-z",
            "--name-only",
            "--no-renames",
            "--ignore-submodules=none",
            a.as_str(),
            b.as_str(),
        ])
        .await
    }

    /// Paths of a commit that another one has otherwise, or not at all. What only adds to the root costs no call of git.
    ///
    /// # Errors
    /// [`GitError`] when one of them does not exist.
    pub async fn list_edited_paths(&self, a: &CommitId, b: &CommitId) -> Result<Vec<String>, GitError> {
        if let (Some(a), Some(b)) = (self.root(a).await, self.root(b).await)
            && diff_names(&a, &b).all(|name| !a.contains_key(name))
        {
            return Ok(Vec::new());
        }
        self.names(&[
            "diff-tree",
            "-r",
            "-z",
            "--name-only",
            "--no-renames",
            "--diff-filter=MDT",
            a.as_str(),
            b.as_str(),
        ])
        .await
    }

    /// Whether every file called `name`, in whatever folder, is the same in two commits; `None`: not easy to say.
    pub(super) async fn same_files_called(&self, name: &str, a: &CommitId, b: &CommitId) -> Option<bool> {
        let trees = [a, b].map(|commit| format!("{commit}^{{tree}}"));
        self.any_difference(trees, MOST, |found, _| found == name.as_bytes()).await.map(|any| !any)
    }

    /// Whether what two trees have otherwise, in whatever folder, is ever what is asked for; `None`: more than `most` trees would
    /// have to be read, or one cannot be.
    pub(super) async fn any_difference(
        &self,
        trees: [String; 2],
        most: usize,
        is_it: impl Fn(&[u8], [Option<&Entry>; 2]) -> bool,
    ) -> Option<bool> {
        let (mut open, mut read) = (vec![trees.map(Some)], 0);
        while let Some([a, b]) = open.pop() {
            read += [&a, &b].into_iter().flatten().count();
            if read > most {
                return None;
            }
            let (a, b) = (self.folder(a.as_deref()).await?, self.folder(b.as_deref()).await?);
            for name in diff_names(&a, &b) {
                let sides = [a.get(name), b.get(name)];
                if is_it(name, sides) {
                    return Some(true);
                }
                let folders = sides.map(|side| side.filter(|(mode, _)| mode == FOLDER).map(|(_, id)| id.clone()));
                open.extend(folders.iter().any(Option::is_some).then_some(folders));
            }
        }
        Some(false)
    }

    async fn root(&self, commit: &CommitId) -> Option<Folder> {
        self.folder(Some(&format!("{commit}^{{tree}}"))).await
    }

    /// The entries of the tree that `name` (an id, or what is made from one) stands for, from the process that stays; none of
    /// nothing.
    pub(super) async fn folder(&self, name: Option<&str>) -> Option<Folder> {
        let Some(name) = name else { return Some(Folder::new()) };
        let id = name.split('^').next().unwrap_or_default();
        entries(&self.content(name, "tree").await?, id.len() / 2)
    }

    /// The id of the object that `name` stands for, from the process that stays.
    pub(super) async fn object(&self, name: &str) -> Option<String> {
        match self.lookup_object(name).await? {
            reader::Answer::Object(id) => Some(id),
            reader::Answer::Missing => None,
        }
    }

    /// The content of an object of this kind, from the process that stays.
    pub(super) async fn content(&self, name: &str, kind: &str) -> Option<Vec<u8>> {
        self.query_batch(async |coprocess| reader::content(coprocess, name, kind).await).await?
    }

    /// The parents of a commit, from the process that stays.
    pub(super) async fn read_parents(&self, commit: &CommitId) -> Option<Vec<CommitId>> {
        let text = self.content(commit.as_str(), "commit").await?;
        let lines = text.split(|b| *b == b'\n').take_while(|line| !line.is_empty());
        let parents = lines.filter_map(|line| line.strip_prefix(b"parent "));
        parents.map(|id| CommitId::new(std::str::from_utf8(id).ok()?).ok()).collect()
    }
}

/// Names that two trees do not have alike.
fn diff_names<'a>(a: &'a Folder, b: &'a Folder) -> impl Iterator<Item = &'a Vec<u8>> {
    let both: BTreeSet<&Vec<u8>> = a.keys().chain(b.keys()).collect();
    both.into_iter().filter(|name| a.get(*name) != b.get(*name))
}

/// An entry of a tree: its mode as git writes it, and its id.
pub(super) type Entry = (Vec<u8>, String);

/// The entries of a tree by name.
pub(super) type Folder = BTreeMap<Vec<u8>, Entry>;

/// The mode of a tree among the entries of another one.
pub(super) const FOLDER: &[u8] = b"40000";

/// Reads the entries of a tree object (`<mode> <name> NUL <id>`, see gitformat-pack and `git mktree`) by name; absent when it
/// is none. `id` is the length of an id in bytes.
fn entries(tree: &[u8], id: usize) -> Option<Folder> {
    let (mut found, mut rest) = (Folder::new(), tree);
    while !rest.is_empty() {
        let space = rest.iter().position(|b| *b == b' ')?;
        let end = space + rest[space..].iter().position(|b| *b == 0)?;
        let next = end + 1 + id;
        let entry = (rest[..space].to_vec(), to_hex(rest.get(end + 1..next)?));
        // Of two entries of one name nobody can say which one counts.
        if found.insert(rest[space + 1..end].to_vec(), entry).is_some() {
            return None;
        }
        rest = &rest[next..];
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_read_and_nothing_else() {
        let tree = b"100644 a b\0\x01\x02100755 c\0\0\n40000 d\0 \0";
        let found = entries(tree, 2).unwrap();
        let entry = |mode: &str, id: &str| (mode.as_bytes().to_vec(), id.to_owned());
        assert_eq!(found[&b"a b"[..]], entry("100644", "0102"));
        assert_eq!(found[&b"c"[..]], entry("100755", "000a"));
        assert_eq!(found[&b"d"[..]], entry("40000", "2000"));
        assert_eq!(entries(b"", 20).unwrap().len(), 0);
        for cut in 1..tree.len() {
            let shorter = entries(&tree[..cut], 2);
            assert!(shorter.is_none_or(|read| read.len() < 3), "{cut}");
        }
    }
}
