//! Reading what `git merge-tree` prints.
//!
//! Promises: only exit 1 with a tree is a conflict; everything else that is no clean merge is broken, and tried again.

use super::fields;
use crate::domain::values::TreeId;

/// How a merge ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Clean(TreeId),
    Conflict,
    Broken,
}

/// Reads how `git merge-tree` ended. Exit 1 without a tree is a bad object or the like, not a conflict.
pub(super) fn read_merge(code: Option<i32>, stdout: &[u8]) -> Answer {
    match (code, first_tree(stdout)) {
        (Some(0), Some(tree)) => Answer::Clean(tree),
        (Some(1), Some(_)) => Answer::Conflict,
        _ => Answer::Broken,
    }
}

fn first_tree(stdout: &[u8]) -> Option<TreeId> {
    TreeId::new(std::str::from_utf8(fields(stdout).next()?).ok()?).ok()
}

/// Reads `git merge-tree -z --name-only` after a conflict: tree, paths, an empty field, then messages, each as
/// (number of paths, paths, kind, text).
pub(super) fn parse_conflict(stdout: &[u8]) -> (Vec<String>, String) {
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    let mut rest = fields(stdout).skip(1);
    let mut files: Vec<String> = rest.by_ref().take_while(|f| !f.is_empty()).map(text).collect();
    files.dedup();
    let mut detail = String::new();
    while let Some(count) = rest.next().and_then(|f| std::str::from_utf8(f).ok()?.parse::<usize>().ok()) {
        let mut message = rest.by_ref().skip(count).take(2).map(text);
        if let (Some(kind), Some(line)) = (message.next(), message.next())
            && kind.starts_with("CONFLICT")
        {
            detail.push_str(line.trim_end());
            detail.push('\n');
        }
    }
    (files, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflict_output_is_read() {
        let tree = "a".repeat(40);
        let out = format!(
            "{tree}\0a\nb\0c\0\x001\0a\nb\0Auto-merging\0Auto-merging a\n\x001\0c\0CONFLICT (contents)\0CONFLICT (content): in c\n\0"
        );
        assert_eq!(first_tree(out.as_bytes()), TreeId::new(&tree).ok());
        let (files, detail) = parse_conflict(out.as_bytes());
        assert_eq!(files, ["a\nb", "c"]);
        assert_eq!(detail, "CONFLICT (content): in c\n");
    }

    #[test]
    fn only_exit_1_with_a_tree_is_a_conflict() {
        let tree = "a".repeat(40);
        let with_tree = format!("{tree}\0a\0");
        assert_eq!(read_merge(Some(1), with_tree.as_bytes()), Answer::Conflict);
        assert!(matches!(read_merge(Some(0), with_tree.as_bytes()), Answer::Clean(_)));
        let message = b"merge-tree: dead - not something we can merge\n";
        for (code, out) in [(Some(1), &b""[..]), (Some(1), message), (Some(0), b""), (Some(128), with_tree.as_bytes())]
        {
            assert_eq!(read_merge(code, out), Answer::Broken, "{code:?}");
        }
    }
}
