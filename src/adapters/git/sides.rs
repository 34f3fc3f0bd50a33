//! What a merge must be by the rule that needs no merging: what one side alone changed is in it as that side has it.
//!
//! Promises: only folders that both sides changed are read; what is not plain, or would take long to see, is not called so.

use super::Git;
use super::trees::{Entry, FOLDER, Folder};
use std::collections::{BTreeMap, BTreeSet};

/// Most trees read for one merge.
const MOST: usize = 400;

/// Mode and id of an entry, or nothing.
type Side = Option<Entry>;

/// An entry in the common ancestor, on both sides, and in the merge.
type Entries = [Side; 4];

impl Git {
    /// Whether every entry of `merged` follows from the three trees before it without looking into a file: nobody changed it,
    /// one side alone did, or both did the same. No also where that is not easy to say.
    pub(super) async fn one_sided(&self, base: &str, ours: &str, theirs: &str, merged: &str) -> bool {
        let root = |id: &str| Some((FOLDER.to_vec(), id.to_owned()));
        let mut open: Vec<Entries> = vec![[root(base), root(ours), root(theirs), root(merged)]];
        let mut read = 0;
        while let Some(sides) = open.pop() {
            if is_trivial_merge(&sides) {
                continue;
            }
            if sides.iter().flatten().any(|(mode, _)| mode != FOLDER) {
                return false;
            }
            read += sides.iter().flatten().count();
            if read > MOST {
                return false;
            }
            let Some(below) = self.read_entries(&sides).await else { return false };
            open.extend(below);
        }
        true
    }

    /// The entries of four folders by name.
    async fn read_entries(&self, folders: &Entries) -> Option<Vec<Entries>> {
        let mut sides: [Folder; 4] = Default::default();
        for (side, folder) in sides.iter_mut().zip(folders) {
            *side = self.folder(folder.as_ref().map(|(_, id)| id.as_str())).await?;
        }
        let names: BTreeSet<&Vec<u8>> = sides.iter().flat_map(BTreeMap::keys).collect();
        Some(names.into_iter().map(|name| [0, 1, 2, 3].map(|n| sides[n].get(name).cloned())).collect())
    }
}

fn is_trivial_merge([base, ours, theirs, merged]: &Entries) -> bool {
    (ours == base && merged == theirs) || (theirs == base && merged == ours) || (ours == theirs && merged == ours)
}
