//! A git that stays: one `cat-file --batch-command` that answers what an object or ref is, in place of a process for
//! each question.
//!
//! Promises: it only reads, so it does without the engine's lock as standard input and ends by itself when the engine is
//! gone; an answer is never older than the question (git looks at refs and objects each time it is asked); whatever goes
//! wrong with it is no error, the caller then asks a git of its own.

use super::others::Remembered;
use crate::adapters::host::command::Talker;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Mutex;

/// How long an answer may take before the process is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Largest tree that is read whole.
const LARGEST: usize = 4 << 20;

/// The process, started at the first question, and what does not change while it stays. Clones share both.
#[derive(Debug, Clone, Default)]
pub(super) struct Reader {
    process: Arc<Mutex<Option<Talker>>>,
    /// Git directory shared by all worktrees.
    pub(super) common_dir: Arc<OnceLock<PathBuf>>,
    /// Refs of others as they were when their files were last looked at.
    pub(super) others: Remembered,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// An object of this id.
    Object(String),
    /// Nothing of that name is there.
    Missing,
}

impl Reader {
    /// Asks what `name` (a revision in one line) stands for. `start` starts the process when there is none; `None`: no
    /// answer was to be had.
    pub(super) async fn ask(&self, name: &str, start: impl FnOnce() -> Option<Talker>) -> Option<Answer> {
        self.talk(name, false, start).await.map(|(answer, _)| answer)
    }

    /// The tree that `name` stands for, as git keeps it; `None`: it is none, it is larger than [`LARGEST`], or no answer was
    /// to be had.
    pub(super) async fn tree(&self, name: &str, start: impl FnOnce() -> Option<Talker>) -> Option<Vec<u8>> {
        match self.talk(name, true, start).await? {
            (Answer::Object(_), Some(content)) => Some(content),
            _ => None,
        }
    }

    async fn talk(
        &self,
        name: &str,
        whole: bool,
        start: impl FnOnce() -> Option<Talker>,
    ) -> Option<(Answer, Option<Vec<u8>>)> {
        if name.contains('\n') || name.is_empty() {
            return None;
        }
        let mut place = self.process.lock().await;
        // Taken out while it is asked: dropped half way, it could give the answer to another question next.
        let mut talker = match place.take() {
            Some(talker) => talker,
            None => start()?,
        };
        let question = format!("{} {name}\n", if whole { "contents" } else { "info" });
        let asked = async {
            let line = talker.ask(&question).await.ok()?;
            let content = match length(&line).filter(|_| whole) {
                // Too much to read: the process is left behind with it.
                Some(length) if length > LARGEST => return None,
                Some(length) => Some(talker.bytes(length).await.ok()?),
                None => None,
            };
            Some((line, content))
        };
        let (line, content) = tokio::time::timeout(PATIENCE, asked).await.ok()??;
        *place = Some(talker);
        Some((read(name, &line)?, content.filter(|_| line.contains(" tree "))))
    }
}

/// Size of the object of an answer.
fn length(line: &str) -> Option<usize> {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        [_, "commit" | "tree" | "blob" | "tag", size] => size.parse().ok(),
        _ => None,
    }
}

/// An entry of a tree: mode and name as git writes them, and the id as bytes.
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

/// Reads `<id> <type> <size>` or `<name> missing`.
fn read(name: &str, line: &str) -> Option<Answer> {
    if line.strip_suffix(" missing") == Some(name) {
        return Some(Answer::Missing);
    }
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        [id, "commit" | "tree" | "blob" | "tag", size] if size.parse::<u64>().is_ok() => {
            Some(Answer::Object(id.to_owned()))
        }
        _ => None,
    }
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

    #[test]
    fn answers_are_read_and_nothing_else() {
        let id = "a".repeat(40);
        assert_eq!(read("x", &format!("{id} commit 12")), Some(Answer::Object(id.clone())));
        assert_eq!(read("refs/a b", "refs/a b missing"), Some(Answer::Missing));
        assert_eq!(read("x", "y missing"), None);
        assert_eq!(read("abcd", "abcd ambiguous"), None);
        assert_eq!(read("x", &format!("{id} commit")), None);
        assert_eq!(read("x", ""), None);
    }
}
