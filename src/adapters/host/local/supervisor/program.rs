//! The program of a run as it is started: what is on record, nothing of ours.

use super::error::{StageError, Trying};
use crate::adapters::host::local::protocol::{BROKEN, ERRORS, LARGEST_COMMAND, OUTPUT, Program, parse};
use crate::adapters::os::files::read_untrusted;
use crate::adapters::os::nofollow;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where what is said about a program goes that it did not say itself: never between the lines of an output that is kept apart.
pub(super) fn find_remarks(dir: &Path) -> PathBuf {
    let errors = dir.join(ERRORS);
    if errors.exists() { errors } else { dir.join(OUTPUT) }
}

/// A program that was read from the record and may be started once.
pub(super) struct Ready {
    command: Option<(io::Result<File>, Program)>,
    output: File,
    errors: File,
}

/// Reads what is to be run, opens its logs and its input: a fence hides them.
pub(super) fn read(dir: &Path) -> Result<Ready, StageError> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE;
    let open = |log: &Path| {
        let opened = nofollow::open(log, flags, Mode::RUSR | Mode::WUSR);
        opened.map(File::from).trying(format_args!("open {}", log.display()))
    };
    let (output, errors) = (open(&dir.join(OUTPUT))?, open(&find_remarks(dir))?);
    let command: Option<Program> = read_untrusted(&dir.join("command"), LARGEST_COMMAND).as_deref().and_then(parse);
    let command = command.map(|command| (File::open(&command.stdin), command));
    Ok(Ready { command, output, errors })
}

impl Ready {
    /// Starts it with exactly the environment on record, by what makes a process of a command. What goes wrong is said in the
    /// run's log, and the code is a shell's: 127 when there is no such program, 126 when it cannot be started, 125 for everything
    /// else.
    pub(super) fn start<T>(mut self, begin: impl FnOnce(&mut Command) -> io::Result<T>) -> Result<T, u8> {
        let (code, reason) = match self.command.take() {
            Some((input, command)) => match begin_by(begin, command, input, (&self.output, &self.errors)) {
                Ok(begun) => return Ok(begun),
                Err(failed) => failed,
            },
            None => (BROKEN, "the command file is incomplete".to_owned()),
        };
        Err(self.refuse(code, &reason))
    }

    /// Says in the run's log why it is not started; the code of that.
    pub(super) fn refuse(&mut self, code: u8, reason: &str) -> u8 {
        let _ = writeln!(self.errors, "mc: {reason}");
        code
    }
}

fn begin_by<T>(
    begin: impl FnOnce(&mut Command) -> io::Result<T>,
    spec: Program,
    input: io::Result<File>,
    (output, errors): (&File, &File),
) -> Result<T, (u8, String)> {
    let broken = |what: String| move |e: std::io::Error| (BROKEN, format!("{what}: {e}"));
    let input = input.map_err(broken(format!("open {}", spec.stdin.display())))?;
    // A workspace that somebody replaced by a link is nobody's to run in.
    let entered = nofollow::folder(&spec.cwd).and_then(|folder| Ok(rustix::process::fchdir(folder)?));
    entered.map_err(broken(format!("enter {}", spec.cwd.display())))?;
    let shared = |log: &File| log.try_clone().map_err(broken("use its logs".to_owned()));
    let (name, args) = spec.argv.split_first().ok_or((BROKEN, "there is no program".to_owned()))?;
    let mut command = Command::new(name);
    command.args(args).env_clear().envs(spec.env).stdin(input).stdout(shared(output)?).stderr(shared(errors)?);
    begin(&mut command).map_err(|e| {
        let code = if e.kind() == ErrorKind::NotFound { 127 } else { 126 };
        (code, format!("{}: {e}", name.display()))
    })
}
