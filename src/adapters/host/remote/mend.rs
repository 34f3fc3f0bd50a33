//! A mirror with damaged objects, put right: what cannot be read goes, and the engine sends again what it needs next.
//!
//! It is looked for where something failed on the mirror, before the host is used again: all of it is read, and that takes long for
//! a large one. What is pinned there stays as long as its commit can be read.

use super::objects::{BROUGHT, Mirror, SENT};
use crate::adapters::git::{Git, GitError};
use crate::adapters::host::local::workspace::quarantine::odd_places::is_whole;
use crate::adapters::os::files::{At, list_dir};
use crate::domain::values::CommitId;
use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So often git is asked which loose objects can be read; what is not known to be sound then counts as damaged.
const QUESTIONS: usize = 200;

/// Refs with which work is pinned; the notes of what the engine has of it come last.
const PINS: [&str; 4] = ["refs/mc/attempts/", "refs/mc/kept/", "refs/mc/progress/", BROUGHT];

impl Mirror {
    /// Looks for objects that cannot be read or are missing, and takes away what is damaged with the notes of what was sent. Whether there was
    /// anything of that kind.
    ///
    /// # Errors
    /// Git could not be run, or the folder not be changed.
    pub(super) async fn mend(&self) -> Result<bool, GitError> {
        let mut damaged = self.find_damaged_packs().await?;
        damaged.extend(self.find_damaged_loose().await?);
        let sent = self.git.list_refs(SENT).await?;
        let tips: Vec<&CommitId> = sent.iter().map(|(_, id)| id).collect();
        if damaged.is_empty() && is_whole(&self.git, &tips, &[]).await? {
            return Ok(false);
        }
        for path in &damaged {
            std::fs::remove_file(path).at(path)?;
        }
        for (name, id) in sent.iter().chain(&self.git.list_refs("refs/tags/").await?) {
            let _ = self.git.unpin(name, id).await?;
        }
        for (name, id) in self.pins(&PINS.map(str::to_owned)).await? {
            if !self.git.run(&["cat-file", "-e", &format!("{id}^{{tree}}")]).await?.success() {
                tracing::warn!("{name} of a mirror cannot be read any more");
                let _ = self.git.unpin(&name, &id).await?;
            }
        }
        self.recent().clear();
        Ok(true)
    }

    /// All files of packs that cannot be read.
    async fn find_damaged_packs(&self) -> Result<Vec<PathBuf>, GitError> {
        let files = list_dir(&self.dir.join("objects/pack"));
        let mut damaged = Vec::new();
        for index in files.iter().filter(|path| path.extension().is_some_and(|end| end == "idx")) {
            if !self.git.run(&["verify-pack", &index.to_string_lossy()]).await?.success() {
                damaged.extend(files.iter().filter(|path| path.file_stem() == index.file_stem()).cloned());
            }
        }
        Ok(damaged)
    }

    /// All loose objects that cannot be read. Halves of a list in which there are some are asked again.
    async fn find_damaged_loose(&self) -> Result<Vec<PathBuf>, GitError> {
        let objects = self.dir.join("objects");
        let (mut open, mut damaged, mut questions) = (vec![list_loose(&objects)], Vec::new(), 0);
        while let Some(mut ids) = open.pop() {
            let readable = ids.is_empty()
                || questions < QUESTIONS && {
                    questions += 1;
                    are_readable(&self.git, &ids).await?
                };
            if readable {
                continue;
            }
            if ids.len() == 1 || questions >= QUESTIONS {
                damaged.extend(ids.iter().map(|id| objects.join(&id[..2]).join(&id[2..])));
                continue;
            }
            open.push(ids.split_off(ids.len() / 2));
            open.push(ids);
        }
        Ok(damaged)
    }
}

/// Ids of the loose objects.
fn list_loose(objects: &Path) -> Vec<String> {
    let name = |path: &Path| path.file_name().and_then(|name| Some(name.to_str()?.to_owned())).unwrap_or_default();
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut ids = Vec::new();
    for folder in list_dir(objects) {
        let first = name(&folder);
        if first.len() == 2 && hex(&first) {
            let rest =
                list_dir(&folder).into_iter().map(|path| name(&path)).filter(|rest| rest.len() >= 38 && hex(rest));
            ids.extend(rest.map(|rest| format!("{first}{rest}")));
        }
    }
    ids
}

/// Whether git can read all of these objects.
async fn are_readable(git: &Git, ids: &[String]) -> Result<bool, GitError> {
    let folder = std::env::temp_dir();
    let (mut names, nowhere) = (tempfile::tempfile().at(&folder)?, Path::new("/dev/null"));
    let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
    names.write_all(lines.as_bytes()).and_then(|()| names.rewind()).at(&folder)?;
    let sink: File = OpenOptions::new().write(true).open(nowhere).at(nowhere)?;
    git.run_piped(&["pack-objects", "-q", "--stdout"], &Arc::new(names), Some(&Arc::new(sink))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_with_names_of_objects_are_objects() {
        let dir = tempfile::tempdir().unwrap();
        let rest = "b".repeat(38);
        for name in [format!("aa/{rest}"), "aa/tmp_obj_x".to_owned(), format!("pack/{rest}"), format!("zz/{rest}")] {
            std::fs::create_dir_all(dir.path().join(&name).parent().unwrap()).unwrap();
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(list_loose(dir.path()), [format!("aa{rest}")]);
    }
}
