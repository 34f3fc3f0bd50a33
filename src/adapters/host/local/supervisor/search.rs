//! A run without a namespace: who keeps what it starts together, and becoming its program.

use super::error::{StageError, Trying};
use super::stage::{settings, stage};
use super::{confine, namespace, program};
use crate::adapters::host::local::process::contain::{self, Sought};
use crate::adapters::host::local::process::kill::search_and_kill;
use crate::adapters::host::local::protocol::{BROKEN, Identity};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    PidfdFlags, Resource, Rlimit, Signal, getpid, getppid, getrlimit, pidfd_open, set_child_subreaper, setrlimit,
    setsid,
};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;

/// As the supervisor: what the guard leaves comes to it, and everything below carries its mark.
pub(super) fn prepare(own: Identity) -> Result<(), StageError> {
    adopt()?;
    let current = contain::mark_of(own).parse().ok();
    // Whoever may not set it has the other marks.
    let _ = setrlimit(Resource::Rttime, Rlimit { current, ..getrlimit(Resource::Rttime) });
    Ok(())
}

/// From now on the orphans of everything below are children of this process: whoever drops all marks is found by descent.
fn adopt() -> Result<(), StageError> {
    set_child_subreaper(Some(getpid())).trying("become the parent of orphans")
}

/// Ends everything that descends from this process or carries a mark of the run.
pub(super) fn sweep(dir: &Path, cookie: &str) {
    let supervisor = Identity::of(std::process::id());
    // Folders and sessions name nothing here: an engine that was started again uses the same folders.
    let (dir, cookie) = (dir.to_owned(), cookie.to_owned());
    search_and_kill(&Sought { dir, cookie, roots: Vec::new(), supervisor, session: None }, false);
}

/// Between supervisor and program: passes on how the program ended, once nothing that it started is left. When the supervisor
/// is killed, it ends the run; when it is killed itself, the supervisor does.
pub(super) fn guard(dir: &Path) -> Result<u8, StageError> {
    let cookie = settings(&dir.join("run"))?.cookie;
    adopt()?;
    // Whoever ends the supervisor with its session does not end this one.
    setsid().trying("make a session")?;
    let parent = getppid().ok_or("the supervisor is gone")?;
    let supervisor = pidfd_open(parent, PidfdFlags::empty()).trying("watch the supervisor")?;
    let (told, program) = std::sync::mpsc::channel::<Option<Identity>>();
    let watches = move || {
        // It is told before the gate opens.
        let Ok(Some(program)) = program.recv() else { return };
        let _ = poll(&mut [PollFd::new(&supervisor, PollFlags::IN)], None);
        program.signal(Signal::KILL);
    };
    // Before anything runs: a guard that may start no thread starts no program.
    std::thread::Builder::new().spawn(watches).trying("watch the supervisor")?;
    // A supervisor that ended before it could be watched never opens the gate.
    let child =
        stage(dir.as_os_str(), "program").stdin(Stdio::inherit()).spawn().trying("start the program's stage")?;
    let _ = told.send(Identity::of(child.id()));
    // The stage alone says something and waits: its end has to be seen.
    if let Ok(nothing) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&nothing);
        let _ = rustix::stdio::dup2_stdout(&nothing);
    }
    let ended = namespace::reap(child.id());
    sweep(dir, &cookie);
    ended
}

/// Says `ready` on standard output, waits at the gate on standard input, and becomes the program, in a session of its own.
pub(super) fn become_program(dir: &Path) -> Result<u8, StageError> {
    let file = dir.join("run");
    let fence = settings(&file)?.fence;
    let mut program = program::read(dir)?;
    setsid().trying("make a session")?;
    if !namespace::wait_at_gate()? {
        return Ok(BROKEN);
    }
    // A fence that nobody mounts is the program's own to take on.
    if let Some(Err(e)) = fence.map(|fence| confine::confine(&fence, &file)) {
        return Ok(program.refuse(BROKEN, &e.to_string()));
    }
    program.start(|command| Err(command.exec())).or_else(Ok)
}
