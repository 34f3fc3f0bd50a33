//! What of an attempt's work is not in git as its attributes ask for: contents that git-lfs should keep and does not have,
//! or files that went past a filter. Landed, they would be changed for ever wherever the filter is.

use super::lfs::{LONGEST_POINTER, LargeFiles, Pointer};
use crate::adapters::git::file_attributes::{Attributes, Entry};
use crate::adapters::git::{Git, GitError};
use crate::domain::values::{CommitId, Tip};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// So many files are named.
const NAMED: usize = 3;

/// Why work must not land as it is; a sentence for each reason. `git` is that of the workspace, whose index is the head's.
pub(crate) async fn find_unfit(
    git: &Git,
    large: &LargeFiles,
    base: &CommitId,
    head: &Tip,
) -> Result<Vec<String>, GitError> {
    let changed = git.entries_changed(base.as_str(), head.commit.as_str()).await?;
    // Other attributes may ask something of files that are the same.
    let files = match changed.iter().any(Entry::is_attributes) {
        true => git.entries_of(head.tree.as_str()).await?,
        false => changed.clone(),
    };
    let files: Vec<Entry> = files.into_iter().filter(Entry::is_file).collect();
    let changed: HashSet<&Entry> = changed.iter().collect();
    let mut kept = Vec::new();
    let mut past: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (place, filter) in git.filters_of(Attributes::Index, &files).await? {
        let file = &files[place];
        if filter == "lfs" {
            kept.push(file);
        } else if large.withheld.contains(&filter) && changed.contains(file) {
            past.entry(filter).or_default().push(file.display_path());
        }
    }
    let (mut raw, mut lost) = (Vec::new(), Vec::new());
    let ids: Vec<&str> = kept.iter().map(|file| file.id.as_str()).collect();
    for (file, text) in kept.iter().zip(git.small_blobs(&ids, LONGEST_POINTER).await?) {
        match text.as_deref().map(|text| (text.is_empty(), Pointer::read(text))) {
            // Git-lfs leaves an empty file as it is.
            Some((true, _)) => {}
            Some((_, Some(pointer))) if changed.contains(*file) && !large.has_content(&pointer) => lost.push(*file),
            Some((_, Some(_))) => {}
            Some((_, None)) | None => raw.push((*file).clone()),
        }
    }
    let raw = find_newly_raw(git, base, &changed, raw).await;
    let lost = find_unknown(git, base, lost).await?;
    let mut said = Vec::new();
    if !raw.is_empty() {
        let how = match large.is_set_up() {
            true => "it went past the filter of git-lfs (`git add --renormalize` puts it right)",
            false => "git-lfs is not set up here (`git lfs install`)",
        };
        said.push(format!(
            "the content itself of {} is in git, where a pointer of git-lfs should be: {how}",
            name_few(&raw)
        ));
    }
    if !lost.is_empty() {
        said.push(format!("nobody has the content that git-lfs should keep of {}", name_few(&lost)));
    }
    for (filter, names) in past {
        said.push(format!(
            "{} went past the filter {filter}, which only your repository's own settings define and workspaces do not have \
             (`git config --global` makes it known to them)",
            name_few(&names)
        ));
    }
    Ok(said)
}

/// Files that were pointers or no matter of git-lfs at the base. What was wrong before is nobody's work.
async fn find_newly_raw(git: &Git, base: &CommitId, changed: &HashSet<&Entry>, raw: Vec<Entry>) -> Vec<String> {
    let (new, old): (Vec<Entry>, Vec<Entry>) = raw.into_iter().partition(|file| changed.contains(file));
    let before = match old.is_empty() {
        true => BTreeMap::new(),
        false => match git.filters_of(Attributes::Of(base.as_str()), &old).await {
            Ok(before) => before,
            // An older git cannot say.
            Err(_) => return new.iter().map(Entry::display_path).collect(),
        },
    };
    let asked = |place: &usize| before.get(place).is_none_or(|filter| filter != "lfs");
    let old = old.iter().enumerate().filter(|(place, _)| asked(place)).map(|(_, file)| file);
    new.iter().chain(old).map(Entry::display_path).collect()
}

/// Those whose pointers the base does not have anywhere: a file that was moved is as it was.
async fn find_unknown(git: &Git, base: &CommitId, lost: Vec<&Entry>) -> Result<Vec<String>, GitError> {
    if lost.is_empty() {
        return Ok(Vec::new());
    }
    let before: BTreeSet<String> = git.entries_of(base.as_str()).await?.into_iter().map(|file| file.id).collect();
    Ok(lost.into_iter().filter(|file| !before.contains(&file.id)).map(Entry::display_path).collect())
}

/// The first of some names.
pub(crate) fn name_few(names: &[String]) -> String {
    crate::domain::base::text::name_first(names, NAMED)
}
