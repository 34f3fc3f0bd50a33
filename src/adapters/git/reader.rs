//! What one `cat-file --batch-command` that stays answers: what an object or ref is, and what is in a tree.
//!
//! Promises: it only reads, so it does without the engine's lock; an answer is never older than the question (git looks at
//! refs and objects each time it is asked).

use crate::adapters::host::local::process::command::Coprocess;
use std::collections::HashSet;

/// Largest tree that is read whole.
const LARGEST: usize = 4 << 20;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// An object of this id.
    Object(String),
    /// Nothing of that name is there.
    Missing,
}

/// Asks what `name` (a revision in one line) stands for.
pub(super) async fn lookup_object(coprocess: &mut Coprocess, name: &str) -> Option<Answer> {
    request_object(coprocess, name, None).await.map(|(answer, _)| answer)
}

/// Whether it is the whole name of a ref, and no revision made from one.
pub(super) fn is_whole(name: &str) -> bool {
    name.starts_with("refs/") && !name.contains(['\n', '^', '~', ':']) && !name.contains("@{")
}

/// What the ref of exactly this name holds. `Some(None)`: not a name that can be asked for, or a ref of another name could
/// be meant; a git that is told to list refs can say.
///
/// Git looks for a name in several places (gitrevisions(7)), the first of which is the name itself; so what is missing is
/// missing, and what was found is the ref itself when there is nothing at the others. (A name that reads like the output of
/// `git describe` is found everywhere.)
pub(super) async fn lookup_ref(coprocess: &mut Coprocess, refname: &str) -> Option<Option<Answer>> {
    if !is_whole(refname) {
        return Some(None);
    }
    let found = lookup_object(coprocess, refname).await?;
    if found == Answer::Missing {
        return Some(Some(found));
    }
    let others = ["refs", "refs/tags", "refs/heads", "refs/remotes"].map(|place| format!("{place}/{refname}"));
    let others = [others.as_slice(), &[format!("refs/remotes/{refname}/HEAD")]].concat();
    let questions: String = others.iter().map(|name| format!("info {name}\n")).collect();
    coprocess.send(&questions).await.ok()?;
    let mut alone = true;
    for name in &others {
        alone &= read(name, &coprocess.read_line().await.ok()?)? == Answer::Missing;
    }
    Some(alone.then_some(found))
}

/// So many questions and their answers find room in pipes of one page, the smallest there are (pipe(7)): nobody listens while
/// the questions are written.
const AT_ONCE: usize = 40;

/// Whether every one of these ids (in hexadecimal digits) is that of an object.
pub(super) async fn all_there(coprocess: &mut Coprocess, ids: &HashSet<String>) -> Option<bool> {
    let ids: Vec<&String> = ids.iter().collect();
    for chunk in ids.chunks(AT_ONCE) {
        let questions: String = chunk.iter().map(|id| format!("info {id}\n")).collect();
        coprocess.send(&questions).await.ok()?;
        let mut all = true;
        for id in chunk {
            all &= read(id, &coprocess.read_line().await.ok()?)? == Answer::Object((*id).clone());
        }
        if !all {
            return Some(false);
        }
    }
    Some(true)
}

/// The content of the object that `name` stands for, as git keeps it; `Some(None)`: there is none, or none of this `kind`
/// (`tree`, `commit`, `blob`). `None` also when it is larger than [`LARGEST`].
pub(super) async fn content(coprocess: &mut Coprocess, name: &str, kind: &str) -> Option<Option<Vec<u8>>> {
    match request_object(coprocess, name, Some(kind)).await? {
        (Answer::Object(_), content) => Some(content),
        (Answer::Missing, _) => Some(None),
    }
}

async fn request_object(
    coprocess: &mut Coprocess,
    name: &str,
    wanted: Option<&str>,
) -> Option<(Answer, Option<Vec<u8>>)> {
    if name.contains('\n') || name.is_empty() {
        return None;
    }
    let question = format!("{} {name}\n", if wanted.is_some() { "contents" } else { "info" });
    let line = coprocess.query(&question).await.ok()?;
    let content = match length(&line).filter(|_| wanted.is_some()) {
        // Too much to read: the process is left behind with it.
        Some(length) if length > LARGEST => return None,
        Some(length) => Some(coprocess.read_bytes(length).await.ok()?),
        None => None,
    };
    let kind = line.split(' ').nth(1);
    Some((read(name, &line)?, content.filter(|_| kind == wanted)))
}

/// Size of the object of an answer.
fn length(line: &str) -> Option<usize> {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        [_, "commit" | "tree" | "blob" | "tag", size] => size.parse().ok(),
        _ => None,
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
