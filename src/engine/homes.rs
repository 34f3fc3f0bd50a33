//! HOME and temporary folder of what runs in a slot.
//!
//! Every run in a slot has the slot's folder for temporary files. What works for a unit (its agent, its script, what is looked at
//! in its workspace) has the HOME of the user; verifications have one of their own, made anew with each preparation, in which
//! what `setup` wrote is there as long as its result is kept.

use super::context::execution::ExecutionContext;
use super::error::chain;
use super::fence::{self, Reach};
use super::imports::PYTHONPATH;
use crate::adapters::git::source::SourceFacts;
use crate::adapters::host::local::process::procfs::boot_id;
use crate::adapters::host::local::protocol::{Fence, Isolation, Mount, OURSELVES};
use crate::adapters::host::local::workspace::home::{Census, Homes, LONGEST, Layers, Part, census, look, shorten};
use crate::adapters::host::local::workspace::layout::{home_folder, layers_folder, slot_of, temporary_folder};
use crate::adapters::os::environment::Environment;
use crate::adapters::os::machine::Scratch;
use crate::adapters::store::place::StateDir;
use crate::config::Settings;
use crate::domain::base::hex;
use crate::domain::base::text::name_first;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The variable that names the home of a user; in `target.verification.env` it asks for the user's own.
pub const HOME: &str = "HOME";

/// Whose HOME a run has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Home {
    /// The user's.
    #[default]
    Users,
    /// That of the slot.
    Slots,
}

/// Whether verifications have a HOME of their own.
#[must_use]
pub fn have_own(settings: &Settings) -> bool {
    !settings.verification.env.iter().any(|name| name == HOME)
}

/// Finds out what the HOME of verifications is made of on this machine.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn find(execution: &ExecutionContext) -> Result<Homes, String> {
    // Folders of tools are made for the fence.
    execution.fenced().await?;
    let isolation = execution.isolation().await.map_err(|e| chain(&e))?;
    let pool = execution.pool().await.map_err(|e| chain(&e))?.root().to_owned();
    let failed = |e: std::io::Error| format!("use {}: {e}", pool.display());
    let scratch = Scratch::below(&pool).map_err(failed)?;
    let place = (&execution.state, pool.as_path(), &execution.facts);
    let homes = survey(place, &execution.env, execution.settings(), isolation, scratch.path()).await;
    scratch.remove(&[]).map_err(failed)?;
    Ok(homes)
}

/// The same by hand: state directory, pool and repository are not to be covered; `scratch` is an empty folder where slots are.
pub async fn survey(
    (state, pool, facts): (&StateDir, &Path, &SourceFacts),
    env: &Environment,
    settings: &Settings,
    isolation: Isolation,
    scratch: &Path,
) -> Homes {
    let apart = [state.root().to_owned(), pool.to_owned(), facts.common_dir.clone()];
    let mut parts = env.home().map(|home| look(home, &settings.verification.home, &apart)).unwrap_or_default();
    for list in [&mut parts.folders, &mut parts.links, &mut parts.files] {
        list.retain(|part| !env.home().is_some_and(|home| is_kept(part, home, settings)));
    }
    Homes::find(parts, isolation, Path::new(OURSELVES), scratch).await
}

/// Whether a file or folder of the home is one that runs may not read: a copy of it in another HOME would be a way around that.
fn is_kept(part: &Part, home: &Path, settings: &Settings) -> bool {
    let sandbox = &settings.sandbox;
    let real = |name: &String| fence::expand(name, Some(home.to_owned())).and_then(|path| path.canonicalize().ok());
    let above = |names: &[String]| names.iter().filter_map(real).any(|named| part.real.starts_with(named));
    let asked = settings.verification.home.iter().any(|named| part.name.starts_with(named.trim_end_matches('/')));
    sandbox.is_on() && above(&sandbox.hidden) && !above(&sandbox.readable) && !asked
}

/// What a run in a slot sees besides what its job says.
#[derive(Debug, Default)]
pub struct Around {
    /// Variables that take the place of those of the job.
    pub env: Vec<(OsString, OsString)>,
    /// What is mounted for it.
    pub mounts: Vec<Mount>,
    /// What it may reach.
    pub fence: Option<Fence>,
}

/// What a run in the folder `cwd` sees whose job has `given`; nothing of its own where that is no slot. HOME itself is mounted only where what `setup`
/// wrote there has to stay as it is.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn around(
    execution: &ExecutionContext,
    cwd: &Path,
    home: Home,
    reach: &Reach,
    given: &[(OsString, OsString)],
) -> Result<Around, String> {
    let mut around = Around::default();
    if slot_of(cwd) == cwd {
        return Ok(around);
    }
    let given = given.iter().find(|(name, _)| name == PYTHONPATH).map(|(_, value)| value.as_os_str());
    around.env.extend(execution.imports().path(execution, cwd, given).map(|path| (PYTHONPATH.into(), path)));
    let mounting = execution.isolation().await.map_err(|e| chain(&e))?.is_ours();
    around.fence = fence::around(execution, cwd, home, reach).await?;
    let temporary = temporary_folder(cwd);
    let mut seen = temporary.clone();
    let private = around.fence.iter().filter(|_| mounting).flat_map(|fence| &fence.private);
    if let Some((_, place)) = private.into_iter().find(|(_, place)| place.as_os_str().len() <= LONGEST) {
        // It is seen there as well, by everybody who does not ask for TMPDIR.
        seen.clone_from(place);
    } else if let Some(short) = shorten(&temporary).filter(|_| mounting) {
        execution.shortened(&temporary);
        around.mounts.push(Mount::Bind { from: temporary, to: short.clone() });
        seen = short;
    }
    around.env.push(("TMPDIR".into(), seen.into()));
    if let (Home::Slots, Some(homes)) = (home, execution.homes().await?) {
        let folder = home_folder(cwd);
        let (layers, whole) = (layers(cwd), execution.settings().target.setup.is_some());
        // An engine that was killed left this to us.
        layers.tidy();
        around.mounts.extend(homes.mounts(Some(folder.as_path()).filter(|_| whole), &layers));
        around.env.push((HOME.into(), folder.into()));
    }
    Ok(around)
}

/// Takes away what the mounts of a run that has ended left.
pub fn leave(cwd: &Path) {
    if slot_of(cwd) != cwd {
        layers(cwd).tidy();
    }
}

/// Makes the HOME of a slot that was just prepared, with nothing in it of earlier runs but what `setup` made.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn furnish(execution: &ExecutionContext, work: &Path) -> Result<(), String> {
    let Some(homes) = execution.homes().await? else { return Ok(()) };
    let (folder, layers) = (home_folder(work), layers(work));
    let made = || {
        homes.furnish(&folder)?;
        match (execution.settings().target.setup.is_some(), homes.is_mounted() && homes.has_folders()) {
            (true, _) => layers.renew(homes),
            (false, true) => layers.forget().and_then(|()| layers.renew(homes)),
            (false, false) => layers.remove(),
        }
    };
    made().map_err(|e| format!("make the HOME of verifications in {}: {e}", folder.display()))
}

/// The HOME in which `setup` runs.
#[derive(Debug)]
pub struct SetupHome<'a> {
    homes: &'a Homes,
    folder: PathBuf,
    layers: Layers,
    before: Census,
}

impl<'a> SetupHome<'a> {
    /// That of a slot; absent when `setup` has the user's.
    ///
    /// # Errors
    /// A sentence about infrastructure.
    pub async fn of(execution: &'a ExecutionContext, work: &Path, home: Home) -> Result<Option<Self>, String> {
        let homes = match home {
            Home::Users => None,
            Home::Slots => execution.homes().await?,
        };
        Ok(homes.map(|homes| Self {
            homes,
            folder: home_folder(work),
            layers: layers(work),
            before: Census::default(),
        }))
    }

    /// What the result of `setup` is valid for besides its line and inputs: these folders, and what is not on the disk for sure
    /// before the next start of the machine.
    #[must_use]
    pub fn stamp(&self) -> String {
        let mut hash = Sha256::new();
        for name in self.homes.overlaid().chain(self.homes.linked()) {
            hash.update(name.as_os_str().as_encoded_bytes());
            hash.update([0]);
        }
        let hash = hex(&hash.finalize()[..8]);
        format!(" home {hash} {}", boot_id())
    }

    /// Whether what it made is there.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        !self.homes.is_mounted() || self.layers.has_made(self.homes)
    }

    /// Before `setup` runs: drops what it made before.
    ///
    /// # Errors
    /// A sentence about infrastructure.
    pub fn begin(&mut self) -> Result<(), String> {
        self.layers.forget().map_err(|e| self.failed(&e))?;
        if !self.homes.is_mounted() {
            self.before = census(&self.folder).map_err(|e| self.failed(&e))?;
        }
        Ok(())
    }

    /// After `setup`: keeps what it made. False when that cannot be kept apart from what follows: it wrote into a HOME that is
    /// only a folder.
    ///
    /// # Errors
    /// A sentence about infrastructure.
    pub fn end(&self) -> Result<bool, String> {
        if self.homes.is_mounted() {
            return self.layers.keep(self.homes).map(|()| true).map_err(|e| self.failed(&e));
        }
        Ok(census(&self.folder).map_err(|e| self.failed(&e))? == self.before)
    }

    fn failed(&self, e: &std::io::Error) -> String {
        format!("keep what target.setup wrote into {}: {e}", self.folder.display())
    }
}

fn layers(work: &Path) -> Layers {
    Layers::at(layers_folder(work))
}

/// What a report says of the HOME of verifications where they write into folders of the user; absent where they do not.
#[must_use]
pub fn shared(homes: &Homes) -> Option<String> {
    let why = homes.trouble()?;
    let names: Vec<_> = homes.linked().map(Path::display).collect();
    if names.is_empty() {
        return None;
    }
    let (shown, are) = (name_first(&names, 6), if names.len() == 1 { "is" } else { "are" });
    Some(format!("in the HOME of verifications {shown} {are} your own, and what they write there stays: {why}"))
}
