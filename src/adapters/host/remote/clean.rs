//! Taking away what is kept on a host: all of one state directory at once, as long as nothing runs and nothing is there that is kept
//! nowhere else, and what nobody can want any more: programs that nobody runs, and folders of checks that were cut off.

use super::objects::{BROUGHT, PINS, list_missing_pins};
use super::protocol::{CleanOrder, Cleaned};
use super::server::Worker;
use crate::adapters::host::local::operations::runs::GRACE;
use crate::adapters::host::local::process::RunLock;
use crate::adapters::host::local::process::procfs;
use crate::adapters::host::local::rundir::{Found, Run, find, runs_below};
use crate::adapters::host::local::workspace::disk::remove_any;
use crate::adapters::host::local::workspace::quarantine::list_quarantined;
use crate::adapters::os::files::{self, FileIdentity, if_there};
use crate::domain::trouble::Trouble;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What names of folders of checks begin with: they are nobody's when their check is over.
pub const CHECK: &str = "check-";

impl Worker {
    /// Takes away, or only says, what is kept here for the engine's state directory, and what nobody can want any more. What runs and has
    /// no slot is ended first.
    pub(super) async fn clean(&self, order: CleanOrder) -> Result<Cleaned, Trouble> {
        let mut cleaned = Cleaned { kept: self.find_work().await?, ..Cleaned::default() };
        // What works in a slot goes on as long as that is needed.
        if order.dry_run || cleaned.kept.is_empty() {
            cleaned.kept.extend(self.find_runs(order.dry_run).await);
        }
        let mut going = Vec::new();
        let mut add = |path: PathBuf| {
            let bytes = files::size(&path).unwrap_or(0);
            going.push((path, bytes));
        };
        let whole = cleaned.kept.is_empty();
        if whole {
            files::list_dir(&self.base).into_iter().for_each(&mut add);
        }
        let mut locks = Vec::new();
        for folder in files::folders(&self.root).into_iter().filter(|name| name.starts_with(CHECK)) {
            let folder = self.root.join(folder);
            if folder != self.base
                && let Ok(lock) = RunLock::acquire(&folder.join("worker.lock"), Duration::ZERO)
            {
                locks.push(lock);
                add(folder);
            }
        }
        let bin = self.root.join("bin");
        let others = files::folders(&self.root).into_iter().map(|name| self.root.join(name));
        let goes =
            |folder: &PathBuf| *folder == self.base || *folder == bin || going.iter().any(|(it, _)| it == folder);
        let last = whole && others.into_iter().all(|folder| goes(&folder));
        if order.programs {
            going.extend(list_unused_programs(&bin, last).into_iter().map(|path| {
                let bytes = files::size(&path).unwrap_or(0);
                (path, bytes)
            }));
        }
        if !order.dry_run {
            self.remove(whole, going.iter().map(|(path, _)| path)).map_err(|e| self.host.classify_error(&e))?;
            if whole {
                for folder in [&bin, &self.root] {
                    // Others may be there.
                    let _ = std::fs::remove_dir(folder);
                }
            }
        }
        // What this worker has made itself is not told.
        let told = going.iter().filter(|(path, _)| !(self.is_first && path.starts_with(&self.base)));
        let name = |path: &Path| path.strip_prefix(&self.root).unwrap_or(path).display().to_string();
        cleaned.removed = told.map(|(path, bytes)| (name(path), *bytes)).collect();
        Ok(cleaned)
    }

    /// Takes these paths away. The folder of the state directory goes as a whole under another name first, by which the next cleaning
    /// knows it: half of it is nobody's mirror.
    fn remove<'a>(&self, whole: bool, paths: impl Iterator<Item = &'a PathBuf>) -> io::Result<()> {
        if whole {
            let gone = self.root.join(format!("{CHECK}gone-{:016x}", fastrand::u64(..)));
            if_there(std::fs::rename(&self.base, &gone))?;
            remove_any(&gone)?;
        }
        for path in paths.filter(|path| !path.starts_with(&self.base)) {
            match remove_any(path) {
                // Somebody else cleans, too.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        Ok(())
    }

    /// What of work stands in the way: who uses slots, what is in quarantine, what the engine has not got.
    async fn find_work(&self) -> Result<Vec<(String, String)>, Trouble> {
        let mut needed = Vec::new();
        for used in self.host.used_slots().await? {
            needed.push((name_slot(used.slot), format!("it holds work of {}", used.label)));
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
        let prefixes: Vec<String> = PINS.iter().chain([&BROUGHT]).map(|&prefix| prefix.to_owned()).collect();
        let refs = self.mirror.pins(&prefixes).await.map_err(|e| failed(&e))?;
        let why = "it is work that was not brought to the engine";
        needed.extend(list_missing_pins(&refs).into_iter().map(|(name, _)| (name.to_owned(), why.to_owned())));
        Ok(needed)
    }

    /// The runs that live.
    pub(super) async fn list_live_runs(&self) -> Vec<Run> {
        // Runs are below the folder of a mission and that of a unit, or of its verifications.
        let below =
            |folder: &Path| files::folders(folder).into_iter().map(|name| folder.join(name)).collect::<Vec<_>>();
        let units = below(&self.base.join("runs")).into_iter().flat_map(|mission| below(&mission));
        let mut live = Vec::new();
        for run in units.flat_map(|unit| runs_below(&unit)) {
            if matches!(find(run.dir()).await, Found::Starting(_) | Found::Running(_) | Found::HalfDead(_)) {
                live.push(run);
            }
        }
        live
    }

    /// What runs, after ending it or only looking.
    async fn find_runs(&self, only_looks: bool) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for run in self.list_live_runs().await {
            let alive = if only_looks { Vec::new() } else { run.end(GRACE).await.survivors };
            if only_looks || !alive.is_empty() {
                let name = run.dir().strip_prefix(&self.base).unwrap_or(run.dir()).display().to_string();
                let cannot = format!("processes of it cannot be ended: {alive:?}");
                found.push((name, if only_looks { "it runs".to_owned() } else { cannot }));
            }
        }
        found
    }
}

/// A slot, as it is named to people.
fn name_slot(slot: u32) -> String {
    format!("pool/slot-{slot}")
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
