//! Whether what runs here outlives the connection by which a worker was reached. Some ways end everything that was started through
//! them (a step of `srun`), others nothing; nobody can tell but by trying.
//!
//! A worker starts a process as it starts supervisors, and notes it. The next worker that was reached by the same way looks whether it
//! lives, and notes that for good. Asked while nothing runs, it is an experiment that no run can disturb.

use crate::adapters::host::local::process::procfs;
use crate::adapters::host::local::protocol::{FLAG, Identity, OURSELVES};
use crate::adapters::os::{clock, files};
use crate::domain::values::Millis;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What is noted of a way.
#[derive(Debug, Serialize, Deserialize)]
enum Note {
    /// Whether runs outlive it.
    Known(bool),
    /// A process was started.
    Tried {
        /// By which worker.
        by: String,
        /// When, by the clock of its machine.
        #[serde(default)]
        at: Millis,
        /// What the machine had until it is started anew.
        boot: String,
        marker: Identity,
    },
}

/// A try that is older tells nothing: the process would be about to end by itself.
pub const FRESH: Duration = Duration::from_secs(30);

/// Whether a process that an earlier worker started lives on when the way by which it was reached has ended; nothing where that is
/// found out only when this worker, which is called `by`, has ended. The notes are in `folder`; `way` names the way.
///
/// # Errors
/// The notes cannot be read or written, or no process be started.
pub fn find_out(folder: &Path, way: &str, by: &str) -> io::Result<Option<bool>> {
    files::make_private_dir(folder)?;
    let path = folder.join(way);
    let note = files::read_own(&path)?.and_then(|text| serde_json::from_slice(&text).ok());
    match note {
        Some(Note::Known(known)) => return Ok(Some(known)),
        Some(Note::Tried { by: other, .. }) if other == by => return Ok(None),
        Some(Note::Tried { at, boot, marker, .. }) if clock::now().abs_diff(at) <= clock::to_millis(FRESH) => {
            let lives = boot == procfs::boot_id() && marker.is_alive();
            if lives {
                marker.signal(Signal::KILL);
            }
            write(&path, &Note::Known(lives))?;
            return Ok(Some(lives));
        }
        Some(Note::Tried { boot, marker, .. }) => end_marker(&boot, &marker),
        None => {}
    }
    let marker = start()?;
    write(&path, &Note::Tried { by: by.to_owned(), at: clock::now(), boot: procfs::boot_id(), marker })?;
    Ok(None)
}

/// Ends what was started to find out about a way, which nobody goes on with.
///
/// # Errors
/// The note cannot be read or taken away.
pub fn give_up(folder: &Path, way: &str) -> io::Result<()> {
    let path = folder.join(way);
    let note = files::read_own(&path)?.and_then(|text| serde_json::from_slice(&text).ok());
    if let Some(Note::Tried { boot, marker, .. }) = note {
        end_marker(&boot, &marker);
        std::fs::remove_file(path)?;
    }
    Ok(())
}

fn end_marker(boot: &str, marker: &Identity) {
    if boot == procfs::boot_id() && marker.is_alive() {
        marker.signal(Signal::KILL);
    }
}

fn write(path: &Path, note: &Note) -> io::Result<()> {
    files::replace_own(path, &serde_json::to_vec(note)?)
}

/// Starts a process that stays, in a session of its own.
fn start() -> io::Result<Identity> {
    let mut command = Command::new(OURSELVES);
    command.arg0("mc").args([FLAG, "-", "stay"]).env_clear().current_dir("/");
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    Identity::of(child.id()).ok_or_else(|| io::Error::other("/proc cannot be read"))
}
