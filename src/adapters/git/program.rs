//! Git on one place: how it is started, and what every question to it shares.

use crate::adapters::git::answers::{format_command, truncate_output, unexpected_output};
use crate::adapters::git::batch::{Batch, PATIENCE};
use crate::adapters::git::reader::{self, Answer};
use crate::adapters::git::settings::{SETTINGS, VARIABLES};
use crate::adapters::git::{GitError, OwnerMark};
use crate::adapters::host::local::process::command::{ChildGuard, CommandLine, Coprocess, Output};
use crate::adapters::os::machine::no_room;
use crate::domain::values::{CommitId, TreeId};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The oldest git that has everything used here (`merge-tree --write-tree`), as (major, minor).
pub const MINIMUM: (u32, u32) = (2, 38);

/// The first git that knows `--attr-source`, as (major, minor).
pub const ATTR_SOURCE: (u32, u32) = (2, 41);

/// The first git whose `merge-tree --stdin` answers each line before it reads the next one, as (major, minor).
pub(super) const FLUSHES: (u32, u32) = (2, 49);

/// Output of this length was cut by the runner (its limit in bytes) and must not be read as if it were whole.
const LONGEST: usize = 64 << 20;

/// How long one call may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(600);

/// Which repository a call works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The repository git finds from this folder.
    Folder(PathBuf),
    /// Exactly this git directory, without a work tree.
    GitDir(PathBuf),
    /// Exactly this git directory with this work tree.
    WorkTree {
        /// The git directory.
        git_dir: PathBuf,
        /// Its files.
        files: PathBuf,
    },
}

/// A repository and how to call git on it.
#[derive(Debug, Clone)]
pub struct Git {
    pub(super) place: Place,
    pub(super) guard: ChildGuard,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) settings: Vec<String>,
    pub(super) options: Vec<String>,
    pub(super) batch: Option<Batch>,
    pub(super) owner: OwnerMark,
}

impl Place {
    /// The folder that says which repository it is.
    pub(crate) fn folder(&self) -> &Path {
        let (Self::Folder(dir) | Self::GitDir(dir) | Self::WorkTree { git_dir: dir, .. }) = self;
        dir
    }
}

impl Git {
    /// Git for a repository; children get `guard`'s standard input.
    pub fn new(place: Place, guard: ChildGuard) -> Self {
        Self {
            place,
            guard,
            env: Vec::new(),
            settings: Vec::new(),
            options: Vec::new(),
            batch: None,
            owner: OwnerMark::default(),
        }
    }

    /// Git on the repository found from `dir`.
    pub fn in_folder(dir: &Path, guard: ChildGuard) -> Self {
        Self::new(Place::Folder(dir.to_owned()), guard)
    }

    /// The same way of calling git on another repository.
    pub fn with_place(&self, place: Place) -> Self {
        Self { place, batch: None, owner: OwnerMark::default(), ..self.clone() }
    }

    /// With processes that stay: one that answers what names and refs stand for, one that moves refs. For a repository that
    /// is asked often and whose settings are nobody's work; clones share them. `common_dir` is its git directory, the one that
    /// all work trees share.
    #[must_use]
    pub fn with_batch(mut self, common_dir: &Path) -> Self {
        self.batch = Some(Batch::of(common_dir));
        self
    }

    /// For the engine that wrote this card: from then on every move of a ref verifies it in the same transaction.
    #[must_use]
    pub fn owned_by(mut self, owner: &OwnerMark) -> Self {
        self.owner = owner.clone();
        self
    }

    /// Whose moves of refs these are.
    pub fn owner(&self) -> &OwnerMark {
        &self.owner
    }

    /// What `name` stands for, from the process that stays; `None`: there is none, or it does not know.
    pub(super) async fn lookup_object(&self, name: &str) -> Option<Answer> {
        self.query_batch(async |coprocess| reader::lookup_object(coprocess, name).await).await
    }

    /// Leads one dialogue with the process that stays and answers; `None`: there is none, or it did not answer.
    pub(super) async fn query_batch<T>(&self, dialogue: impl AsyncFnOnce(&mut Coprocess) -> Option<T>) -> Option<T> {
        let start = || self.command(&["cat-file", "--batch-command"]).start_coprocess(None).ok();
        self.batch.as_ref()?.reader.run_dialogue(PATIENCE, start, dialogue).await
    }

    /// What the ref of exactly this name holds, from the process that stays; `None`: there is none, or it does not know.
    pub(super) async fn lookup_ref(&self, refname: &str) -> Option<Answer> {
        self.query_batch(async |coprocess| reader::lookup_ref(coprocess, refname).await).await?
    }

    /// Whether the process that stays finds every one of these objects; no also when it could not be asked.
    pub async fn has_objects(&self, ids: &HashSet<String>) -> bool {
        self.query_batch(async |coprocess| reader::all_there(coprocess, ids).await).await == Some(true)
    }

    /// Starts a process that stays and writes: it holds the lock like every other git that does. `unbuffered` for a command
    /// that would keep its answers to itself; where there is no `stdbuf`, it will.
    pub(super) fn start_writer<S: AsRef<OsStr>>(&self, args: &[S], unbuffered: bool) -> Option<Coprocess> {
        let command = self.command(args);
        let command = if unbuffered { command.with_wrapper(&["stdbuf", "-o0"]) } else { command };
        command.start_coprocess(Some(&self.guard)).ok()
    }

    /// Sets a variable for every call, `GIT_*` included.
    #[must_use]
    pub fn with_env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.batch = None;
        self.env.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets a configuration value (`key=value`) for every call.
    #[must_use]
    pub fn with_setting(mut self, setting: &str) -> Self {
        self.batch = None;
        self.settings.push(setting.to_owned());
        self
    }

    /// Adds an option of git itself (before the subcommand).
    #[must_use]
    pub fn with_option(mut self, option: &str) -> Self {
        self.batch = None;
        self.options.push(option.to_owned());
        self
    }

    /// Which repository this is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> CommandLine {
        let mut line = CommandLine::new("git");
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.as_bytes().starts_with(b"GIT_")) {
            line = line.env_remove(key);
        }
        line = line.envs(VARIABLES).envs(self.env.iter().cloned());
        let given = |name: &str, path: &Path| {
            let mut text = OsString::from(name);
            text.push(path);
            text
        };
        let (mut line, dir) = match &self.place {
            Place::Folder(dir) => (line, dir),
            Place::GitDir(dir) => (line.arg(given("--git-dir=", dir)), dir),
            Place::WorkTree { git_dir, files } => {
                (line.arg(given("--git-dir=", git_dir)).arg(given("--work-tree=", files)), files)
            }
        };
        for setting in SETTINGS.iter().copied().chain(self.settings.iter().map(String::as_str)) {
            line = line.args(["-c", setting]);
        }
        line.args(&self.options).args(args).cwd(dir).deadline(DEADLINE)
    }

    /// Runs git to its end; a non-zero exit is not an error here, being killed is.
    ///
    /// # Errors
    /// [`GitError`] when it cannot be started, does not end or is killed.
    pub async fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Output, GitError> {
        let output = self.command(args).run(&self.guard).await?;
        if output.code().is_none() {
            return Err(self.explain_failure(args, &output));
        }
        if output.stdout.len() >= LONGEST {
            return Err(unexpected_output(args, b"more output than can be held"));
        }
        Ok(output)
    }

    /// What a call that did not do what was asked means.
    pub(super) fn explain_failure<S: AsRef<OsStr>>(&self, args: &[S], output: &Output) -> GitError {
        let (command, stderr) = (format_command(args), truncate_output(&output.stderr));
        if stderr.contains("dubious ownership") {
            return GitError::Ownership { stderr };
        }
        let place = self.place.folder();
        // Some messages of git leave the system's reason out ("couldn't write 'x.lock'").
        let told = ["No space left on device", "Disk quota exceeded"].iter().any(|reason| stderr.contains(reason));
        if told || (stderr.contains("write") && no_room(place)) {
            return GitError::DiskFull { command, place: place.to_owned(), stderr };
        }
        GitError::Failed { command, ending: output.ending, stderr }
    }

    /// Runs git with a file as its standard input; what it prints goes to `output`, and without one it must print
    /// nothing. Whether it exits with 0. For a command that changes nothing but the object store.
    pub(crate) async fn run_piped(
        &self,
        args: &[&str],
        input: &Arc<File>,
        output: Option<&Arc<File>>,
    ) -> Result<bool, GitError> {
        let done = self.command(args).with_files(input, output).run(&self.guard).await?;
        Ok(done.success())
    }

    /// The same; how it ended. A non-zero exit is not an error here, being killed is.
    ///
    /// # Errors
    /// [`GitError`] when it cannot be started, does not end or is killed.
    pub(crate) async fn pipe(
        &self,
        args: &[&str],
        input: &Arc<File>,
        output: Option<&Arc<File>>,
    ) -> Result<Output, GitError> {
        let done = self.command(args).with_files(input, output).run(&self.guard).await?;
        if done.code().is_none() { Err(self.explain_failure(args, &done)) } else { Ok(done) }
    }

    /// What a call means that exited with a code which is no answer.
    pub(crate) fn refuse_exit(&self, args: &[&str], output: &Output) -> GitError {
        self.explain_failure(args, output)
    }

    /// Runs git and returns its standard output as bytes.
    ///
    /// # Errors
    /// [`GitError`] when it does not exit with 0.
    pub async fn run_bytes<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Vec<u8>, GitError> {
        let output = self.run(args).await?;
        if output.success() { Ok(output.stdout) } else { Err(self.explain_failure(args, &output)) }
    }

    /// Runs git and returns its standard output as text without the line end.
    ///
    /// # Errors
    /// [`GitError`] when it does not exit with 0 or the output is not UTF-8.
    pub async fn run_text<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<String, GitError> {
        let bytes = self.run_bytes(args).await?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(text.trim_end_matches('\n').to_owned()),
            Err(error) => Err(unexpected_output(args, error.as_bytes())),
        }
    }

    /// Runs git where exit 0 means yes and exit 1 means no; `None` is no.
    ///
    /// # Errors
    /// [`GitError`] at any other exit.
    pub async fn run_query<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Option<Vec<u8>>, GitError> {
        let output = self.run(args).await?;
        match output.code() {
            Some(0) => Ok(Some(output.stdout)),
            Some(1) => Ok(None),
            _ => Err(self.explain_failure(args, &output)),
        }
    }

    /// Runs git and reads the commit id it prints.
    ///
    /// # Errors
    /// [`GitError`] when it fails or prints something else.
    pub async fn commit_id<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<CommitId, GitError> {
        let text = self.run_text(args).await?;
        CommitId::new(&text).map_err(|_| unexpected_output(args, text.as_bytes()))
    }

    /// Runs git and reads the tree id it prints.
    ///
    /// # Errors
    /// [`GitError`] when it fails or prints something else.
    pub async fn tree_id<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<TreeId, GitError> {
        let text = self.run_text(args).await?;
        TreeId::new(&text).map_err(|_| unexpected_output(args, text.as_bytes()))
    }

    /// The version of the git that is used, as (major, minor).
    ///
    /// # Errors
    /// [`GitError::TooOld`] below [`MINIMUM`].
    pub async fn version(&self) -> Result<(u32, u32), GitError> {
        let elsewhere = self.with_place(Place::Folder(PathBuf::from("/")));
        let found = elsewhere.run_text(&["version"]).await?;
        match parse_version(&found) {
            Some(version) if version >= MINIMUM => Ok(version),
            Some(_) => Err(GitError::TooOld { found }),
            None => Err(unexpected_output(&["version"], found.as_bytes())),
        }
    }
}

impl Git {
    /// Whether this git knows `--attr-source`; asked once in the life of this program.
    pub(crate) async fn knows_attr_source(&self) -> Result<bool, GitError> {
        static KNOWS: tokio::sync::OnceCell<bool> = tokio::sync::OnceCell::const_new();
        KNOWS.get_or_try_init(|| async { Ok(self.version().await? >= ATTR_SOURCE) }).await.copied()
    }
}

/// Reads `git version 2.47.3 (Vendor-1)`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("git version ")?.split(['.', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::git::answers::fields;

    #[test]
    fn versions_are_read_and_compared() {
        assert_eq!(parse_version("git version 2.47.3"), Some((2, 47)));
        assert_eq!(parse_version("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(parse_version("git version 3.0.rc1"), Some((3, 0)));
        assert_eq!(parse_version("hub version 1"), None);
        assert!((2, 37) < MINIMUM && (3, 0) > MINIMUM);
    }

    #[test]
    fn fields_of_z_output() {
        assert_eq!(fields(b"").count(), 0);
        assert_eq!(fields(b"a\0b\nc\0").collect::<Vec<_>>(), [&b"a"[..], b"b\nc"]);
        assert_eq!(fields(b"\0").collect::<Vec<_>>(), [b""]);
    }

    #[test]
    fn inherited_git_variables_are_not_passed_on() {
        let git = Git::in_folder(Path::new("/"), ChildGuard::none()).with_env("GIT_X", "1");
        let line = git.command(&["status"]).to_shell_string();
        assert!(line.contains("core.hooksPath=/dev/null") && line.ends_with("status"), "{line}");
    }
}
