//! Everything that could stop a mission before it begins, each in one function that decides and words it: a mission asks
//! them in order and stops at the first, `mc doctor` asks all of them. Nothing here changes anything.

use super::unrecorded::{find_unrecorded, read_recorded};
use crate::adapters::git::owner::owner;
use crate::adapters::git::{Git, GitError, OwnerRecord, SourceFacts};
use crate::adapters::host::order::HostError;
use crate::adapters::os::open_files;
use crate::adapters::store::Store;
use crate::config::Settings;
use crate::domain::mission::{Baseline, Refusal};
use crate::domain::trouble::{Cause, chain};
use crate::domain::values::Usd;
use crate::domain::values::{CommitId, Tip, UnitId};
use crate::engine::context::refusal::{environment, error_refusal, git_refusal, usage};
use crate::engine::context::{MissionContext, NamedHost, owner};

/// What helps where nothing was committed yet.
const COMMIT_FIRST: &str = "commit something first (`git add -A && git commit`): missions start from a commit";

/// Open files without which a mission on hosts cannot work: its own with a few programs, and those of a connection to each host.
const LEAST_OPEN_FILES: (u64, u64) = (64, 8);

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct PreflightInput<'a> {
    /// Git on the repository.
    pub source: &'a Git,
    /// Facts about it.
    pub facts: &'a SourceFacts,
    /// The settings of the mission.
    pub settings: &'a Settings,
}

/// Looks at everything that could stop a mission; changes nothing.
///
/// # Errors
/// [`Refusal`] with the reason and what helps.
pub async fn preflight(context: &MissionContext) -> Result<Baseline, Refusal> {
    let on = PreflightInput { source: &context.source, facts: &context.facts, settings: context.settings() };
    let mut notes = Vec::new();
    on.check_open_files()?;
    on.check_git().await?;
    let host = find_reference(context).await?.probe().await.map_err(host_refusal)?;
    on.check_green_name().await?;
    on.check_green_unused().await?;
    let target = on.target().await?;
    notes.extend(on.check_checkout().await?);
    notes.extend(on.check_clean_tree(context.allow_dirty).await?);
    notes.extend(on.check_copies()?);
    notes.extend(on.check_submodules(&target).await?);
    notes.extend(on.check_filters(&target).await?);
    notes.extend(on.check_cost_cap());
    notes.extend(host.shared_home);
    notes.extend(host.fenced.describe_gaps());
    let stages = &context.settings().verification.stages;
    if let Some((why, hint)) = host.imports.refusal(stages) {
        return Err(environment(why, &hint));
    }
    notes.extend(host.imports.describe());
    notes.extend(host.imports.inactive_warning(stages));
    let green = on.green().await?;
    if let Some(green) = &green {
        notes.extend(check_unrecorded(context, green).await?);
    }
    if !context.accept_green {
        let landed = list_landings(&context.store())?;
        on.check_landings(&landed, green.as_ref()).await?;
    }
    let create = green.is_none();
    let environment = context.environment(|_| true).await.map(|found| found.environment.clone()).unwrap_or_default();
    Ok(Baseline { tip: green.unwrap_or(target), create, environment, notes })
}

/// The host by which everything is verified: this machine where units run on it, else the first other one that answers.
async fn find_reference(context: &MissionContext) -> Result<&NamedHost, Refusal> {
    if context.uses_local() {
        return Ok(&context.local);
    }
    let hint = "`mc hosts check` tries each host of the settings and says what helps";
    let reference = context.environment(|_| true).await.map_err(|e| error_refusal(&e, hint))?;
    let host = reference.host.as_ref().unwrap_or(&context.local.id);
    context.find_host(host).map_err(|trouble| environment(trouble.why, hint))
}

fn short_ref(refname: &str) -> &str {
    refname.strip_prefix("refs/heads/").unwrap_or(refname)
}

/// What a host lacks.
pub fn host_refusal(error: HostError) -> Refusal {
    let reason = error.to_string();
    match error {
        HostError::Usage { hint, .. } => usage(reason, hint),
        HostError::Broken { hint, .. } => environment(reason, &hint),
        HostError::Trouble(trouble) => environment(reason, trouble.cause.remedy()),
    }
}

impl PreflightInput<'_> {
    /// Refuses more hosts than this process could have connections to: nothing would be left for git, and every step would fail.
    ///
    /// # Errors
    /// [`Refusal`] where fewer files may be open.
    pub fn check_open_files(&self) -> Result<(), Refusal> {
        let hosts = self.settings.backend.hosts.len();
        let least = LEAST_OPEN_FILES.0 + LEAST_OPEN_FILES.1 * u64::try_from(hosts).unwrap_or(u64::MAX / 1_000);
        let limit = open_files::limit().filter(|limit| hosts > 0 && *limit < least);
        let Some(limit) = limit else { return Ok(()) };
        let cause = Cause::Descriptors { limit: Some(limit) };
        let reason = format!("{} for {hosts} hosts, which need {least} at least", cause.words());
        Err(environment(reason, cause.remedy()))
    }

    /// What a person should know who set no cap: nobody measures what an agent spends that does not tell it (P9).
    pub fn check_cost_cap(&self) -> Option<String> {
        let budget = &self.settings.budget;
        self.settings.agent.command.as_ref().filter(|_| !self.settings.counts_unknown_cost())?;
        Some(format!(
            "what the agent costs is unknown, so the built-in cap of {} USD is not applied to it; --max-cost X counts each \
             attempt as {} USD",
            Usd(budget.max_per_run).dollars(),
            Usd(budget.max_per_session).dollars()
        ))
    }

    fn green_ref(&self) -> String {
        format!("refs/heads/{}", self.settings.green_branch)
    }

    /// That git is new enough; its version.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn check_git(&self) -> Result<(u32, u32), Refusal> {
        let hint = |e: &GitError| match e {
            GitError::TooOld { .. } | GitError::Start(_) | GitError::Unexpected { .. } => "install git 2.38 or newer",
            _ => "mend what the message names, then start again",
        };
        self.source.version().await.map_err(|e| error_refusal(&e, hint(&e)))
    }

    /// That no other state directory than that of the card owns the repository; an engine of its own is no obstacle here.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn ours(&self, card: &OwnerRecord) -> Result<(), Refusal> {
        let (_, known) = owner(self.source).await.map_err(git_refusal)?;
        owner::check_owner(known, card)
    }

    /// That no branch stands in the way of green's name.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn check_green_name(&self) -> Result<(), Refusal> {
        let Some(blocking) = self.source.blocking_ref(&self.green_ref()).await.map_err(git_refusal)? else {
            return Ok(());
        };
        let blocking = short_ref(&blocking);
        Err(usage(
            format!("the branch {blocking} stands in the way of {}", self.settings.green_branch),
            format!(
                "rename it (`git branch -m {blocking} {blocking}-old`) or choose another green branch in \
                 mission-control.toml: [green_branch] green_branch = \"green\""
            ),
        ))
    }

    /// That green is checked out nowhere.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn check_green_unused(&self) -> Result<(), Refusal> {
        let Some(worktree) = self.source.checked_out(&self.green_ref()).await.map_err(git_refusal)? else {
            return Ok(());
        };
        Err(usage(
            format!("{} is checked out in {}", self.settings.green_branch, worktree.display()),
            format!(
                "`git -C {} switch {}` (or another branch), then start again",
                worktree.display(),
                self.settings.target.branch
            ),
        ))
    }

    /// Where the target branch stands.
    ///
    /// # Errors
    /// [`Refusal`] when there is no such branch with a commit.
    pub async fn target(&self) -> Result<Tip, Refusal> {
        let branch = &self.settings.target.branch;
        let target = self.source.resolve(&format!("refs/heads/{branch}")).await.map_err(git_refusal)?;
        match target {
            Some(target) => Ok(target),
            None => Err(missing_target_refusal(self.source, branch).await),
        }
    }

    /// A note when another branch is checked out than the one work starts from: what it has beside is no part of the mission.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn check_checkout(&self) -> Result<Option<String>, Refusal> {
        let (source, branch) = (self.source, &self.settings.target.branch);
        let head = source.run_query(&["symbolic-ref", "--quiet", "HEAD"]).await.map_err(git_refusal)?;
        let head = head.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()).unwrap_or_default();
        let green = self.green_ref();
        if self.facts.bare || head == format!("refs/heads/{branch}") || head == green || head.is_empty() {
            return Ok(None);
        }
        let (Some(here), Some(target)) = (
            source.resolve(&head).await.map_err(git_refusal)?,
            source.resolve(&format!("refs/heads/{branch}")).await.map_err(git_refusal)?,
        ) else {
            return Ok(None);
        };
        let inside = source.is_ancestor(&here.commit, &target.commit).await.map_err(git_refusal)?;
        Ok((!inside).then(|| {
            format!(
                "work starts from {branch}, and {} is checked out: what it has beside is left out (target.branch names another)",
                short_ref(&head)
            )
        }))
    }

    /// That tracked files have no changes; with `allow_dirty`, a note that names them.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn check_clean_tree(&self, allow_dirty: bool) -> Result<Option<String>, Refusal> {
        let dirty =
            if self.facts.bare { Vec::new() } else { self.source.tracked_changes().await.map_err(git_refusal)? };
        if dirty.is_empty() {
            return Ok(None);
        }
        let names = dirty.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        if allow_dirty {
            return Ok(Some(format!("edits left out, agents see the last commit: {names}")));
        }
        Err(usage(
            format!("tracked files have changes that agents would not see ({} in all): {names}", dirty.len()),
            "commit or stash them, or start with --allow-dirty to leave them out".to_owned(),
        ))
    }

    /// What `target.copy` names must be files; one that is missing is said. (That a copy never lands is the slot's promise.)
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check_copies(&self) -> Result<Vec<String>, Refusal> {
        let mut notes = Vec::new();
        for name in self.settings.target.copy.iter().filter(|_| !self.facts.bare) {
            let path = self.facts.toplevel.join(name);
            if path.is_dir() {
                let hint = "name its files one by one, or fetch them in target.setup".to_owned();
                return Err(usage(format!("target.copy names {name}, which is a folder"), hint));
            }
            if !path.is_file() {
                notes.push(format!("target.copy: there is no file {name} to copy"));
            }
        }
        Ok(notes)
    }

    /// A note when a commit has submodules.
    ///
    /// # Errors
    /// [`Refusal`] when git fails.
    pub async fn check_submodules(&self, target: &Tip) -> Result<Option<String>, Refusal> {
        let modules = self.source.read_file(&target.commit, ".gitmodules").await.map_err(git_refusal)?;
        Ok(modules.map(|_| "submodules are not fetched: their folders are empty in workspaces".to_owned()))
    }

    /// Where green stands, if it exists.
    ///
    /// # Errors
    /// [`Refusal`] when git fails.
    pub async fn green(&self) -> Result<Option<Tip>, Refusal> {
        self.source.resolve(&self.green_ref()).await.map_err(git_refusal)
    }

    /// Every landing of earlier missions must still be on green: nothing landed is taken back behind a person's back.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn check_landings(&self, landed: &[(UnitId, CommitId)], green: Option<&Tip>) -> Result<(), Refusal> {
        let Some(green) = green else { return Ok(()) };
        // Landings are ancestors of later ones: the last one stands for all.
        let Some((unit, commit)) = landed.last() else { return Ok(()) };
        let known = self.source.resolve(commit.as_str()).await.ok().flatten().is_some();
        if known && self.source.is_ancestor(commit, &green.commit).await.unwrap_or(false) {
            return Ok(());
        }
        Err(environment(
            format!(
                "{} at {} does not contain {unit}, which landed as {}",
                self.settings.green_branch,
                green.commit.short_id(),
                commit.short_id()
            ),
            "put green back (`git update-ref`), or start with --accept-green to go on from where it is",
        ))
    }
}

/// What a person should know who starts on a green with landings that the journal has lost, or never had.
async fn check_unrecorded(context: &MissionContext, green: &Tip) -> Result<Option<String>, Refusal> {
    let known = read_recorded(&context.store()).map_err(|e| environment(chain(&e), "see `mc audit`"))?;
    let found = find_unrecorded(&context.source, &known, green).await.map_err(git_refusal)?;
    let Some(newest) = found.first() else { return Ok(None) };
    let more = match found.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Ok(Some(format!(
        "no journal here knows these landings on green: {}{more}; green is verified as it stands and counts as known from now on",
        newest.describe()
    )))
}

/// What earlier missions landed, oldest first.
///
/// # Errors
/// [`Refusal`] when the journal cannot be read.
pub fn list_landings(store: &Store) -> Result<Vec<(UnitId, CommitId)>, Refusal> {
    crate::engine::inspect::history::list_landings(store).map_err(|e| environment(chain(&e), "see `mc audit`"))
}

/// There is no target branch, or nothing on it.
pub(in crate::engine) async fn missing_target_refusal(source: &Git, branch: &str) -> Refusal {
    // Where git cannot tell, the branch is what is missing.
    let none_checked_out = source.resolve("HEAD").await.is_ok_and(|head| head.is_none());
    if none_checked_out && source.list_refs("refs/heads/").await.is_ok_and(|heads| heads.is_empty()) {
        return usage("this repository has no commit yet".to_owned(), COMMIT_FIRST.to_owned());
    }
    usage(
        format!("there is no branch {branch} with a commit"),
        "set target.branch in mission-control.toml to the branch work starts from".to_owned(),
    )
}
