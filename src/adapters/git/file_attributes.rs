//! What attributes ask of the files of a tree: which of them go through a filter, and what these are in git.

use super::{Git, GitError, fields};
use crate::adapters::os::files::{At, create_unnamed, read_whole};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Whose attributes count.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attributes<'a> {
    /// Those in the index.
    Index,
    /// Those of a tree; git 2.41 or newer.
    Of(&'a str),
}

/// One file of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    /// Its mode, as git writes it.
    pub(crate) mode: String,
    /// Its object.
    pub(crate) id: String,
    /// Its path from the root.
    pub(crate) path: OsString,
}

impl Entry {
    /// Reads one of `git ls-tree -z`: `<mode> <kind> <id> TAB <path>`.
    pub(super) fn read(field: &[u8]) -> Option<Self> {
        let tab = field.iter().position(|b| *b == b'\t')?;
        let mut words = std::str::from_utf8(&field[..tab]).ok()?.split(' ');
        let (mode, _, id) = (words.next()?, words.next()?, words.next()?);
        let path = OsStr::from_bytes(&field[tab + 1..]).to_owned();
        Some(Self { mode: mode.to_owned(), id: id.to_owned(), path })
    }

    /// Whether it is a plain file, to which filters apply.
    pub(crate) fn is_file(&self) -> bool {
        self.mode.starts_with("100")
    }

    /// Whether it holds attributes.
    pub(crate) fn is_attributes(&self) -> bool {
        self.path.as_bytes() == b".gitattributes" || self.path.as_bytes().ends_with(b"/.gitattributes")
    }

    /// Its path for people.
    pub(crate) fn display_path(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}

/// Whether a text of attributes names a filter for anything.
pub(crate) fn names_filter(text: &[u8]) -> bool {
    text.windows(7).any(|word| word == b"filter=")
}

/// Whether a text of attributes gives anything to git-lfs.
pub(crate) fn names_lfs(text: &[u8]) -> bool {
    text.windows(10).any(|word| word == b"filter=lfs")
}

impl Git {
    /// Everything in a tree that is no folder.
    pub(crate) async fn entries_of(&self, tree: &str) -> Result<Vec<Entry>, GitError> {
        let listed = self.run_bytes(&["ls-tree", "-r", "-z", "--full-tree", tree]).await?;
        Ok(fields(&listed).filter_map(Entry::read).collect())
    }

    /// The content of a blob, from the process that stays or from a git of its own.
    pub(super) async fn blob(&self, id: &str) -> Result<Vec<u8>, GitError> {
        match self.content(id, "blob").await {
            Some(content) => Ok(content),
            None => self.run_bytes(&["cat-file", "blob", id]).await,
        }
    }

    /// What `b` has otherwise than `a`, in mode or content, as `b` has it; what is gone is left out.
    pub(crate) async fn entries_changed(&self, a: &str, b: &str) -> Result<Vec<Entry>, GitError> {
        let args = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--ignore-submodules=none", "--diff-filter=AMT"];
        let raw = self.run_bytes(&[&args[..], &[a, b, "--"]].concat()).await?;
        let mut rest = fields(&raw);
        let mut found = Vec::new();
        while let (Some(meta), Some(path)) = (rest.next(), rest.next()) {
            let meta = String::from_utf8_lossy(meta).into_owned();
            let words: Vec<&str> = meta.split(' ').collect();
            if let [_, mode, _, id, _] = words[..] {
                let path = OsStr::from_bytes(path).to_owned();
                found.push(Entry { mode: mode.to_owned(), id: id.to_owned(), path });
            }
        }
        Ok(found)
    }

    /// The filter that attributes name for each of these files that have one, by its place in the list.
    pub(crate) async fn filters_of(
        &self,
        whose: Attributes<'_>,
        files: &[Entry],
    ) -> Result<BTreeMap<usize, String>, GitError> {
        let places: BTreeMap<&[u8], usize> = files.iter().enumerate().map(|(n, e)| (e.path.as_bytes(), n)).collect();
        let names: Vec<u8> = files.iter().flat_map(|e| [e.path.as_bytes(), b"\0"]).flatten().copied().collect();
        let of_index = ["check-attr", "-z", "--stdin", "--cached", "filter"];
        let said = match whose {
            Attributes::Index => self.pipe_input(&of_index, &names).await?,
            Attributes::Of(tree) if !self.knows_attr_source().await? => {
                let place = tempfile::tempdir().at(std::env::temp_dir())?;
                let git = self.clone().with_env("GIT_INDEX_FILE", place.path().join("index"));
                git.run_text(&["read-tree", tree]).await?;
                git.pipe_input(&of_index, &names).await?
            }
            Attributes::Of(tree) => {
                let git = self.clone().with_option(&format!("--attr-source={tree}"));
                git.pipe_input(&["check-attr", "-z", "--stdin", "filter"], &names).await?
            }
        };
        let mut rest = fields(&said);
        let mut found = BTreeMap::new();
        while let (Some(path), Some(_), Some(value)) = (rest.next(), rest.next(), rest.next()) {
            let named = !matches!(value, b"unspecified" | b"set" | b"unset");
            if let (true, Some(place)) = (named, places.get(path)) {
                found.insert(*place, String::from_utf8_lossy(value).into_owned());
            }
        }
        Ok(found)
    }

    /// Contents of objects, each at most `largest` bytes long; `None` for a longer one. An object that is missing is an error.
    pub(crate) async fn small_blobs(&self, ids: &[&str], largest: usize) -> Result<Vec<Option<Vec<u8>>>, GitError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let lines = |ids: &[&str]| ids.iter().flat_map(|id| [id, "\n"]).collect::<String>().into_bytes();
        let check = ["cat-file", "--batch-check=%(objectsize)"];
        let told = self.pipe_input(&check, &lines(ids)).await?;
        let sizes: Vec<usize> =
            String::from_utf8_lossy(&told).lines().map(|size| size.parse().unwrap_or(usize::MAX)).collect();
        let small: Vec<&str> =
            ids.iter().zip(&sizes).filter(|(_, size)| **size <= largest).map(|(id, _)| *id).collect();
        let told = match small.is_empty() {
            true => Vec::new(),
            false => self.pipe_input(&["cat-file", "--batch=%(objectsize)"], &lines(&small)).await?,
        };
        let mut rest = told.as_slice();
        let mut next = |size: usize| {
            let start = rest.iter().position(|b| *b == b'\n')? + 1;
            let content = rest.get(start..start + size)?.to_vec();
            rest = rest.get(start + size + 1..)?;
            Some(content)
        };
        Ok(ids.iter().zip(&sizes).map(|(_, size)| if *size <= largest { next(*size) } else { None }).collect())
    }

    /// What git says to an input.
    pub(super) async fn pipe_input(&self, args: &[&str], input: &[u8]) -> Result<Vec<u8>, GitError> {
        let dir = self.place().folder();
        let (asked, told) = (create_unnamed(input).at(dir)?, create_unnamed(b"").at(dir)?);
        if !self.run_piped(args, &asked, Some(&told)).await? {
            // A call that says why it fails.
            self.run_text(&["rev-parse", "--git-dir"]).await?;
            return Err(super::unexpected_output(args, b"it failed"));
        }
        Ok(read_whole(&told).at(dir)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_found_in_attributes() {
        assert!(names_filter(b"*.bin filter=lfs diff=lfs\n"));
        assert!(!names_filter(b"* text=auto\n*.x -filter\n") && !names_filter(b""));
    }
}
