//! The attributes of a merge: those of green, without what joins lines unasked.

use crate::adapters::git::attributes::{FILE, without_union};
use crate::adapters::git::merge::MergeRepo;
use crate::adapters::git::{GitError, fields};
use crate::domain::values::Tip;
use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

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
        let listed = self.source.bytes(&["ls-tree", "-r", "-z", "--full-tree", green.tree.as_str()]).await?;
        for field in fields(&listed) {
            let Some(tab) = field.iter().position(|b| *b == b'\t') else { continue };
            let (meta, path) = (String::from_utf8_lossy(&field[..tab]), &field[tab + 1..]);
            let words: Vec<&str> = meta.split(' ').collect();
            let [mode, "blob", id] = words[..] else { continue };
            if !mode.starts_with("100") || path.rsplit(|b| *b == b'/').next() != Some(FILE.as_bytes()) {
                continue;
            }
            let text = match self.source.content(id, "blob").await {
                Some(text) => text,
                None => self.source.bytes(&["cat-file", "blob", id]).await?,
            };
            if let Cow::Owned(text) = without_union(&text) {
                tamed.push((OsString::from_vec(path.to_vec()), mode.to_owned(), text));
            }
        }
        let source = match tamed.is_empty() {
            true => green.commit.to_string(),
            false => {
                let files: Vec<_> = tamed.iter().map(|(path, mode, text)| (path, mode.as_str(), &**text)).collect();
                self.replaced(&green.tree, &files).await?.as_str().to_owned()
            }
        };
        *followed = Some((green.commit.clone(), source.clone()));
        Ok(Some(source))
    }
}
