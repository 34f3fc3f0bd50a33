//! Mounts and fence of a run file, tried before a run depends on them.

use super::error::{StageError, Trying};
use super::mounts::make;
use super::namespace::{self, enter, init_namespace};
use super::stage::{settings, start};
use super::{confine, limits};
use crate::adapters::host::local::protocol::{BROKEN, MOUNTED, Mount};
use crate::adapters::os::files::create_new;
use std::io::Write;
use std::path::Path;

/// Tries the mounts of a run file, each by itself: a line of standard output for each, [`MOUNTED`] or what went wrong; then its
/// fence, if there is one, with a line of its own.
pub(super) fn try_out(file: &Path) -> Result<u8, StageError> {
    let settings = settings(file)?;
    if !settings.isolation.is_namespace() {
        let fence = settings.fence.ok_or("the run file has no fence")?;
        return tell(confine::confine(&fence, file), || Ok(())).map(|()| 0);
    }
    enter(settings.isolation)?;
    let (mut child, mut said, mut gate) = start(file.as_os_str(), "tried")?;
    loop {
        let line = namespace::answer(child.id(), &mut said, &mut gate)?;
        if line.is_empty() {
            break;
        }
        std::io::stdout().write_all(line.as_bytes())?;
    }
    let status = child.wait().trying("wait for pid 1")?;
    if let Some(fence) = settings.fence {
        let _ = limits::leave_groups(&fence.caps, &settings.cookie);
    }
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(BROKEN))
}

/// As the pid 1 of such a trial.
pub(super) fn run_trial(file: &Path) -> Result<u8, StageError> {
    let settings = settings(file)?;
    let mut fenced = Ok(Vec::new());
    init_namespace(|| {
        for wanted in &settings.mounts {
            say(make(wanted).and_then(|()| check_writable(wanted)))?;
        }
        fenced = namespace::raise_fence(&settings);
        Ok(())
    })?;
    if settings.fence.is_some() {
        tell(fenced, || namespace::lock(&settings))?;
    }
    Ok(0)
}

/// Says what of the limits of a fence does not hold, and whether the rest does.
fn tell(
    fenced: Result<Vec<String>, StageError>,
    lock: impl FnOnce() -> Result<(), StageError>,
) -> Result<(), StageError> {
    let mut out = std::io::stdout();
    fenced.iter().flatten().try_for_each(|gap| writeln!(out, "{gap}"))?;
    say(fenced.and_then(|_| lock()))
}

fn say(done: Result<(), StageError>) -> Result<(), StageError> {
    let line = done.map_or_else(|e| e.to_string(), |()| MOUNTED.to_owned());
    Ok(writeln!(std::io::stdout(), "{}", line.replace('\n', " "))?)
}

/// A mount that can be looked at and not be written to is none for a run.
fn check_writable(made: &Mount) -> Result<(), StageError> {
    let place = match made {
        Mount::Overlay { target, .. } => target,
        Mount::Bind { to, .. } => to,
    };
    let file = place.join(format!(".mc-{:016x}", fastrand::u64(..)));
    let written = create_new(&file, b"").and_then(|_| std::fs::remove_file(&file));
    written.trying(format_args!("write into {}", place.display()))
}
