//! What comes from a host beside answers: work that is pinned here, output of runs.

use super::client::{RemoteHost, new_name};
use super::objects::{BROUGHT, PINS, Pinned, attempt_of_pin, list_missing_pins};
use super::protocol::{KeptEnd, PART, RemoteFile, Request};
use crate::adapters::git::GitError;
use crate::adapters::host::local::protocol::{ERRORS, OUTPUT};
use crate::adapters::host::local::workspace::attempt::Attempt;
use crate::adapters::host::local::workspace::pack::{Origin, unpack};
use crate::adapters::host::local::workspace::pin::{record_kept, record_pins};
use crate::adapters::host::local::workspace::quarantine::odd_places::is_whole;
use crate::adapters::host::local::workspace::{head_ref, kept_ref, progress_ref};
use crate::adapters::host::order::RunKey;
use crate::adapters::os::machine::no_room;
use crate::adapters::os::{files, nofollow};
use crate::domain::trouble::{Cause, Spot, Trouble};
use crate::domain::values::CommitId;
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeSet;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl RemoteHost {
    /// What is pinned there of attempts whose refs begin so.
    pub(super) async fn pins_there(&self, prefixes: Vec<String>) -> Result<Vec<(String, CommitId)>, Trouble> {
        self.query(Request::Pins(prefixes)).await?
    }

    /// Pins here what is pinned there of an attempt.
    pub(super) async fn fetch_pins(&self, of: Pinned<'_>, known: &[CommitId]) -> Result<(), Trouble> {
        let names = [head_ref, kept_ref].map(|name| name(of.mission, of.unit, of.number));
        let pins = self.pins_there(names.to_vec()).await?;
        let brought = self.bring_pins(of, pins, known, &[]).await?;
        self.note_brought(brought).await
    }

    /// Tells the host that these pins are here.
    async fn note_brought(&self, pins: Vec<(String, CommitId)>) -> Result<(), Trouble> {
        if pins.is_empty() { Ok(()) } else { self.query::<Result<(), Trouble>>(Request::Brought(pins)).await? }
    }

    /// Pins here what is pinned there, for missions that the engine knows. What was brought here and is here no more was taken away on
    /// purpose.
    pub(super) async fn bring_late_pins(&self) -> Result<(), Trouble> {
        let prefixes = PINS.iter().chain([&BROUGHT]).map(|&prefix| prefix.to_owned());
        let refs = self.pins_there(prefixes.collect()).await?;
        let mut attempts = BTreeSet::new();
        for (name, id) in list_missing_pins(&refs) {
            let Some(attempt) = attempt_of_pin(name).filter(|attempt| self.was_placed(attempt)) else { continue };
            if name == progress_ref(&attempt.0, &attempt.1, attempt.2) {
                self.bring_progress(name, id).await?;
                self.note_brought(vec![(name.to_owned(), id.clone())]).await?;
            } else {
                attempts.insert(attempt);
            }
        }
        for (mission, unit, number) in attempts {
            self.fetch_pins(Pinned { mission: &mission, unit: &unit, number, late: true }, &[]).await?;
        }
        Ok(())
    }

    /// Pins here what a host says that it has pinned of an attempt, whose objects may be in `pack`; the pins that are here by now.
    pub(super) async fn bring_pins(
        &self,
        of: Pinned<'_>,
        pins: Vec<(String, CommitId)>,
        known: &[CommitId],
        pack: &[u8],
    ) -> Result<Vec<(String, CommitId)>, Trouble> {
        let Pinned { mission, unit, number, late } = of;
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
        let pinned = |name: &str| pins.iter().find(|(there, _)| there == name).map(|(_, id)| id.clone());
        let (head_ref, kept_ref) = (attempt.head_ref(), attempt.kept_ref());
        let (head, kept) = (pinned(&head_ref), pinned(&kept_ref));
        let wanted: Vec<CommitId> = head.iter().chain(&kept).cloned().collect();
        let Some(first) = wanted.first() else { return Ok(Vec::new()) };
        let failed = |e: GitError| self.classify_error(&e);
        self.bring(&wanted, known, &format!("what was collected of {unit} {number}"), pack).await?;
        let identity = self.source.identity().await.map_err(failed)?;
        let old = self.source.ref_value(&kept_ref).await.map_err(failed)?;
        let mut tips: Vec<CommitId> = kept.clone().into_iter().filter(|kept| old.as_ref() != Some(kept)).collect();
        // What is pinned there names all that is pinned here: it is the same pin.
        if let [kept] = tips.as_slice() {
            let all = match &old {
                Some(old) => self.source.is_ancestor(old, kept).await.map_err(failed)?,
                None => true,
            };
            if all {
                self.source.repin(&kept_ref, kept, old.as_ref()).await.map_err(failed)?;
                tips.clear();
            }
        }
        match &head {
            Some(head) => drop(record_pins(&self.source, &identity, &attempt, head, tips).await.map_err(failed)?),
            // Its head is here by now, or there never was any.
            None => record_kept(&self.source, &identity, &attempt, first, tips).await.map_err(failed)?,
        }
        Ok(head.map(|head| (head_ref, head)).into_iter().chain(kept.map(|kept| (kept_ref, kept))).collect())
    }

    /// Brings commits here with all they need beyond `known`, and the contents that git-lfs keeps for them.
    /// What came of them already is `pack`.
    pub(super) async fn bring(
        &self,
        wanted: &[CommitId],
        known: &[CommitId],
        what: &str,
        pack: &[u8],
    ) -> Result<(), Trouble> {
        let failed = |e: GitError| self.classify_error(&e);
        if !pack.is_empty() {
            self.take_pack(pack).await?;
        }
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

    /// Takes objects over that are here; where git does not take them, they are asked for again.
    async fn take_pack(&self, bytes: &[u8]) -> Result<(), Trouble> {
        let failed = |e: io::Error| self.classify_error(&e);
        let mut pack = tempfile::tempfile_in(&self.engine.root).map_err(failed)?;
        pack.write_all(bytes).and_then(|()| pack.rewind()).map_err(failed)?;
        unpack(&self.source, &Arc::new(pack), Origin::Foreign, false)
            .await
            .map(drop)
            .map_err(|e| self.classify_error(&e))
    }

    /// Brings objects here, as far as the file with them is not lost on the way; false where git does not take what came.
    async fn fetch(&self, wanted: &[CommitId], known: &[CommitId], before: bool) -> Result<bool, Trouble> {
        let name = new_name();
        let request = Request::Export(name.clone(), wanted.to_vec(), known.to_vec());
        let length = self.query::<Result<u64, Trouble>>(request).await??;
        let failed = |e: io::Error| self.classify_error(&e);
        self.check_length("a pack", length)?;
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

    /// That a host may send so many bytes.
    ///
    /// # Errors
    /// They are too many: which host, and by which key of the settings.
    pub(super) fn check_length(&self, what: &str, length: u64) -> Result<(), Trouble> {
        let (most, key) = self.settings.transfer_bound();
        if length <= most {
            return Ok(());
        }
        let host = self.settings.host();
        Err(Trouble::from(format!("host {host} wants to send {what} of {length} bytes, of {most} at most ({key})")))
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

    pub(super) fn log_file(&self, key: &RunKey) -> PathBuf {
        key.path_in(&self.engine.runs).join(OUTPUT)
    }

    /// Brings what is new of the output of a run here, as far as it is not here with the ends of both; whether there was any.
    ///
    /// # Errors
    /// Not all of it could be had, or kept.
    pub(super) async fn bring_logs(&self, key: &RunKey, apart: bool, ends: &[KeptEnd<'_>]) -> Result<bool, Trouble> {
        let output = self.log_file(key);
        let mut any = self.bring_log(RemoteFile::Output(key.clone()), &output, ends.first()).await?;
        if apart {
            any |= self.bring_log(RemoteFile::Errors(key.clone()), &output.with_file_name(ERRORS), ends.get(1)).await?;
        }
        Ok(any)
    }

    async fn bring_log(&self, file: RemoteFile, path: &Path, end: Option<&KeptEnd<'_>>) -> Result<bool, Trouble> {
        let mut any = false;
        loop {
            let offset = std::fs::metadata(path).map_or(0, |meta| meta.len());
            if let Some(rest) = end.and_then(|end| end.from(offset)) {
                self.keep_output(path, offset, rest)?;
                return Ok(any || !rest.is_empty());
            }
            let bytes = self.read_there(file.clone(), offset).await?;
            self.keep_output(path, offset, &bytes)?;
            any |= !bytes.is_empty();
            if (bytes.len() as u64) < PART {
                return Ok(any);
            }
        }
    }

    /// Adds what comes at this place of an output.
    fn keep_output(&self, path: &Path, offset: u64, bytes: &[u8]) -> Result<(), Trouble> {
        let longest = self.transport.limits.output;
        let room = usize::try_from(longest.saturating_sub(offset)).unwrap_or(usize::MAX);
        let folder = path.parent().unwrap_or(path);
        let own = &bytes[..bytes.len().min(room)];
        let kept = files::make_own_dir(&self.engine.root, folder).and_then(|()| append(path, offset, own));
        kept.map_err(|e| self.classify_error(&e).while_trying(&format!("keep {}", path.display())))?;
        if bytes.len() > room {
            let why = format!("the output of a run is longer than {longest} bytes: no more of it is kept");
            return Err(Trouble::from(why));
        }
        Ok(())
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
