//! A run as its directory shows it.

use super::records::{read_exit, write_new};
use crate::adapters::host::local::process::contain::{self, Sought};
use crate::adapters::host::local::process::kill;
use crate::adapters::host::local::process::procfs;
use crate::adapters::host::local::protocol::{
    ERRORS, Identity, Isolation, KillReason, OUTPUT, RunError, RunExit, SMALL, Settings, Start, parse,
};
use crate::adapters::os::files::{At, modified_at, read_untrusted};
use crate::adapters::os::nofollow;
use crate::domain::values::Millis;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A run on record or about to be. Holds nothing open; dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct Run {
    dir: PathBuf,
    settings: Settings,
    start: Option<Start>,
    supervisor: Option<Identity>,
}

impl Run {
    /// The run of a directory, in whatever state it is; absent when nothing tells of one. Meant for ending what an ended run
    /// left behind; [`find`](super::find) says how it is.
    pub fn open(dir: &Path) -> Option<Self> {
        let settings: Option<Settings> = read_untrusted(&dir.join("run"), SMALL).and_then(|t| parse(&t));
        let start: Option<Start> = read_untrusted(&dir.join("start"), SMALL).and_then(|t| parse(&t));
        let begun = settings.is_some() || dir.join("claim").exists();
        let find_supervisor = || begun.then(|| contain::find_supervisor(dir)).flatten();
        let supervisor = start.as_ref().map(|s| s.supervisor).or_else(find_supervisor);
        // What another `mc` wrote, or what is damaged, may tell of something that lives.
        let unknown = || supervisor.map(|_| Settings::trial(Isolation::Search, Vec::new(), None));
        let settings = settings.or_else(unknown)?;
        Some(Self { dir: dir.to_owned(), settings, start, supervisor })
    }

    /// The same run as its files show it now.
    pub(super) fn reload(&self) -> Self {
        match Self::open(&self.dir) {
            Some(fresh) => Self { supervisor: fresh.supervisor.or(self.supervisor), ..fresh },
            None => self.clone(),
        }
    }

    /// Waits for the end of the supervisor, which need not be a child of ours, and reads what it recorded.
    pub async fn wait(&self) -> RunExit {
        if let Some(supervisor) = self.supervisor {
            supervisor.wait().await;
        }
        read_exit(&self.dir).unwrap_or(RunExit::Lost)
    }

    /// Whether its end is on record.
    pub fn has_ended(&self) -> bool {
        read_exit(&self.dir).is_some()
    }

    /// Tells the supervisor that somebody still wants this run.
    ///
    /// # Errors
    /// [`RunError::Io`] when the directory cannot be written.
    pub fn renew_lease(&self) -> Result<(), RunError> {
        let path = self.dir.join("lease");
        let count: u64 = read_untrusted(&path, SMALL).and_then(|t| t.trim().parse().ok()).unwrap_or(0);
        let written = nofollow::replace(&path, format!("{}\n", count.wrapping_add(1)).as_bytes(), false);
        Ok(written.at(&path)?)
    }

    /// How many bytes the program has printed, and when it last did.
    pub fn read_activity(&self) -> (u64, Millis) {
        let printed = [OUTPUT, ERRORS].map(|log| match std::fs::symlink_metadata(self.dir.join(log)) {
            Ok(meta) => (meta.len(), modified_at(&meta).unwrap_or(0)),
            Err(_) => (0, 0),
        });
        printed.into_iter().fold((0, 0), |(all, last), (bytes, at)| (all + bytes, at.max(last)))
    }

    /// The run directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How the run is contained and found.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The supervisor's record, absent while starting.
    pub fn start(&self) -> Option<&Start> {
        self.start.as_ref()
    }

    /// The supervisor, dead or alive, where one is known.
    pub fn supervisor(&self) -> Option<Identity> {
        self.supervisor
    }

    /// Whether any process of the run lives beside its supervisor.
    pub(super) fn has_live_processes(&self) -> bool {
        match self.start.as_ref().and_then(|s| s.init) {
            Some((init, space)) => init.is_alive() || !kill::in_namespace(init, space).is_empty(),
            None => !self.search_criteria().scan(true).is_empty(),
        }
    }

    /// Puts on record that the end is ours, and why, unless there is an end already.
    pub(super) fn record_killed(&self, why: KillReason) {
        if read_exit(&self.dir).is_none() && self.supervisor.is_some_and(|s| s.is_alive()) {
            let _ = write_new(&self.dir.join("reason"), &format!("{}\n", why.word()));
        }
    }

    /// What a search for processes of this run goes by.
    pub fn search_criteria(&self) -> Sought {
        Sought {
            dir: self.dir.clone(),
            cookie: self.settings.cookie.clone(),
            roots: self.settings.search_roots.clone(),
            supervisor: self.supervisor,
            session: self.start.as_ref().map(|start| start.agent),
        }
    }
}

/// How long the run of a directory took since its supervisor put it on record. One that ended `just_now` is measured by the
/// kernel's time since its start, which no change of the wall clock touches; of one that ended while nobody watched the files
/// tell, never more than the time since its start.
pub fn ran_for(dir: &Path, just_now: bool) -> Option<Duration> {
    let changed = |name: &str| std::fs::metadata(dir.join(name)).ok()?.modified().ok();
    let begun = changed("start")?;
    let start: Option<Start> = read_untrusted(&dir.join("start"), SMALL).and_then(|text| parse(&text));
    let age =
        start.filter(|start| start.boot == procfs::boot_id()).and_then(|start| procfs::age(start.supervisor.born));
    let told = changed("exit").and_then(|ended| ended.duration_since(begun).ok());
    match (age, told) {
        (Some(age), Some(told)) if !just_now => Some(age.min(told)),
        (Some(age), _) => Some(age),
        (None, told) => told,
    }
}

/// Every run whose directory is below `root`, two levels deep at most.
pub fn runs_below(root: &Path) -> Vec<Run> {
    let folders = |dir: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect()
    };
    let first = folders(root);
    let second: Vec<PathBuf> = first.iter().flat_map(|d| folders(d)).collect();
    first.iter().chain(&second).filter_map(|d| Run::open(d)).collect()
}
