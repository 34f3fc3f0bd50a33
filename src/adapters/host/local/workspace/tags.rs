//! Tags in workspaces: a slot has those of the source that are reachable from the commit it stands at, as a clone of that
//! commit has, so that `git describe` and versions made from it say there what they say anywhere else.
//!
//! Promises: without tags nothing is asked of git; which tags there are is read once, so that everything one engine verifies is
//! verified with the same ones; which of them a commit reaches is found from the last commit that was asked for, not from the
//! whole history again; names are bytes.

use crate::adapters::git::{Git, GitError, SourceFacts};
use crate::domain::base::FieldHash;
use crate::domain::values::CommitId;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Mutex;

/// So many commits are remembered with the tags they reach.
const REMEMBERED: usize = 16;

/// The tags of a repository as they were when they were first asked for. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Tags(Arc<Mutex<Option<KnownTags>>>);

/// What is known.
#[derive(Debug)]
struct KnownTags {
    /// In the order of their names.
    tags: Vec<Tag>,
    /// Commits that were asked for, the last one last, with the places of the tags each of them reaches.
    reached: Vec<(CommitId, BTreeSet<usize>)>,
}

/// One tag.
#[derive(Debug, PartialEq, Eq)]
struct Tag {
    /// The whole name of the ref.
    name: Vec<u8>,
    /// What it holds.
    id: String,
    /// What that stands for in the end, where it is a tag object.
    peeled: Option<String>,
}

impl Tag {
    fn target(&self) -> &str {
        self.peeled.as_deref().unwrap_or(&self.id)
    }
}

impl Tags {
    /// What every result of a verification depends on where there are tags; `None` without any.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn digest(&self, source: &Git, facts: &SourceFacts) -> Result<Option<String>, GitError> {
        let mut place = self.0.lock().await;
        let known = load_known(&mut place, source, facts).await?;
        if known.tags.is_empty() {
            return Ok(None);
        }
        let mut hash = FieldHash::default();
        for tag in &known.tags {
            hash.add(&tag.name);
            hash.add(&tag.id);
        }
        Ok(Some(hash.finish()))
    }

    /// Looks at the repository again at the next question.
    pub async fn invalidate(&self) {
        *self.0.lock().await = None;
    }

    /// The tags that a mirror should have in which workspaces stand at `commits`, in order: those they reach, and of those that are `there`
    /// the ones that hold still, since other workspaces may need them. Names that are no text are left out.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub(crate) async fn select_for_mirror(
        &self,
        source: &Git,
        facts: &SourceFacts,
        commits: &[CommitId],
        there: &[(String, CommitId)],
    ) -> Result<Vec<(String, CommitId)>, GitError> {
        let mut place = self.0.lock().await;
        let known = load_known(&mut place, source, facts).await?;
        let mut places = BTreeSet::new();
        for commit in commits {
            places.extend(known.find_reached(source, commit).await?);
        }
        let there: HashSet<(&[u8], &str)> = there.iter().map(|(name, id)| (name.as_bytes(), id.as_str())).collect();
        let holds = |tag: &Tag| there.contains(&(tag.name.as_slice(), tag.id.as_str()));
        places.extend(known.tags.iter().enumerate().filter_map(|(n, tag)| holds(tag).then_some(n)));
        let named = |n: usize| {
            let tag = known.tags.get(n)?;
            Some((String::from_utf8(tag.name.clone()).ok()?, CommitId::new(&tag.id).ok()?))
        };
        Ok(places.into_iter().filter_map(named).collect())
    }

    /// The file `packed-refs` of a clone that stands at `base`; empty where it reaches no tag.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub(crate) async fn format_packed_refs(
        &self,
        source: &Git,
        facts: &SourceFacts,
        base: &CommitId,
    ) -> Result<Vec<u8>, GitError> {
        let mut place = self.0.lock().await;
        let known = load_known(&mut place, source, facts).await?;
        let reached = known.find_reached(source, base).await?;
        Ok(known.format_packed_refs(&reached))
    }
}

/// Reads the tags at the first question.
async fn load_known<'a>(
    place: &'a mut Option<KnownTags>,
    source: &Git,
    facts: &SourceFacts,
) -> Result<&'a mut KnownTags, GitError> {
    let fresh = match place.take() {
        Some(known) => known,
        None if !may_have_tags(&facts.common_dir) => KnownTags { tags: Vec::new(), reached: Vec::new() },
        None => {
            let listed = source.run_query(&["show-ref", "--tags", "--dereference"]).await?;
            KnownTags { tags: read(&listed.unwrap_or_default()), reached: Vec::new() }
        }
    };
    Ok(place.insert(fresh))
}

impl KnownTags {
    /// The tags that `base` reaches, asked for or remembered.
    async fn find_reached(&mut self, source: &Git, base: &CommitId) -> Result<BTreeSet<usize>, GitError> {
        if self.tags.is_empty() {
            return Ok(BTreeSet::new());
        }
        if let Some((_, reached)) = self.reached.iter().find(|(commit, _)| commit == base) {
            return Ok(reached.clone());
        }
        let reached = self.compute_reached(source, base).await?;
        if self.reached.len() == REMEMBERED {
            self.reached.remove(0);
        }
        self.reached.push((base.clone(), reached.clone()));
        Ok(reached)
    }

    /// The tags that `base` reaches. Two commits of one mission are a few steps apart: what one of them reaches differs from
    /// what the other does by the commits between them.
    async fn compute_reached(&self, source: &Git, base: &CommitId) -> Result<BTreeSet<usize>, GitError> {
        let Some((near, reached)) = self.reached.last() else {
            let merged = format!("--merged={base}");
            let bytes = source.run_bytes(&["for-each-ref", "--format=%(refname)", &merged, "refs/tags"]).await?;
            let names: BTreeSet<&[u8]> = bytes.split(|b| *b == b'\n').collect();
            let reaches = |(n, tag): (usize, &Tag)| names.contains(tag.name.as_slice()).then_some(n);
            return Ok(self.tags.iter().enumerate().filter_map(reaches).collect());
        };
        let mut reached = reached.clone();
        if reached.len() == self.tags.len() && source.grew_from(base, near).await {
            return Ok(reached);
        }
        let mut at: HashMap<&str, Vec<usize>> = HashMap::new();
        for (n, tag) in self.tags.iter().enumerate() {
            at.entry(tag.target()).or_default().push(n);
        }
        let between = source.run_text(&["rev-list", "--left-right", &format!("{near}...{base}"), "--"]).await?;
        for line in between.lines() {
            let (side, commit) = line.split_at_checked(1).unwrap_or_default();
            let Some(tags) = at.get(commit) else { continue };
            match side {
                ">" => reached.extend(tags),
                _ => reached.retain(|n| !tags.contains(n)),
            }
        }
        Ok(reached)
    }

    fn format_packed_refs(&self, reached: &BTreeSet<usize>) -> Vec<u8> {
        let mut text = Vec::new();
        for tag in reached.iter().filter_map(|n| self.tags.get(*n)) {
            if text.is_empty() {
                text.extend_from_slice(b"# pack-refs with: peeled fully-peeled sorted \n");
            }
            text.extend_from_slice(tag.id.as_bytes());
            text.push(b' ');
            text.extend_from_slice(&tag.name);
            text.push(b'\n');
            if let Some(peeled) = &tag.peeled {
                text.extend_from_slice(format!("^{peeled}\n").as_bytes());
            }
        }
        text
    }
}

/// Whether a look at its files leaves room for a tag.
fn may_have_tags(common: &Path) -> bool {
    let loose = || {
        let mut folders = vec![common.join("refs/tags")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    _ => return true,
                }
            }
        }
        false
    };
    let packed = || match fs::read(common.join("packed-refs")) {
        Ok(text) => text.windows(11).any(|word| word == b" refs/tags/"),
        Err(e) => e.kind() != std::io::ErrorKind::NotFound,
    };
    common.join("reftable").exists() || loose() || packed()
}

/// Reads `<id> <name>` lines; `<name>^{}` says what the tag of the line before stands for.
fn read(bytes: &[u8]) -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    for line in bytes.split(|b| *b == b'\n') {
        let Some(space) = line.iter().position(|b| *b == b' ') else { continue };
        let (Ok(id), name) = (std::str::from_utf8(&line[..space]), &line[space + 1..]) else { continue };
        match (name.strip_suffix(b"^{}"), tags.last_mut()) {
            (Some(name), Some(last)) if last.name == name => last.peeled = Some(id.to_owned()),
            _ => tags.push(Tag { name: name.to_vec(), id: id.to_owned(), peeled: None }),
        }
    }
    tags.sort_by(|a, b| a.name.cmp(&b.name));
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_and_written_in_order() {
        let known = KnownTags {
            tags: read(b"11 refs/tags/a\n22 refs/tags/b\n33 refs/tags/b^{}\n44 refs/tags/\xff\n\n"),
            reached: Vec::new(),
        };
        assert_eq!(known.tags.len(), 3);
        assert_eq!(known.tags.iter().map(Tag::target).collect::<Vec<_>>(), ["11", "33", "44"]);
        assert_eq!(known.format_packed_refs(&BTreeSet::new()), b"");
        let wanted = b"# pack-refs with: peeled fully-peeled sorted \n22 refs/tags/b\n^33\n44 refs/tags/\xff\n";
        assert_eq!(known.format_packed_refs(&BTreeSet::from([1, 2])), wanted);
    }
}
