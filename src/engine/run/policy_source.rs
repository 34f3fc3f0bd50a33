//! Whose settings judge a commit that is compared with another: those of the base, so that a change cannot choose its judge
//! (`docs/decisions/0009-whose-settings-judge.md`).
//!
//! Promises: where the base tracks the settings file, its text is used, whatever the work tree holds and wherever the revision
//! left the base; a file that the revision adds judges only where there is no other, and that is said; files outside the
//! repository and files nobody tracks are the operator's and judge both sides.

use crate::adapters::git::{Git, SourceFacts, inspect};
use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::os::environment::Environment;
use crate::config::changes::list_changes;
use crate::config::{FILE_NAME, Layers, find_settings_file};
use crate::domain::values::{CommitId, Tip};
use crate::engine::context::project::{Found, Project, Where, resolve, start_directory};
use crate::engine::error::EngineError;
use crate::report::verify::Rules;
use std::path::{Component, Path, PathBuf};

/// A project whose settings are those that judge.
#[derive(Debug)]
pub struct SettingsSource {
    /// The project.
    pub project: Project,
    /// Which settings these are, when they are those of a base.
    pub rules: Option<Rules>,
    /// What else should be known of them.
    pub notes: Vec<String>,
}

/// What a revision is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Against {
    /// The base as it was given.
    pub asked: String,
    /// The commit.
    pub tip: Tip,
    /// Whether it is where the two histories parted, not the base itself.
    pub merge_base: bool,
    /// Why it is the base itself although the revision does not contain it.
    pub note: Option<String>,
}

/// Finds repository and settings for `rev` (absent: HEAD) against `base`; without a base the settings are those of the work tree.
///
/// # Errors
/// [`EngineError`] when the settings are wrong, or there is no such repository or commit.
pub async fn find_settings_source(
    place: &Where,
    rev: Option<&str>,
    base: Option<&str>,
) -> Result<SettingsSource, EngineError> {
    if let Some(base) = base
        && let Some(court) = Case::find_policy(place, rev.unwrap_or("HEAD"), base).await?
    {
        return Ok(court);
    }
    SettingsSource::open(place, Vec::new()).await
}

impl SettingsSource {
    /// The settings that are in force at a place, which are nobody's of a base.
    async fn open(place: &Where, notes: Vec<String>) -> Result<Self, EngineError> {
        Ok(Self { project: Project::open(place).await?, rules: None, notes })
    }
}

/// What is compared with: where the two histories parted, so that what the base gained since is not held against the
/// revision. That is the base itself when the revision contains it, and it is taken where no single commit will do.
///
/// # Errors
/// [`EngineError`] when git fails or this clone has too little history.
pub async fn resolve_base(
    source: &Git,
    facts: &SourceFacts,
    (base, named): (&str, Tip),
    (asked, tip): (&str, &Tip),
) -> Result<Against, EngineError> {
    let itself = |note| Against { asked: base.to_owned(), tip: named.clone(), merge_base: false, note };
    match &source.merge_bases(&named.commit, &tip.commit).await?[..] {
        [commit] if *commit == named.commit => Ok(itself(None)),
        [commit] => {
            let tip = Tip { commit: commit.clone(), tree: source.tree_of(commit).await? };
            Ok(Against { asked: base.to_owned(), tip, merge_base: true, note: None })
        }
        [] if facts.shallow => Err(EngineError::broken(
            format!("find where {asked} left {base}: the history of this clone is cut off"),
            "fetch more of it (`git fetch --deepen=100`; in GitHub Actions `fetch-depth: 0`)",
        )),
        [] => Ok(itself(Some(format!("{base} and {asked} have no common history; compared with {base} itself")))),
        several => {
            let named: Vec<String> = several.iter().take(3).map(|commit| commit.short_id().to_owned()).collect();
            let more = if several.len() > 3 { ", …" } else { "" };
            Ok(itself(Some(format!(
                "the histories of {base} and {asked} cross: they parted at {} commits ({}{more}), none of which has all that \
                 both share; compared with {base} itself, so what {base} gained since counts too until {asked} contains it",
                several.len(),
                named.join(", "),
            ))))
        }
    }
}

/// Revision and base in the repository that the command was called in.
struct Case<'a> {
    env: Environment,
    place: &'a Where,
    /// The folder looked from.
    start: PathBuf,
    git: Git,
    facts: SourceFacts,
    /// The revision as given, and what it names.
    rev: (&'a str, Tip),
    /// The base as given, and what it names.
    base: (&'a str, Tip),
    /// Where the revision left the base.
    fork: Tip,
}

/// Whose a settings file is.
enum Owner {
    /// The base tracks it: path from the root and text.
    Base(String, String),
    /// It belongs to who runs `mc`: outside the repository, or tracked on no side.
    Operator(PathBuf),
    /// Only the revision brings it.
    Revision(String),
}

impl<'a> Case<'a> {
    /// `None` when nothing of this repository can be the judge.
    async fn find_policy(place: &'a Where, rev: &'a str, base: &'a str) -> Result<Option<SettingsSource>, EngineError> {
        let env = Environment::of_process()?;
        let start = start_directory(&env, place)?;
        let git = Git::in_folder(&start, ChildGuard::none());
        let Ok(facts) = inspect(&git).await else { return Ok(None) };
        let git = Git::in_folder(&facts.toplevel, ChildGuard::none()).with_batch(&facts.common_dir);
        let (Some(tip), Some(named)) = (git.resolve(rev).await?, git.resolve(base).await?) else { return Ok(None) };
        let fork = resolve_base(&git, &facts, (base, named.clone()), (rev, &tip)).await?.tip;
        let case = Case { env, place, start, git, facts, rev: (rev, tip), base: (base, named), fork };

        let paths = case.settings_paths();
        let Some(owner) = case.find_owner(&paths).await? else { return Ok(None) };
        let (path, text) = match owner {
            Owner::Base(path, text) => (path, text),
            Owner::Operator(file) => {
                let place = Where { config: Some(file), ..place.clone() };
                return SettingsSource::open(&place, Vec::new()).await.map(Some);
            }
            Owner::Revision(path) => {
                let note = format!(
                    "{} has no {path}: the settings are those of the work tree, which {} brings",
                    case.base.0, case.rev.0
                );
                return SettingsSource::open(place, vec![note]).await.map(Some);
            }
        };
        let found = case.resolve_settings(&path, text).map_err(|error| {
            EngineError::usage(
                format!("the settings of {}, which judge: {error}", case.describe_base()),
                "mend them there first, or give the settings with --config as a file outside the repository",
            )
        })?;
        let theirs = case.read_settings(&paths, (rev, &case.rev.1)).await?;
        let forked = case.read_settings(&paths, (base, &case.fork)).await?;
        let (judging, _, file) = &found;
        let current = Ok((judging.clone(), file.clone()));
        // What the base changed since is no change of the revision.
        let (changes, problem) = match &theirs {
            _ if is_same_policy(&theirs, &forked) || is_same_policy(&theirs, &current) => (Vec::new(), None),
            Err(why) => (Vec::new(), Some(why.clone())),
            Ok((layers, at)) => {
                let nearer = (at != file).then(|| format!("{rev} has them in another file, which is found first"));
                (list_changes(judging, layers), nearer)
            }
        };
        let notes = match is_same_policy(&forked, &current) {
            true => Vec::new(),
            false => vec![format!(
                "{base} changed how it is verified since {rev} left it; {base}'s settings judge both sides"
            )],
        };
        let project = Project::from_layers(case.env, found).await?;
        if project.facts.common_dir != case.facts.common_dir {
            return Ok(None);
        }
        let rules = Rules { path, commit: case.base.1.commit, asked: base.to_owned(), changes, problem };
        Ok(Some(SettingsSource { project, rules: Some(rules), notes }))
    }

    fn describe_base(&self) -> String {
        format!("{} at {}", self.base.0, self.base.1.commit.short_id())
    }

    fn resolve_settings(&self, path: &str, text: String) -> Result<Found, EngineError> {
        resolve(&self.env, self.place, self.start.clone(), Some((self.facts.toplevel.join(path), text)))
    }

    /// Where the settings file may be within the repository, nearest first, from its root.
    fn settings_paths(&self) -> Vec<String> {
        let within = |path: &Path| path.strip_prefix(&self.facts.toplevel).ok()?.to_str().map(str::to_owned);
        match &self.place.config {
            // By its own name, then by what a link leads to: which file a link means is not for the revision to say.
            Some(file) => {
                let file = self.env.cwd().join(file);
                let named = real_parent(&file);
                let led = file.canonicalize().ok();
                [Some(named), led].into_iter().flatten().find_map(|path| within(&path)).into_iter().collect()
            }
            None => {
                let start = self.start.canonicalize().unwrap_or_else(|_| self.start.clone());
                start.ancestors().filter_map(|dir| within(&dir.join(FILE_NAME))).collect()
            }
        }
    }

    async fn find_owner(&self, paths: &[String]) -> Result<Option<Owner>, EngineError> {
        let mut brought = None;
        for path in paths {
            if let Some(text) = self.read_text(&self.base.1.commit, path).await? {
                let text = text.ok_or_else(|| {
                    EngineError::usage(
                        format!("{path} is no regular file in {}, whose settings judge", self.describe_base()),
                        "name the file it leads to with --config",
                    )
                })?;
                return Ok(Some(Owner::Base(path.clone(), text)));
            }
            let file = self.facts.toplevel.join(path);
            if self.read_text(&self.rev.1.commit, path).await?.is_some() {
                brought = brought.or_else(|| Some(path.clone()));
            } else if file.is_file() {
                return Ok(Some(Owner::Operator(file)));
            }
        }
        // Above the repository, whatever the revision puts in the way.
        let above = self.facts.toplevel.parent().and_then(|dir| find_settings_file(dir, Path::is_file));
        Ok(match (above, brought) {
            (Some(file), Some(_)) if self.place.config.is_none() => Some(Owner::Operator(file)),
            (_, Some(path)) => Some(Owner::Revision(path)),
            (_, None) => None,
        })
    }

    /// The text of a file in a commit; the inner `None` when something else is at the path.
    async fn read_text(&self, commit: &CommitId, path: &str) -> Result<Option<Option<String>>, EngineError> {
        match self.git.entry(commit.as_str(), path).await? {
            None => Ok(None),
            Some((mode, _)) if mode.starts_with("100") => {
                let bytes = self.git.read_file(commit, path).await?;
                Ok(Some(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())))
            }
            Some(_) => Ok(Some(None)),
        }
    }

    /// The settings that a commit would be verified with by itself, or why there are none.
    async fn read_settings(&self, paths: &[String], (asked, tip): (&str, &Tip)) -> Result<Own, EngineError> {
        for path in paths {
            let Some(text) = self.read_text(&tip.commit, path).await? else { continue };
            let Some(text) = text else { return Ok(Err(format!("{path} is no regular file in {asked}"))) };
            return Ok(match self.resolve_settings(path, text) {
                Ok((layers, _, file)) => Ok((layers, file)),
                Err(error) => Err(format!("the settings of {asked} cannot be used: {error}")),
            });
        }
        Ok(Err(format!("{asked} has no settings file")))
    }
}

/// Settings of one commit with the path of their file, or why there are none.
type Own = Result<(Layers, Option<PathBuf>), String>;

/// Whether two commits are verified alike.
fn is_same_policy(a: &Own, b: &Own) -> bool {
    match (a, b) {
        (Ok((a, at)), Ok((b, beside))) => at == beside && list_changes(a, b).is_empty(),
        _ => false,
    }
}

/// A path with its folder's real place, as far as the folder exists; the last part is taken as it is.
fn real_parent(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    let real = plain.ancestors().skip(1).find_map(|dir| Some((dir.to_owned(), dir.canonicalize().ok()?)));
    match real.and_then(|(dir, real)| Some(real.join(plain.strip_prefix(&dir).ok()?))) {
        Some(real) => real,
        None => plain,
    }
}
