//! Symbolic links of a tree: whether what one leads to is in the tree.
//!
//! Promises: names are bytes; nothing on a disk is asked, so the answer is the same in every clone. A part that is not there
//! counts as a folder that somebody may make.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use strum::EnumString;

/// Links followed one after the other before a system gives up, so that what lies behind more of them is not reached.
const HOPS: u32 = 40;

/// What becomes of a change with links that leave the tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, EnumString)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum LinkRule {
    /// It is rejected.
    #[default]
    Refuse,
    /// It lands like any other, and the report names them.
    Note,
}

/// The links and submodules of a tree, by path from its root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// Paths of links with what each says.
    pub targets: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Paths of submodules, whose files belong to another tree.
    pub submodules: BTreeSet<Vec<u8>>,
}

impl Links {
    /// Whether the link at `path` leads out of the tree, by itself or by other links of the tree: to an absolute path, above
    /// the root, into a folder of git or below a submodule. One that cannot be made leaves it, too.
    pub fn leaves_tree(&self, path: &[u8]) -> bool {
        let Some(target) = self.targets.get(path) else { return false };
        let folder = path.iter().rposition(|b| *b == b'/').map_or(&path[..0], |at| &path[..at]);
        let mut at: Vec<&[u8]> = path_parts(folder).collect();
        let mut open: Vec<&[u8]> = Vec::new();
        if !push_target(target, &mut open) {
            return true;
        }
        let mut hops = 0;
        while let Some(part) = open.pop() {
            if part == b".." {
                if at.pop().is_none() {
                    return true;
                }
                continue;
            }
            if part.eq_ignore_ascii_case(b".git") {
                return true;
            }
            at.push(part);
            let here = at.join(&b'/');
            if let Some(target) = self.targets.get(&here) {
                at.pop();
                hops += 1;
                if hops > HOPS {
                    return false;
                }
                if !push_target(target, &mut open) {
                    return true;
                }
            } else if self.submodules.contains(&here) && open.last().is_some_and(|next| *next != b"..") {
                return true;
            }
        }
        false
    }
}

fn path_parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".")
}

/// Puts the parts of a link's target before those that are still open; no for one that starts elsewhere or nowhere. A system
/// reads a target up to its first NUL.
fn push_target<'a>(target: &'a [u8], open: &mut Vec<&'a [u8]>) -> bool {
    let target = target.split(|b| *b == 0).next().unwrap_or_default();
    open.extend(path_parts(target).rev());
    !target.is_empty() && !target.starts_with(b"/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leaves_the_tree_when_its_way_does() {
        let mut tree = Links::default();
        let mut link = |path: &str, target: &str| tree.targets.insert(path.into(), target.into());
        for (path, target, _) in CASES {
            link(path, target);
        }
        link("in/deep", "../a/b");
        link("root", ".");
        link("loop", "loop2");
        link("loop2", "loop");
        link("above", "../x");
        tree.submodules.insert(b"sub".to_vec());
        for (path, target, wanted) in CASES {
            assert_eq!(tree.leaves_tree(path.as_bytes()), *wanted, "{path} -> {target}");
        }
        assert!(!tree.leaves_tree(b"nothing"));
        tree.targets.insert(b"\xff/\xfe".to_vec(), b"../\xfd".to_vec());
        tree.targets.insert(b"\xfd".to_vec(), b"..".to_vec());
        assert!(tree.leaves_tree(b"\xff/\xfe"), "names are bytes");
    }

    const CASES: &[(&str, &str, bool)] = &[
        ("c1", "a", false),
        ("c2", "a/b/../../c1", false),
        ("c3", "./nowhere//x/", false),
        ("c4", ".", false),
        ("c5", "..", true),
        ("c6", "/etc", true),
        ("c7", "/", true),
        ("c8", "a/../..", true),
        ("c9", "", true),
        ("c10", "a\0/../../..", false),
        ("c11", "\0a", true),
        ("d/c1", "..", false),
        ("d/c2", "../..", true),
        ("d/c3", "../d/../x", false),
        // By other links: the last part counts where the link leads, not where it stands.
        ("c12", "in/deep/../../x", false),
        ("c13", "in/deep/../../..", true),
        ("c14", "root/..", true),
        ("c15", "root/root/./a", false),
        ("c16", "above", true),
        ("c17", "above/y", true),
        ("c18", "loop/x", false),
        ("c19", ".git/config", true),
        ("c20", "a/.GIT", true),
        ("c21", ".gitignore", false),
        ("c22", "sub", false),
        ("c23", "sub/x", true),
        ("c24", "sub/../a", false),
        ("c25", "sub/../..", true),
        ("c26", "c22/x", true),
    ];
}
