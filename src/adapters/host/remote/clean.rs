//! Taking away what is kept on a host: all of one state directory at once, as long as nothing runs and nothing is there that is kept
//! nowhere else, and what nobody can want any more: programs that nobody runs, and folders of checks that were cut off.

use super::objects::{BROUGHT, name_brought};
use super::protocol::{CleanOrder, Cleaned};
use super::server::Worker;
use crate::adapters::host::local::process::RunLock;
use crate::adapters::host::local::process::procfs;
use crate::adapters::host::local::rundir::{Found, find, runs_below};
use crate::adapters::host::local::workspace::disk::remove_any;
use crate::adapters::host::local::workspace::quarantine::list_quarantined;
use crate::adapters::os::files::{self, FileIdentity};
use crate::domain::trouble::Trouble;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What names of folders of checks begin with: they are nobody's when their check is over.
pub const CHECK: &str = "check-";

/// Refs of work.
const PINS: [&str; 2] = ["refs/mc/attempts/", "refs/mc/kept/"];

impl Worker {
    /// Takes away, or only says, what is kept here for the engine's state directory, and what nobody can want any more.
    pub(super) async fn clean(&self, order: CleanOrder) -> Result<Cleaned, Trouble> {
        let mut cleaned = Cleaned { kept: self.find_needed().await?, ..Cleaned::default() };
        let mut going = Vec::new();
        if cleaned.kept.is_empty() {
            going.extend(files::list_dir(&self.base));
            // As long as this is there, nobody else begins here.
            going.sort_by_key(|path| path.file_name().is_some_and(|name| name == "worker.lock"));
        }
        let mut locks = Vec::new();
        for folder in files::folders(&self.root).into_iter().filter(|name| name.starts_with(CHECK)) {
            let folder = self.root.join(folder);
            if folder != self.base
                && let Ok(lock) = RunLock::acquire(&folder.join("worker.lock"), Duration::ZERO)
            {
                locks.push(lock);
                going.push(folder);
            }
        }
        let others = files::folders(&self.root).into_iter().map(|name| self.root.join(name));
        let bin = self.root.join("bin");
        let last = cleaned.kept.is_empty()
            && others.into_iter().all(|folder| folder == self.base || folder == bin || going.contains(&folder));
        if order.programs {
            going.extend(list_unused_programs(&bin, last));
        }
        for path in &going {
            let bytes = files::size(path).unwrap_or(0);
            if !order.dry_run {
                remove_any(path).map_err(|e| self.host.classify_error(&e))?;
            }
            if self.is_first && path.starts_with(&self.base) {
                // What this worker has made itself.
                continue;
            }
            let name = path.strip_prefix(&self.root).unwrap_or(path).display().to_string();
            cleaned.removed.push((name, bytes));
        }
        if !order.dry_run && cleaned.kept.is_empty() {
            for folder in [&self.base, &bin, &self.root] {
                // Others may be there.
                let _ = std::fs::remove_dir(folder);
            }
        }
        Ok(cleaned)
    }

    /// What stands in the way: who uses slots, what runs, what is in quarantine, what the engine has not got.
    async fn find_needed(&self) -> Result<Vec<(String, String)>, Trouble> {
        let mut needed = Vec::new();
        for used in self.host.used_slots().await? {
            needed.push((format!("pool/slot-{}", used.slot), format!("it holds work of {}", used.label)));
        }
        for run in self.list_live_runs().await {
            let name = run.strip_prefix(&self.base).unwrap_or(&run).display().to_string();
            needed.push((name, "it runs".to_owned()));
        }
        for (folder, pins) in self.mirror.list_lost() {
            let name = folder.strip_prefix(&self.base).unwrap_or(&folder).display().to_string();
            let why = format!(
                "damaged objects are there, of work that was not brought to the engine ({pins}): delete it by hand"
            );
            needed.push((name, why));
        }
        let failed = |e: &(dyn std::error::Error + 'static)| self.host.classify_error(e);
        for entry in list_quarantined(&self.base.join("pool")).map_err(|e| failed(&e))? {
            let name = entry.path.strip_prefix(&self.base).unwrap_or(&entry.path).display().to_string();
            needed.push((name, format!("it is in quarantine: {}", entry.note.why)));
        }
        let brought: BTreeSet<_> =
            self.mirror.pins(&[BROUGHT.to_owned()]).await.map_err(|e| failed(&e))?.into_iter().collect();
        for (name, id) in self.mirror.pins(&PINS.map(str::to_owned)).await.map_err(|e| failed(&e))? {
            if !brought.contains(&(name_brought(&name), id)) {
                needed.push((name, "it is work that was not brought to the engine".to_owned()));
            }
        }
        Ok(needed)
    }

    /// Directories of the runs that live.
    pub(super) async fn list_live_runs(&self) -> Vec<PathBuf> {
        // Runs are below the folder of a mission and that of a unit, or of its verifications.
        let below =
            |folder: &Path| files::folders(folder).into_iter().map(|name| folder.join(name)).collect::<Vec<_>>();
        let units = below(&self.base.join("runs")).into_iter().flat_map(|mission| below(&mission));
        let mut live = Vec::new();
        for run in units.flat_map(|unit| runs_below(&unit)) {
            if matches!(find(run.dir()).await, Found::Starting(_) | Found::Running(_) | Found::HalfDead(_)) {
                live.push(run.dir().to_owned());
            }
        }
        live
    }
}

/// Programs that were sent here and that nobody runs; the one of this worker only with `own`.
fn list_unused_programs(bin: &Path, own: bool) -> Vec<PathBuf> {
    let running: Vec<FileIdentity> = procfs::list_processes()
        .into_iter()
        .map(|(pid, _)| pid)
        .filter(|pid| !own || *pid != std::process::id())
        .filter_map(|pid| FileIdentity::of_path(Path::new(&format!("/proc/{pid}/exe"))).ok())
        .collect();
    let sent = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"mc-"));
    let unused = |path: &PathBuf| FileIdentity::of_path(path).is_ok_and(|file| !running.contains(&file));
    files::list_dir(bin).into_iter().filter(|path| sent(path) && unused(path)).collect()
}
