//! Trees compared by what they hold, read through the process that stays.
//!
//! Promises: what cannot be read here is left to git itself, never guessed.

use super::{Git, GitError, fields, reader};
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
        if let (Some(a_tree), Some(b_tree)) = (self.root(a).await, self.root(b).await) {
            let id = a.as_str().len() / 2;
            if let (Some(a), Some(b)) = (entries(&a_tree, id), entries(&b_tree, id)) {
                return Ok(differing(&a, &b).map(|name| String::from_utf8_lossy(name).into_owned()).collect());
            }
        }
        let args =
            ["diff-tree", "-z", "--name-only", "--no-renames", "--ignore-submodules=none", a.as_str(), b.as_str()];
        let bytes = self.bytes(&args).await?;
        Ok(fields(&bytes).map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }

    /// Paths of a commit that another one has otherwise, or not at all. What only adds to the root costs no call of git.
    ///
    /// # Errors
    /// [`GitError`] when one of them does not exist.
    pub async fn edited(&self, a: &CommitId, b: &CommitId) -> Result<Vec<String>, GitError> {
        if let (Some(a_tree), Some(b_tree)) = (self.root(a).await, self.root(b).await) {
            let id = a.as_str().len() / 2;
            if let (Some(a), Some(b)) = (entries(&a_tree, id), entries(&b_tree, id))
                && differing(&a, &b).all(|name| !a.contains_key(name))
            {
                return Ok(Vec::new());
            }
        }
        let args =
            ["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--diff-filter=MDT", a.as_str(), b.as_str()];
        let bytes = self.bytes(&args).await?;
        Ok(fields(&bytes).map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }

    /// Whether every file called `name`, in whatever folder, is the same in two commits; `None`: not easy to say.
    pub(super) async fn same_files_called(&self, name: &str, a: &CommitId, b: &CommitId) -> Option<bool> {
        let length = a.as_str().len() / 2;
        let mut open = vec![(Some(format!("{a}^{{tree}}")), Some(format!("{b}^{{tree}}")))];
        let mut read = 0;
        while let Some((a, b)) = open.pop() {
            let mut trees = [None, None];
            for (tree, side) in trees.iter_mut().zip([a, b]) {
                read += 1;
                *tree = match side {
                    Some(side) => self.tree_at(&side).await?.into(),
                    None => None,
                };
            }
            let [a, b] = trees;
            let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
            let (a, b) = (entries(&a, length)?, entries(&b, length)?);
            for differs in differing(&a, &b) {
                if differs == name.as_bytes() {
                    return Some(false);
                }
                let folder = |side: &BTreeMap<&[u8], Entry<'_>>| {
                    let (mode, id) = side.get(differs)?;
                    (*mode == b"40000").then(|| crate::domain::base::hex(id))
                };
                let folders = (folder(&a), folder(&b));
                if folders != (None, None) {
                    open.push(folders);
                }
            }
            if read > MOST {
                return None;
            }
        }
        Some(true)
    }

    /// The root tree of a commit as git keeps it, from the process that stays.
    async fn root(&self, commit: &CommitId) -> Option<Vec<u8>> {
        self.tree_at(&format!("{commit}^{{tree}}")).await
    }

    pub(super) async fn tree_at(&self, name: &str) -> Option<Vec<u8>> {
        self.content(name, "tree").await
    }

    /// The id of the object that `name` stands for, from the process that stays.
    pub(super) async fn object(&self, name: &str) -> Option<String> {
        match self.told(name).await? {
            reader::Answer::Object(id) => Some(id),
            reader::Answer::Missing => None,
        }
    }

    /// The content of an object of this kind, from the process that stays.
    pub(super) async fn content(&self, name: &str, kind: &str) -> Option<Vec<u8>> {
        let dialogue = async |coprocess: &mut _| reader::content(coprocess, name, kind).await;
        self.batch.as_ref()?.reader.ask(|| self.reader(), dialogue).await?
    }

    /// The parents of a commit, from the process that stays.
    pub(super) async fn parents(&self, commit: &CommitId) -> Option<Vec<CommitId>> {
        let text = self.content(commit.as_str(), "commit").await?;
        let lines = text.split(|b| *b == b'\n').take_while(|line| !line.is_empty());
        let parents = lines.filter_map(|line| line.strip_prefix(b"parent "));
        parents.map(|id| CommitId::new(std::str::from_utf8(id).ok()?).ok()).collect()
    }
}

/// Names that two trees do not have alike.
fn differing<'a>(
    a: &'a BTreeMap<&'a [u8], Entry<'a>>,
    b: &'a BTreeMap<&'a [u8], Entry<'a>>,
) -> impl Iterator<Item = &'a [u8]> {
    let both: BTreeSet<&[u8]> = a.keys().chain(b.keys()).copied().collect();
    both.into_iter().filter(|name| a.get(name) != b.get(name))
}

/// An entry of a tree: its mode as git writes it, and the id as bytes.
pub(super) type Entry<'a> = (&'a [u8], &'a [u8]);

/// Reads the entries of a tree object (`<mode> <name> NUL <id>`, see gitformat-pack and `git mktree`) by name; absent when it
/// is none. `id` is the length of an id in bytes.
pub(super) fn entries(tree: &[u8], id: usize) -> Option<BTreeMap<&[u8], Entry<'_>>> {
    let (mut found, mut rest) = (BTreeMap::new(), tree);
    while !rest.is_empty() {
        let space = rest.iter().position(|b| *b == b' ')?;
        let end = space + rest[space..].iter().position(|b| *b == 0)?;
        let next = end + 1 + id;
        // Of two entries of one name nobody can say which one counts.
        if found.insert(&rest[space + 1..end], (&rest[..space], rest.get(end + 1..next)?)).is_some() {
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
        assert_eq!(found[&b"a b"[..]], (&b"100644"[..], &b"\x01\x02"[..]));
        assert_eq!(found[&b"c"[..]], (&b"100755"[..], &b"\0\n"[..]));
        assert_eq!(found[&b"d"[..]], (&b"40000"[..], &b" \0"[..]));
        assert_eq!(entries(b"", 20).unwrap().len(), 0);
        for cut in 1..tree.len() {
            let shorter = entries(&tree[..cut], 2);
            assert!(shorter.is_none_or(|read| read.len() < 3), "{cut}");
        }
    }
}
