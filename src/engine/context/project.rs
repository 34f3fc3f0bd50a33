//! Where a command stands: the repository, its settings layers and its state directory.

use crate::adapters::git::owner::owner;
use crate::adapters::git::{Git, SourceFacts, inspect};
use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::os::environment::Environment;
use crate::adapters::os::{clock, files};
use crate::adapters::store::place::StateDir;
use crate::adapters::store::{Store, wake};
use crate::config::{FILE_NAME, Inputs, Layers, Settings, find_settings_file};
use crate::domain::mission::Refusal;
use crate::engine::context::owner;
use crate::engine::error::EngineError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the command line says about where to look: the global options, as given.
#[derive(Debug, Clone, Default)]
pub struct Where {
    /// `-C DIR`.
    pub directory: Option<PathBuf>,
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// Settings given as flags: key, value, flag as typed.
    pub flags: Vec<(&'static str, String, &'static str)>,
}

/// A repository with its settings and state directory; made once per command.
#[derive(Debug)]
pub struct Project {
    /// The process's environment.
    pub env: Environment,
    /// Settings as layers; [`Project::settings`] validates them.
    pub layers: Layers,
    /// The settings file, if there is one.
    pub config_file: Option<PathBuf>,
    /// Facts about the repository.
    pub facts: SourceFacts,
    /// Its state directory; not made by looking.
    pub state: StateDir,
    /// Why nothing is found here: no mission was begun in this state directory, and the repository belongs to another one.
    pub elsewhere: Option<Refusal>,
}

impl Project {
    /// Finds settings, repository and state directory; changes nothing.
    ///
    /// # Errors
    /// [`EngineError`] when the settings are wrong or there is no repository.
    pub async fn open(place: &Where) -> Result<Self, EngineError> {
        let env = Environment::of_process()?;
        let found = read_layers(&env, place)?;
        Self::from_layers(env, found).await
    }

    /// The project of settings that were read already.
    ///
    /// # Errors
    /// [`EngineError`] when there is no repository.
    pub async fn from_layers(env: Environment, (layers, directory, config_file): Found) -> Result<Self, EngineError> {
        let path = layers.path("target.path").unwrap_or(directory);
        let facts = inspect(&Git::in_folder(&path, ChildGuard::none())).await?;
        let mut state = StateDir::locate(&facts.common_dir, &env)?;
        // A repository that was moved is followed by its state directory, whose name is that of the old place.
        let moved = state.of_moved(&env);
        if !moved.is_empty()
            && let Ok((_, Some(card))) = owner(&Git::in_folder(&facts.toplevel, ChildGuard::none())).await
            && let Some((_, own)) = moved.into_iter().find(|(id, _)| *id == card.state_id)
        {
            state = own;
        }
        let elsewhere = owner::check_unused(&state, &facts).await;
        Ok(Self { env, layers, config_file, facts, state, elsewhere })
    }

    /// A repository whose settings are those of nobody.
    ///
    /// # Errors
    /// [`EngineError::Config`], which the built-in settings are no reason for.
    pub(in crate::engine) fn without_settings(
        env: Environment,
        facts: SourceFacts,
        state: StateDir,
    ) -> Result<Self, EngineError> {
        let nothing = BTreeMap::new();
        let inputs = Inputs { file: None, directory: &facts.toplevel, environment: &nothing, flags: &[] };
        Ok(Self { layers: Layers::resolve(&inputs)?, env, config_file: None, facts, state, elsewhere: None })
    }

    /// The validated settings. Where the settings file is protected, that is the one they come from, whatever its name and place.
    ///
    /// # Errors
    /// [`EngineError::Config`].
    pub fn settings(&self) -> Result<Settings, EngineError> {
        let mut settings = self.layers.settings()?;
        settings.file = self.tracked_config();
        let protect = &mut settings.verification.protect;
        if protect.iter().any(|glob| glob == FILE_NAME) {
            let escaped = |c: char| if "*?[]{}\\!".contains(c) { vec!['\\', c] } else { vec![c] };
            let own = settings.file.iter().map(|path| path.chars().flat_map(escaped).collect::<String>());
            let own: Vec<String> = own.filter(|own| !protect.contains(own)).collect();
            protect.extend(own);
        }
        Ok(settings)
    }

    /// The path of the settings file within the repository, if it is there.
    fn tracked_config(&self) -> Option<String> {
        let file = self.env.cwd().join(self.config_file.as_deref()?);
        let (file, top) = (file.canonicalize().ok()?, self.facts.toplevel.canonicalize().ok()?);
        Some(file.strip_prefix(top).ok()?.to_str()?.to_owned())
    }

    /// Git on the source repository.
    pub fn source(&self, guard: ChildGuard) -> Git {
        Git::in_folder(&self.facts.toplevel, guard)
    }

    /// The store, if there ever was a mission here; never makes one. For all that tell or change what missions did.
    ///
    /// # Errors
    /// [`EngineError::Store`], [`EngineError::Place`] when it is that of another repository, or [`EngineError::Refused`] when
    /// there was no mission here and the repository belongs to another state directory.
    pub fn store(&self) -> Result<Option<Store>, EngineError> {
        let store = self.own_store()?;
        let Some(refusal) = &self.elsewhere else { return Ok(store) };
        match store {
            // One was begun since.
            Some(store) if !store.list_missions()?.is_empty() => Ok(Some(store)),
            _ => Err(EngineError::Refused(refusal.clone())),
        }
    }

    /// The same, whoever owns the repository: for a start, which may take it over.
    ///
    /// # Errors
    /// [`EngineError::Store`], or [`EngineError::Place`] when it is that of another repository.
    pub(in crate::engine) fn own_store(&self) -> Result<Option<Store>, EngineError> {
        self.state.belongs_here()?;
        Ok(Store::open_existing(&self.state.db())?)
    }

    /// Leaves a request for the engine and wakes it. True when an engine heard it.
    ///
    /// # Errors
    /// [`EngineError::Store`] when there is no database to leave it in.
    pub fn signal(&self, store: &mut Store, kind: &str, body: &str) -> Result<bool, EngineError> {
        store.signal_send(kind, body, clock::now())?;
        Ok(wake::ring(&self.state.wake_fifo()))
    }

    /// The backlog file of the work tree.
    pub fn backlog_path(&self) -> PathBuf {
        self.facts.toplevel.join("BACKLOG.md")
    }
}

/// Layers, the folder relative paths are meant from, and the settings file.
pub type Found = (Layers, PathBuf, Option<PathBuf>);

/// Reads the settings layers without needing a repository (`mc config show`).
///
/// # Errors
/// [`EngineError`] when a named file cannot be read or a key is wrong.
pub fn read_layers(env: &Environment, place: &Where) -> Result<Found, EngineError> {
    let start = start_directory(env, place)?;
    let file = match &place.config {
        Some(path) => Some(env.cwd().join(path)),
        None => find_settings_file(&start, Path::is_file),
    };
    let text = match &file {
        Some(path) => Some(files::read_text(path).map_err(|source| EngineError::File { path: path.clone(), source })?),
        None => None,
    };
    resolve(env, place, start, file.zip(text))
}

/// The folder looked from.
///
/// # Errors
/// [`EngineError::Usage`] when it is none.
pub fn start_directory(env: &Environment, place: &Where) -> Result<PathBuf, EngineError> {
    let start = place.directory.as_ref().map_or_else(|| env.cwd().to_owned(), |dir| env.cwd().join(dir));
    if !start.is_dir() {
        let what = format!("{} is not a folder", start.display());
        return Err(EngineError::usage(what, "give -C a folder inside a git repository"));
    }
    Ok(start)
}

/// Settings from this file: its path, which need not be where the text is from, and its text.
///
/// # Errors
/// [`EngineError::Config`].
pub fn resolve(
    env: &Environment,
    place: &Where,
    start: PathBuf,
    file: Option<(PathBuf, String)>,
) -> Result<Found, EngineError> {
    let environment: BTreeMap<String, String> =
        env.vars().filter_map(|(k, v)| Some((k.to_str()?.to_owned(), v.to_str()?.to_owned()))).collect();
    let layers = Layers::resolve(&Inputs {
        file: file.as_ref().map(|(path, text)| (path.as_path(), text.as_str())),
        directory: &start,
        environment: &environment,
        flags: &place.flags,
    })?;
    let file = file.map(|(path, _)| path);
    let directory = file.as_deref().and_then(Path::parent).map_or(start, Path::to_owned);
    Ok((layers, directory, file))
}
