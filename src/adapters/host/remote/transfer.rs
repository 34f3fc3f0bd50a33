//! What goes between engine and host beside questions: commits that are sent before they are needed there, work that is pinned here,
//! output of runs.

use super::client::{PART, RemoteHost, new_name, unkilled};
use super::objects::{tags_of, those_there};
use super::protocol::{Compared, RemoteFile, Request};
use crate::adapters::git::GitError;
use crate::adapters::host::local::workspace::attempt::Attempt;
use crate::adapters::host::local::workspace::pack::{pack, unpack};
use crate::adapters::host::local::workspace::pin::record_pins;
use crate::adapters::host::local::workspace::quarantine::odd_places::whole;
use crate::adapters::host::order::RunKey;
use crate::adapters::os::{files, nofollow};
use crate::domain::trouble::{Cause, Trouble};
use crate::domain::values::{CommitId, MissionId, UnitId};
use rustix::fs::{Mode, OFlags};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl RemoteHost {
    /// What is pinned there of attempts whose refs begin so.
    pub(super) async fn pins_there(&self, prefixes: Vec<String>) -> Result<Vec<(String, CommitId)>, Trouble> {
        self.question(Request::Pins(prefixes)).await?
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
        let zero = CommitId::new(&"0".repeat(40)).map_err(|e| self.trouble(&e))?;
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
        let failed = |e: GitError| self.trouble(&e);
        let there = those_there(&self.source, &wanted).await.map_err(failed)?;
        if there.len() < wanted.len() {
            // A worker that was started anew has no files of the one before it.
            let mut tries = 3;
            while !self.fetch(&wanted, known).await? {
                tries -= 1;
                if tries == 0 {
                    return Err(Trouble::new(
                        Cause::Unreachable,
                        "bring work here: its host is cut off again and again",
                    ));
                }
            }
        }
        let known: Vec<&CommitId> = known.iter().collect();
        if !whole(&self.source, &wanted.iter().collect::<Vec<_>>(), &known).await.map_err(failed)? {
            return Err(Trouble::from(format!("what was collected of {unit} {number} did not arrive whole")));
        }
        let identity = self.source.identity().await.map_err(failed)?;
        let old = self.source.ref_value(&attempt.kept_ref()).await.map_err(failed)?;
        // The same pin twice is one.
        let tips = kept.into_iter().filter(|kept| old.as_ref() != Some(kept)).collect();
        record_pins(&self.source, &identity, &attempt, &head, tips).await.map_err(failed)?;
        Ok(())
    }

    /// Brings objects here; false when the file with them was lost on the way.
    async fn fetch(&self, wanted: &[CommitId], known: &[CommitId]) -> Result<bool, Trouble> {
        let name = new_name();
        let request = Request::Export { file: name.clone(), wanted: wanted.to_vec(), known: known.to_vec() };
        let length = self.question::<Result<u64, Trouble>>(request).await??;
        let failed = |e: io::Error| self.trouble(&e);
        let mut pack = tempfile::tempfile_in(&self.engine.root).map_err(failed)?;
        let mut offset = 0;
        while offset < length {
            let request = Request::Read { file: RemoteFile::Transfer(name.clone()), offset, most: PART };
            let bytes = self.read_there(request).await?;
            if bytes.is_empty() {
                return Ok(false);
            }
            pack.write_all(&bytes).map_err(failed)?;
            offset += bytes.len() as u64;
        }
        pack.rewind().map_err(failed)?;
        if !unpack(&self.source, &Arc::new(pack)).await.map_err(|e| self.trouble(&e))? {
            return Err(Trouble::from("git cannot read the objects that came from a host".to_owned()));
        }
        self.question::<Result<(), Trouble>>(Request::Forget { file: name }).await.map(|_| true)
    }

    async fn read_there(&self, request: Request) -> Result<Vec<u8>, Trouble> {
        let patience = Some(self.transport.patience);
        let (read, bytes) = self.ask::<Result<(), Trouble>>(request, &[], patience, unkilled(), &mut || ()).await?;
        read.map(|()| bytes)
    }

    /// Sends commits with all they need, and their tags, as far as they are not there.
    pub(super) async fn send(&self, commits: &[CommitId]) -> Result<(), Trouble> {
        let _one = self.sending.lock().await;
        let failed = |e: GitError| self.trouble(&e);
        let mut tags: Vec<(String, CommitId)> = Vec::new();
        for commit in commits {
            tags.extend(tags_of(&self.source, commit).await.map_err(failed)?);
        }
        tags.sort();
        tags.dedup();
        // Where a file was lost with its worker, once more.
        for _ in 0..3 {
            let compared = self.question::<Result<Compared, Trouble>>(Request::Compare(commits.to_vec())).await??;
            let mut there = compared.tags.clone();
            there.sort();
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
            let request = Request::Import { file, commits: compared.missing, tags: tags.clone() };
            self.question::<Result<bool, Trouble>>(request).await??;
        }
        Err(Trouble::new(Cause::Unreachable, "send commits to a host: they do not arrive whole"))
    }

    async fn send_file(&self, name: &str, mut file: &std::fs::File) -> Result<(), Trouble> {
        let failed = |e: io::Error| self.trouble(&e);
        let mut offset = 0;
        loop {
            let mut part = Vec::new();
            file.seek(SeekFrom::Start(offset)).map_err(failed)?;
            file.take(PART).read_to_end(&mut part).map_err(failed)?;
            if part.is_empty() {
                return Ok(());
            }
            let request = Request::Write { file: name.to_owned(), offset };
            let patience = Some(self.transport.patience);
            let written = self.ask::<Result<(), Trouble>>(request, &part, patience, unkilled(), &mut || ()).await?;
            written.0?;
            offset += part.len() as u64;
        }
    }

    pub(super) fn log_file(&self, key: &RunKey) -> PathBuf {
        key.below(&self.engine.runs).join("out.log")
    }

    /// Brings what is new of the output of a run here. What cannot be had now comes with the next look.
    pub(super) async fn bring_log(&self, key: &RunKey) {
        let path = self.log_file(key);
        loop {
            let offset = files::size(&path).unwrap_or(0);
            let request = Request::Read { file: RemoteFile::Log(key.clone()), offset, most: PART };
            let Ok(bytes) = self.read_there(request).await else { return };
            let folder = path.parent().unwrap_or(&path);
            let kept = files::make_own_dir(&self.engine.root, folder).and_then(|()| append(&path, offset, &bytes));
            if let Err(e) = kept {
                tracing::warn!("keep the output of {key}: {e}");
                return;
            }
            if (bytes.len() as u64) < PART {
                return;
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
