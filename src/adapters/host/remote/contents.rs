//! Contents that git-lfs keeps beside git's objects, carried as those are: what files of a commit need goes to the mirror before a
//! workspace is made of it, and what an attempt added comes to the source before its work is pinned here. Without git-lfs none of
//! this costs more than one look at the settings.

use super::client::{RemoteHost, new_name};
use super::objects::Mirror;
use super::protocol::{RemoteFile, Request};
use crate::adapters::git::file_attributes::{Attributes, Entry, names_lfs};
use crate::adapters::git::{Git, GitError};
use crate::adapters::host::local::workspace::contents::{self, is_oid};
use crate::adapters::host::local::workspace::lfs::{KEYS, LONGEST_POINTER, LargeFiles, Pointer};
use crate::adapters::os::files::if_there;
use crate::domain::trouble::Trouble;
use crate::domain::values::CommitId;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Larger files of attributes are taken to name git-lfs.
const LARGEST: usize = 1 << 20;

/// How often a content is sent or read that was cut off.
const TRIES: usize = 3;

impl RemoteHost {
    /// Where the source has contents; `None` where git-lfs is not set up.
    async fn large_files(&self) -> Result<Option<&LargeFiles>, Trouble> {
        let seen = self.large.get_or_try_init(|| async {
            let settings = self.source.settings(&format!("^({KEYS})$")).await?;
            Ok(LargeFiles::from_settings(&self.facts, &settings))
        });
        let large = seen.await.map_err(|e: GitError| self.classify_error(&e))?;
        Ok(Some(large).filter(|large| large.is_set_up()))
    }

    /// Those of `oids` that the mirror does not have.
    async fn list_missing(&self, oids: BTreeSet<String>) -> Result<Vec<String>, Trouble> {
        if oids.is_empty() {
            return Ok(Vec::new());
        }
        let request = Request::LackedContents(oids.iter().cloned().collect());
        let mut lacked = self.query::<Result<Vec<String>, Trouble>>(request).await??;
        // What else it wants is not its business.
        lacked.retain(|oid| oids.contains(oid));
        Ok(lacked)
    }

    /// Sends the contents that files of these commits have here, as far as they are not there.
    pub(super) async fn send_contents(&self, commits: &[CommitId]) -> Result<(), Trouble> {
        let Some(large) = self.large_files().await? else { return Ok(()) };
        let mut oids = BTreeSet::new();
        for commit in commits {
            oids.extend(oids_of_files(&self.source, commit).await.map_err(|e| self.classify_error(&e))?);
        }
        oids.retain(|oid| large.find_content(oid).is_some());
        for oid in self.list_missing(oids).await? {
            let Some((path, _)) = large.find_content(&oid) else { continue };
            let mut taken = false;
            // Where the file was lost with its worker, once more.
            for _ in 0..TRIES {
                let name = new_name();
                let file = File::open(&path).map_err(|e| self.classify_error(&e))?;
                self.send_file(&name, &file).await?;
                let request = Request::TakeContent(name, oid.clone());
                taken = self.query::<Result<bool, Trouble>>(request).await??;
                if taken {
                    break;
                }
            }
            if !taken {
                let what = format!("the content {oid} that git-lfs keeps does not arrive whole at a host");
                return Err(Trouble::from(what));
            }
        }
        Ok(())
    }

    /// Brings the contents here that commits which just came point to, as far as they are there and not here.
    pub(super) async fn fetch_contents(&self, commits: &[CommitId], known: &[CommitId]) -> Result<(), Trouble> {
        let Some(large) = self.large_files().await? else { return Ok(()) };
        let mut missing = pointers_since(&self.source, commits, known).await.map_err(|e| self.classify_error(&e))?;
        missing.retain(|oid, _| large.find_content(oid).is_none());
        // What nobody has is told with the work.
        for oid in self.list_missing(missing.keys().cloned().collect()).await? {
            missing.remove(&oid);
        }
        // Pointers are the host's words, too.
        let together = missing.values().fold(0_u64, |sum, size| sum.saturating_add(*size));
        self.check_length("contents that git-lfs keeps", together)?;
        for (oid, size) in &missing {
            // Its mode is that of any file of the user's, as git-lfs would make it.
            let made =
                tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(&self.engine.root);
            let mut draft = made.map_err(|e| self.classify_error(&e))?;
            self.read_file(&RemoteFile::Content(oid.clone()), *size, |bytes| draft.write_all(bytes)).await?;
            if !large.take(draft.path(), oid).map_err(|e| self.classify_error(&e))? {
                return Err(Trouble::from(format!("the content {oid} that git-lfs keeps did not arrive whole")));
            }
        }
        Ok(())
    }
}

/// The contents that files of a commit point to.
async fn oids_of_files(source: &Git, commit: &CommitId) -> Result<BTreeSet<String>, GitError> {
    let files: Vec<Entry> = source.entries_of(commit.as_str()).await?.into_iter().filter(Entry::is_file).collect();
    let attributes = files.iter().filter(|file| file.is_attributes()).map(|file| file.id.as_str());
    let texts = source.small_blobs(&attributes.collect::<Vec<_>>(), LARGEST).await?;
    if !texts.iter().any(|text| text.as_deref().is_none_or(names_lfs)) {
        return Ok(BTreeSet::new());
    }
    let filters = source.filters_of(Attributes::Of(commit.as_str()), &files).await?;
    let kept = filters.iter().filter(|(_, filter)| *filter == "lfs").map(|(place, _)| files[*place].id.as_str());
    Ok(pointers_in(source, &kept.collect::<Vec<_>>()).await?.into_iter().map(|pointer| pointer.oid).collect())
}

/// The contents that anything points to which commits have and `known` do not, with their lengths.
async fn pointers_since(
    source: &Git,
    commits: &[CommitId],
    known: &[CommitId],
) -> Result<BTreeMap<String, u64>, GitError> {
    let mut args = vec!["rev-list", "--objects", "--no-object-names", "--filter=object:type=blob"];
    args.extend(["--filter-provided-objects", "--ignore-missing"]);
    args.extend(commits.iter().map(CommitId::as_str));
    args.push("--not");
    args.extend(known.iter().map(CommitId::as_str));
    let said = source.run_text(&args).await?;
    let mut sizes = BTreeMap::new();
    for Pointer { oid, size } in pointers_in(source, &said.lines().collect::<Vec<_>>()).await? {
        let known = sizes.entry(oid).or_insert(size);
        *known = size.max(*known);
    }
    Ok(sizes)
}

async fn pointers_in(source: &Git, blobs: &[&str]) -> Result<Vec<Pointer>, GitError> {
    let texts = source.small_blobs(blobs, LONGEST_POINTER).await?;
    Ok(texts.iter().flatten().filter_map(|text| Pointer::read(text)).collect())
}

impl Mirror {
    /// Those of `oids` that the mirror does not have.
    pub(super) fn list_missing(&self, oids: Vec<String>) -> Vec<String> {
        oids.into_iter().filter(|oid| !self.content(oid).is_ok_and(|path| path.is_file())).collect()
    }

    /// Where a content is.
    pub(super) fn content(&self, oid: &str) -> io::Result<PathBuf> {
        match is_oid(oid) {
            true => Ok(contents::path_in_store(&self.dir, oid)),
            false => Err(io::Error::new(ErrorKind::InvalidInput, format!("{oid:?} names no content"))),
        }
    }

    /// Takes a file for transfer over as a content, also when that was done before; false where it is not what its name says.
    pub(super) fn take_content(&self, large: &LargeFiles, file: &str, oid: &str) -> io::Result<bool> {
        if self.content(oid)?.is_file() {
            return self.delete_file(file).map(|()| true);
        }
        let Some(taken) = if_there(large.take(&self.file(file)?, oid))? else { return Ok(false) };
        self.delete_file(file).map(|()| taken)
    }
}
