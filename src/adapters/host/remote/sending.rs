//! Commits on their way to the mirror of a host, and what of them is known to be there already.
//!
//! What was sent over a connection, or found there over it, is there as long as that connection lasts: its worker alone writes the
//! mirror. So a commit that is new costs one request, and one that is known none. Whatever fails there ends that knowledge.

use super::client::{RemoteHost, new_name};
use super::known::Sent;
use super::objects::{TIPS, those_there};
use super::protocol::{Compared, PART, Request};
use crate::adapters::git::GitError;
use crate::adapters::host::local::workspace::pack::pack;
use crate::adapters::host::settings::PoolKind;
use crate::domain::trouble::{Cause, Trouble};
use crate::domain::values::CommitId;
use std::io::{self, Read, Seek, SeekFrom};

impl RemoteHost {
    /// Sends commits with all they need, and their tags, as far as they are not there.
    pub(super) async fn send(&self, commits: &[CommitId]) -> Result<(), Trouble> {
        let mut known = self.sending.lock().await;
        let failed = |e: GitError| self.classify_error(&e);
        // Where a file was lost with its worker, or not all of it arrived, once more.
        for before in [false, true, true] {
            let number = self.line.number();
            let mut compared = match known.as_ref().filter(|sent| !before && sent.connection == number) {
                Some(sent) => sent.compare(commits),
                None => self.query::<Result<Compared, Trouble>>(Request::Compare(commits.to_vec())).await??,
            };
            // What else it wants is not its business.
            compared.missing.retain(|id| commits.contains(id));
            compared.tips.truncate(TIPS);
            let mut there = std::mem::take(&mut compared.tags);
            there.sort();
            let tags = self.tags.select_for_mirror(&self.source, &self.facts, commits, &there).await.map_err(failed)?;
            if compared.missing.is_empty() && there == tags {
                self.note_sent(&mut known, commits, tags);
                return Ok(());
            }
            let tips = those_there(&self.source, &compared.tips).await.map_err(failed)?;
            let tips: Vec<&CommitId> = tips.iter().collect();
            let wanted: Vec<&CommitId> = compared.missing.iter().chain(tags.iter().map(|(_, id)| id)).collect();
            let (file, mut bytes) = (new_name(), Vec::new());
            if !wanted.is_empty() {
                let packed = pack(&self.source, &self.engine.root, &wanted, &tips).await.map_err(failed)?;
                let pack = packed.ok_or_else(|| Trouble::from("git cannot pack what a host needs".to_owned()))?;
                bytes = self.read_short(&pack).map_err(|e| self.classify_error(&e))?;
                // Where that was no use, its worker may be one that takes them from a file alone.
                if before || bytes.is_empty() {
                    bytes.clear();
                    self.send_file(&file, &pack).await?;
                }
            }
            let request = Request::Import { file, commits: compared.missing, tags: tags.clone(), before };
            let whole = self.exchange::<Result<bool, Trouble>>(request, &bytes).await;
            if let Ok((Ok(true), _)) = whole {
                self.note_sent(&mut known, commits, tags);
                return Ok(());
            }
            *known = None;
            whole?.0?;
        }
        Err(Trouble::new(Cause::Unreachable, "send commits to a host: they do not arrive whole"))
    }

    /// Remembers what is there now.
    fn note_sent(&self, known: &mut Option<Sent>, commits: &[CommitId], tags: Vec<(String, CommitId)>) {
        // Others write the mirror of verifications as well.
        if self.settings.kind == PoolKind::Missions {
            let connection = self.line.number();
            let old = known.take().filter(|sent| sent.connection == connection);
            let commits_there = old.map(|sent| sent.commits).unwrap_or_default();
            known.insert(Sent { connection, commits: commits_there, tags }).add(commits);
        }
    }

    /// Asks the mirror again what it has: something failed there.
    pub(super) async fn forget_sent(&self) {
        *self.sending.lock().await = None;
    }

    /// A file that can go with the message that speaks of it; nothing where it is longer.
    fn read_short(&self, mut file: &std::fs::File) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if file.metadata()?.len() <= PART.min(self.transport.limits.longest.into()) {
            file.seek(SeekFrom::Start(0))?;
            file.read_to_end(&mut bytes)?;
        }
        Ok(bytes)
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
}
