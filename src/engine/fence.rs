//! The fence around what runs in a slot: whether one holds on this machine, and what each run may reach.
//!
//! A run reads everything but keys, sockets that lead out, the state directory and other slots; it writes its slot, the folder of
//! its result, and, where it works for a unit with the user's HOME, what `[sandbox] writable` names. What verifications write to
//! folders of tools goes to overlays (`docs/decisions/0016-homes-of-verifications.md`). `docs/security.md` says what is left.

use super::bench::Bench;
use super::error::chain;
use super::homes::Home;
use crate::adapters::environment::Environment;
use crate::adapters::files;
use crate::adapters::git::source::SourceFacts;
use crate::adapters::host::command::{ChildGuard, CommandLine};
use crate::adapters::host::probe::{Flavour, Isolation};
use crate::adapters::host::rundir::{Fence, trial_text};
use crate::adapters::host::supervisor::{FLAG, MOUNTED, OURSELVES};
use crate::adapters::machine::{Scratch, user};
use crate::adapters::workspace::layout::{slot_of, temporary_folder};
use crate::config::settings::Sandbox;
use crate::domain::fence::{DEVICES, MEMORY, SOCKET_VARIABLES, SOCKETS, TEMPORARY, socket_path};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest time for one trial.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether runs are fenced on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fenced {
    /// They are.
    Yes,
    /// The settings do not want one.
    Off,
    /// It was tried and does not hold, because of this.
    No(String),
}

impl Fenced {
    /// What a report says where one is wanted and there is none.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        match self {
            // Nobody asked for one.
            Self::Yes | Self::Off => None,
            Self::No(why) => Some(format!("no fence: what runs can write whatever you can ({why})")),
        }
    }
}

/// What a job may reach beside what every run of its kind may.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// What it may write.
    pub writable: Vec<PathBuf>,
    /// What it may read, wherever it is.
    pub readable: Vec<PathBuf>,
}

/// Raises one fence and looks whether it holds.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn find(bench: &Bench) -> Result<Fenced, String> {
    let isolation = bench.isolation().await.map_err(|e| chain(&e))?;
    let pool = bench.pool().await.map_err(|e| chain(&e))?.root().to_owned();
    let failed = |e: std::io::Error| format!("use {}: {e}", pool.display());
    let scratch = Scratch::below(&pool).map_err(failed)?;
    let fenced = Machine::of(bench, isolation, &pool).try_out(scratch.path()).await?;
    scratch.remove(&[]).map_err(failed)?;
    Ok(fenced)
}

/// The fence of a job in the slot whose clone is `cwd`; absent where there is none.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn around(bench: &Bench, cwd: &Path, home: Home, reach: &Reach) -> Result<Option<Fence>, String> {
    if *bench.fenced().await? != Fenced::Yes {
        return Ok(None);
    }
    let isolation = bench.isolation().await.map_err(|e| chain(&e))?;
    let pool = bench.pool().await.map_err(|e| chain(&e))?.root().to_owned();
    let machine = Machine::of(bench, isolation, &pool);
    Ok(Some(machine.fence(slot_of(cwd), &temporary_folder(cwd), home, reach)))
}

/// The machine around a run.
pub struct Machine<'a> {
    /// State directory and pool, which are closed.
    pub closed: [&'a Path; 2],
    /// The repository.
    pub facts: &'a SourceFacts,
    /// The environment of the person.
    pub env: &'a Environment,
    /// What the settings want.
    pub sandbox: &'a Sandbox,
    /// How runs are contained.
    pub isolation: Isolation,
}

impl<'a> Machine<'a> {
    fn of(bench: &'a Bench, isolation: Isolation, pool: &'a Path) -> Self {
        let (closed, sandbox) = ([bench.state.root(), pool], &bench.settings().sandbox);
        Self { closed, facts: &bench.facts, env: &bench.env, sandbox, isolation }
    }

    /// Raises a fence around nothing; `scratch` is an empty folder where slots are.
    ///
    /// # Errors
    /// A sentence about infrastructure.
    pub async fn try_out(&self, scratch: &Path) -> Result<Fenced, String> {
        if !self.sandbox.is_on() {
            return Ok(Fenced::Off);
        }
        if !self.isolation.is_ours() {
            return Ok(Fenced::No(format!("{} makes no mount namespace", self.isolation.word())));
        }
        let failed = |e: std::io::Error| format!("use {}: {e}", scratch.display());
        let (slot, file) = (scratch.join("slot"), scratch.join("run"));
        files::make_private_dir(&slot).map_err(failed)?;
        let fence = self.fence(&slot, &slot, Home::Users, &Reach::default());
        let text = trial_text(self.isolation, &[], Some(&fence)).map_err(|e| e.to_string())?;
        files::write_private(&file, text.as_bytes()).map_err(failed)?;
        let command = CommandLine::new(OURSELVES).arg(FLAG).arg(&file).arg("try");
        let output = command.env("LC_ALL", "C").deadline(PATIENCE).run(&ChildGuard::none()).await;
        let output = output.map_err(|e| chain(&e))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(match said.lines().last() {
            Some(MOUNTED) if output.success() => Fenced::Yes,
            Some(why) if why != MOUNTED => Fenced::No(why.to_owned()),
            _ => {
                let told = String::from_utf8_lossy(&output.stderr);
                Fenced::No(told.lines().next().unwrap_or("trying one ended without a word").to_owned())
            }
        })
    }

    fn fence(&self, slot: &Path, temporary: &Path, home: Home, reach: &Reach) -> Fence {
        let own = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut places = there(TEMPORARY.iter().map(PathBuf::from));
        // The usual one first.
        places.sort_by_key(|place| TEMPORARY.iter().position(|usual| Path::new(usual) == place));
        let named = |names: &[String]| there(names.iter().filter_map(|name| self.named(name)));
        let asked = named(&self.sandbox.writable);
        let mut readable = named(&self.sandbox.readable);
        let shown = |path: &PathBuf| readable.contains(path) || asked.contains(path);
        let keys = there(self.sandbox.hidden.iter().filter_map(|name| self.named(name)).chain(self.sockets()));
        let (mut closed, hidden): (Vec<_>, Vec<_>) =
            keys.into_iter().filter(|key| !shown(key)).partition(|key| key.is_dir());
        closed.extend(there(self.closed.map(Path::to_owned)));
        let mut writable = vec![own(slot)];
        writable.extend(reach.writable.iter().map(|path| own(path)));
        if home == Home::Users {
            writable.extend(asked);
        }
        if self.isolation == Isolation::PidNamespace(Flavour::Root) {
            closed.push("/dev".into());
            writable.extend(there(DEVICES.iter().map(PathBuf::from)));
        }
        let facts = self.facts;
        let ground = [Some(facts.common_dir.clone()), Some(facts.toplevel.clone()), self.env.home().map(own)];
        readable.extend(there(ground.into_iter().flatten().chain(reach.readable.iter().map(|path| own(path)))));
        places.retain(|place| !writable.contains(place));
        // Everything else can be read where it is, and not be written.
        let memory = there([PathBuf::from(MEMORY)]);
        let over = || places.iter().chain(&memory).chain(&closed).chain(&writable);
        let covered = |path: &PathBuf| over().any(|over| path.starts_with(over));
        readable.retain(covered);
        let private = places.into_iter().map(|place| (own(temporary), place)).collect();
        Fence { private, memory, closed, writable, readable, hidden }
    }

    /// A path of the settings: absolute, or of the home.
    fn named(&self, name: &str) -> Option<PathBuf> {
        match name.strip_prefix("~/") {
            Some(rest) => self.env.home().map(|home| home.join(rest)),
            None => Some(PathBuf::from(name)).filter(|path| path.is_absolute()),
        }
    }

    fn sockets(&self) -> impl Iterator<Item = PathBuf> {
        let named = SOCKET_VARIABLES.iter().filter_map(|name| self.env.var(name)?.to_str());
        let named = named.filter_map(socket_path).map(PathBuf::from);
        let session = PathBuf::from(format!("/run/user/{}", user()));
        SOCKETS.iter().map(PathBuf::from).chain(named).chain([session])
    }
}

/// The real paths of what is there, each once.
fn there(paths: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = paths.into_iter().filter_map(|path| path.canonicalize().ok()).collect();
    found.sort();
    found.dedup();
    found
}
