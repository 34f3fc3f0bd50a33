//! What trees were seen to hold besides files.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Most tree objects that are remembered.
const REMEMBERED: usize = 200_000;

/// What decides how the files of a tree come out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Special {
    /// Every `.gitattributes` with its mode and id.
    pub attributes: BTreeMap<Vec<u8>, String>,
    /// Every link to a commit of another repository, with that.
    pub links: BTreeMap<Vec<u8>, String>,
}

impl Special {
    pub(super) fn take(&mut self, path: Vec<u8>, mode: &str, id: &str) {
        if mode == LINK {
            self.links.insert(path, id.to_owned());
        } else {
            self.attributes.insert(path, format!("{mode} {id}"));
        }
    }
}

/// Mode of a link to a commit of another repository.
pub(super) const LINK: &str = "160000";

/// What matters of one tree object: special entries (name, mode, id) and folders (name, id).
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) special: Vec<(Vec<u8>, String, String)>,
    pub(super) folders: Vec<(Vec<u8>, String)>,
}

impl Node {
    pub(super) fn take(&mut self, name: &[u8], mode: &str, id: &str) {
        if mode == "40000" || mode == "040000" {
            self.folders.push((name.to_owned(), id.to_owned()));
        } else if mode == LINK || name == b".gitattributes" {
            self.special.push((name.to_owned(), mode.to_owned(), id.to_owned()));
        }
    }
}

/// What was read of tree objects, by id.
#[derive(Debug, Clone, Default)]
pub(super) struct Trees(pub(super) Arc<Mutex<HashMap<String, Arc<Node>>>>);

impl Trees {
    pub(super) fn get(&self, id: &str) -> Option<Arc<Node>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    pub(super) fn insert_nodes(&self, nodes: impl IntoIterator<Item = (String, Arc<Node>)>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > REMEMBERED {
            known.clear();
        }
        known.extend(nodes);
    }
}
