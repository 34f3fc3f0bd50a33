//! The fence around what runs in a slot: whether one holds on this machine, and what each run may reach.
//!
//! A run reads everything but keys, sockets that lead out, the state directory and other slots; it writes its slot, the folder of
//! its result, and, where it works for a unit with the user's HOME, what `[sandbox] writable` names. What verifications write to
//! folders of tools goes to overlays (`docs/decisions/0016-homes-of-verifications.md`). `docs/security.md` says what is left.

use super::fenced::{Fenced, Reach};
use super::host::LocalHost;
use crate::adapters::git::source::SourceFacts;
use crate::adapters::host::local::process::command::{ChildGuard, CommandLine};
use crate::adapters::host::local::protocol::{
    Caps, FLAG, Fence, Isolation, MOUNTED, OURSELVES, RunError, RunExit, RunSpec, Settings, parse_exit, text_of,
};
use crate::adapters::host::local::rundir::prepare;
use crate::adapters::host::{Home, HostSettings};
use crate::adapters::os::clock;
use crate::adapters::os::environment::Environment;
use crate::adapters::os::files::{self, At, FileError};
use crate::adapters::os::machine::{Scratch, find_program, known_home, user};
use crate::domain::fence::{
    BUILT, DEVICES, DOWNLOADED, MEMORY, SOCKET_VARIABLES, SOCKETS, TEMPORARY, is_made, socket_paths,
};
use crate::domain::trouble::Trouble;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest time for one trial.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longest time for a line that asks about the machine.
const LONGEST_ANSWER: Duration = Duration::from_secs(600);

/// Longest text that such a line says of its failure.
const LONGEST_REASON: u64 = 64 << 10;

impl LocalHost {
    /// Whether runs are fenced on this machine.
    ///
    /// # Errors
    /// [`Trouble`] with what was tried.
    pub async fn detect_fence(&self) -> Result<&Fenced, Trouble> {
        self.fenced.get_or_try_init(|| find(self)).await
    }
}

/// How runs are contained here, and the folder of their workspaces.
pub(super) async fn find_containment(host: &LocalHost) -> Result<(Isolation, PathBuf), Trouble> {
    let isolation = host.isolation().await.map_err(|e| host.classify_error(&e))?;
    let pool = host.pool().await.map_err(|e| host.classify_error(&e))?.root().to_owned();
    Ok((isolation, pool))
}

/// Raises one fence and looks whether it holds. Folders that runs may write and that are not there yet are made before.
async fn find(host: &LocalHost) -> Result<Fenced, Trouble> {
    let (isolation, pool) = find_containment(host).await?;
    let failed = |e: std::io::Error| host.classify_error(&FileError::new(&pool, e));
    let scratch = Scratch::create_in(&pool).map_err(failed)?;
    let machine = Machine::of(host, isolation, &pool);
    machine.make_writable();
    let fenced = machine.try_out(scratch.path()).await.map_err(|e| host.classify_error(&e))?;
    scratch.remove(&[]).map_err(failed)?;
    Ok(fenced)
}

/// What a shell line about this machine says on standard output: a fingerprint command, with the checkout as its folder and, in
/// a fence, nothing that it may write but temporary files. It ends with whoever asks.
///
/// # Errors
/// [`Trouble`] whose words read on after what was asked.
pub async fn ask_machine(host: &LocalHost, line: &str, env: Vec<(OsString, OsString)>) -> Result<Vec<u8>, Trouble> {
    if !host.detect_fence().await?.is_active() {
        let command = CommandLine::new("sh").arg("-c").arg(line).cwd(&host.facts.toplevel).env_clear();
        let output = command.envs(env).run(&host.guard).await.map_err(|e| e.to_string())?;
        let how = output.ending.map_or_else(String::new, |how| format!(" ({how})"));
        return if output.success() { Ok(output.stdout) } else { Err(format!("it failed{how}").into()) };
    }
    let (isolation, pool) = find_containment(host).await?;
    let failed = |e: std::io::Error| host.classify_error(&FileError::new(&pool, e));
    let scratch = Scratch::create_in(&pool).map_err(failed)?;
    let (slot, dir) = (scratch.path().join("slot"), scratch.path().join("run"));
    let temporary = slot.join("tmp");
    files::make_private_dir(&temporary).map_err(failed)?;
    let fence = Machine::of(host, isolation, &pool).build_fence(&slot, &temporary, Home::Users, &Reach::default());
    // Standard output is what is asked for; the rest goes beside it.
    let out = temporary.join("out");
    let argv = ["sh", "-c", "exec sh -c \"$1\" >\"$2\"", "mc", line].map(OsString::from);
    let spec = RunSpec {
        dir,
        cwd: host.facts.toplevel.clone(),
        argv: argv.into_iter().chain([out.clone().into()]).collect(),
        env: env
            .into_iter()
            .filter(|(name, _)| name != "TMPDIR")
            .chain([("TMPDIR".into(), temporary.into())])
            .collect(),
        stdin: None,
        errors_apart: false,
        timeout: LONGEST_ANSWER,
        grace: Duration::ZERO,
        lease: LONGEST_ANSWER,
        isolation,
        program: OURSELVES.into(),
        cookie: clock::new_cookie(),
        search_roots: vec![slot],
        mounts: Vec::new(),
        fence: Some(fence),
    };
    // Our own child, so that it is not left alone as a run would be.
    let exit = run_fenced(host, &spec).await?;
    let said = files::read_if_there(&out).ok().flatten().unwrap_or_default();
    let why = files::read_untrusted(&spec.dir.join("out.log"), LONGEST_REASON).unwrap_or_default();
    scratch.remove(&[]).map_err(failed)?;
    let why = why.lines().next().map(|line| format!(": {line}")).unwrap_or_default();
    match exit {
        Some(0) => Ok(said),
        Some(code) => Err(format!("it failed (exit code {code}){why}").into()),
        None => Err(format!("it was ended{why}").into()),
    }
}

/// Runs a program with its fence as a child of this one; its exit code, if it had one.
async fn run_fenced(host: &LocalHost, spec: &RunSpec) -> Result<Option<i32>, Trouble> {
    let dir = prepare(spec).map_err(|e| host.classify_error(&e))?;
    let command = CommandLine::new(OURSELVES).arg(FLAG).deadline(LONGEST_ANSWER).env_clear().cwd(&spec.cwd);
    command.arg(&dir).arg("run").run(&host.guard).await.map_err(|e| host.classify_error(&e))?;
    let exit = files::read_untrusted(&dir.join("exit"), LONGEST_REASON);
    Ok(exit.as_deref().and_then(parse_exit).and_then(|exit| match exit {
        RunExit::Code(code) => Some(code),
        _ => None,
    }))
}

/// The machine around a run.
pub struct Machine<'a> {
    /// State directory and pool, which are closed.
    pub closed: [&'a Path; 2],
    /// The repository.
    pub facts: &'a SourceFacts,
    /// The environment of the person.
    pub env: &'a Environment,
    /// What they want.
    pub settings: &'a HostSettings,
    /// How runs are contained.
    pub isolation: Isolation,
}

impl<'a> Machine<'a> {
    pub(super) fn of(host: &'a LocalHost, isolation: Isolation, pool: &'a Path) -> Self {
        let closed = [host.engine.as_deref().unwrap_or(&host.places.root), pool];
        Self { closed, facts: &host.facts, env: &host.env, settings: &host.settings, isolation }
    }

    /// Raises a fence around nothing; `scratch` is an empty folder where slots are.
    ///
    /// # Errors
    /// [`RunError`] when it could not be tried.
    pub async fn try_out(&self, scratch: &Path) -> Result<Fenced, RunError> {
        if !self.settings.sandbox.is_on() {
            return Ok(Fenced::Off);
        }
        let (slot, file) = (scratch.join("slot"), scratch.join("run"));
        files::make_private_dir(&slot).at(scratch)?;
        let fence = self.build_fence(&slot, &slot, Home::Users, &Reach::default());
        let text = text_of(&Settings::trial(self.isolation, Vec::new(), Some(fence)));
        files::write_private(&file, text.as_bytes()).at(scratch)?;
        let command = CommandLine::new(OURSELVES).arg(FLAG).arg(&file).arg("try");
        let output = command.env("LC_ALL", "C").deadline(PATIENCE).run(&ChildGuard::none()).await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut said: Vec<String> = said.lines().map(str::to_owned).collect();
        // A line for each limit that does not hold, then that of the fence.
        Ok(match said.pop() {
            Some(last) if last == MOUNTED && output.success() => match self.isolation {
                Isolation::RootNamespace | Isolation::UserNamespace => Fenced::Mounts(said),
                Isolation::Search => Fenced::Rules("search makes no mount namespace".to_owned(), said),
            },
            Some(why) if why != MOUNTED => Fenced::No(why),
            _ => {
                let told = String::from_utf8_lossy(&output.stderr);
                Fenced::No(told.lines().next().unwrap_or("trying one ended without a word").to_owned())
            }
        })
    }

    /// Makes the folders that runs may write, as far as there are tools for them. Where one cannot be made, its tool says so.
    fn make_writable(&self) {
        if !self.settings.sandbox.is_on() {
            return;
        }
        let path = self.env.var("PATH").unwrap_or_default();
        let has = |program: &str| find_program(program, path, Path::new("/")).is_some();
        let names = self
            .settings
            .sandbox
            .writable
            .iter()
            .chain(&self.settings.sandbox.shared)
            .filter(|name| is_made(name, has));
        for place in names.filter_map(|name| self.resolve_path(name)).filter(|place| place.symlink_metadata().is_err())
        {
            if let Err(e) = files::make_private_dir(&place) {
                tracing::warn!("make {}, which [sandbox] lets runs write: {e}", place.display());
            }
        }
    }

    pub(super) fn build_fence(&self, slot: &Path, temporary: &Path, home: Home, reach: &Reach) -> Fence {
        let own = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut places = canonicalize_existing(TEMPORARY.iter().map(PathBuf::from));
        // The usual one first.
        places.sort_by_key(|place| TEMPORARY.iter().position(|usual| Path::new(usual) == place));
        let sandbox = &self.settings.sandbox;
        let asked = self.list_writable(home);
        let mut readable = canonicalize_existing(sandbox.readable.iter().filter_map(|name| self.resolve_path(name)));
        let (mut closed, hidden): (Vec<_>, Vec<_>) = self.list_hidden().into_iter().partition(|key| key.is_dir());
        // A command line that names a key does not show it.
        let named: Vec<PathBuf> = reach.readable.iter().map(|path| own(path)).collect();
        let named = named.into_iter().filter(|path| !closed.iter().chain(&hidden).any(|key| path.starts_with(key)));
        let named: Vec<PathBuf> = named.collect();
        closed.extend(canonicalize_existing(self.closed.map(Path::to_owned)));
        let mut writable = vec![own(slot)];
        writable.extend(reach.writable.iter().map(|path| own(path)));
        writable.extend(asked.iter().cloned());
        if user() == 0 && self.isolation != Isolation::UserNamespace {
            closed.push("/dev".into());
            writable.extend(canonicalize_existing(DEVICES.iter().map(PathBuf::from)));
        }
        // What is named as both may be written.
        readable.retain(|path| !writable.contains(path));
        let facts = self.facts;
        let home = self.env.home().map(own).filter(|home| !writable.contains(home));
        let repository = [facts.common_dir.clone(), facts.toplevel.clone()].into_iter().chain(self.list_alternates());
        let repository = canonicalize_existing(repository);
        // The way to what is kept inside of something that may be written is mounted, and so is not renamed.
        let kept = || closed.iter().chain(&hidden).chain(&repository);
        let mut ways = Vec::new();
        for root in &asked {
            for path in kept().filter(|path| path.starts_with(root)) {
                ways.extend(path.ancestors().skip(1).take_while(|above| above != root).map(Path::to_owned));
            }
        }
        let shut =
            |way: &PathBuf| kept().any(|kept| way.starts_with(kept) && asked.iter().any(|root| kept.starts_with(root)));
        writable.extend(canonicalize_existing(ways).into_iter().filter(|way| !shut(way)));
        readable.extend(canonicalize_existing(repository.into_iter().chain(home).chain(named)));
        places.retain(|place| !writable.contains(place));
        // Everything else can be read where it is, and not be written.
        let memory = canonicalize_existing([PathBuf::from(MEMORY)]);
        let over = || places.iter().chain(&memory).chain(&closed).chain(&writable);
        let covered = |path: &PathBuf| over().any(|over| path.starts_with(over));
        readable.retain(covered);
        let private = places.into_iter().map(|place| (own(temporary), place)).collect();
        let cap = |number: u64| Some(number).filter(|number| *number > 0);
        let caps = Caps { memory: cap(sandbox.max_memory), processes: cap(sandbox.max_processes) };
        Fence { private, memory, closed, writable, readable, hidden, caps }
    }

    /// What is asked to be written beside slot and result. What lies in something that agents may write is part of that, and not
    /// looked up by itself: an agent could have put a link there.
    fn list_writable(&self, home: Home) -> Vec<PathBuf> {
        let sandbox = &self.settings.sandbox;
        let named =
            |names: &[String]| -> Vec<PathBuf> { names.iter().filter_map(|name| self.resolve_path(name)).collect() };
        let (writable, shared) = (named(&sandbox.writable), named(&sandbox.shared));
        let mut asked = shared.clone();
        asked.extend(self.list_caches(&self.settings.verification_env));
        if home == Home::Users {
            asked.extend(writable.iter().cloned());
            asked.extend(self.list_caches(&self.settings.agent_env));
        }
        let roots = || writable.iter().chain(&shared);
        asked.retain(|path| !roots().any(|root| path != root && path.starts_with(root)));
        let kept = self.list_hidden();
        let mut asked = canonicalize_existing(asked);
        // Only its own name in the settings shows what is hidden, no link to it.
        asked.retain(|path| !kept.iter().any(|key| path.starts_with(key)));
        asked
    }

    /// What runs may not read, by its real path.
    fn list_hidden(&self) -> Vec<PathBuf> {
        let sandbox = &self.settings.sandbox;
        let named = |name: &&String| {
            [&sandbox.readable, &sandbox.writable, &sandbox.shared].iter().any(|list| list.contains(name))
        };
        let hidden = sandbox.hidden.iter().filter(|name| !named(name));
        let hidden = hidden.flat_map(|name| self.homes().filter_map(move |home| expand_path(name, Some(home))));
        let shown = canonicalize_existing(sandbox.readable.iter().filter_map(|name| self.resolve_path(name)));
        let mut kept = canonicalize_existing(hidden.chain(self.list_sockets()));
        kept.retain(|key| !shown.contains(key));
        kept
    }

    /// Stores whose objects the repository borrows, and theirs in turn (gitrepository-layout(5)).
    fn list_alternates(&self) -> Vec<PathBuf> {
        let mut found = vec![self.facts.common_dir.join("objects")];
        for next in 0.. {
            let Some(store) = found.get(next).cloned() else { break };
            let list = files::read_untrusted(&store.join("info/alternates"), LONGEST_REASON).unwrap_or_default();
            let more: Vec<PathBuf> =
                list.lines().filter(|line| !line.starts_with('#')).map(|line| store.join(line)).collect();
            found.extend(
                canonicalize_existing(more).into_iter().filter(|more| !found.contains(more)).collect::<Vec<_>>(),
            );
        }
        found.split_off(1)
    }

    /// The home that the environment names, and that which the system knows: keys may be in either.
    fn homes(&self) -> impl Iterator<Item = PathBuf> {
        let named = self.env.home().map(Path::to_owned);
        let known = known_home().filter(|known| named.as_ref() != Some(known));
        named.into_iter().chain(known)
    }

    /// A path of the settings: absolute, or of the home.
    fn resolve_path(&self, name: &str) -> Option<PathBuf> {
        expand_path(name, self.env.home().map(Path::to_owned))
    }

    /// Folders that tools are told of by variables of these names, which runs get.
    fn list_caches(&self, given: &[String]) -> Vec<PathBuf> {
        let known = BUILT.iter().chain(DOWNLOADED).filter(|name| given.iter().any(|given| given == *name));
        let folders = known.filter_map(|name| self.env.var(name)).map(PathBuf::from);
        folders.filter(|folder| folder.is_absolute() && folder.is_dir()).collect()
    }

    fn list_sockets(&self) -> Vec<PathBuf> {
        let told = SOCKET_VARIABLES.iter().filter_map(|name| Some((*name, self.env.var(name)?.to_str()?)));
        let told = told.flat_map(|(name, value)| socket_paths(name, value)).map(PathBuf::from);
        let session = PathBuf::from(format!("/run/user/{}", user()));
        let usual = SOCKETS.iter().filter_map(|name| self.resolve_path(name));
        let all = usual.chain(told).chain([session]);
        let shown: Vec<PathBuf> =
            self.settings.sandbox.readable.iter().filter_map(|name| self.resolve_path(name)).collect();
        all.filter(|path| !shown.contains(path)).collect()
    }
}

/// A name of the settings as a path: absolute, or of this home.
pub(super) fn expand_path(name: &str, home: Option<PathBuf>) -> Option<PathBuf> {
    match name.strip_prefix("~/") {
        Some(rest) => home.map(|home| home.join(rest)),
        None => Some(PathBuf::from(name)).filter(|path| path.is_absolute()),
    }
}

/// The real paths of what is there, each once.
pub(super) fn canonicalize_existing(paths: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = paths.into_iter().filter_map(|path| path.canonicalize().ok()).collect();
    found.sort();
    found.dedup();
    found
}
