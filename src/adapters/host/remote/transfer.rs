//! What goes between engine and host beside questions: commits that are sent before they are needed there, work that is pinned here,
//! output of runs.

use super::client::{RemoteHost, new_name};
use super::objects::{TIPS, those_there};
use super::protocol::{Compared, PART, RemoteFile, Request};
use crate::adapters::git::GitError;
use crate::adapters::host::local::protocol::{ERRORS, OUTPUT};
use crate::adapters::host::local::workspace::attempt::Attempt;
use crate::adapters::host::local::workspace::pack::{Origin, pack, unpack};
use crate::adapters::host::local::workspace::pin::record_pins;
use crate::adapters::host::local::workspace::quarantine::odd_places::is_whole;
use crate::adapters::host::order::RunKey;
use crate::adapters::os::machine::no_room;
use crate::adapters::os::{files, nofollow};
use crate::domain::trouble::{Cause, Spot, Trouble};
use crate::domain::values::{CommitId, MissionId, UnitId};
use rustix::fs::{Mode, OFlags};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl RemoteHost {
    /// What is pinned there of attempts whose refs begin so.
    pub(super) async fn pins_there(&self, prefixes: Vec<String>) -> Result<Vec<(String, CommitId)>, Trouble> {
        self.query(Request::Pins(prefixes)).await?
    }

    /// Pins here what is pinned there of an attempt.
    pub(super) async fn fetch_pins(
        &self,
        mission: &MissionId,
        unit: &UnitId,
        number: u32,
        known: &[CommitId],
        late: bool,
    ) -> Result<(), Trouble> {
        let zero = CommitId::new(&"0".repeat(40)).map_err(|e| self.classify_error(&e))?;
        let base = known.first().cloned().unwrap_or(zero);
        let attempt = Attempt {
            mission: mission.clone(),
            unit: unit.clone(),
            number,
            green: base.clone(),
            base,
            run_dir: self.engine.root.clone(),
            late,
            take_elsewhere: false,
        };
        let names = vec![attempt.head_ref(), attempt.kept_ref()];
        let pins = self.pins_there(names).await?;
        let pinned = |name: String| pins.iter().find(|(there, _)| *there == name).map(|(_, id)| id.clone());
        let (Some(head), kept) = (pinned(attempt.head_ref()), pinned(attempt.kept_ref())) else { return Ok(()) };
        let wanted: Vec<CommitId> = [head.clone()].into_iter().chain(kept.clone()).collect();
        let failed = |e: GitError| self.classify_error(&e);
        self.bring(&wanted, known, &format!("what was collected of {unit} {number}")).await?;
        let identity = self.source.identity().await.map_err(failed)?;
        let old = self.source.ref_value(&attempt.kept_ref()).await.map_err(failed)?;
        let mut tips: Vec<CommitId> = kept.into_iter().filter(|kept| old.as_ref() != Some(kept)).collect();
        // What is pinned there names all that is pinned here: it is the same pin.
        if let [kept] = tips.as_slice() {
            let all = match &old {
                Some(old) => self.source.is_ancestor(old, kept).await.map_err(failed)?,
                None => true,
            };
            if all {
                self.source.repin(&attempt.kept_ref(), kept, old.as_ref()).await.map_err(failed)?;
                tips.clear();
            }
        }
        record_pins(&self.source, &identity, &attempt, &head, tips).await.map_err(failed)?;
        self.query::<Result<(), Trouble>>(Request::Brought(pins)).await?
    }

    /// Brings commits here with all they need beyond `known`, and the contents that git-lfs keeps for them.
    pub(super) async fn bring(&self, wanted: &[CommitId], known: &[CommitId], what: &str) -> Result<(), Trouble> {
        let failed = |e: GitError| self.classify_error(&e);
        let (all, base) = (wanted.iter().collect::<Vec<_>>(), known.iter().collect::<Vec<_>>());
        let mut arrived = is_whole(&self.source, &all, &base).await.map_err(failed)?;
        // A worker that was started anew has no files of the one before it.
        let mut taken = true;
        for before in [false, true, true] {
            if !arrived {
                taken = self.fetch(wanted, known, before).await?;
                arrived = is_whole(&self.source, &all, &base).await.map_err(failed)?;
            }
        }
        if !arrived {
            let folder = &self.facts.common_dir;
            return Err(match taken {
                false if no_room(folder) => Trouble::new(Cause::DiskFull(Spot::Source), format!("bring {what} here")),
                false => Trouble::new(
                    Cause::Git,
                    format!("bring {what} here: git refuses its objects (git-fsck); it stays pinned on its host"),
                ),
                true => Trouble::new(Cause::Unreachable, format!("bring {what} here: it does not arrive whole")),
            });
        }
        for commit in wanted {
            if self
                .source
                .resolve(&format!("{commit}^{{commit}}"))
                .await
                .map_err(failed)?
                .is_none_or(|it| it.commit != *commit)
            {
                return Err(Trouble::from(format!("bring {what} here: {commit} is no commit")));
            }
        }
        self.fetch_contents(wanted, known).await
    }

    /// Brings objects here, as far as the file with them is not lost on the way; false where git does not take what came.
    async fn fetch(&self, wanted: &[CommitId], known: &[CommitId], before: bool) -> Result<bool, Trouble> {
        let name = new_name();
        let request = Request::Export(name.clone(), wanted.to_vec(), known.to_vec());
        let length = self.query::<Result<u64, Trouble>>(request).await??;
        let failed = |e: io::Error| self.classify_error(&e);
        let most = self.settings.max_disk;
        if most > 0 && length > most {
            let why = format!("a host wants to send {length} bytes of {most} (scheduler.parallel.max_disk)");
            return Err(Trouble::from(why));
        }
        let mut pack = tempfile::tempfile_in(&self.engine.root).map_err(failed)?;
        let mut taken = true;
        if self.read_file(&RemoteFile::Transfer(name.clone()), length, |bytes| pack.write_all(bytes)).await? == length {
            pack.rewind().map_err(failed)?;
            let unpacked = unpack(&self.source, &Arc::new(pack), Origin::Foreign, before).await;
            taken = unpacked.map_err(|e| self.classify_error(&e))?;
        }
        self.query::<Result<(), Trouble>>(Request::Forget(name)).await??;
        Ok(taken)
    }

    /// Reads a file of the host, of which no more than `longest` bytes are taken; how many bytes it has.
    ///
    /// # Errors
    /// It is longer, or cannot be had.
    pub(super) async fn read_file(
        &self,
        file: &RemoteFile,
        longest: u64,
        mut write: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<u64, Trouble> {
        let mut offset = 0;
        loop {
            let bytes = self.read_there(file.clone(), offset).await?;
            if bytes.is_empty() {
                return Ok(offset);
            }
            offset += bytes.len() as u64;
            if offset > longest {
                return Err(Trouble::from(format!("a host sends more than the {longest} bytes of a file")));
            }
            write(&bytes).map_err(|e| self.classify_error(&e))?;
        }
    }

    async fn read_there(&self, file: RemoteFile, offset: u64) -> Result<Vec<u8>, Trouble> {
        let request = Request::Read(file, offset);
        let (read, bytes) = self.exchange::<Result<(), Trouble>>(request, &[]).await?;
        read.map(|()| bytes)
    }

    /// Sends commits with all they need, and their tags, as far as they are not there.
    pub(super) async fn send(&self, commits: &[CommitId]) -> Result<(), Trouble> {
        let _one = self.sending.lock().await;
        let failed = |e: GitError| self.classify_error(&e);
        // Where a file was lost with its worker, or not all of it arrived, once more.
        for before in [false, true, true] {
            let mut compared = self.query::<Result<Compared, Trouble>>(Request::Compare(commits.to_vec())).await??;
            // What else it wants is not its business.
            compared.missing.retain(|id| commits.contains(id));
            compared.tips.truncate(TIPS);
            let mut there = compared.tags.clone();
            there.sort();
            let tags = self.tags.select_for_mirror(&self.source, &self.facts, commits, &there).await.map_err(failed)?;
            if compared.missing.is_empty() && there == tags {
                return Ok(());
            }
            let known = those_there(&self.source, &compared.tips).await.map_err(failed)?;
            let known: Vec<&CommitId> = known.iter().collect();
            let wanted: Vec<&CommitId> = compared.missing.iter().chain(tags.iter().map(|(_, id)| id)).collect();
            let file = new_name();
            if !wanted.is_empty() {
                let packed = pack(&self.source, &self.engine.root, &wanted, &known).await.map_err(failed)?;
                let pack = packed.ok_or_else(|| Trouble::from("git cannot pack what a host needs".to_owned()))?;
                self.send_file(&file, &pack).await?;
            }
            let request = Request::Import { file, commits: compared.missing, tags, before };
            self.query::<Result<bool, Trouble>>(request).await??;
        }
        Err(Trouble::new(Cause::Unreachable, "send commits to a host: they do not arrive whole"))
    }

    pub(super) async fn send_file(&self, name: &str, mut file: &std::fs::File) -> Result<(), Trouble> {
        let failed = |e: io::Error| self.classify_error(&e);
        let mut offset = 0;
        loop {
            let mut part = Vec::new();
            file.seek(SeekFrom::Start(offset)).map_err(failed)?;
            file.take(PART).read_to_end(&mut part).map_err(failed)?;
            if part.is_empty() {
                return Ok(());
            }
            let request = Request::Write(name.to_owned(), offset);
            self.exchange::<Result<(), Trouble>>(request, &part).await?.0?;
            offset += part.len() as u64;
        }
    }

    pub(super) fn log_file(&self, key: &RunKey) -> PathBuf {
        key.path_in(&self.engine.runs).join(OUTPUT)
    }

    /// Brings what is new of the output of a run here.
    ///
    /// # Errors
    /// Not all of it could be had, or kept.
    pub(super) async fn bring_logs(&self, key: &RunKey, apart: bool) -> Result<(), Trouble> {
        self.bring_log(RemoteFile::Output(key.clone()), &self.log_file(key)).await?;
        if apart {
            self.bring_log(RemoteFile::Errors(key.clone()), &self.log_file(key).with_file_name(ERRORS)).await?;
        }
        Ok(())
    }

    async fn bring_log(&self, file: RemoteFile, path: &Path) -> Result<(), Trouble> {
        loop {
            let offset = std::fs::metadata(path).map_or(0, |meta| meta.len());
            let mut bytes = self.read_there(file.clone(), offset).await?;
            let (length, longest) = (bytes.len() as u64, self.transport.limits.output);
            let room = longest.saturating_sub(offset);
            bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
            let folder = path.parent().unwrap_or(path);
            let kept = files::make_own_dir(&self.engine.root, folder).and_then(|()| append(path, offset, &bytes));
            kept.map_err(|e| self.classify_error(&e).while_trying(&format!("keep {}", path.display())))?;
            if length > room {
                let why = format!("the output of a run is longer than {longest} bytes: no more of it is kept");
                return Err(Trouble::from(why));
            }
            if (bytes.len() as u64) < PART {
                return Ok(());
            }
        }
    }
}

fn append(path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let mut file = std::fs::File::from(nofollow::open(
        path,
        OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE,
        Mode::RUSR | Mode::WUSR,
    )?);
    if file.metadata()?.len() == offset { file.write_all(bytes) } else { Ok(()) }
}
