//! Making a run directory and starting its run.

use super::records::{remove_command, write_new};
use super::run::Run;
use crate::adapters::host::local::process::kill;
use crate::adapters::host::local::protocol::{
    ERRORS, FLAG, OUTPUT, Program, RunError, RunSpec, SMALL, Settings, text_of,
};
use crate::adapters::os::files::{At, FileError, read_untrusted};
use crate::adapters::os::nofollow;
use std::fs::{DirBuilder, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// How long a supervisor may take to put its run on record.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// Makes the run directory with all that the supervisor reads; starts nothing. Returns its real path.
///
/// # Errors
/// [`RunError::Taken`] when it exists already.
pub fn prepare(spec: &RunSpec) -> Result<PathBuf, RunError> {
    let (program, mut settings) = (Program::of(spec)?, Settings::of(spec)?);
    settings.search_roots = spec.search_roots.iter().map(|r| r.canonicalize().unwrap_or_else(|_| r.clone())).collect();
    let (command, settings) = (text_of(&program), text_of(&settings));
    if let Some(parent) = spec.dir.parent() {
        std::fs::create_dir_all(parent).at(&spec.dir)?;
    }
    DirBuilder::new().mode(0o700).create(&spec.dir).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => RunError::Taken { dir: spec.dir.clone() },
        _ => FileError::new(&spec.dir, source).into(),
    })?;
    nofollow::folder(&spec.dir).at(&spec.dir)?;
    let dir = spec.dir.canonicalize().at(&spec.dir)?;
    let texts = [("run", settings.as_str()), ("command", &command), ("lease", "0\n"), (OUTPUT, "")];
    let errors = spec.errors_apart.then_some((ERRORS, ""));
    for (name, text) in texts.into_iter().chain([("supervisor.log", "")]).chain(errors) {
        write_new(&dir.join(name), text)?;
    }
    Ok(dir)
}

/// Starts a run and returns when it is on record. Dropping the future or the [`Run`] leaves the run alone.
///
/// # Errors
/// [`RunError`] when it did not start; then it never will.
pub async fn launch(spec: &RunSpec) -> Result<Run, RunError> {
    let dir = prepare(spec)?;
    let log = OpenOptions::new().append(true).open(dir.join("supervisor.log")).at(&dir)?;
    let mut command = tokio::process::Command::new(&spec.program);
    command.arg0("mc").arg(FLAG).arg(&dir).arg("run").env_clear();
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().map_err(|source| FileError::new(&spec.program, source))?;
    let mut said = String::new();
    if let Some(mut pipe) = child.stdout.take() {
        let _ = tokio::time::timeout(START_PATIENCE, pipe.read_to_string(&mut said)).await;
    }
    match (said.trim(), Run::open(&dir)) {
        ("claimed", _) => Err(RunError::Taken { dir }),
        // The record decides: who said it may have been ended with its run, which was over before the word was out.
        (_, Some(run)) if run.start().is_some() => Ok(run),
        (_, run) => {
            match run {
                Some(run) => run.end(Duration::ZERO).await,
                // Its directory is gone, and it may run all the same.
                None => kill::end_traceless(&dir, spec.cwd.clone()).await,
            };
            remove_command(&dir);
            let log = read_untrusted(&dir.join("supervisor.log"), SMALL).unwrap_or_default();
            let told = log.lines().last().or(said.lines().last());
            let reason = told.unwrap_or("the supervisor ended without a word").to_owned();
            Err(RunError::NotStarted { dir, reason })
        }
    }
}
