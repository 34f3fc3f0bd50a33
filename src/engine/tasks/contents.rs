//! What is not in git's own objects, looked at before a mission: contents that git-lfs keeps, and filters that workspaces do
//! not have.

use super::preflight::PreflightInput;
use crate::adapters::git::GitError;
use crate::adapters::git::file_attributes::{Attributes, Entry, names_filter, names_lfs};
use crate::adapters::host::local::workspace::filtered::name_few;
use crate::adapters::host::local::workspace::lfs::{KEYS, LONGEST_POINTER, LargeFiles, Pointer};
use crate::domain::mission::Refusal;
use crate::domain::values::Tip;
use crate::engine::context::refusal::{environment, git_refusal};
use std::collections::BTreeMap;

/// Larger files of attributes are taken to name a filter.
const LARGEST: usize = 1 << 20;

impl PreflightInput<'_> {
    /// Notes on files that are not in workspaces as they are in the repository.
    ///
    /// # Errors
    /// [`Refusal`] when contents are missing that workspaces need.
    pub async fn check_filters(&self, target: &Tip) -> Result<Vec<String>, Refusal> {
        let files = self.source.entries_of(target.tree.as_str()).await.map_err(git_refusal)?;
        let attributes = files.iter().filter(|file| file.is_attributes() && file.is_file());
        let ids: Vec<&str> = attributes.map(|file| file.id.as_str()).collect();
        let texts = self.source.small_blobs(&ids, LARGEST).await.map_err(git_refusal)?;
        if !texts.iter().any(|text| text.as_deref().is_none_or(names_filter)) {
            return Ok(Vec::new());
        }
        let settings = self.source.settings(&format!("^({KEYS})$")).await.map_err(git_refusal)?;
        let large = LargeFiles::from_settings(self.facts, &settings);
        let files: Vec<Entry> = files.into_iter().filter(Entry::is_file).collect();
        let named = match self.source.filters_of(Attributes::Of(target.tree.as_str()), &files).await {
            Ok(named) => named,
            // Git before 2.41 reads attributes from files only.
            Err(GitError::Unexpected { .. }) => return Ok(Vec::new()),
            Err(e) => return Err(git_refusal(e)),
        };
        let mut by_filter: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for (place, filter) in &named {
            by_filter.entry(filter).or_default().push(&files[*place]);
        }
        let mut notes = Vec::new();
        let lfs = texts.iter().any(|text| text.as_deref().is_none_or(names_lfs));
        if lfs {
            let kept = by_filter.remove("lfs").unwrap_or_default();
            notes.extend(self.check_large_files(target, &large, &kept, settings.value("filter.lfs.process")).await?);
        }
        for filter in by_filter.keys().filter(|name| large.withheld.contains(**name)) {
            notes.push(format!(
                "the filter {filter} is defined in the repository's own settings, which workspaces do not have: files stay as they \
                 are in git, and a unit that changes one is held (`git config --global` makes the filter known to them)"
            ));
        }
        Ok(notes)
    }

    async fn check_large_files(
        &self,
        target: &Tip,
        large: &LargeFiles,
        kept: &[&Entry],
        process: Option<&[u8]>,
    ) -> Result<Option<String>, Refusal> {
        if !large.is_set_up() {
            return Ok(Some(
                "git-lfs is not set up (`git lfs install`): its files are pointers in workspaces, and a unit that adds one is held"
                    .to_owned(),
            ));
        }
        let ordinary = process.is_some_and(|line| line.starts_with(b"git-lfs "));
        if ordinary && !self.source.run(&["lfs", "version"]).await.map_err(git_refusal)?.success() {
            return Err(environment(
                "files are kept by git-lfs, which is set up but not installed".to_owned(),
                "install git-lfs, or put it into PATH",
            ));
        }
        let ids: Vec<&str> = kept.iter().map(|file| file.id.as_str()).collect();
        let texts = self.source.small_blobs(&ids, LONGEST_POINTER).await.map_err(git_refusal)?;
        let missing = kept.iter().zip(texts).filter(|(_, text)| {
            let pointer = text.as_deref().and_then(Pointer::read);
            pointer.is_some_and(|pointer| !large.has_content(&pointer))
        });
        let missing: Vec<String> = missing.map(|(file, _)| file.display_path()).collect();
        if missing.is_empty() {
            return Ok(None);
        }
        let (count, names) = (missing.len(), name_few(&missing));
        let fetched =
            self.source.read_file(&target.commit, ".lfsconfig").await.map_err(git_refusal)?.unwrap_or_default();
        let fetched = String::from_utf8_lossy(&fetched).to_lowercase();
        if large.chooses || fetched.contains("fetchexclude") || fetched.contains("fetchinclude") {
            let stay =
                if count == 1 { "1 file stays a pointer".to_owned() } else { format!("{count} files stay pointers") };
            return Ok(Some(format!("{stay} in workspaces, by the settings of git-lfs (lfs.fetchexclude): {names}")));
        }
        let files = if count == 1 { "file" } else { "files" };
        Err(environment(
            format!("the contents of {count} {files} that git-lfs keeps are not in this repository: {names}"),
            "`git lfs pull` fetches them; `git config lfs.fetchexclude PATTERN` leaves those pointers that nobody needs",
        ))
    }
}
