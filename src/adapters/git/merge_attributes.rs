//! The attributes of a merge: those of green, without what joins lines unasked.

use crate::adapters::git::attributes::{FILE, without_union};
use crate::adapters::git::{GitError, MergeRepo};
use crate::domain::values::Tip;
use std::borrow::Cow;
use std::ffi::OsString;

impl MergeRepo {
    /// What `--attr-source` is to name for merges onto green: green, or the same without what asks for union.
    pub(super) async fn attributes(&self, green: &Tip) -> Result<Option<String>, GitError> {
        if !self.knows_attr_source() {
            return Ok(None);
        }
        let mut followed = self.followed.lock().await;
        if let Some((commit, source)) = &*followed
            && self.source.same_files_called(FILE, commit, &green.commit).await == Some(true)
        {
            return Ok(Some(source.clone()));
        }
        let mut tamed: Vec<(OsString, String, Vec<u8>)> = Vec::new();
        for entry in self.source.entries_of(green.tree.as_str()).await? {
            if entry.is_file()
                && entry.is_attributes()
                && let Cow::Owned(text) = without_union(&self.source.blob(&entry.id).await?)
            {
                tamed.push((entry.path, entry.mode, text));
            }
        }
        let source = match tamed.is_empty() {
            true => green.commit.to_string(),
            false => {
                let files: Vec<_> = tamed.iter().map(|(path, mode, text)| (path, mode.as_str(), &**text)).collect();
                self.replace_files(&green.tree, &files).await?.as_str().to_owned()
            }
        };
        *followed = Some((green.commit.clone(), source.clone()));
        Ok(Some(source))
    }
}
