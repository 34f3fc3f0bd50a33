//! Entries of a tree that decide what becomes of others when it is checked out: attribute files, and links to commits of
//! other repositories.
//!
//! Asked for each preparation of a workspace, of trees that differ little from one another: what was read of a tree object is
//! remembered, and only folders that changed are read again, through the process that stays.

use super::{Git, GitError, fields};
use crate::adapters::git::seen_trees::{LINK, Node, Special};
use crate::domain::values::{CommitId, TreeId};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Most tree objects that are asked for one by one; a git that lists all of them is faster then.
const MOST: usize = 200;

impl Git {
    /// The entries of a commit's tree that decide how its files come out.
    ///
    /// # Errors
    /// [`GitError`] when there is no such commit.
    pub async fn special_entries(&self, commit: &CommitId) -> Result<Special, GitError> {
        let root = self.tree_of(commit).await?;
        match self.walk_special(&root).await {
            Some(found) => Ok(found),
            None => self.list_special(&root).await,
        }
    }

    /// Which of these folders (paths from the root) a commit's tree has.
    ///
    /// # Errors
    /// [`GitError`] when there is no such commit.
    pub async fn has_folders(&self, commit: &CommitId, folders: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, GitError> {
        let mut args: Vec<&OsStr> =
            ["ls-tree", "-d", "-z", "--name-only", "--full-tree", commit.as_str(), "--"].map(OsStr::new).to_vec();
        args.extend(folders.iter().map(|path| OsStr::from_bytes(path)));
        let said = self.run_bytes(&args).await?;
        Ok(fields(&said).map(<[u8]>::to_vec).collect())
    }

    /// Walks the tree by what is remembered and what the process that stays says; `None`: too much to ask, or nobody to ask.
    async fn walk_special(&self, root: &TreeId) -> Option<Special> {
        let trees = self.batch.as_ref()?.trees.clone();
        let (mut found, mut asked) = (Special::default(), 0);
        let mut open = vec![(Vec::new(), root.as_str().to_owned())];
        while let Some((prefix, id)) = open.pop() {
            let node = match trees.get(&id) {
                Some(node) => node,
                None => {
                    asked += 1;
                    if asked > MOST {
                        return None;
                    }
                    let mut node = Node::default();
                    for (name, (mode, entry)) in self.folder(Some(&id)).await? {
                        node.take(&name, std::str::from_utf8(&mode).ok()?, &entry);
                    }
                    let node = Arc::new(node);
                    trees.insert_nodes([(id, Arc::clone(&node))]);
                    node
                }
            };
            for (name, mode, id) in &node.special {
                found.take([&prefix[..], name].concat(), mode, id);
            }
            open.extend(node.folders.iter().map(|(name, id)| ([&prefix[..], name, b"/"].concat(), id.clone())));
        }
        Some(found)
    }

    /// Lists the whole tree, and remembers it.
    async fn list_special(&self, root: &TreeId) -> Result<Special, GitError> {
        let all = self.run_bytes(&["ls-tree", "-r", "-t", "-z", "--full-tree", root.as_str()]).await?;
        let (mut found, mut nodes) = (Special::default(), BTreeMap::from([(Vec::new(), Node::default())]));
        let mut ids = BTreeMap::from([(Vec::new(), root.as_str().to_owned())]);
        for entry in fields(&all) {
            let Some(tab) = entry.iter().position(|byte| *byte == b'\t') else { continue };
            let (Ok(words), path) = (std::str::from_utf8(&entry[..tab]), &entry[tab + 1..]) else { continue };
            let words: Vec<&str> = words.split(' ').collect();
            let [mode, kind, id] = words[..] else { continue };
            let (folder, name) = match path.iter().rposition(|byte| *byte == b'/') {
                Some(slash) => (&path[..slash], &path[slash + 1..]),
                None => (&path[..0], path),
            };
            if kind == "tree" {
                nodes.entry(path.to_owned()).or_default();
                ids.insert(path.to_owned(), id.to_owned());
            } else if mode == LINK || name == b".gitattributes" {
                found.take(path.to_owned(), mode, id);
            }
            nodes.entry(folder.to_owned()).or_default().take(name, mode, id);
        }
        if let Some(batch) = &self.batch {
            let nodes = nodes.into_iter().filter_map(|(path, node)| Some((ids.get(&path)?.clone(), Arc::new(node))));
            batch.trees.insert_nodes(nodes);
        }
        Ok(found)
    }
}
