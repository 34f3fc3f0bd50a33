//! The last stage before the program: reads what is to be run, waits at the gate, becomes it.

use super::BROKEN;
use crate::adapters::files::read_untrusted;
use crate::adapters::host::rundir::{SMALL, parse_command};
use rustix::process::setsid;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Says `ready` on standard output, waits for the gate on standard input and becomes the program, with exactly the
/// environment on record. What goes wrong is said in the run's log, as by a shell: 127 when there is no such program, 126
/// when it cannot be started, 125 for everything else.
pub(super) fn become_it(dir: &Path) -> Result<u8, String> {
    setsid().map_err(|e| format!("make a session: {e}"))?;
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(dir.join("out.log"));
    let mut log = log.map_err(|e| format!("open out.log: {e}"))?;
    let command = read_untrusted(&dir.join("command"), SMALL).as_deref().and_then(parse_command);
    let mut out = std::io::stdout();
    out.write_all(b"ready\n").and_then(|()| out.flush()).map_err(|e| format!("say ready: {e}"))?;
    let mut gate = [0];
    if std::io::stdin().read_exact(&mut gate).is_err() {
        // The supervisor is gone: nothing of this run was put on record.
        return Ok(BROKEN);
    }
    let (code, reason) = match command {
        Some(command) => match exec(command, &log) {
            Ok(never) => match never {},
            Err(failed) => failed,
        },
        None => (BROKEN, "the command file is incomplete".to_owned()),
    };
    let _ = writeln!(log, "mc: {reason}");
    Ok(code)
}

fn exec(spec: crate::adapters::host::rundir::Program, log: &File) -> Result<std::convert::Infallible, (u8, String)> {
    let broken = |what: String| move |e: std::io::Error| (BROKEN, format!("{what}: {e}"));
    let input = spec.stdin.unwrap_or_else(|| "/dev/null".into());
    let input = File::open(&input).map_err(broken(format!("open {}", input.display())))?;
    std::env::set_current_dir(&spec.cwd).map_err(broken(format!("enter {}", spec.cwd.display())))?;
    let output = || log.try_clone().map_err(broken("use out.log".to_owned()));
    let (name, args) = spec.argv.split_first().ok_or((BROKEN, "there is no program".to_owned()))?;
    let mut command = Command::new(name);
    command.args(args).env_clear().envs(spec.env).stdin(input).stdout(output()?).stderr(output()?);
    let error = command.exec();
    let code = if error.kind() == ErrorKind::NotFound { 127 } else { 126 };
    Err((code, format!("{}: {error}", name.display())))
}
