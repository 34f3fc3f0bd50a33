//! A mirror with damaged objects, put right: what cannot be read is set aside, what can be saved of it is saved, and the engine sends
//! again what it needs next. Nothing is deleted.
//!
//! It is looked for where something failed on the mirror, before the host is used again, while nothing there uses it: workspaces have
//! their objects from it. All of it is read, and that takes long for a large one. What is pinned there stays as long as its commit can
//! be read; what is pinned no more is noted beside what was set aside, and keeps the host from being cleaned.

use super::objects::{BROUGHT, Mirror, SENT, name_brought};
use super::protocol::Request;
use super::server::Worker;
use crate::adapters::git::{Git, GitError};
use crate::adapters::host::local::process::command::Output;
use crate::adapters::host::local::workspace::pack::{Origin, unpack};
use crate::adapters::host::local::workspace::quarantine::odd_places::is_whole;
use crate::adapters::os::files::{self, At, FileError, list_dir};
use crate::domain::trouble::chain;
use crate::domain::values::CommitId;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// So often git is asked which objects can be read; what is not known to be sound then counts as damaged.
const QUESTIONS: usize = 200;

/// Exit codes by which git says that an object or a pack is no good. By any other, or killed, it says nothing of them.
const DAMAGED: [i32; 2] = [1, 128];

/// Names of folders in the mirror's `objects` for what is damaged begin so; inside they are like that one.
const ASIDE: &str = "damaged-";

/// The file in such a folder which says that what can be saved of it was saved.
const SALVAGED: &str = "salvaged";

/// The file in such a folder with pins of work that could not be read any more, and that the engine has not.
const LOST: &str = "pins";

/// Refs with which work is pinned.
const WORK: [&str; 3] = ["refs/mc/attempts/", "refs/mc/kept/", "refs/mc/progress/"];

/// Whether a request is answered without the objects that workspaces rest on.
fn uses_no_objects(request: &Request) -> bool {
    use Request::{
        Cancel, Describe, EndRuns, EndTraceless, Fingerprint, GiveUpOutlive, Hello, LookUp, Outlive, Probe, Read,
        Renew, UsedSlots,
    };
    matches!(
        request,
        Hello(_)
            | Cancel(_)
            | Renew
            | Probe
            | Describe
            | Fingerprint
            | Outlive(_)
            | GiveUpOutlive(_)
            | UsedSlots
            | EndRuns(_)
            | EndTraceless(..)
            | LookUp(_)
            | Read(..)
    )
}

impl Worker {
    /// Keeps the mirror as it is while a request that uses it is answered.
    pub(super) async fn use_mirror(&self, request: &Request) -> Option<tokio::sync::RwLockReadGuard<'_, ()>> {
        if uses_no_objects(request) { None } else { Some(self.using.read().await) }
    }

    /// Mends the mirror where something failed that may come of it, unless it is used now: then when that is asked for the next time.
    pub(super) async fn mend_mirror(&self) {
        if !self.suspect.load(Ordering::Relaxed) {
            return;
        }
        let Ok(_alone) = self.using.try_write() else {
            return tracing::debug!("the mirror is used: damaged objects are looked for later");
        };
        if let Some(run) = self.list_live_runs().await.first() {
            return tracing::debug!("{} goes on: damaged objects are looked for later", run.dir().display());
        }
        match self.mirror.mend().await {
            Ok(changed) => {
                self.suspect.store(false, Ordering::Relaxed);
                if changed {
                    tracing::warn!("objects of the mirror were damaged: they are sent again");
                    self.host.invalidate_tags().await;
                }
            }
            Err(e) => tracing::warn!("look for damaged objects of the mirror: {}", chain(&e)),
        }
    }
}

impl Mirror {
    /// Looks for objects that cannot be read or are missing, sets aside what is damaged, saves what can be, and takes away the notes of
    /// what was sent. Whether there was anything of that kind.
    ///
    /// # Errors
    /// Git could not be run or was killed, or the folder not be changed. What was set aside by then is gone on with the next time.
    pub(super) async fn mend(&self) -> Result<bool, GitError> {
        let mut damaged = self.find_damaged_packs().await?;
        damaged.extend(self.find_damaged_loose().await?);
        if !damaged.is_empty() {
            self.set_aside(&damaged)?;
        }
        let mut changed = false;
        for folder in self.list_aside().into_iter().filter(|folder| !folder.join(SALVAGED).exists()) {
            self.salvage(&folder).await?;
            let done = folder.join(SALVAGED);
            files::write_private(&done, b"").at(&done)?;
            changed = true;
        }
        let sent = self.git.list_refs(SENT).await?;
        let tips: Vec<&CommitId> = sent.iter().map(|(_, id)| id).collect();
        if !changed && is_whole(&self.git, &tips, &[]).await? {
            return Ok(false);
        }
        for (name, id) in sent.iter().chain(&self.git.list_refs("refs/tags/").await?) {
            let _ = self.git.unpin(name, id).await?;
        }
        self.drop_unreadable_pins().await?;
        self.recent().clear();
        Ok(true)
    }

    /// Folders with what was damaged.
    fn list_aside(&self) -> Vec<PathBuf> {
        let objects = self.dir.join("objects");
        files::folders(&objects).into_iter().filter(|name| name.starts_with(ASIDE)).map(|it| objects.join(it)).collect()
    }

    /// A folder for what is damaged.
    fn make_aside(&self) -> Result<PathBuf, GitError> {
        let aside = self.dir.join("objects").join(format!("{ASIDE}{:016x}", fastrand::u64(..)));
        files::make_private_dir(&aside).at(&aside)?;
        Ok(aside)
    }

    /// Moves files of objects to where git does not see them.
    fn set_aside(&self, damaged: &[PathBuf]) -> Result<(), GitError> {
        let (objects, aside) = (self.dir.join("objects"), self.make_aside()?);
        for path in damaged {
            let to = aside.join(path.strip_prefix(&objects).unwrap_or(path));
            let folder = to.parent().unwrap_or(&aside);
            files::make_private_dir(folder).at(folder)?;
            std::fs::rename(path, &to).at(path)?;
        }
        tracing::warn!("{} damaged files of objects are in {}", damaged.len(), aside.display());
        Ok(())
    }

    /// Takes over everything that can be read in such a folder: by the indexes of packs, which lead past what is damaged, else from the
    /// beginning of packs as far as that goes.
    async fn salvage(&self, aside: &Path) -> Result<(), GitError> {
        let packs: Vec<PathBuf> = list_dir(&aside.join("pack"))
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "pack"))
            .collect();
        let (mut ids, mut unlisted) = (list_loose(aside), Vec::new());
        for pack in &packs {
            match self.list_packed(&pack.with_extension("idx")).await? {
                Some(listed) => ids.extend(listed),
                None => unlisted.push(pack),
            }
        }
        let name = Path::new("objects").join(aside.file_name().unwrap_or_default());
        let lender = self.git.clone().with_env("GIT_ALTERNATE_OBJECT_DIRECTORIES", name);
        let sink = open_sink()?;
        let (mut open, mut questions) = (vec![self.retain_missing(&ids).await?], 0);
        while let Some(mut ids) = open.pop() {
            if ids.is_empty() || questions >= QUESTIONS {
                unlisted.extend(packs.iter().filter(|_| !ids.is_empty()));
                continue;
            }
            questions += 1;
            if can_read(&lender, &ids, &sink).await? {
                self.take_over(&lender, &ids).await?;
            } else if ids.len() > 1 {
                open.push(ids.split_off(ids.len() / 2));
                open.push(ids);
            }
        }
        unlisted.sort();
        unlisted.dedup();
        for path in unlisted {
            let pack = Arc::new(File::open(path).at(path)?);
            let done = self.git.pipe(&["unpack-objects", "-r", "-q"], &pack, None).await?;
            tracing::debug!("what could be read of {} is taken over ({:?})", path.display(), done.code());
        }
        Ok(())
    }

    /// Takes these objects over, which can be read through `lender`.
    async fn take_over(&self, lender: &Git, ids: &[String]) -> Result<(), GitError> {
        let pack = Arc::new(tempfile::tempfile_in(&self.dir).at(&self.dir)?);
        if can_read(lender, ids, &pack).await? && unpack(&self.git, &pack, Origin::Ours, false).await? {
            return Ok(());
        }
        Err(FileError::new(&self.dir, io::Error::other("what can be saved of damaged objects cannot be kept")).into())
    }

    /// Ids of the objects in a pack, by its index; nothing where that is no good.
    async fn list_packed(&self, index: &Path) -> Result<Option<Vec<String>>, GitError> {
        let Some(index) = files::if_there(File::open(index)).at(index)? else { return Ok(None) };
        let said = Arc::new(tempfile::tempfile_in(&self.dir).at(&self.dir)?);
        if !self.git.pipe(&["show-index"], &Arc::new(index), Some(&said)).await?.success() {
            return Ok(None);
        }
        let text = files::read_whole(&said).at(&self.dir)?;
        let ids = String::from_utf8_lossy(&text)
            .lines()
            .filter_map(|line| line.split(' ').nth(1).map(str::to_owned))
            .collect();
        Ok(Some(ids))
    }

    /// Those of these objects that the mirror lacks, each once.
    async fn retain_missing(&self, ids: &[String]) -> Result<Vec<String>, GitError> {
        let asked = list_lines(ids, &self.dir)?;
        let said = Arc::new(tempfile::tempfile_in(&self.dir).at(&self.dir)?);
        let args = ["cat-file", "--batch-check=%(objectname)"];
        let done = self.git.pipe(&args, &asked, Some(&said)).await?;
        if !done.success() {
            return Err(self.git.refuse_exit(&args, &done));
        }
        let text = files::read_whole(&said).at(&self.dir)?;
        let lacks = |line: &str| line.strip_suffix(" missing").map(str::to_owned);
        let missing: BTreeSet<String> = String::from_utf8_lossy(&text).lines().filter_map(lacks).collect();
        Ok(missing.into_iter().collect())
    }

    /// Takes pins away whose commit cannot be read, which would stand in git's way. Those of work that the engine has not are noted.
    async fn drop_unreadable_pins(&self) -> Result<(), GitError> {
        let notes = self.git.list_refs(BROUGHT).await?;
        let brought: BTreeSet<&(String, CommitId)> = notes.iter().collect();
        let (mut gone, mut lost) = (Vec::new(), String::new());
        for (name, id) in self.pins(&WORK.map(str::to_owned)).await?.into_iter().chain(notes.clone()) {
            let args = ["cat-file", "-e", &format!("{id}^{{tree}}")];
            if !is_damage(&self.git, &args, &self.git.run(&args).await?)? {
                continue;
            }
            // What is in progress is in its workspace.
            let work = WORK[..2].iter().any(|prefix| name.starts_with(prefix));
            if work && !brought.contains(&(name_brought(&name), id.clone())) {
                tracing::warn!("{name} of a mirror cannot be read any more");
                lost += &format!("{id} {name}\n");
            }
            gone.push((name, id));
        }
        if !lost.is_empty() {
            let note = self.make_aside()?;
            for (file, text) in [(LOST, lost.as_str()), (SALVAGED, "")] {
                files::write_private(&note.join(file), text.as_bytes()).at(&note)?;
            }
        }
        for (name, id) in &gone {
            let _ = self.git.unpin(name, id).await?;
        }
        Ok(())
    }

    /// What was lost of work that the engine has not, by the folder in which it is noted.
    pub(super) fn list_lost(&self) -> Vec<(PathBuf, String)> {
        let read = |folder: PathBuf| {
            let text = files::read_if_there(&folder.join(LOST)).ok().flatten()?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let names: Vec<&str> = text.lines().filter_map(|line| line.split(' ').nth(1)).collect();
            Some((folder, names.join(", ")))
        };
        self.list_aside().into_iter().filter_map(read).collect()
    }

    /// All files of packs that cannot be read.
    async fn find_damaged_packs(&self) -> Result<Vec<PathBuf>, GitError> {
        let files = list_dir(&self.dir.join("objects/pack"));
        let mut damaged = Vec::new();
        for index in files.iter().filter(|path| path.extension().is_some_and(|end| end == "idx")) {
            // As `verify-pack` does it, which does not tell how this ended.
            let pack = index.with_extension("pack");
            let args = ["index-pack", "--verify", &pack.to_string_lossy()];
            let done = self.git.run(&args).await?;
            if is_damage(&self.git, &args, &done)? {
                damaged.extend(files.iter().filter(|path| path.file_stem() == index.file_stem()).cloned());
            }
        }
        Ok(damaged)
    }

    /// All loose objects that cannot be read. Halves of a list in which there are some are asked again.
    async fn find_damaged_loose(&self) -> Result<Vec<PathBuf>, GitError> {
        let (objects, sink) = (self.dir.join("objects"), open_sink()?);
        let (mut open, mut damaged, mut questions) = (vec![list_loose(&objects)], Vec::new(), 0);
        while let Some(mut ids) = open.pop() {
            let readable = ids.is_empty()
                || questions < QUESTIONS && {
                    questions += 1;
                    can_read(&self.git, &ids, &sink).await?
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

/// Whether git said that something is damaged.
fn is_damage(git: &Git, args: &[&str], done: &Output) -> Result<bool, GitError> {
    match done.code() {
        Some(0) => Ok(false),
        Some(code) if DAMAGED.contains(&code) => Ok(true),
        _ => Err(git.refuse_exit(args, done)),
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

/// Where what git prints is not kept.
fn open_sink() -> Result<Arc<File>, GitError> {
    let nowhere = Path::new("/dev/null");
    Ok(Arc::new(OpenOptions::new().write(true).open(nowhere).at(nowhere)?))
}

/// A file with a line for each.
fn list_lines(ids: &[String], folder: &Path) -> Result<Arc<File>, GitError> {
    let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
    Ok(files::create_unnamed(lines.as_bytes()).at(folder)?)
}

/// Whether git can read all of these objects, which are packed into `pack`.
async fn can_read(git: &Git, ids: &[String], pack: &Arc<File>) -> Result<bool, GitError> {
    let names = list_lines(ids, git.place().folder())?;
    // What is copied as it is in another pack is not read.
    let args = ["pack-objects", "-q", "--stdout", "--no-reuse-object", "--window=0"];
    let done = git.pipe(&args, &names, Some(pack)).await?;
    Ok(!is_damage(git, &args, &done)?)
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
