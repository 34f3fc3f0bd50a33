//! `mc demo`: a mission in a repository made for it, without any agent: the units are shell lines.
//!
//! Nothing of the user is touched: repository, settings and state directory are in one temporary folder, and the user's
//! variables do not reach the settings.

use super::error::EngineError;
use super::site::{Site, Where, read_layers};
use crate::adapters::environment::Environment;
use crate::adapters::files;
use crate::adapters::git::Git;
use crate::adapters::git::source::inspect;
use crate::adapters::host::command::ChildGuard;
use crate::adapters::store::place::StateDir;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The files of the repository: two tests in TAP, a backlog of five units, the settings.
const FILES: [(&str, &str); 4] = [
    (
        "test.sh",
        "# Prints the Test Anything Protocol: one line per file in checks/.\n\
         n=0 bad=0\n\
         for check in checks/*.sh; do\n\
         \x20 n=$((n + 1))\n\
         \x20 if sh \"$check\"; then echo \"ok $n - $check\"; else echo \"not ok $n - $check\"; bad=1; fi\n\
         done\n\
         echo \"1..$n\"\n\
         exit $bad\n",
    ),
    ("checks/greeting.sh", "grep -q hello greeting.txt\n"),
    ("greeting.txt", "hello\n"),
    (
        "BACKLOG.md",
        "# Backlog of the demo\n\n\
         ## Add a farewell\n- run: echo goodbye > farewell.txt; echo 'grep -q goodbye farewell.txt' > checks/farewell.sh\n\n\
         ## Translate the greeting\n- run: echo hallo > german.txt; echo 'test -s german.txt' > checks/german.sh; sleep 1\n\n\
         ## Shout\n- attempts: 2\n\
         - run: if [ \"$MC_ATTEMPT\" = 1 ]; then echo HELLO > greeting.txt; else echo 'hello, HELLO' > greeting.txt; fi\n\n\
         ## Drop the greeting\n- attempts: 1\n- run: rm greeting.txt\n\n\
         ## Celebrate\n- depends: add-a-farewell, translate-the-greeting\n- run: cat farewell.txt german.txt > party.txt\n",
    ),
];

const SETTINGS: &str = "[target]\nobjective = \"show what a mission does\"\n\n\
                        [target.verification]\ncommand = \"sh test.sh\"\n\n\
                        [scheduler.parallel]\nnum_workers = 2\n";

/// A repository with a backlog, and the folder it is in.
#[derive(Debug)]
pub struct Demo {
    folder: TempDir,
    /// Where commands stand in it.
    pub site: Site,
}

impl Demo {
    /// Makes the repository.
    ///
    /// # Errors
    /// [`EngineError`] when git or the temporary folder fail.
    pub async fn make() -> Result<Self, EngineError> {
        let process = Environment::of_process()?;
        let made = match process.var("TMPDIR") {
            Some(dir) => TempDir::with_prefix_in("mc-demo-", dir),
            None => TempDir::with_prefix("mc-demo-"),
        };
        let folder = made.map_err(|source| EngineError::File { path: "mc-demo".into(), source })?;
        // Below a link (as /tmp may be) git would name another path than we do.
        let root = folder.path().canonicalize();
        let root = root.map_err(|source| EngineError::File { path: folder.path().to_owned(), source })?;
        let repository = root.join("repository");
        for (name, text) in FILES.into_iter().chain([("mission-control.toml", SETTINGS)]) {
            write(&repository.join(name), text)?;
        }
        let git = Git::in_folder(&repository, ChildGuard::none())
            .with_setting("user.name=mc demo")
            .with_setting("user.email=mc@localhost")
            .with_setting("core.excludesFile=/dev/null");
        for args in
            [&["init", "-q", "-b", "main"][..], &["add", "-A"], &["commit", "-q", "-m", "A greeting with a test"]]
        {
            git.out(args).await?;
        }
        let mut env = Environment::empty(&repository).with("MC_STATE_DIR", root.join("state"));
        for name in ["PATH", "HOME", "USER", "LANG", "TERM", "TMPDIR", "TZ"] {
            if let Some(value) = process.var(name) {
                env = env.with(name, value);
            }
        }
        let (layers, directory, config_file) = read_layers(&env, &Where::default())?;
        let facts = inspect(&Git::in_folder(&repository, ChildGuard::none())).await?;
        let state = StateDir::locate(&facts.common_dir, &env)?;
        Ok(Self { folder, site: Site { env, layers, directory, config_file, facts, state } })
    }

    /// Leaves the folder in place and names repository and state directory.
    #[must_use]
    pub fn keep(self) -> (PathBuf, PathBuf) {
        let places = (self.site.facts.toplevel.clone(), self.site.state.root().to_owned());
        let _ = self.folder.keep();
        places
    }
}

fn write(path: &Path, text: &str) -> Result<(), EngineError> {
    let folder = path.parent().unwrap_or(path);
    let written = files::make_private_dir(folder).and_then(|()| files::write_private(path, text.as_bytes()));
    written.map_err(|source| EngineError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::backlog;
    use crate::domain::plan::graph::Plan;
    use crate::domain::plan::unsupported::unsupported;

    #[test]
    fn its_backlog_is_a_plan_of_script_units_in_two_waves() {
        let text = FILES.iter().find(|(name, _)| *name == "BACKLOG.md").unwrap().1;
        let units = backlog::parse(text).unwrap().units;
        assert!(units.iter().all(|unit| unit.run.is_some()), "no agent is needed");
        assert_eq!(unsupported(&units), []);
        let waves = Plan::build(units, &Default::default()).unwrap().waves();
        assert_eq!(waves.iter().map(Vec::len).collect::<Vec<_>>(), [4, 1]);
    }
}
