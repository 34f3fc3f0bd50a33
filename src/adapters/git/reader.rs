//! A git that stays: one `cat-file --batch-command` that answers what an object or ref is, in place of a process for
//! each question.
//!
//! Promises: it only reads, so it does without the engine's lock as standard input and ends by itself when the engine is
//! gone; an answer is never older than the question (git looks at refs and objects each time it is asked); whatever goes
//! wrong with it is no error, the caller then asks a git of its own.

use crate::adapters::host::command::Talker;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Mutex;

/// How long an answer may take before the process is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The process, started at the first question, and what does not change while it stays. Clones share both.
#[derive(Debug, Clone, Default)]
pub(super) struct Reader {
    process: Arc<Mutex<Option<Talker>>>,
    /// Git directory shared by all worktrees.
    pub(super) common_dir: Arc<OnceLock<PathBuf>>,
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
        if name.contains('\n') || name.is_empty() {
            return None;
        }
        let mut place = self.process.lock().await;
        // Taken out while it is asked: dropped half way, it could give the answer to another question next.
        let mut talker = match place.take() {
            Some(talker) => talker,
            None => start()?,
        };
        let line = tokio::time::timeout(PATIENCE, talker.ask(&format!("info {name}\n"))).await.ok()?.ok()?;
        *place = Some(talker);
        read(name, &line)
    }
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
