//! The mirror of the repository on a host: made there, filled by the engine, and read when work is pinned.

use super::protocol::{Compared, Hello};
use crate::adapters::git::{Git, GitError, Place, bare};
use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::host::local::workspace::disk::remove_any;
use crate::adapters::host::local::workspace::pack::{Origin, pack, unpack};
use crate::adapters::host::local::workspace::quarantine::odd_places::is_whole;
use crate::adapters::host::order::attempt_of;
use crate::adapters::host::settings::PoolKind;
use crate::adapters::os::files::{self, At, FileError, if_there};
use crate::domain::values::{CommitId, MissionId, UnitId};
use std::collections::{BTreeSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Refs of the mirror that keep what was sent to it.
pub(super) const SENT: &str = "refs/mc/sent/";

/// Refs of the mirror that say which of its pins the engine has, as they are; what follows is the pin's name.
pub(super) const BROUGHT: &str = "refs/mc/brought/";

/// Refs of the mirror that name work: what was collected of attempts, and what was in workspaces before that.
pub(super) const PINS: [&str; 3] = ["refs/mc/attempts/", "refs/mc/kept/", PROGRESS];

/// Refs of the mirror that name what was in the workspace of an attempt while it went on.
const PROGRESS: &str = "refs/mc/progress/";

/// Of refs of work and the notes on them, those that the engine has not got, with the attempt that each is of. What was in a workspace
/// is part of what was collected of it.
pub(super) fn list_missing_pins(refs: &[(String, CommitId)]) -> Vec<(&str, &CommitId)> {
    let all: BTreeSet<(&str, &CommitId)> = refs.iter().map(|(name, id)| (name.as_str(), id)).collect();
    let names: BTreeSet<&str> = refs.iter().map(|(name, _)| name.as_str()).collect();
    let is_work = |name: &str| PINS.iter().any(|prefix| name.starts_with(prefix));
    let is_brought = |name: &str, id| all.contains(&(name_brought(name).as_str(), id));
    let is_collected = |name: &str| {
        let heads = name.strip_prefix(PROGRESS).map(|attempt| format!("{}{attempt}", PINS[0]));
        heads.is_some_and(|head| names.contains(head.as_str()) || names.contains(name_brought(&head).as_str()))
    };
    all.iter().filter(|(name, id)| is_work(name) && !is_brought(name, id) && !is_collected(name)).copied().collect()
}

/// The attempt that a ref of work is of.
pub(super) fn attempt_of_pin(name: &str) -> Option<(MissionId, UnitId, u32)> {
    attempt_of(PINS.iter().find_map(|prefix| name.strip_prefix(prefix))?)
}

/// The ref that says of a pin that the engine has it.
pub(super) fn name_brought(pin: &str) -> String {
    pin.replacen("refs/mc/", BROUGHT, 1)
}

/// An attempt whose pins come here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pinned<'a> {
    pub(super) mission: &'a MissionId,
    pub(super) unit: &'a UnitId,
    pub(super) number: u32,
    /// Whether it came after its attempt was over.
    pub(super) late: bool,
}

/// So many tips are named when objects are asked for.
pub(super) const TIPS: usize = 50;

/// The mirror and the files that go to and fro.
#[derive(Debug)]
pub(super) struct Mirror {
    pub(super) git: Git,
    pub(super) dir: PathBuf,
    transfer: PathBuf,
    /// Commits that came lately, with all they need.
    recent: Mutex<VecDeque<CommitId>>,
}

/// What is no name of a file for transfer.
fn odd_name(name: &str) -> bool {
    name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

impl Mirror {
    /// The mirror below `base`, made where it is not there yet, with the settings of the repository as they are now.
    pub(super) async fn open(base: &Path, hello: &Hello, guard: ChildGuard) -> Result<Self, GitError> {
        let (dir, transfer) = (base.join("mirror.git"), base.join("transfer"));
        // What an earlier worker had half of is sent again. Those of verifications work beside each other.
        if hello.settings.kind == PoolKind::Missions {
            remove_any(&transfer).at(&transfer)?;
        }
        files::make_private_dir(&transfer).at(&transfer)?;
        if !dir.join("objects").is_dir() || !dir.join("HEAD").is_file() {
            let format = format!("--object-format={}", hello.object_format);
            let made = Git::in_folder(base, guard.clone());
            made.run_text(&["init", "-q", "--bare", &format, "mirror.git"]).await?;
        }
        let git = Git::new(Place::GitDir(dir.clone()), guard).with_batch(&dir);
        let list = base.join("ignores");
        files::write_private(&list, &hello.ignores[1]).at(&list)?;
        files::make_private_dir(&dir.join("info")).at(&dir)?;
        let own = dir.join("info/exclude");
        files::write_private(&own, &hello.ignores[0]).at(&own)?;
        let config = base.join(format!("config.{:016x}", fastrand::u64(..)));
        let text = bare::config(&hello.object_format) + "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n";
        files::write_private(&config, text.as_bytes()).at(&config)?;
        let named = config.to_string_lossy().into_owned();
        for (key, value) in &hello.config {
            git.run_text(&["config", "--file", &named, "--add", key, value]).await?;
        }
        if !hello.ignores[1].is_empty() {
            git.run_text(&["config", "--file", &named, "core.excludesFile", &list.to_string_lossy()]).await?;
        }
        std::fs::rename(&config, dir.join("config")).at(&config)?;
        // A person's own copies of submodules, where this machine has them: what they hold can be had.
        let (modules, theirs) =
            (dir.join("modules"), hello.place.local_folders().map(|[_, original, _]| original.join("modules")));
        if std::fs::read_link(&modules).ok() != theirs {
            let link = || theirs.as_ref().map_or(Ok(()), |theirs| std::os::unix::fs::symlink(theirs, &modules));
            remove_any(&modules).and_then(|()| link()).at(&modules)?;
        }
        let mirror = Self { git, dir, transfer, recent: Mutex::default() };
        mirror.cut_off(&hello.shallow).await?;
        Ok(mirror)
    }

    /// Cuts its history off where that of the repository is. What was sent before is sent again where that changed.
    async fn cut_off(&self, shallow: &[u8]) -> Result<(), GitError> {
        let path = self.dir.join("shallow");
        if files::read_own(&path).at(&path)?.unwrap_or_default() == shallow {
            return Ok(());
        }
        for (name, _) in self.git.list_refs(SENT).await? {
            self.git.run_text(&["update-ref", "-d", &name]).await?;
        }
        match shallow.is_empty() {
            true => Ok(remove_any(&path).at(&path)?),
            false => Ok(files::write_private(&path, shallow).at(&path)?),
        }
    }

    /// A file for transfer.
    pub(super) fn file(&self, name: &str) -> io::Result<PathBuf> {
        if odd_name(name) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} names no file for transfer")));
        }
        Ok(self.transfer.join(name))
    }

    pub(super) fn write(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let path = self.file(name)?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }

    pub(super) fn delete_file(&self, name: &str) -> io::Result<()> {
        if_there(std::fs::remove_file(self.file(name)?)).map(drop)
    }

    /// Which of these commits it lacks, and what it has.
    pub(super) async fn compare(&self, commits: &[CommitId]) -> Result<Compared, GitError> {
        let mut missing = Vec::new();
        for commit in commits {
            // A ref names it, so that it is whole; an object alone may be what is left of a transfer that broke off.
            if self.git.ref_value(&format!("{SENT}{commit}")).await?.is_none() {
                missing.push(commit.clone());
            }
        }
        let mut compared = Compared { missing, ..Compared::default() };
        if !compared.missing.is_empty() {
            let count = format!("--count={TIPS}");
            let args = ["for-each-ref", "--sort=-committerdate", &count, "--format=%(objectname)", SENT];
            let said = self.git.run_text(&args).await?;
            compared.tips = said.lines().filter_map(|id| CommitId::new(id).ok()).collect();
        }
        compared.tags = self.git.list_refs("refs/tags/").await?;
        Ok(compared)
    }

    /// Takes over a file of objects, keeps these commits and has these tags and no others. False when objects are missing, also where that
    /// was tried `before`.
    pub(super) async fn import_objects(
        &self,
        name: &str,
        commits: &[CommitId],
        tags: &[(String, CommitId)],
        before: bool,
    ) -> Result<bool, GitError> {
        let path = self.file(name).at(&self.transfer)?;
        // Where there is none, nothing had to be sent, or it was taken over before the reply was lost.
        if let Some(pack) = if_there(File::open(&path)).at(&self.transfer)?
            && !unpack(&self.git, &Arc::new(pack), Origin::Ours, before).await?
        {
            return Ok(false);
        }
        // Where something was missing, nothing is taken for whole.
        let known = if before { Vec::new() } else { self.list_recent().await? };
        let known: Vec<&CommitId> = known.iter().collect();
        let wanted: Vec<&CommitId> = commits.iter().chain(tags.iter().map(|(_, id)| id)).collect();
        if !is_whole(&self.git, &wanted, &known).await? {
            return Ok(false);
        }
        for commit in commits {
            let refname = format!("{SENT}{commit}");
            self.git.repin(&refname, commit, self.git.ref_value(&refname).await?.as_ref()).await?;
        }
        for (name, id) in self.git.list_refs("refs/tags/").await? {
            if !tags.contains(&(name.clone(), id.clone())) {
                self.git.run_text(&["update-ref", "-d", &name]).await?;
            }
        }
        for (name, id) in tags {
            self.git.run_text(&["update-ref", name, id.as_str()]).await?;
        }
        self.delete_file(name).at(&self.transfer)?;
        let mut recent = self.recent();
        recent.extend(commits.iter().cloned());
        let more = recent.len().saturating_sub(TIPS);
        recent.drain(..more);
        Ok(true)
    }

    pub(super) fn recent(&self) -> MutexGuard<'_, VecDeque<CommitId>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Some commits that are there as a whole. All refs are read by the first question alone: there may be many.
    async fn list_recent(&self) -> Result<Vec<CommitId>, GitError> {
        let recent: Vec<CommitId> = self.recent().iter().cloned().collect();
        if !recent.is_empty() {
            return Ok(recent);
        }
        let sent = self.git.list_refs(SENT).await?;
        Ok(sent.into_iter().rev().take(TIPS).map(|(_, id)| id).collect())
    }

    /// Makes a file with what `wanted` need beyond `known`; its length in bytes.
    pub(super) async fn export_objects(
        &self,
        name: &str,
        wanted: &[CommitId],
        known: &[CommitId],
    ) -> Result<u64, GitError> {
        let path = self.file(name).at(&self.transfer)?;
        let (wanted, known): (Vec<&CommitId>, Vec<&CommitId>) = (wanted.iter().collect(), known.iter().collect());
        let Some(pack) = pack(&self.git, &self.transfer, &wanted, &known).await? else {
            return Err(FileError::new(&self.transfer, io::Error::other("git cannot pack what was collected")).into());
        };
        let copied = || -> io::Result<u64> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            io::copy(&mut &*pack, &mut file)
        };
        Ok(copied().at(&self.transfer)?)
    }

    /// What `wanted` need beyond `known`, packed; nothing where that is longer than `most` bytes.
    pub(super) async fn pack_short(
        &self,
        wanted: &[CommitId],
        known: &[&CommitId],
        most: u64,
    ) -> Result<Vec<u8>, GitError> {
        let (wanted, mut bytes): (Vec<&CommitId>, _) = (wanted.iter().collect(), Vec::new());
        if !wanted.is_empty()
            && let Some(pack) = pack(&self.git, &self.transfer, &wanted, known).await?
        {
            let short = pack.metadata().at(&self.transfer)?.len() <= most;
            if short {
                (&*pack).read_to_end(&mut bytes).at(&self.transfer)?;
            }
        }
        Ok(bytes)
    }

    /// What is pinned of attempts, by the full names of the refs or what they begin with up to a slash.
    pub(super) async fn pins(&self, prefixes: &[String]) -> Result<Vec<(String, CommitId)>, GitError> {
        let mut pins = Vec::new();
        for prefix in prefixes {
            pins.extend(self.git.list_refs(prefix).await?);
        }
        Ok(pins)
    }

    /// Forgets pins of other missions than this one that the engine has, with the notes of that, and all but the newest of what was
    /// sent. Objects stay. How many refs went.
    pub(super) async fn tidy(&self, mission: &MissionId) -> Result<usize, GitError> {
        let mut gone = Vec::new();
        for (note, id) in self.git.list_refs(BROUGHT).await? {
            let pin = note.replacen(BROUGHT, "refs/mc/", 1);
            let own = pin.split('/').nth(3) == Some(mission.as_str());
            match self.git.ref_value(&pin).await? {
                _ if own => {}
                Some(now) if now != id => {}
                // The note goes last: a pin without it is brought once more.
                Some(now) => gone.extend([(pin, now), (note, id)]),
                None => gone.push((note, id)),
            }
        }
        let sent = ["for-each-ref", "--sort=-committerdate", "--format=%(refname) %(objectname)", SENT];
        let sent = self.git.run_text(&sent).await?;
        let sent = sent.lines().skip(2 * TIPS).filter_map(|line| line.split_once(' '));
        gone.extend(sent.filter_map(|(name, id)| Some((name.to_owned(), CommitId::new(id).ok()?))));
        for (name, id) in &gone {
            let _ = self.git.unpin(name, id).await?;
        }
        Ok(gone.len())
    }

    /// Notes that the engine has these pins.
    pub(super) async fn note_brought(&self, pins: &[(String, CommitId)]) -> Result<(), GitError> {
        for (name, id) in pins {
            self.git.run_text(&["update-ref", &name_brought(name), id.as_str()]).await?;
        }
        Ok(())
    }
}

/// Those of `ids` that the repository has.
pub(super) async fn those_there(source: &Git, ids: &[CommitId]) -> Result<Vec<CommitId>, GitError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut args = vec!["rev-list", "--no-walk=unsorted", "--ignore-missing"];
    args.extend(ids.iter().map(CommitId::as_str));
    let said = source.run_text(&args).await?;
    let there: BTreeSet<&str> = said.lines().collect();
    Ok(ids.iter().filter(|id| there.contains(id.as_str())).cloned().collect())
}
